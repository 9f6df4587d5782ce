"""A worker holds claims for the slots that become free next: whatever ends the worker, and whatever people
ask meanwhile, nothing is lost, runs twice, or starts that should not.
"""

import shutil
import signal

import pytest

from hosts import BOTH_STORES
from lanes import attempts, broken_promises, lane_log
from pairs import Pair
from scratch import wait_for, write
from test_crash_points import PROGRAM, dies

BACKLOG = 300  # quick hooks, of which some are held while others run
SLOTS = 4      # of a Pair's worker

# Far enough into the backlog that claims are held.
PLACES = ["before-mark 10", "before-spawn 20", "after-spawn 20", "before-end 20", "after-end 20", "after-end 27",
          "before-finish 6", "after-finish 6", "before-commit 12", "after-commit 12"]


@pytest.fixture
def pair(site):
    return Pair(site, hook_ms=10)


def backlog(pair, count=BACKLOG, lanes=100):
    """Events that wait, and no worker."""
    pair.worker.stop()
    for _ in range(0, count, lanes):
        pair.take(pair.send(min(count, lanes), lanes))


def left(site):
    return {line["event"] for line in site.list("--state", "new,waiting", "--limit", "1000")}


def configure(pair, text):
    """At once."""
    write(pair.site.home / ".bxhook.conf.new", text, 0o600, pair.site.user).rename(pair.site.config)
    pair.worker.popen.send_signal(signal.SIGHUP)


def started(site):
    log = site.out / "runs.log"
    return [note.number for note in lane_log(site) if note.what == "start"] if log.exists() else []


def test_a_worker_that_holds_is_killed_at(site):
    assert PROGRAM.is_file(), f"no program {PROGRAM}: run make {PROGRAM}"
    site.binary = shutil.copy(PROGRAM, site.scratch.bin / "bxhook-faults")
    pair = Pair(site, hook_ms=1)
    for place in PLACES:
        backlog(pair, 40, 20)
        before = sum(cut for tried in attempts(site).values() for _, cut in tried)
        pair.work(BXHOOK_FAULT=place)
        worker = pair.worker
        dies(worker)
        pair.work()
        site.wait_idle(60)
        lost = sum(cut for tried in attempts(site).values() for _, cut in tried) - before
        assert lost <= SLOTS, f"{place}: {lost} attempts were lost, of which {SLOTS} can have begun"
    assert broken_promises(site, pair.accepted) == []


@BOTH_STORES
def test_what_is_cancelled_never_runs(pair):
    site = pair.site
    backlog(pair)
    pair.work()
    wait_for(lambda: started(site), "hooks to run")
    # One by one, each with its transaction, from the last to those that are held and to those that run.
    site.run("cancel", *(f"{number}/lane" for number in range(BACKLOG, 0, -1)), check=False)
    site.wait_idle(60)
    states = {line["event"]: line["state"] for line in site.list("--limit", "1000")}
    ran, cancelled = set(started(site)), {number for number, state in states.items() if state == "cancelled"}
    assert ran and cancelled
    assert not cancelled & ran, "cancelled, and it ran"
    assert ran | cancelled == pair.accepted
    assert all(states[number] == "done" for number in ran)


@BOTH_STORES
def test_a_stop_gives_back_what_is_held(pair):
    site = pair.site
    backlog(pair)
    pair.work()
    wait_for(lambda: len(started(site)) > 10, "hooks to run")
    pair.worker.stop()
    assert not site.list("--state", "running")
    waiting = site.list("--state", "waiting", "--limit", "1000")
    assert all(line["attempt"] == 0 for line in waiting)
    assert left(site) == pair.accepted - set(started(site))
    pair.work()
    site.wait_idle(60)
    assert sorted(started(site)) == sorted(pair.accepted)


@BOTH_STORES
@pytest.mark.parametrize("change", ["disabled yes", "concurrency 1"])
def test_a_reload_holds_for_what_is_held(pair, change):
    site = pair.site
    backlog(pair)
    text = site.config.read_text()
    pair.work()
    wait_for(lambda: len(started(site)) > 10 and site.status()["events"]["new"] == 0, "hooks to run")
    configure(pair, text.replace("event *", f"event * {change}"))
    wait_for(lambda: "config loaded" in site.log(), "the change to be seen")
    if change == "disabled yes":
        wait_for(lambda: not site.list("--state", "running"), "the last runs to end")
        ran = started(site)
        assert len(ran) < BACKLOG, "too late to see anything"
        assert left(site) == pair.accepted - set(ran)
        configure(pair, text)
    site.wait_idle(60)
    assert sorted(started(site)) == sorted(pair.accepted)
    assert broken_promises(site, pair.accepted) == []
