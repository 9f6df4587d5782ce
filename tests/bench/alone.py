"""A group of rows that is measured without the others."""

import os

from scratch import Scratch
from table import judge, print_figures, print_goals


def measure_alone(options, rows, goals):
    """ROWS(bench), and how its figures meet GOALS; gives the exit status."""
    from bench import Bench  # which imports the groups
    bench = Bench(options)
    bench.scratch = Scratch(bench.program)
    try:
        rows(bench)
    finally:
        bench.scratch.remove()
    print_figures(bench.figures)
    print_goals(judge(bench.figures, goals))
    print(f"load of this machine: {os.getloadavg()[0]:.1f}")
    return 1 if bench.problems else 0
