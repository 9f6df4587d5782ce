#!/usr/bin/python3
"""The table of `make bench-decode`: every class of hostile body, decoded by us, PHP and cgicc.

    decode.py PROGRAM MEGABYTES

Times are CPU milliseconds per megabyte of body, the peak is the whole process's, body and all.  Exit 1
when one of ours is over its bounds: memory three times the body plus 8 MB, time per megabyte at the full
size at most three times that at an eighth of it.

Then an event as Bitrix24 sends it, decoded many times by each in turn: medians of the rounds, and of
the ratios within a round, with the goal beside each.
"""

import os
import statistics
import subprocess
import sys

PHP = ["php-cgi", "-q", "-d", "max_input_vars=1000000", "-d", "memory_limit=-1", "-d", "log_errors=0",
       "-d", "display_errors=0", os.path.join(os.path.dirname(__file__), "decode.php")]
PATIENCE = 30  # seconds for the others
BASE = 8 << 20
ROUNDS, TIMES = 9, 20000  # of the event
GOALS = {"PHP": 0.6, "cgicc": 0.4}


class Run:
    """One decoding: "bytes fields milliseconds peak_kilobytes [refused]"."""

    def __init__(self, line):
        self.bytes, self.fields, self.ms, self.peak = (float(word) for word in line.split()[:4])
        self.refused = line.split()[4:] == ["1"]
        self.peak *= 1024

    @property
    def ms_per_mb(self):
        return self.ms / (self.bytes / (1 << 20))

    def __str__(self):
        return f"{self.ms_per_mb:8.2f} {self.peak / (1 << 20):8.1f}"


def ours(program, name, megabytes):
    return Run(subprocess.run([program, name, str(megabytes), "ours"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout)


def of_another(command, body=None):
    """Its figures, or why there are none: PHP needs half a kilobyte for each level of each field."""
    try:
        done = subprocess.run(command, stdin=body, text=True, timeout=PATIENCE, env={"PATH": os.environ["PATH"]},
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"{f'over {PATIENCE} s':>17}"
    return str(Run(done.stdout)) if done.returncode == 0 and done.stdout else f"{'out of memory':>17}"


def php(program, name, megabytes):
    body = subprocess.Popen([program, name, str(megabytes), "body"], stdout=subprocess.PIPE)
    try:
        return of_another(["sh", "-c", 'ulimit -v 8000000; exec "$@"', "sh", *PHP], body.stdout)
    finally:
        body.stdout.close()
        body.wait()


def faults(small, full):
    if full.peak > 3 * full.bytes + BASE:
        yield "memory"
    if small.bytes < full.bytes and full.ms > 20 and full.ms_per_mb > 3 * small.ms_per_mb:
        yield "time"


def event(program):
    """Nanoseconds of one event by each decoder, ROUNDS times."""
    body = subprocess.run([program, "deal", "1", "body"], check=True, stdout=subprocess.PIPE).stdout
    commands = {name: ([program, "deal", str(TIMES), name], None) for name in ("ours", "cgicc")}
    commands["PHP"] = (PHP, body)
    taken = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, (command, stdin) in commands.items():
            done = subprocess.run(command, input=stdin, check=True, stdout=subprocess.PIPE,
                                  env={"PATH": os.environ["PATH"], "TIMES": str(TIMES)})
            taken[name].append(float(done.stdout))
    print(f"\nan event of {len(body)} bytes: ours {statistics.median(taken['ours']):.0f} ns")
    for name, goal in GOALS.items():
        ratio = statistics.median(mine / other for mine, other in zip(taken["ours"], taken[name]))
        print(f"  {name} {statistics.median(taken[name]):.0f} ns: ours takes {ratio:.2f} of it, goal {goal}")
        if ratio > goal:
            yield f"an event beside {name}: time"


def main(program, megabytes):
    names = subprocess.run([program], check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines()
    print(f"{'':28} {'':>8} {'ours':>8} {'':>8} {'':>6} {'PHP':>8} {'':>8} {'cgicc':>8}")
    print(f"{f'{megabytes:g} MB of':28} {'fields':>8} {'ms/MB':>8} {'peak MB':>8} {'x body':>6} "
          f"{'ms/MB':>8} {'peak MB':>8} {'ms/MB':>8} {'peak MB':>8}")
    bad = []
    for name in names:
        small, full = ours(program, name, megabytes / 8), ours(program, name, megabytes)
        found = list(faults(small, full))
        bad += [f"{name}: {fault}" for fault in found]
        print(f"{name:28} {full.fields:8.0f} {full} {full.peak / full.bytes:6.2f} {php(program, name, megabytes)} "
              f"{of_another([program, name, str(megabytes), 'cgicc'])} "
              f"{'refused' if full.refused else ''} {' '.join(found).upper()}".rstrip(), flush=True)
    bad += event(program)
    print("out of bounds: " + ", ".join(bad) if bad else "all of ours within bounds")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
