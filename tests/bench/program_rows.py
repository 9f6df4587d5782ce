"""Rows that programs of their own measure: decoding, a store that has grown, from the 200 to the hook."""

import os
import re
import subprocess
import sys
from pathlib import Path

from table import Goal

HERE = Path(__file__).resolve().parent
PATIENCE = 300  # seconds

WORK = ["accept-1", "accept-32", "match-32", "claim-finish-1", "claim-finish-4", "next-due"]
LOOKS = ["list-50", "list-dead", "show", "status"]

GOALS = [
    Goal("decode, the sample body: ours", "decode, the sample body: PHP", at_most=0.6),
    Goal("decode, the sample body: ours", "decode, the sample body: cgicc", at_most=0.4),
    *(Goal(f"grown store, dearer by: {name}", at_most=10) for name in WORK),
    *(Goal(f"grown store, a look: {name}", at_most=100) for name in LOOKS),
    Goal("grown store, an add during a prune, longer by", at_most=50),
    Goal("grown store, the worker's memory, more by", at_most=4),
    Goal("200 to hook: idle worker", at_most=5),
    Goal("200 to hook: no worker", at_most=50),
]


def lines_of(bench, *command, patience=PATIENCE):
    """{first words: [numbers after them]} of what COMMAND prints; its status says only whether its own
    bounds were kept, and they are ours too."""
    done = subprocess.run([sys.executable, *map(str, command)], stdout=subprocess.PIPE, text=True, timeout=patience,
                          env=os.environ | {"BXHOOK": str(bench.program)})
    found = {}
    for line in done.stdout.splitlines():
        name, *cells = re.split(r"\s{2,}", line)
        found[name] = [float(number) for cell in cells if (number := cell.partition(" ")[0]).lstrip("-").
                       replace(".", "", 1).isdigit()]
    return found


def growth(bench, _stage):
    """Once; EVENTS= sets the size, by default a tenth of what the goals speak of."""
    bench.begin(0, "growth")
    found = lines_of(bench, HERE / "growth.py", bench.build / "bench-growth", bench.program, bench.events,
                     bench.events // 10, patience=PATIENCE + bench.events // 1000)
    for name in WORK:
        bench.figures.add(0, f"grown store, dearer by: {name}", found[name][4], "%")
    for name in LOOKS:
        bench.figures.add(0, f"grown store, a look: {name}", found[name][1], "ms")
    bench.figures.add(0, "grown store, an add during a prune, longer by",
                      found["an add meanwhile"][2] - found["an add before"][2], "ms")
    empty, full = found[""]
    bench.figures.add(0, "grown store, the worker's memory, more by", (full - empty) / 1024, "MB")


def latency(bench, _stage):
    """Once."""
    bench.begin(0, "latency")
    found = lines_of(bench, HERE / "latency.py")
    for name in ("idle worker", "no worker"):
        bench.figures.add(0, f"200 to hook: {name}", found[name][0], "ms")
