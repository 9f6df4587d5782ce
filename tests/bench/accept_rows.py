"""Rows: accepting events, and refusing them, beside the others."""

import time
from pathlib import Path

import bitrix
from baselines import count, lines_in, peak_memory
from load import Wrk, deal_event, paced
from pairs import preload
from scratch import give, wait_for
from stage import ACCEPT_LANES, WATCHED
from table import Goal

# connections kept to the gateway, connections of the client, share of SECONDS
CASES = [("off", 64, 1.0), ("off", 16, 0.6), ("on", 64, 1.0), ("on", 16, 0.6)]
MATCH_RATE = 2000  # events a second that a worker at least gets through
STALL_RATE, STALL_SECONDS = 500, 4

GOALS = [
    *(Goal(f"accept, keep {keep}, c{c}: {ours}", f"accept, keep {keep}, c{c}: {other}", at_least=bound)
      for keep, c, bare in (("off", 64, 0.85), ("off", 16, 0.80), ("on", 64, 0.65), ("on", 16, 0.50))
      for ours, other, bound in (("ours", "B", bare), ("ours", "floor", 0.95))),
    Goal("accept, keep off, c64: floor", "accept, keep off, c64: B", at_least=0.65, needed=True),
    Goal("p99, keep off, c64: ours", "p99, keep off, c64: B", at_most=2.0),
    Goal("refuse, keep off, c64: ours", "refuse, keep off, c64: B", at_least=1.0),
    Goal("beside peers, c64: ours", "beside peers, c64: php-fpm 16, SQLite", at_least=9),
    Goal("beside peers, c64: ours", "beside peers, c64: php-fpm 4, fdatasync", at_least=2),
    Goal("beside peers, c64: ours", "beside peers, c64: webhook at once", at_least=3),
    Goal("p99 beside peers, c64: ours", "p99 beside peers, c64: php-fpm 16, SQLite", at_most=0.05),
    Goal("accept, 5 ms added to fsync, c64: ours", at_least=5000),
    Goal("stall of 1 s at 500/s: not answered 200", at_most=0),
    Goal("memory under load: gateway", at_most=10),
]


def post(bench, wrk, name, url, connections, seconds, turn, stored=None, refusals=False):
    """A load; adds its rate as NAME, checks that STORED() grew by what was answered 200."""
    before = stored() if stored else 0
    load = wrk.run(url, connections, seconds)
    if load.requests == 0:  # seen on a machine that had ten times too much to do
        bench.say(f"{name}: nothing was answered in {seconds} s; once more")
        load = wrk.run(url, connections, seconds)
    bench.figures.add(turn, name, load.rate)
    problem = load.problem(refusals)
    if not problem and stored:
        wanted = 0 if refusals else load.accepted
        # Those under way when wrk left are stored too.
        grew = stored() - before
        if not wanted <= grew <= wanted + (0 if refusals else 2 * connections):
            problem = f"{wanted} were answered 200, and {grew} are in the store"
    if problem:
        bench.problem(f"{name}: {problem}")
    return load


def rotated(items, turn):
    return items[turn % len(items):] + items[:turn % len(items)]


def accept(bench, stage):
    """B, floor and ours by turns; c16 gets 3/5 of the time."""
    wrk = Wrk(stage.scratch.path / "deal", deal_event(), ACCEPT_LANES)
    wrong = Wrk(stage.scratch.path / "wrong", deal_event(bitrix.WRONG_TOKEN))
    counters = {"ours": stage.ours.events, "floor": lambda: count(stage.floor.store, "SELECT count(*) FROM event"),
                "bare": None}
    for turn in range(bench.rounds):
        bench.begin(turn, "accept")
        stage.fresh()
        for keep, connections, share in CASES:
            for backend in rotated(["bare", "floor", "ours"], turn):
                who = {"bare": "B"}.get(backend, backend)
                case = f"keep {keep}, c{connections}: {who}"
                load = post(bench, wrk, f"accept, {case}", stage.at(backend + ("-kept" if keep == "on" else "")),
                            connections, bench.time(share), turn, counters[backend])
                bench.figures.add(turn, f"p99, {case}", load.p99_ms, "ms")
            if (keep, connections) == ("off", 64):
                refuse(bench, stage, wrong, turn)
        bench.figures.add(turn, "memory under load: gateway", stage.ours.memory(), "MB")
        bench.figures.add(turn, "memory under load: B", peak_memory(stage.bare.process.pid), "MB")
    drain(bench, stage)


def refuse(bench, stage, wrong, turn):
    for backend in rotated(["bare", "ours"], turn):
        refusing = backend == "ours"  # B answers 200 whatever it is asked
        post(bench, wrong, f"refuse, keep off, c64: {'ours' if refusing else 'B'}", stage.at(backend), 64,
             bench.time(0.6), turn, stage.ours.events if refusing else None, refusing)


def drain(bench, stage):
    """A worker matches all that the last round stored, and runs the hook of those that have one."""
    ours, runs = stage.ours, stage.ours.out / "runs"
    total, watched = ours.events(), ours.events(WATCHED)
    ours.start_worker()
    limit = 30 + total / MATCH_RATE
    try:
        wait_for(lambda: lines_in(runs) >= watched and ours.new() == 0, lambda:
                 f"{watched} hooks of {total} events: {lines_in(runs)} ran, {ours.new()} are new", limit)
    except AssertionError as error:
        bench.problem(f"after the load: {error}")
    ours.stop_worker()
    bench.say(f"after the last round's loads: {total:,} events stored and matched, "
              f"{lines_in(runs):,} hooks ran of {watched:,}")
    runs.unlink(missing_ok=True)


def peers(bench, stage):
    """At most 3 rounds, of 2/5 of the time each: what they are is told apart by much less."""
    wrk = Wrk(stage.scratch.path / "deal", deal_event(), ACCEPT_LANES)
    backends = [("ours", "ours", stage.ours.events), ("php16-sqlite", "php-fpm 16, SQLite", stage.php.events),
                ("php4-sqlite", "php-fpm 4, SQLite", stage.php.events),
                ("php4-append", "php-fpm 4, fdatasync", lambda: lines_in(stage.php.file)),
                ("php16-append", "php-fpm 16, fdatasync", lambda: lines_in(stage.php.file))]
    stage.fresh()
    for turn in range(min(3, bench.rounds)):
        bench.begin(turn, "peers")
        for backend, who, stored in rotated(backends, turn):
            load = post(bench, wrk, f"beside peers, c64: {who}", stage.at(backend), 64, bench.time(0.4), turn, stored)
            bench.figures.add(turn, f"p99 beside peers, c64: {who}", load.p99_ms, "ms")
        before = lines_in(stage.webhook.runs)
        load = wrk.run(stage.at("webhook-at-once"), 64, bench.time(0.4))
        bench.figures.add(turn, "beside peers, c64: webhook at once", load.rate)
        settled(stage.webhook.runs, before + load.accepted)
        # Those under way when wrk left ran too, if they ran.
        ran = min(load.accepted, lines_in(stage.webhook.runs) - before)
        bench.figures.add(turn, "webhook at once: hooks that ran of those answered 200",
                          100 * ran / max(1, load.accepted), "%")


def settled(path, wanted, limit=30):
    """Waits until PATH has WANTED lines, or has not grown for two seconds."""
    end = time.monotonic() + limit
    last, since = -1, time.monotonic()
    while time.monotonic() < end and lines_in(path) < wanted:
        now = lines_in(path)
        if now != last:
            last, since = now, time.monotonic()
        if time.monotonic() - since > 2:
            return
        time.sleep(0.1)


def preloaded(stage, **variables):
    return {"LD_PRELOAD": str(preload(stage.scratch, "slow_fsync")), **{k: str(v) for k, v in variables.items()}}


def slow(bench, stage):
    """At most 3 rounds."""
    wrk = Wrk(stage.scratch.path / "deal", deal_event(), ACCEPT_LANES)
    stage.ours.stop()
    stage.ours.start(preloaded(stage, SLOW_FSYNC_MS=5), fresh=True)
    for turn in range(min(3, bench.rounds)):
        bench.begin(turn, "slow")
        post(bench, wrk, "accept, 5 ms added to fsync, c64: ours", stage.at("ours"), 64, bench.time(0.6), turn,
             stage.ours.events)
    stage.ours.stop()
    stage.ours.start(fresh=True)


def stall(bench, stage):
    """At most 2 rounds of 4 s."""
    wanted = Path(stage.ours.out / "stall")
    stage.ours.stop()
    stage.ours.start(preloaded(stage, SLOW_FSYNC_STALL=wanted), fresh=True)
    for turn in range(min(2, bench.rounds)):
        bench.begin(turn, "stall")
        before = stage.ours.events()
        answers = paced(stage.nginx.port, "/ours", deal_event(), STALL_RATE, STALL_SECONDS,
                        lambda: (wanted.touch(), give(wanted)))
        good = sum(status == 200 for status, _ in answers)
        longest = max(took for _, took in answers)
        bench.figures.add(turn, "stall of 1 s at 500/s: not answered 200", len(answers) - good, "")
        bench.figures.add(turn, "stall of 1 s at 500/s: longest answer", longest, "ms")
        if longest < 900:
            bench.problem(f"stall: no answer took longer than {longest:.0f} ms: fsync did not stall")
        if stage.ours.events() - before < good:
            bench.problem(f"stall: {good} were answered 200, {stage.ours.events() - before} stored")
    stage.ours.stop()
    stage.ours.start(fresh=True)
