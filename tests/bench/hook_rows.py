"""Rows: running hooks, alone and beside accepting."""

import time

from accept_rows import rotated
from baselines import count, lines_in, peak_memory, spawn_rate
from load import Wrk, deal_event
from scratch import wait_for
from table import Goal

LANES = 5000
WAITING = 20_000
SPAWNS = 600     # of the loops that only spawn, for each second
SLOWEST = 100    # hooks a second that a worker at least runs, or it is taken to hang

GOALS = [
    Goal("hooks: S", "hooks: posix_spawn by two threads", at_least=0.55, needed=True),
    Goal("hooks: ours", "hooks: S", at_least=0.85),
    Goal("hooks: ours", "hooks: webhook waiting", at_least=1.0),
    Goal("hooks: ours", "hooks: php-fpm 16, exec()", at_least=1.8),
    Goal("memory under load: worker", at_most=10),
    Goal("together: accept", "alone: accept", at_least=0.30),
    Goal("together: hooks", "alone: hooks", at_least=0.30),
    Goal("together: sum of the shares", at_least=0.75),
    Goal("together: longest answer", at_most=250),
]


def runs_of(busy):
    return busy.out / "runs"


def fill(bench, stage, wrk, waiting):
    """Posts until so many hooks wait; the worker must not run."""
    busy = stage.busy
    taken = "ONCRMDEALUPDATE"
    while busy.events(taken) - lines_in(runs_of(busy)) < waiting:
        problem = wrk.run(stage.at("busy"), 64, 1).problem()
        if problem:
            bench.problem(f"filling the queue: {problem}")
            return


def wait_matched(busy):
    limit = 60 + busy.events() / 1000
    wait_for(lambda: busy.new() == 0, "all events to be matched", limit)


def lines_per_second(path, seconds):
    """How fast PATH grows."""
    before, began = lines_in(path), time.monotonic()
    time.sleep(seconds)
    return (lines_in(path) - before) / (time.monotonic() - began)


def hooks(bench, stage):
    """S, ours with 20,000 waiting, and the others, by turns; the others get 2/5 of the time."""
    wrk = Wrk(stage.scratch.path / "lanes", deal_event(), LANES)
    fill(bench, stage, wrk, WAITING)
    script = stage.webhook.out / "hook"
    spawns = int(SPAWNS * bench.time(1))
    for turn in range(bench.rounds):
        bench.begin(turn, "hooks")
        for what in rotated(["S", "ours", "bare", "peers"], turn):
            if what == "S":
                bench.figures.add(turn, "hooks: S", spawn_rate(stage.site, spawns, script))
            elif what == "bare":
                bench.figures.add(turn, "hooks: posix_spawn by two threads",
                                  spawn_rate(stage.site, spawns, script, "--bare"))
            elif what == "ours":
                ours(bench, stage, wrk, turn)
            else:
                peers(bench, stage, wrk, turn)
    drain(bench, stage.busy)


def ours(bench, stage, wrk, turn):
    busy = stage.busy
    fill(bench, stage, wrk, WAITING)
    busy.start_worker()
    wait_matched(busy)
    bench.figures.add(turn, "hooks: ours", lines_per_second(runs_of(busy), bench.time(1)))
    bench.figures.add(turn, "memory under load: worker", peak_memory(busy.worker.pid), "MB")
    busy.stop_worker()


def peers(bench, stage, wrk, turn):
    for backend, who, runs in (("webhook-waits", "webhook waiting", stage.webhook.runs),
                               ("php16-exec", "php-fpm 16, exec()", stage.php.runs),
                               ("fcgiwrap", "fcgiwrap, bash", stage.fcgiwrap.runs)):
        before = lines_in(runs)
        load = wrk.run(stage.at(backend), 16, bench.time(0.4))
        ran = lines_in(runs) - before
        bench.figures.add(turn, f"hooks: {who}", ran / load.seconds)
        if load.problem() or ran < load.accepted:
            bench.problem(f"{who}: {load.problem() or f'{load.accepted} answered 200, {ran} hooks ran'}")


def drain(bench, busy):
    """The worker runs what still waits; then each event that was answered has its line."""
    waiting = busy.events("ONCRMDEALUPDATE") - lines_in(runs_of(busy))
    busy.start_worker()
    last = [0, time.monotonic()]

    def over():
        ran = lines_in(runs_of(busy))
        if ran != last[0]:
            last[:] = [ran, time.monotonic()]
        return ran >= busy.events("ONCRMDEALUPDATE") or time.monotonic() - last[1] > 10
    try:
        wait_for(over, f"{waiting} hooks", 60 + waiting / SLOWEST)
    except AssertionError as error:
        bench.problem(str(error))
    busy.stop_worker()
    ran = {int(line) for line in runs_of(busy).read_text().split()}
    left = set(busy.numbers("ONCRMDEALUPDATE")) - ran
    bench.say(f"{len(ran):,} events were answered 200 and stored, {len(left)} of them without a run of their hook, "
              f"{lines_in(runs_of(busy)) - len(ran)} runs more than once")
    if left:
        bench.problem(f"{len(left)} events were stored and their hook never ran, {sorted(left)[:5]} ...")


def mixed(bench, stage):
    """At most 3 rounds of 3/5 of the time.  What runs alone is measured just before both do."""
    wrk = Wrk(stage.scratch.path / "lanes", deal_event(), LANES)
    nobody = Wrk(stage.scratch.path / "nobody", deal_event(code="ONCRMDEALADD"), LANES)
    busy, seconds = stage.busy, bench.time(0.6)
    for turn in range(min(3, bench.rounds)):
        bench.begin(turn, "mixed")
        load = nobody.run(stage.at("busy"), 64, seconds)
        bench.figures.add(turn, "alone: accept", load.rate)
        fill(bench, stage, wrk, int(5000 * seconds))
        busy.start_worker()
        wait_matched(busy)
        bench.figures.add(turn, "alone: hooks", lines_per_second(runs_of(busy), seconds))
        finish = wrk.start(stage.at("busy"), 64, seconds)
        rate = lines_per_second(runs_of(busy), seconds)
        load = finish()
        bench.figures.add(turn, "together: hooks", rate)
        bench.figures.add(turn, "together: accept", load.rate)
        bench.figures.add(turn, "together: longest answer", load.longest_ms, "ms")
        if load.problem():
            bench.problem(f"together: {load.problem()}")
        shares = [bench.figures.ratios(f"together: {what}", f"alone: {what}")[-1] for what in ("accept", "hooks")]
        bench.figures.add(turn, "together: sum of the shares", sum(shares), "")
        busy.stop_worker()
    drain(bench, busy)
