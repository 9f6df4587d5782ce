"""A stop of the worker's unit while tokens are renewed: what Bitrix24 has given is stored, or the old token is tried
once.

Where these tests run systemd need not be the first process, so Unit does to the processes what systemd does at a stop
(systemd.kill(5)), as conf/bxhook-worker.service says.  packages/test_booted_units.py has the units themselves.
"""

import contextlib
import signal
import threading
from pathlib import Path

import pytest

from clouds import land
from hosts import BOTH_STORES
from scratch import alive, kill, wait_for
from test_renewal import DONE
from test_units import service

# Stands for the cgroup: whatever becomes of their parents, it is an ancestor of all, and it ends with the last.
CGROUP = """
import ctypes, os, sys
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
if os.fork() == 0:
    os.execv(sys.argv[1], sys.argv[1:])
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
"""
HOLD_TABLE = "LOCK TABLE bxhook.installation IN EXCLUSIVE MODE"


def words_in(path, separator=None):
    """Of a file of /proc; none where the process has ended."""
    with contextlib.suppress(OSError):
        return path.read_text().split(separator)
    return []


class Unit:
    """The unit conf/NAME, its program started on SITE."""

    def __init__(self, site, name="bxhook-worker.service", limit=None):
        settings = service(name)
        self.mode, self.limit = settings["KillMode"], limit or float(settings["TimeoutStopSec"])
        words = [site.binary, "work", "--config", site.config]
        assert settings["ExecStart"].split()[1:3] == ["work", "--config"]
        self.cgroup = site.start(["/usr/bin/python3", "-c", CGROUP, *words], "worker.log")
        self.main = wait_for(self.processes, "its main process")[0]

    def processes(self, of=None):
        """Pids of all that are in it."""
        found = [int(pid) for path in Path(f"/proc/{of or self.cgroup.pid}/task").glob("*/children")
                 for pid in words_in(path)]
        return found + [pid for child in found for pid in self.processes(child)]

    def renewals(self):
        """Pids of those in it."""
        return [pid for pid in self.processes() if words_in(Path(f"/proc/{pid}/cmdline"), "\0")[1:2] == ["renew"]]

    def begin_stop(self):
        for pid in [self.main] if self.mode == "mixed" else self.processes():
            kill(pid, signal.SIGTERM)

    def end_stop(self):
        """Waits for the main process or, where all were told to end, for all of them, as long as the unit allows;
        then kills what is left."""
        told = [self.main] if self.mode == "mixed" else self.processes()
        with contextlib.suppress(AssertionError):
            wait_for(lambda: not any(alive(pid) for pid in told), "the end", self.limit)

        def kill_all():
            for pid in self.processes():
                kill(pid)
            return not self.cgroup.running()
        wait_for(kill_all, "the unit's end")


@contextlib.contextmanager
def store_held(site):
    """As long as it lasts nobody can store tokens."""
    if not site.database:
        with site.store_locked():
            yield
        return
    with contextlib.closing(site.database.connect()) as holder:
        holder.autocommit = False
        holder.cursor().execute(HOLD_TABLE)
        yield
        holder.rollback()


def make_due(land):
    """As if twenty days had passed."""
    land.site.change_store("UPDATE %chore SET due_at = 1 WHERE what = 1")


class Renewal:
    """One of an active portal's tokens that a unit's worker began, held up at the server by FAULT."""

    def __init__(self, land, fault="slow", limit=None, **options):
        self.land, self.portal = land, land.active()
        self.count, self.seen = len(land.renewals(ran=False)), land.seen(self.portal)
        options = options or ({"seconds": 60} if fault == "slow" else {})
        self.held = land.cloud.faults.order(fault, method="oauth/token", **options)
        self.unit = Unit(land.site, limit=limit)
        make_due(land)
        wait_for(lambda: self.held.hit == 1, "the renewal to ask")

    def answered(self):
        """The server's answer is there, and cannot be stored."""
        self.held.release()
        self.land.cloud.records.wait("oauth/token", self.count + 1)

    def kill(self):
        """It takes longer than the unit's stop may."""
        self.unit.begin_stop()
        wait_for(self.unit.renewals, "it to be under way still")
        self.unit.end_stop()
        if self.land.site.database:  # or a statement that waits for a lock would be done after all
            self.land.site.database.disconnect()
        self.land.cloud.faults.clear()
        self.land.cloud.records.wait("oauth/token", self.count + 1)

    def lease_ends(self):
        """As if 45 s had passed."""
        self.land.site.change_store("UPDATE %installation SET lease_until = 1")

    def is_stored(self):
        land = self.land
        assert land.seen(self.portal) != self.seen and land.state(self.portal) == "active"
        assert len(land.renewals()) == self.count + 1
        assert land.renew(self.portal) == DONE
        assert land.cloud.records.spent_twice() == []


LONG = 1.5  # seconds: by far longer than the worker needs to stop


@contextlib.contextmanager
def later(what):
    """WHAT is done while the block goes on."""
    timer = threading.Timer(LONG, what)
    timer.start()
    yield
    timer.join()


@BOTH_STORES
def test_stopped_while_the_server_is_asked_it_is_stored(land):
    renewal = Renewal(land)
    renewal.unit.begin_stop()
    with later(renewal.held.release):
        renewal.unit.end_stop()
    renewal.is_stored()


@BOTH_STORES
def test_stopped_before_the_answer_could_be_stored_it_is_stored(land):
    renewal = Renewal(land)
    held = contextlib.ExitStack()
    held.enter_context(store_held(land.site))
    renewal.answered()
    renewal.unit.begin_stop()
    with later(held.close):
        renewal.unit.end_stop()
    renewal.is_stored()


@BOTH_STORES
def test_stopped_while_another_renews_it_asks_nobody(land):
    portal = land.active()
    count = len(land.renewals())
    held = land.cloud.faults.order("slow", method="oauth/token", seconds=60)
    other = land.start_renewals(portal)[0]
    wait_for(lambda: held.hit == 1, "the other to ask")
    unit = Unit(land.site)
    make_due(land)
    wait_for(unit.renewals, "a renewal that waits")
    unit.begin_stop()
    held.release()
    unit.end_stop()
    wait_for(lambda: not other.running(), "the other's end")
    assert other.popen.returncode == 0 and len(land.renewals()) == count + 1
    assert land.renew(portal) == DONE and land.cloud.records.spent_twice() == []


# -- Where TimeoutStopSec is shorter than what a renewal takes, all of it is killed

SHORT = 0.3


@BOTH_STORES
def test_killed_before_the_server_did_it_the_old_token_is_good(land):
    renewal = Renewal(land, "hang", limit=SHORT)
    renewal.kill()
    renewal.lease_ends()
    assert land.renew(renewal.portal) == DONE
    assert land.state(renewal.portal) == "active" and land.cloud.records.spent_twice() == []


@BOTH_STORES
@pytest.mark.parametrize("place", ["before the answer came", "before it was stored"])
def test_killed_after_the_server_did_it_the_old_token_is_tried_once(land, place):
    came = place == "before it was stored"
    renewal = Renewal(land, "slow", limit=SHORT, seconds=60, after=not came)
    with store_held(land.site) if came else contextlib.nullcontext():
        if came:
            renewal.answered()
        renewal.kill()
    renewal.lease_ends()
    for _ in range(2):
        assert "an earlier renewal ended before its answer was stored" in land.renew(renewal.portal, check=False)
    assert land.state(renewal.portal) == "broken"
    assert len(land.renewals(ran=False)) == renewal.count + 2 and len(land.cloud.records.spent_twice()) == 1
    # Its user comes again.
    portal = renewal.portal
    wait_for(lambda: portal.send(land.app, "ONAPPTEST", {}, portal.admin(), refresh=True).wait().status == 200,
             "the gateway to have a session again")
    assert land.renew(renewal.portal) == DONE
