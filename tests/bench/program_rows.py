"""Rows that programs of their own measure: decoding, a store that has grown, from the 200 to the hook."""

import os
import subprocess
import sys
from pathlib import Path

import decode as decoders
import growth as grown
from table import Goal

HERE = Path(__file__).resolve().parent
PATIENCE = 300  # seconds

GOALS = [
    Goal("decode, a deal's event: ours", "decode, a deal's event: PHP", at_most=0.6),
    Goal("decode, a deal's event: ours", "decode, a deal's event: cgicc", at_most=0.4),
    *(Goal(f"grown store, dearer by: {name}", at_most=10) for name in grown.WORK),
    *(Goal(f"grown store, a look: {name}", at_most=100) for name in grown.LOOKS),
    Goal("grown store, an add during a prune, longer by", at_most=50),
    Goal("grown store, the worker's memory, more by", at_most=4),
    Goal("200 to hook: idle worker", at_most=5),
    Goal("200 to hook: no worker", at_most=50),
]


def said(*command, **options):
    """What COMMAND prints; its status says only whether its own bounds were kept, and they are ours too."""
    return subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, **options).stdout


def table(text, first, width):
    """{row: {column: number}} of a table whose FIRST column and others have those widths; a line without
    numbers names the columns from there on."""
    found, columns = {}, []
    for line in text.splitlines():
        cells = [line[at:at + width].strip() for at in range(first, len(line), width)]
        if not any(is_number(cell) for cell in cells):
            columns = cells
            continue
        found[line[:first].strip()] = {name: float(cell.split()[0]) for name, cell in zip(columns, cells)
                                       if is_number(cell)}
    return found


def is_number(cell):
    try:
        float(cell.partition(" ")[0])
        return True
    except ValueError:
        return False


def decode(bench, _stage):
    """At most 3 rounds: what is measured is one thread's processor time."""
    program = bench.build / "bench-decode"
    body = said(program, "deal", 1, "body")
    times = str(decoders.TIMES)
    for turn in range(min(3, bench.rounds)):
        bench.begin(turn, "decode")
        for who, command in (("ours", [program, "deal", times, "ours"]), ("cgicc", [program, "deal", times, "cgicc"]),
                             ("PHP", decoders.PHP)):
            took = said(*command, input=body, check=True, timeout=PATIENCE,
                        env={"PATH": os.environ["PATH"], "TIMES": times})
            bench.figures.add(turn, f"decode, a deal's event: {who}", float(took) / 1000, "us")


def growth(bench, _stage):
    """Once; EVENTS= sets the size, by default a tenth of what the goals speak of."""
    bench.begin(0, "growth")
    found = table(said(sys.executable, HERE / "growth.py", bench.build / "bench-growth", bench.program, bench.events,
                       bench.events // 10, timeout=PATIENCE + bench.events // 1000), 32, 12)
    for name in grown.WORK:
        bench.figures.add(0, f"grown store, dearer by: {name}", found[name]["dearer by"], "%")
    for name in grown.LOOKS:
        bench.figures.add(0, f"grown store, a look: {name}", found[name]["full"], "ms")
    bench.figures.add(0, "grown store, an add during a prune, longer by",
                      found["an add meanwhile"]["longest"] - found["an add before"]["longest"], "ms")
    bench.figures.add(0, "grown store, the worker's memory, more by",
                      (found[""]["full"] - found[""]["empty"]) / 1024, "MB")


def latency(bench, _stage):
    """Once."""
    bench.begin(0, "latency")
    found = table(said(sys.executable, HERE / "latency.py", timeout=PATIENCE,
                       env=os.environ | {"BXHOOK": str(bench.program)}), 20, 9)
    for name in ("idle worker", "no worker"):
        bench.figures.add(0, f"200 to hook: {name}", found[name]["median"], "ms")
