#!/usr/bin/python3
"""The table of `make bench-growth`: what a store costs that has grown, beside an empty one.

    growth.py BENCH PROGRAM EVENTS WAITING

Exit 1 when something is over the bounds: accept, match, claim and finish 10 % dearer (by processor
time in paired rounds, which other load on the machine moves least), a look for people over 100 ms,
an add held up by pruning for over 50 ms (more than one to another store was meanwhile), a worker
that takes more memory.
"""

import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORK = ["accept-1", "accept-32", "match-32", "claim-finish-1", "claim-finish-4", "turn-2", "turn-2-oldest", "next-due"]
LOOKS = ["list-50", "list-dead", "show", "status"]
DEARER = 1.10         # at most
LOOK_LIMIT = 100      # milliseconds
HOLD_UP = 50          # milliseconds that pruning may add to an add
MEMORY = 2 << 10      # KB that a worker may take more
STEP, PAUSE = 100, 5  # of pruning: PruneOrder::at_most, step_pause in src/store/store.h


def bench(program, *arguments):
    """Its lines, as {name: [numbers]}."""
    done = subprocess.run([program, *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True)
    return {line.split()[0]: [float(word) for word in line.split()[1:]] for line in done.stdout.splitlines()}


def worker_memory(program, directory, store):
    """KB at most of a worker that has looked at STORE; its hooks are disabled."""
    config = directory / "bxhook.conf"
    (directory / "hooks").mkdir(exist_ok=True)
    config.write_text(f"store {store}\nhooks_dir hooks\nportal {{ token abcdefgh }}\nworker {{ start manual }}\n"
                      + "".join(f"hook {name} {{ event * run /bin/true disabled yes }}\n"
                                for name in ("crm", "backlog")))
    user = pwd.getpwnam("www-data") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    for path in [directory, *directory.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, user.pw_uid, user.pw_gid)
    # As root it becomes the owner of the store's directory by itself.
    worker = subprocess.Popen([program, "work", "--config", config], stderr=subprocess.PIPE, text=True)
    try:
        assert "started" in worker.stderr.readline()
        time.sleep(3)  # turns of a second each: match, claim, the looks of a minute
        status = Path(f"/proc/{worker.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=60)


def row(name, *cells, over=False):
    print(f"{name:32}" + "".join(f"{cell:>12}" for cell in cells) + ("  over" if over else ""))
    return over


def compare(program, empty, full):
    over = False
    found = bench(program, "measure", empty, full)
    row("a unit", "empty us", "full us", "dearer by", "reads", "reads full", "writes", "writes full")
    for name in WORK:
        _, _, empty_us, full_us, *calls, ratio = found[name]
        over |= row(name, empty_us, full_us, f"{100 * (ratio - 1):.0f} %", *calls, over=ratio > DEARER)
    row("milliseconds", "empty", "full", "bound")
    for name in LOOKS:
        wall_empty, wall_full = (value / 1000 for value in found[name][:2])
        over |= row(name, f"{wall_empty:.1f}", f"{wall_full:.1f}", LOOK_LIMIT, over=wall_full > LOOK_LIMIT)
    return over


def prune(program, full, other):
    found = bench(program, "prune", full, other, STEP, PAUSE)
    row("milliseconds", "median", "p99", "longest", f"over {HOLD_UP}")
    row("a step of pruning", *found["step"])
    row("an add before", *found["add-before"])
    row("an add to another store", *found["add-beside"])
    machine = max(found["add-before"][2], found["add-beside"][2])
    over = row("an add meanwhile", *found["add-meanwhile"], over=found["add-meanwhile"][2] > HOLD_UP + machine)
    row("events pruned a second", f"{found['events-a-second'][0]:.0f}")
    return over


def main():
    program, bxhook, events, waiting = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="bxhook-growth-", dir=os.environ.get("TMPDIR", "/var/tmp")) as place:
        stores = {name: Path(place) / name / "queue.db" for name in ("empty", "full", "untouched")}
        for store in stores.values():
            store.parent.mkdir()
        Path(place).chmod(0o755)
        began = time.monotonic()
        bench(program, "fill", stores["full"], events, waiting)
        print(f"{int(events):,} events stored, {int(waiting):,} waiting: filled in {time.monotonic() - began:.0f} s, "
              f"{stores['full'].stat().st_size >> 20} MB")
        bench(program, "fill", stores["untouched"], 0, 0)
        memory = [worker_memory(bxhook, store.parent, store) for store in (stores["untouched"], stores["full"])]
        row("worker's memory, KB", "empty", "full")
        over = row("", *memory, over=memory[1] > memory[0] + MEMORY)
        over |= compare(program, stores["empty"], stores["full"])
        over |= prune(program, stores["full"], stores["empty"])
        print("load of this machine: {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))
    return over


if __name__ == "__main__":
    sys.exit(main())
