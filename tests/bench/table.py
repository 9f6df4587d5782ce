"""Figures, their ratios within a round, the goals, and the table of them."""

import json
import statistics


class Figures:
    """{name: {round: value}} of what was measured."""

    def __init__(self):
        self.values = {}
        self.units = {}

    def add(self, turn, name, value, unit="/s"):
        self.values.setdefault(name, {})[turn] = value
        self.units[name] = unit

    def has(self, name):
        return name in self.values

    def of(self, name):
        return list(self.values[name].values())

    def ratios(self, above, below):
        """Paired: of the rounds that have both."""
        pairs = self.values.get(above, {}), self.values.get(below, {})
        return [pairs[0][turn] / pairs[1][turn] for turn in pairs[0] if turn in pairs[1] and pairs[1][turn]]


class Goal:
    """WHAT must be AT LEAST, or AT MOST, so much: a figure, or its ratio to the figure PER."""

    def __init__(self, what, per=None, at_least=None, at_most=None, needed=False):
        self.what, self.per = what, per
        self.at_least, self.at_most = at_least, at_most
        self.needed = needed  # of a baseline: short of it, nothing that was measured means anything

    def label(self):
        if not self.per:
            return self.what
        shared, _, other = self.per.rpartition(": ")
        return f"{self.what} / {other if self.what.startswith(shared + ': ') else self.per}"

    def values(self, figures):
        if self.per:
            return figures.ratios(self.what, self.per)
        return figures.of(self.what) if figures.has(self.what) else []

    def bound(self):
        return f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"

    def reached(self, value):
        return value >= self.at_least if self.at_least is not None else value <= self.at_most

    def shortfall(self, value):
        bound = self.at_least if self.at_least is not None else self.at_most
        return abs(value / bound - 1) if bound else 1.0


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values):
    return f"{number(min(values))} .. {number(max(values))}" if len(values) > 1 else ""


def print_figures(figures):
    print(f"\n{'measured':52}{'median':>12} {'':6}{'spread':>22}{'rounds':>8}")
    for name, turns in figures.values.items():
        values = list(turns.values())
        print(f"{name:52}{number(statistics.median(values)):>12} {figures.units[name]:6}"
              f"{spread(values):>22}{len(values):>8}")


def judge(figures, goals):
    """[{goal's words, median, reached ...}] of the goals that something was measured for."""
    found = []
    for goal in goals:
        values = goal.values(figures)
        if not values:
            continue
        median = statistics.median(values)
        found.append({"what": goal.label(), "goal": goal.bound(), "median": median, "rounds": values,
                      "reached": goal.reached(median),
                      "short_by": 0 if goal.reached(median) else goal.shortfall(median),
                      "needed": goal.needed})
    return found


def print_goals(judged):
    print(f"\n{'goal':60}{'':>9}{'median':>10}{'spread':>20}")
    for row in judged:
        end = "reached" if row["reached"] else f"short by {100 * row['short_by']:.0f} %"
        print(f"{row['what']:60}{row['goal']:>9}{number(row['median']):>10}{spread(row['rounds']):>20}  {end}")


def save(path, figures, judged, about):
    document = about | {"goals": judged, "figures": {
        name: {"unit": figures.units[name], "rounds": list(turns.values()),
               "median": statistics.median(turns.values())} for name, turns in figures.values.items()}}
    path.write_text(json.dumps(document, indent=1) + "\n")
