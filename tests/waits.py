#!/usr/bin/python3
"""Nothing in the loops of gateway and worker may wait for a peer, a reader, a lock or a hook for long.

Every call of src/ that can wait (all but the commands, cli/) stands in waits.txt with the reason why it
does not, or for how long it may:

    FILE | CALL | REASON

    waits.py [SRC]      prints what stands in one only, as lines for the table
"""

import re
import sys
from pathlib import Path

TABLE = Path(__file__).with_suffix(".txt")
ROOMS = ["base", "host", "config", "form", "event", "store", "sqlite", "stores", "postgres", "gateway", "hooks", "worker",
         "main.cpp"]

SYSTEM = """open openat creat read pread readv write pwrite writev send sendto sendmsg recv recvfrom recvmsg
    accept accept4 connect poll ppoll select pselect epoll_wait epoll_pwait wait waitpid waitid wait4 flock lockf fcntl
    fsync fdatasync mkfifo posix_spawn posix_spawnp fork vfork sleep usleep nanosleep clock_nanosleep sigtimedwait
    sigwaitinfo sigsuspend pause splice sendfile ioctl opendir getaddrinfo""".split()
OURS = """read_file read_file_or_nothing read_all write_all fopen popen getaddrinfo sleep_for sleep_until
    sqlite3_open_v2 sqlite3_step sqlite3_exec sqlite3_wal_checkpoint_v2 sqlite3_close sqlite3_close_v2 sqlite3_backup_step
    PQconnectdb PQconnectdbParams PQconnectStartParams PQconnectPoll PQexec PQexecParams PQprepare PQexecPrepared
    PQsendQuery PQsendPrepare PQsendQueryPrepared PQflush PQconsumeInput PQgetResult PQcancel PQreset PQfinish""".split()
STREAMS = "ifstream ofstream fstream".split()
CALL = re.compile(r"(?<![\w:.>])::(?:%s)\(|(?<![\w.>:])(?:std::this_thread::)?(?:%s)\(|\bstd::(?:%s)\b[^;(]*\(" % (
    "|".join(SYSTEM), "|".join(OURS), "|".join(STREAMS)))
# A function of ours where it is declared or defined: a type stands before it.
DECLARED = re.compile(r"(?:std::string|bool|void|int)\s+$")


def without_comments(text):
    return re.sub(r"//[^\n]*", "", text)


def calls(text):
    """The calls in TEXT, with their arguments, as one line each."""
    for match in CALL.finditer(text):
        if DECLARED.search(text[:match.start()]):
            continue
        end, depth = match.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield re.sub(r"\s+", " ", text[match.start():end])


def found_in(src):
    return {f"{file.relative_to(src)} | {call}"
            for room in ROOMS
            for file in ([src / room] if room.endswith(".cpp") else sorted((src / room).rglob("*")))
            if file.suffix in (".cpp", ".h")
            for call in calls(without_comments(file.read_text(encoding="utf-8")))}


def table():
    """FILE | CALL: REASON."""
    rows = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            call, _, reason = line.rpartition(" | ")
            rows[call] = reason
    return rows


def main():
    found, rows = found_in(Path(sys.argv[1] if len(sys.argv) > 1 else "src")), table()
    for call in sorted(found - rows.keys()):
        print(f"src/{call}: may wait: say in tests/waits.txt why it does not, or for how long")
    for call in sorted(rows.keys() - found):
        print(f"tests/waits.txt: no such call: {call}")
    for call in sorted(call for call, reason in rows.items() if len(reason) < 10):
        print(f"tests/waits.txt: no reason: {call}")
    return int(found != rows.keys())


if __name__ == "__main__":
    sys.exit(main())
