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
    cancelled = set()

    def cancel_the_next():
        """Those that are held, or will be in a moment."""
        head = max(started(site), default=0)
        for number in range(head + 1, min(head + 10, BACKLOG)):
            if site.run("cancel", number, check=False).returncode == 0:
                cancelled.add(number)
        return site.status()["unfinished"] == 0
    wait_for(cancel_the_next, "the backlog to be done", 60)
    assert cancelled
    assert not cancelled & set(started(site)), "cancelled, and it ran"
    states = {line["event"]: line["state"] for line in site.list("--limit", "1000")}
    assert states == {number: "cancelled" if number in cancelled else "done" for number in pair.accepted}


@BOTH_STORES
def test_a_stop_gives_back_what_is_held(pair):
    site = pair.site
    backlog(pair)
    pair.work()
    wait_for(lambda: len(started(site)) > 10, "hooks to run")
    pair.worker.stop()
    waiting = [d for d in site.list("--state", "waiting", "--limit", "1000")]
    assert not site.list("--state", "running")
    assert all(line["attempt"] == 0 for line in waiting)
    assert {line["event"] for line in waiting} == pair.accepted - set(started(site))
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
    wait_for(lambda: len(started(site)) > 10, "hooks to run")
    configure(pair, text.replace("event *", f"event * {change}"))
    wait_for(lambda: "config loaded" in site.log(), "the change to be seen")
    if change == "disabled yes":
        wait_for(lambda: not site.list("--state", "running"), "the last runs to end")
        ran = started(site)
        assert len(ran) < BACKLOG, "too late to see anything"
        waiting = site.list("--state", "waiting", "--limit", "1000")
        assert {line["event"] for line in waiting} == pair.accepted - set(ran)
        configure(pair, text)
    site.wait_idle(60)
    assert sorted(started(site)) == sorted(pair.accepted)
    assert broken_promises(site, pair.accepted) == []
