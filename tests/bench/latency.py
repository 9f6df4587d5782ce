#!/usr/bin/python3
"""The table of `make bench-latency`: from the moment a client has its 200 to the hook's first line.

Milliseconds.  An idle worker is woken through its FIFO; without one the gateway starts it.  Exit 1
when a median is over its bound, which is meant for a machine that does nothing else.
"""

import os
import signal
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import bitrix  # noqa: E402
import client  # noqa: E402
from lanes import lane_log  # noqa: E402
from scratch import Scratch, Site, kill, wait_for  # noqa: E402

IDLE, STARTS = 200, 40
BOUNDS = {"idle worker": 5, "no worker": 50}


def delay(site):
    """Posts one event, waits until it is done; milliseconds between its 200 and its hook's start."""
    number = client.fastcgi(site.socket, bitrix.body()).event
    answered = time.monotonic_ns()
    wait_for(lambda: (site.out / "runs.log").exists() and
             any(note.number == number and note.what == "end" for note in lane_log(site)), "the hook")
    started = next(note.time for note in lane_log(site) if note.number == number)
    site.wait_idle()
    return (started - answered) / 1e6


def leave(site):
    """Ends the worker."""
    pid = site.worker_pid()
    if pid:
        kill(pid, signal.SIGTERM)
        wait_for(lambda: site.worker_pid() is None, "the worker to leave")


def measure(scratch):
    site = Site(scratch)
    program = site.hook("lane.disabled", scratch.compiled("lane").read_bytes())
    site.configure(more=f"hook lane {{ event * run {program} dir {site.out} }}\n")
    try:
        site.serve()
        delay(site)  # the store is made
        found = {"idle worker": [delay(site) for _ in range(IDLE)], "no worker": []}
        for _ in range(STARTS):
            leave(site)
            time.sleep(1.1)  # the gateway starts a worker at most once a second
            found["no worker"].append(delay(site))
        leave(site)
        return found
    finally:
        site.stop()


def main():
    scratch = Scratch(Path(os.environ.get("BXHOOK", ROOT / "bxhook")).resolve())
    try:
        found = measure(scratch)
    finally:
        scratch.remove()
    print(f"{'200 to hook, ms':20}{'median':>9}{'p90':>9}{'longest':>9}{'bound':>9}")
    for name, times in found.items():
        times.sort()
        print(f"{name:20}{statistics.median(times):9.1f}{times[len(times) * 9 // 10]:9.1f}{times[-1]:9.1f}"
              f"{BOUNDS[name]:9}")
    print("load of this machine: {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))
    return any(statistics.median(times) > BOUNDS[name] for name, times in found.items())


if __name__ == "__main__":
    sys.exit(main())
