"""Renewals: of one refresh token there is one, whoever wants it, and nothing that is answered is lost."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import clouds
from clouds import DAY, DONE, land
from hosts import BOTH_STORES, Host
from scratch import AS_ROOT, ROOT, children_of, wait_for


@pytest.fixture
def fragile(site, scratch):
    """A land whose program ends itself at fault points."""
    program = ROOT / os.environ.get("BUILD", "build") / "bxhook-faults"
    assert program.is_file(), f"no program {program}: run make {program}"
    site.binary = shutil.copy(program, scratch.bin / "bxhook-faults")
    with clouds.on(site) as made:
        yield made


def tokens_work(land, portal):
    """What the store has is what the portal takes: it unsubscribes, and nothing is left."""
    land.site.run("portals", "forget", portal.member_id, "--yes")
    assert land.cloud.subscriptions.of(portal.installations[land.app.client_id]) == []


@BOTH_STORES
def test_a_renewal_stores_what_it_is_given(land):
    portal = land.active()
    before = land.shown(portal)
    count = len(land.renewals())
    assert land.renew(portal) == DONE
    assert len(land.renewals()) == count + 1
    after = land.shown(portal)
    assert after["renewed_at"] > before["renewed_at"] and after["token_expires_at"] > before["token_expires_at"]
    tokens_work(land, portal)
    assert land.cloud.records.spent_twice() == []


@BOTH_STORES
def test_ten_that_want_one_token_make_one_renewal(land):
    portal = land.active()
    count = len(land.renewals())
    slow = land.cloud.faults.order("slow", method="oauth/token", seconds=1.0)
    all_of_them = land.start_renewals(portal, 10)
    for one in all_of_them:
        wait_for(lambda: not one.running(), "the renewal to end", limit=30)
        assert one.popen.returncode == 0
    assert slow.hit == 1 and len(land.renewals()) == count + 1
    assert land.cloud.records.spent_twice() == []
    tokens_work(land, portal)


def test_two_hosts_with_one_token_make_one_renewal(scratch, database):
    hosts = [Host(scratch, database, name) for name in ("one", "two")]
    try:
        with clouds.on(hosts[0]) as land:
            hosts[1].configure(worker="start manual", more=land.cloud.conf(land.app))
            portal = land.active()
            count = len(land.renewals())
            land.cloud.faults.order("slow", method="oauth/token", seconds=1.0)
            arguments = ["renew", str(land.number(portal)), "--seen", str(land.seen(portal)), "--config"]
            started = [host.start([host.binary, *arguments, host.config], f"renewal-{number}.log")
                       for number in range(5) for host in hosts]
            for one in started:
                wait_for(lambda: not one.running(), "the renewal to end", limit=30)
                assert one.popen.returncode == 0, one.text()
            assert len(land.renewals()) == count + 1 and land.cloud.records.spent_twice() == []
    finally:
        for host in hosts:
            host.stop()


@BOTH_STORES
def test_an_answer_without_refresh_token_leaves_the_one_that_is_there(land):
    portal = land.active()
    land.cloud.faults.order("edit", method="oauth/token", change={"refresh_token": None})
    [kept] = [request.params["refresh_token"] for request in land.renewals()][-1:]
    assert land.renew(portal) == DONE
    land.cloud.faults.order("error", method="oauth/token", error="invalid_grant", status=400)
    sent = land.renewals()[-1].params["refresh_token"]
    assert kept != sent
    asked = len(land.cloud.records.of("oauth/token"))
    land.renew(portal, check=False)
    [again] = land.cloud.records.of("oauth/token")[asked:]
    assert again.params["refresh_token"] == sent, "the old one is tried again"


@BOTH_STORES
@pytest.mark.parametrize("order", [
    {"kind": "error", "error": "PAYMENT_REQUIRED", "status": 401},
    {"kind": "error", "error": "wrong_client", "status": 200},
    {"kind": "error", "error": "invalid_client", "status": 400}, {"kind": "html"}, {"kind": "empty"},
    {"kind": "status", "status": 500}, {"kind": "reset"}, {"kind": "edit", "change": {"member_id": "0" * 32}}])
def test_what_is_no_answer_replaces_nothing(land, order):
    portal = land.active()
    before = land.shown(portal)
    land.cloud.faults.order(method="oauth/token", **order)
    assert land.renew(portal, check=False) not in ("", DONE)
    assert land.shown(portal) == before
    if order["kind"] != "edit":  # which spent the token
        assert land.renew(portal) == DONE


@BOTH_STORES
@pytest.mark.parametrize("error, status", [
    ("NOT_INSTALLED", 401), ("authorization_error", 401), ("ACCESS_DENIED", 403), ("PORTAL_DELETED", 403)])
def test_what_may_be_taken_again_is_tried_in_a_day(land, error, status):
    """The application is switched off, say: its tokens are spent by nobody, and it may be switched on."""
    portal = land.active()
    land.cloud.faults.order("error", times=2, method="oauth/token", error=error, status=status)
    land.renew(portal, check=False)
    one = land.shown(portal)
    assert one["state"] == "active" and one["problem"].startswith(f"its tokens cannot be renewed: {error}")
    assert "tried again in a day" in one["fix"]
    assert "broken" not in " ".join(land.site.status()["problems"])
    [(due, now)] = land.site.query("SELECT due_at, renewed_at FROM %chore JOIN %installation ON id = installation "
                                   "WHERE what = 1")
    assert 0.9 * DAY < due / 1000 - now / 1000 < 1.1 * DAY
    land.site.change_store("UPDATE %chore SET due_at = 1 WHERE what = 1")
    land.site.run("sync", check=False)
    assert land.shown(portal)["problem"].startswith(f"its tokens cannot be renewed: {error}")
    assert land.shown(portal)["problem"].count("its tokens cannot be renewed") == 1
    land.site.change_store("UPDATE %chore SET due_at = 1 WHERE what = 1")
    assert land.sync() == [f"127.0.0.1 ({land.app.client_id}): tokens renewed"]
    assert land.shown(portal)["problem"] is None
    assert land.cloud.records.spent_twice() == []


@BOTH_STORES
def test_what_is_refused_for_good_breaks_it_until_its_user_comes_again(land):
    portal = land.active()
    land.cloud.faults.order("error", method="oauth/token", error="invalid_grant", status=400)
    land.renew(portal, check=False)
    one = land.shown(portal)
    assert one["state"] == "broken" and "its tokens cannot be renewed: " in one["problem"] and one["fix"]
    count = len(land.renewals(ran=False))
    assert one["problem"] in land.renew(portal, check=False)
    assert len(land.renewals(ran=False)) == count, "what is refused for good is not asked again"
    # Its events go on; the one that brings a refresh token of its user heals it.
    portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": 7}}, portal.admin()).wait()
    assert land.codes()[-1] == "ONCRMDEALADD" and land.state(portal) == "broken"
    portal.send(land.app, "ONAPPTEST", {}, portal.users[2], refresh=True).wait()
    assert land.state(portal) == "broken", "another user's"
    portal.send(land.app, "ONAPPTEST", {}, portal.admin(), refresh=True).wait()
    assert land.state(portal) == "active" and land.shown(portal)["problem"] is None
    assert land.renew(portal) == DONE


@BOTH_STORES
def test_a_token_that_the_portal_refuses_is_renewed_once(land):
    """expired_token although it should be good: others are asked for, and not twice in ten minutes."""
    portal = land.install()
    land.cloud.faults.order("error", times=2, method="event.bind", error="expired_token", status=401)
    assert land.site.run("sync", check=False).returncode == 1
    assert len(land.renewals()) == 1, "a moment ago it was renewed already"
    land.site.change_store("UPDATE %installation SET renewed_at = renewed_at - 601000")
    assert land.sync()[0].endswith("subscribed to ONAPPUNINSTALL"), "what was asked for in vain is asked for again"
    assert len(land.renewals()) == 2 and land.state(portal) == "active"
    assert land.cloud.records.spent_twice() == []


@BOTH_STORES
@pytest.mark.parametrize("place", ["renewal-asks", "renewal-answered", "renewal-committed"])
def test_killed_at_any_step_no_more_than_one_answer_is_lost(fragile, place):
    land = fragile
    portal = land.active()
    seen = land.seen(portal)
    land.renew(portal, check=False, env={"BXHOOK_FAULT": f"{place} 1"})
    if place == "renewal-committed":
        assert land.renew(portal, seen=seen) == DONE and len(land.renewals()) == 2
        assert land.cloud.records.spent_twice() == []
        return
    # As the lease ends in 45 s.
    land.site.change_store("UPDATE %installation SET lease_until = 1")
    report = land.renew(portal, check=False)
    if place == "renewal-asks":
        assert report == DONE and land.state(portal) == "active"
        assert land.cloud.records.spent_twice() == []
    else:
        assert land.state(portal) == "broken"
        assert "an earlier renewal ended before its answer was stored" in land.shown(portal)["problem"]
        assert len(land.cloud.records.spent_twice()) == 1, "the old one is tried once"


def test_a_lease_that_another_holds_is_waited_for(land):
    portal = land.active()
    seen = land.seen(portal)
    fault = land.cloud.faults.order("hang", method="oauth/token")
    first = land.start_renewals(portal)[0]
    land.cloud.records.wait("oauth/token", 2, done=False)
    second = land.start_renewals(portal)[0]
    land.site.change_store("UPDATE %installation SET problem = NULL")  # nobody has the store locked meanwhile
    fault.release()
    for one in (first, second):
        wait_for(lambda: not one.running(), "the renewal to end", limit=30)
    assert second.popen.returncode == 0 and land.seen(portal) != seen
    assert land.cloud.records.spent_twice() == []


def test_who_has_waited_for_the_lease_has_time_for_the_server(land):
    """What is left of the wait is not all that the server gets: it would answer nobody."""
    portal = land.active()
    hang = land.cloud.faults.order("hang", method="oauth/token")
    first = land.start_renewals(portal)[0]
    wait_for(lambda: hang.hit == 1, "the first to ask")
    second = land.start_renewals(portal)[0]
    slow = land.cloud.faults.order("slow", method="oauth/token", seconds=2.0, after=True)
    for one in (first, second):
        wait_for(lambda: not one.running(), "the renewal to end", limit=60)
    assert (hang.hit, slow.hit, second.popen.returncode, land.state(portal)) == (1, 1, 0, "active")
    tokens_work(land, portal)
    assert land.cloud.records.spent_twice() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_ends_everything_else_does_not_end_a_renewal(land, number):
    portal = land.active()
    fault = land.cloud.faults.order("slow", method="oauth/token", seconds=20)
    renewal = land.start_renewals(portal)[0]
    land.cloud.records.wait("oauth/token", 2, done=False)
    for pid in [renewal.pid, *children_of(renewal.pid)]:
        os.kill(pid, number)
    fault.release()
    wait_for(lambda: not renewal.running(), "the renewal to end", limit=30)
    assert renewal.popen.returncode == 0 and land.renew(portal) == DONE
    assert land.cloud.records.spent_twice() == []


def test_no_secret_is_in_a_process(land):
    portal = land.active()
    fault = land.cloud.faults.order("slow", method="oauth/token", seconds=20)
    renewal = land.start_renewals(portal)[0]
    land.cloud.records.wait("oauth/token", 2, done=False)
    shown = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for pid in [renewal.pid, *children_of(renewal.pid)]
                     for name in ("cmdline", "environ"))
    assert not [secret for secret in land.cloud.secrets() if secret.encode() in shown]
    assert b"BX_" not in shown
    fault.release()
    wait_for(lambda: not renewal.running(), "the renewal to end")


@pytest.mark.skipif(not AS_ROOT, reason="mounts a small disk")
def test_a_disk_that_is_full_costs_no_token(site):
    """Full before the server is asked: it is not asked.  Full while it answers: the room is kept."""
    state = site.home / "state"
    state.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=4m,uid={site.user.pw_uid},mode=700", "bxhook-test", state],
                   check=True)
    try:
        with clouds.on(site) as land:
            portal = land.active()
            fault = land.cloud.faults.order("slow", method="oauth/token", seconds=20)
            renewal = land.start_renewals(portal)[0]
            land.cloud.records.wait("oauth/token", 2, done=False)
            fill(state)
            fault.release()
            wait_for(lambda: not renewal.running(), "the renewal to end", limit=30)
            assert renewal.popen.returncode == 0
            count = len(land.renewals(ran=False))
            fill(state)
            report = land.renew(portal, check=False)
            assert report not in ("", DONE), report
            assert len(land.renewals(ran=False)) == count, "it was asked"
            (state / "ballast").unlink()
            assert land.renew(portal) == DONE
            assert land.cloud.records.spent_twice() == []
            site.stop()
    finally:
        subprocess.run(["umount", "-l", state], check=True)


def fill(place):
    with (place / "ballast").open("ab", buffering=0) as ballast:
        for size in (65536, 4096):
            try:
                while True:
                    ballast.write(b"x" * size)
            except OSError:
                pass
