#!/usr/bin/python3
"""The table of `make bench`: bxhook beside what a user would pick instead, on this machine, now.

Loads run by turns, ratios are of the same round.  Exit 1 when something could not be measured, when a
baseline is too weak to measure against, or when an event was answered 200 and its hook did not run; a
goal that was missed is told and is no failure.  Also written: build/bench.json.
"""

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import accept_rows  # noqa: E402
import call_rows  # noqa: E402
import chore_rows  # noqa: E402
import hook_rows  # noqa: E402
import installation_rows  # noqa: E402
import postgresql  # noqa: E402
import program_rows  # noqa: E402
import start_rows  # noqa: E402
from scratch import Scratch  # noqa: E402
from stage import Stage, end_all  # noqa: E402
from table import Figures, judge, print_figures, print_goals, save  # noqa: E402

GROUPS = {"accept": accept_rows.accept, "peers": accept_rows.peers, "slow": accept_rows.slow,
          "stall": accept_rows.stall, "installations": installation_rows.installations, "chores": chore_rows.chores,
          "call": call_rows.call, "hooks": hook_rows.hooks, "mixed": hook_rows.mixed, "cgi": start_rows.cgi,
          "decode": program_rows.decode, "growth": program_rows.growth, "latency": program_rows.latency,
          "postgresql": postgresql.postgresql}
GOALS = (accept_rows.GOALS + installation_rows.GOALS + chore_rows.GOALS + call_rows.GOALS + hook_rows.GOALS
         + start_rows.GOALS + program_rows.GOALS + postgresql.GOALS)
QUIET = 10            # per cent of the machine that others may take
QUIET_PATIENCE = 60   # seconds to wait for it
LOOK = 0.5            # seconds of one look
SLOW_SYNC = 0.5       # milliseconds; with more the disk decides what durable rows reach


class Bench:
    """What the groups of rows share: how long, and where figures and problems go."""

    def __init__(self, options):
        self.rounds, self.seconds, self.events = options.rounds, options.seconds, options.events
        self.build = Path(os.environ["BUILD"])
        self.program = Path(os.environ["BXHOOK"])
        self.figures = Figures()
        self.problems = []
        self.foreign = []  # per cent of the machine that others took, before each round
        self.sites = []    # what runs in them ends with us
        self.sync = 0      # milliseconds that the disk takes for a commit

    def time(self, share):
        """SHARE of the seconds a load gets, whole ones."""
        return max(1, round(share * self.seconds))

    def begin(self, turn, group):
        self.foreign.append(busy_share())
        self.say(f"{group}: round {turn + 1}, others take {self.foreign[-1]:.0f} %")

    def say(self, text):
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    def problem(self, text):
        self.problems.append(text)
        self.say(f"PROBLEM: {text}")


def busy_share():
    """Per cent of all processors' time in which they were not idle."""
    def ticks():
        fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]
    total, idle = ticks()
    time.sleep(LOOK)
    later, idle_later = ticks()
    return 100 * (1 - (idle_later - idle) / max(1, later - total))


def wait_for_quiet(bench):
    end = time.monotonic() + QUIET_PATIENCE
    while (busy := busy_share()) > QUIET and time.monotonic() < end:
        time.sleep(1)
    bench.say(f"load average {load_average()}, others take {busy:.0f} % of {os.cpu_count()} processors")
    return busy <= QUIET


def load_average():
    return "{:.2f} {:.2f} {:.2f}".format(*os.getloadavg())


def sync_time(directory):
    """Milliseconds of an fdatasync after 4 KB more, the median of 50."""
    times = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or None


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rows", default=",".join(GROUPS))
    options = parser.parse_args()
    options.rows = [name for name in options.rows.replace(",", " ").split()]
    unknown = set(options.rows) - set(GROUPS)
    if unknown or options.rounds < 1 or options.seconds < 1:
        parser.error(f"ROWS are some of {','.join(GROUPS)}; ROUNDS and SECONDS at least 1")
    return options


def measure(bench, rows, scratch):
    stage = Stage(scratch, bench.build / "bench")
    bench.sites += [stage.site, stage.ours.site, stage.busy.site]
    bench.sync = sync_time(scratch.path)
    bench.say(f"fdatasync of 4 KB in {scratch.path.parent}: {bench.sync:.2f} ms")
    for name in rows:
        try:
            GROUPS[name](bench, stage)
        except Exception as error:  # the others are measured all the same
            traceback.print_exc()
            bench.problem(f"{name} could not be measured: {error!r}")


def report(bench, quiet, began):
    judged = judge(bench.figures, GOALS)
    print_figures(bench.figures)
    print_goals(judged)
    weak = [row for row in judged if row["needed"] and not row["reached"]]
    for row in weak:
        bench.problem(f"the baseline is too weak to measure against: {row['what']} is {row['median']:.2f}")
    loud = bench.foreign and sorted(bench.foreign)[len(bench.foreign) // 2] > QUIET
    if loud or not quiet:
        print(f"\nTHE MACHINE WAS NOT QUIET: others took up to {max(bench.foreign, default=0):.0f} % of it "
              "before a round; only ratios mean something, and they little")
    if bench.sync > SLOW_SYNC:
        print(f"\nA SYNC TAKES {bench.sync:.1f} ms ON THIS DISK: that bounds what is durable, of ours and of floor "
              "alike, and B does none; TMPDIR= names another place")
    print(f"\nload average {load_average()}; {sum(row['reached'] for row in judged)} of {len(judged)} goals reached; "
          f"{time.monotonic() - began:.0f} s")
    for problem in bench.problems:
        print(f"PROBLEM: {problem}")
    save(bench.build / "bench.json", bench.figures, judged, {
        "commit": commit(), "rounds": bench.rounds, "seconds": bench.seconds, "quiet": bool(quiet and not loud),
        "foreign_percent": bench.foreign, "fdatasync_ms": bench.sync, "load_average": os.getloadavg(), "problems": bench.problems})


def main():
    options = arguments()
    bench = Bench(options)
    began = time.monotonic()
    # Ended by a signal, it cleans up as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    quiet = wait_for_quiet(bench)
    scratch = Scratch(bench.program)
    try:
        measure(bench, options.rows, scratch)
        report(bench, quiet, began)
    finally:
        end_all(bench.sites)
        with contextlib.suppress(FileNotFoundError):
            scratch.remove()
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
