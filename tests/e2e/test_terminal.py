"""What the commands show on a terminal: colours, widths, progress, questions.  Elsewhere none of it."""

import json
import os
import pty
import re
import subprocess
import threading
import time
import unicodedata

import pytest

import bitrix
import client
from scratch import AS_ROOT


def on_terminal(site, *arguments, columns=80, keys=b"", env=None, at_question=None):
    """Exit status of a command, and what it writes to a terminal that wide.

    AT_QUESTION is called once it asks, and its answer is typed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.clear()
        os.environ.update({"PATH": "/usr/bin:/bin", "TERM": "xterm"} | (env or {}))
        subprocess.run(["stty", "cols", str(columns), "rows", "24", "-echo"], check=True)
        if AS_ROOT:
            os.setgroups([])
            os.setgid(site.user.pw_gid)
            os.setuid(site.user.pw_uid)
        os.execv(site.binary, [str(site.binary), *map(str, arguments), "--config", str(site.config)])
    os.write(terminal, keys)
    output = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # EIO: the other side is closed
            piece = b""
        if not piece:
            break
        output += piece
        if at_question and output.endswith(b"[y/N] "):
            os.write(terminal, at_question())
            at_question = None
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), output.decode().replace("\r\n", "\n")


COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def width(line):
    """Columns a terminal gives to LINE."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def plain_lines(text):
    return COLOUR.sub("", text).splitlines()


LOOKS = [("list",), ("list", "--state", "merged"), ("list", "--hook", "none"), ("status",), ("show", "1"),
         ("show", "3"), ("show", "9"),
         ("show", "8/ONUSERADD"), ("events",), ("events", "ONCRMDEAL*")]


def is_unbreakable(line):
    """A command to be copied, or a path by itself."""
    return line.startswith("    fix: ") or " " not in line.strip()


@pytest.mark.parametrize("columns", [40, 60, 80, 132])
def test_no_line_is_wider_than_the_terminal(full, columns):
    for arguments in LOOKS:
        status, text = on_terminal(full, *arguments, columns=columns)
        lines = plain_lines(text)
        assert status == 0 and lines
        wide = [line for line in lines if width(line) > columns and not is_unbreakable(line)]
        assert wide == [], arguments


def test_the_columns_of_a_list_are_aligned(full):
    for columns in (80, 132):
        head, *rows = plain_lines(on_terminal(full, "list", columns=columns)[1])
        at = head.index("STATE")
        for row in rows:
            left, state = row[:at].rstrip(), row[at:].split()[0]
            assert width(row[:at]) == at and left and state in (
                "new", "skipped", "waiting", "running", "done", "dead", "merged", "cancelled"), row
    assert "PORTAL" in head
    assert "\u65e5\u672c\u8a9e\u30c6\u30b9\u30c8  a-rather" in "\n".join(rows), "wide characters count twice"


def test_what_is_least_told_gives_way(full):
    """A delivery's name must be typed, its note tells why; its portal is told by `show`."""
    wide, narrow = (on_terminal(full, "list", columns=columns)[1] for columns in (132, 60))
    assert "PORTAL" in wide and "TRY" in wide
    assert "PORTAL" not in narrow and "NOTE" in narrow and "8/ONUSERADD" in narrow and "exit 65" in narrow


def test_colours_are_for_terminals_only(full):
    for arguments in (("list",), ("status",), ("show", "8"), ("check",)):
        assert COLOUR.search(on_terminal(full, *arguments)[1])
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            assert "\x1b" not in on_terminal(full, *arguments, env=env)[1]
        assert COLOUR.search(on_terminal(full, *arguments, env={"NO_COLOR": ""})[1]), "no-color.org: when not empty"
        assert b"\x1b" not in full.run(*arguments).stdout


def test_a_story_has_all_of_the_output(full):
    """Folded, not cut."""
    text = "\n".join(plain_lines(on_terminal(full, "show", "1", columns=60)[1]))
    assert re.sub(r"\n {6}", "", text).count("long long long") == 13 and "| \u0441\u0434\u0435\u043b\u043a\u0430 \u65e5\u672c\u8a9e 6675" in text


def test_nothing_is_cut_in_a_pipe(full):
    listed = full.run("list").stdout.decode()
    assert "a-hook-with-a-rather-long-name" in listed and "a-rather-long-name-of-a-portal.bitrix24.com" in listed
    assert "\u0446\u0432\u0435\u0442 " * 49 in full.run("show", "9").stdout.decode()


def test_where_nothing_is_the_next_step_is_told(site):
    assert "bxhook trigger" in on_terminal(site, "list")[1]
    assert "no event has come yet" in " ".join(on_terminal(site, "list", "--state", "dead")[1].split())
    assert site.run("list").stdout == b"", "a program sees that there is none"
    assert site.run("list", "--json").stderr == b""


def slowed(site, seconds, *arguments):
    """What a command shows whose first change has to wait."""
    held = threading.Event()

    def hold():
        with site.store_locked():
            held.set()
            time.sleep(seconds)
    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    try:
        return on_terminal(site, *arguments)[1]
    finally:
        holder.join()


@pytest.mark.parametrize("arguments, progress, result", [
    (("prune", "--yes", "--trust-clock", "--older-than", "0s"), "deleting events: ", "deleted [0-9]+ events?\n"),
    (("cancel", "--all", "--yes"), "cancelled: [0-9]+ of 4", "cancelled 4 of 4\n")], ids=["prune", "cancel"])
def test_long_work_shows_its_progress(full, arguments, progress, result):
    quick = on_terminal(full, "prune", "--trust-clock", "--older-than", "1h")[1]
    assert quick == "deleted 0 events\n", "short work shows none"
    for seconds in (1, 3, 6):  # a loaded machine may begin late
        text = slowed(full, seconds, *arguments)
        if re.search(progress, text):
            break
        site_again(full, arguments)
    assert re.search(rf"\r\x1b\[K{progress}.*\r\x1b\[K{result}$", text, re.DOTALL), repr(text)


def site_again(site, arguments):
    """The state before ARGUMENTS, as far as they need it."""
    if arguments[0] == "cancel":
        site.run("retry", "--state", "cancelled", "--yes")
    else:
        site.run("trigger", "ONTASKADD")
        site.run("work", "--once")


def post(site):
    return client.fastcgi(site.socket, bitrix.body()).event


UNSAFE = "\x7f\x85\x9b\u061c\u200f\u2028\u2029\u202a\u202e\u2066\u2069"


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_is_shown_misleads(quiet, form):
    """Neither on a terminal nor in JSON lines nor in the log; what a hook gets on stdin is left as it came."""
    quiet.configure(worker="start manual", backoff="1h", more=f"log {{ format {form} }}\n")
    quiet.hook("any", "cat; cat >&2; printf '%s' \"$BX_ID\" >&2; exit 1")
    number = client.fastcgi(quiet.socket, bitrix.body(id=f"7{UNSAFE}8")).event
    quiet.hook("ONCRMDEALUPDATE", f"cat > {quiet.home}/stdin")
    later = client.fastcgi(quiet.socket, bitrix.body(id=f"7{UNSAFE}8")).event
    worker = quiet.work()
    quiet.delivery(later, "ONCRMDEALUPDATE", states=("done",))
    worker.stop()
    assert UNSAFE in (quiet.home / "stdin").read_bytes().decode()
    shown = {}
    for words in [("list",), ("show", number), ("show", later), ("logs", f"{number}/any"), ("status",)]:
        for option in [(), ("--json",)]:
            shown[*words, *option] = on_terminal(quiet, *words, *option)[1]
            if option:
                shown[*words, "no terminal"] = quiet.run(*words, *option, check=False).stdout.decode()
    body = bitrix.body(id=f"7{UNSAFE}8")
    shown["decode"] = quiet.run("decode", input=body).stdout.decode()
    shown["log"] = "".join(path.read_bytes().decode() for path in quiet.log_dir.iterdir())
    for what, text in shown.items():
        assert not set(text) & set(UNSAFE), (what, text)
    assert json.loads(shown["show", number, "no terminal"])["body"]["data"]["FIELDS"]["ID"] == f"7{UNSAFE}8"
    assert json.loads(shown["decode"])["data"]["FIELDS"]["ID"] == f"7{UNSAFE}8"


def test_a_terminal_is_safe_from_what_hooks_print(quiet):
    quiet.hook("any", r"printf '\033]0;owned\007\tx\n'")
    number = post(quiet)
    quiet.run("work", "--once")
    status, text = on_terminal(quiet, "logs", f"{number}/any")
    assert (status, text) == (0, "\\x1b]0;owned\\x07\tx\n")
    assert quiet.run("logs", f"{number}/any").stdout == b"\x1b]0;owned\x07\tx\n"


@pytest.mark.parametrize("reply, state", [(b"y\n", "waiting"), (b"n\n", "dead"), (b"\n", "dead")])
def test_bulk_asks_on_a_terminal(quiet, reply, state):
    quiet.hook("any", "exit 65")
    post(quiet)
    quiet.run("work", "--once")
    status, text = on_terminal(quiet, "retry", "--all", keys=reply)
    assert status == 0 and "retry 1 dead delivery? [y/N]" in text
    assert [line["state"] for line in quiet.list()] == [state]


def test_what_changes_while_bulk_asks_is_left_as_it_is(quiet):
    quiet.hook("any", "test $BX_ATTEMPT -gt 1 || exit 65")
    first, second = post(quiet), post(quiet)
    quiet.run("work", "--once")

    def meanwhile():
        quiet.run("retry", first)
        quiet.run("work", "--once")
        return b"y\n"
    status, text = on_terminal(quiet, "retry", "--state", "dead", at_question=meanwhile)
    assert status == 0 and "retry 2 dead deliveries? [y/N]" in text
    assert "retried 1 of 2, 1 changed meanwhile\n" in text
    assert {line["event"]: (line["state"], line["attempt"]) for line in quiet.list()} == {
        first: ("done", 2), second: ("waiting", 1)}


def test_prune_asks_on_a_terminal(quiet):
    quiet.hook("any", "exit 0")
    numbers = [post(quiet), post(quiet)]
    quiet.run("work", "--once")
    words = ("prune", "--trust-clock", "--older-than", "0s")
    refused = quiet.run(*words, check=False)
    assert refused.returncode == 2 and b"delete 2 events? no terminal to confirm on: add --yes" in refused.stderr
    assert "delete 2 events? [y/N]" in on_terminal(quiet, *words, keys=b"n\n")[1]
    assert {line["event"] for line in quiet.list()} == set(numbers)
    assert "deleted 2 events\n" in on_terminal(quiet, *words, keys=b"y\n")[1]
    assert quiet.list() == []


def test_counts_are_never_cut(full):
    """Nor paths: in as many lines as they need."""
    for columns in (40, 60):
        text = on_terminal(full, "status", columns=columns)[1]
        words = " ".join(text.split())
        assert " merged, " in words and " cancelled " in words and str(full.config) in words
        assert "\u2026" not in text.partition("BLOCKED LANE")[0]


def test_a_problem_is_shown_once(quiet):
    quiet.configure(portals="", worker="start manual")
    quiet.hook("ONTASKADD", "exit 0\n", 0o644)
    status, text = on_terminal(quiet, "status")
    assert status == 1 and plain_lines(text)[0] == "failing"
    words = " ".join(plain_lines(text)).split()
    text = " ".join(words)
    assert text.count("not executable") == text.count("no portal is configured") == 1 and "bxhook: " not in text
