"""Chores: done when they are due by whoever comes by, the worker, cron or a request; and who does not hold whom."""

import json
import re
import secrets
import signal
import time

import pytest

import bitrix
import client
import clouds
from clouds import land
from clock import DAY, Clock
from hosts import BOTH_STORES
from scratch import wait_for
from test_check import finds, type_in


def becomes(land, portal, state="active", limit=30):
    wait_for(lambda: land.state(portal) == state, lambda: f"{state}: {land.shown(portal)}", limit)


@BOTH_STORES
def test_an_installation_becomes_active_by_itself(site):
    with clouds.on(site, worker="start auto") as land:
        portal = land.install()
        becomes(land, portal)
        wait_for(lambda: land.cloud.subscriptions.of(portal.installations[land.app.client_id]), "its binding")
        assert "info sync: verified portal=127.0.0.1" in site.log()
        land.site.wait_idle()
        # The worker that stays does what comes next as well.
        becomes(land, land.install("other"))
        assert land.cloud.records.spent_twice() == []


def lives_its_life(hosted):
    """An installation, from its ONAPPINSTALL to its ONAPPUNINSTALL, and the hooks of its events."""
    with clouds.Cloud() as cloud:
        app, portal = cloud.app(hosted.url), cloud.portal("acme")
        hosted.site.configure(worker="start auto", more=cloud.conf(app))
        asked = cloud.faults.order("slow", method="app.info", seconds=60)
        wait_for(lambda: portal.install(app).wait().status == 200, "the app block to count")

        def becomes(state):
            def look():
                shown = json.loads(hosted.site.run("portals", portal.member_id, "--json", check=False).stdout or "[]")
                return [one["state"] for one in shown] == [state]
            wait_for(look, state, 30)

        def happens(number):
            return portal.send(app, "ONCRMDEALADD", {"FIELDS": {"ID": number}}, portal.admin()).wait()
        becomes("pending")
        asked.release()
        becomes("active")
        wait_for(lambda: cloud.subscriptions.of(portal.installations[app.client_id]), "its binding")
        run = hosted.site.run_of(json.loads(happens("7").answer)["event"])
        assert (run.env["BX_ID"], run.env["BX_MEMBER_ID"]) == ("7", portal.member_id)
        for post in portal.uninstall(app):
            assert post.wait().status == 200
        becomes("gone")
        wait_for(lambda: happens("8").status == 403, "its token to be wrong")  # a gateway believes in it for a second
        bitrix.sent_secrets.update(cloud.secrets())


def test_in_every_way_to_host_it_an_installation_lives_its_life(hosted):
    lives_its_life(hosted)


def test_in_every_way_to_host_it_on_postgresql_an_installation_lives_its_life(hosted_on_postgresql):
    lives_its_life(hosted_on_postgresql)


@BOTH_STORES
def test_any_request_starts_a_worker_for_what_is_overdue(land):
    portal = land.install()
    assert land.state(portal) == "pending" and land.site.worker_pid() is None
    land.configure(worker="start auto")
    land.site.gateway.stop()
    land.site.serve()
    assert client.fastcgi(land.site.socket, method="GET").body == b"bxhook: ready\n"
    becomes(land, portal)


def test_by_cgi_any_request_starts_a_worker_for_what_is_overdue(land):
    portal = land.install()
    land.configure(worker="start auto")
    env = client.cgi_variables(b"", method="GET") | {"BXHOOK_CONFIG": str(land.site.config)}
    assert b"bxhook: ready" in land.site.run(env=env).stdout
    becomes(land, portal)


@BOTH_STORES
def test_cron_does_what_is_due(land):
    hook = land.site.probe()
    portal = land.install()
    land.site.run("work", "--once")
    assert land.state(portal) == "active"
    assert [line["state"] for line in land.site.list()] == ["done"], f"{hook} gets what was held"


@BOTH_STORES
def test_one_that_hangs_holds_nobody(land):
    hanging = land.install("hanging")
    fault = land.cloud.faults.order("hang", method="app.info")
    sync = land.start_sync()
    land.cloud.records.wait("app.info", done=False)
    others = [land.install(f"p{number}") for number in range(3)]
    for other in others:
        becomes(land, other, limit=10)
    assert sync.running() and land.state(hanging) == "pending"
    fault.release()
    wait_for(lambda: not sync.running(), "sync to end", limit=30)


def test_at_most_five_a_second_are_verified(land):
    for number in range(12):
        land.install(f"p{number}")
    land.sync()
    times = [request.at for request in land.cloud.records.of("app.info")]
    assert len(times) == 12
    assert max(sum(start <= at < start + 1 for at in times) for start in times) <= 6


def forge(land, number):
    """An ONAPPINSTALL as anybody can send it, with tokens that are nobody's."""
    auth = {"access_token": secrets.token_hex(35), "refresh_token": secrets.token_hex(35),
            "expires_in": "3600", "member_id": f"{number:032x}", "user_id": "1",
            "application_token": secrets.token_hex(16),
            "domain": "forged.bitrix24.com", "server_endpoint": f"{land.cloud.url}/rest/"}
    body = bitrix.encode({"event": "ONAPPINSTALL", "data": {"VERSION": "1"}, "ts": "1767225600", "auth": auth})
    assert client.fastcgi(land.site.socket, body, REMOTE_ADDR="203.0.113.9").status in (200, 503)


@BOTH_STORES
def test_one_that_hangs_and_comes_again_holds_nobody(site):
    with clouds.on(site, worker="start auto") as land:
        hang = land.cloud.faults.order("hang", method="app.info")
        alpha = land.install("alpha")
        land.cloud.records.wait("app.info", 1, limit=30)
        alpha.install(land.app).wait()
        becomes(land, land.install("beta"), limit=10)
        assert to_verify(land, "> 0 AND wanted_at > 0") == 1, "once more, when the first has ended"
        hang.release()


def start_due(land, *options):
    """The sync that a worker starts."""
    return land.start_sync("--due", *options)


def to_verify(land, when):
    """How many are to be verified, of those that are due then."""
    [(number,)] = land.site.query(f"SELECT count(*) FROM %chore WHERE what = 0 AND due_at {when}")
    return number


def now():
    return int(time.time() * 1000)


@BOTH_STORES
def test_a_real_one_is_active_within_half_a_minute_beside_a_flood_of_forged_ones(site):
    with clouds.on(site, worker="start auto") as land:
        began = time.monotonic()
        for number in range(90):
            forge(land, number)
        portal = land.install()
        becomes(land, portal, limit=30 - (time.monotonic() - began))
        wait_for(lambda: len(land.installations()) == 1, "the forged ones to be gone", limit=30)
        refusals = len(re.findall("installation refused", site.log()))
        assert 0 < refusals <= time.monotonic() - began + 2, "a line a second"
        assert "more installations or held posts refused count=" in site.log()


@BOTH_STORES
def test_a_flood_of_forged_ones_leaves_other_chores_their_time(land):
    land.active()
    for number in range(60):
        forge(land, number)
    land.site.change_store("UPDATE %chore SET due_at = 1 WHERE what = 1")
    asked = len(land.cloud.records.of("app.info"))
    sync = start_due(land)
    land.cloud.records.wait("oauth/token", 2, limit=30)
    assert len(land.cloud.records.of("app.info")) - asked < 20
    sync.stop()


@BOTH_STORES
def test_sync_ends_in_a_flood_and_leaves_the_rest_due(land):
    for number in range(60):
        forge(land, number)
    began = time.monotonic()
    land.site.run("sync", "--due", "--once", "43000")  # it begins none in the last 40 s
    assert 2 < time.monotonic() - began < 20
    left = to_verify(land, f"<= {now()}")
    assert 20 < left < 55 and to_verify(land, f"> {now()}") == 0


@BOTH_STORES
def test_sync_ends_for_another_configuration_which_the_next_has(site):
    with clouds.on(site) as land:
        other, empty = land.cloud.app(land.app.url), f"app {{ server {land.cloud.url} }}\n"
        land.configure(apps=[other], more=empty)
        portal = wait_for(lambda: land.install(), "the empty block")
        assert land.sync()[0].endswith("waits for an app block")
        for number in range(60):
            forge(land, number)
        land.site.work()
        land.cloud.records.wait("app.info", 4, limit=30)
        land.configure(apps=[other, land.app])
        first = "> 0 AND installation = (SELECT min(id) FROM %installation)"
        wait_for(lambda: to_verify(land, first) == 1, "the new block to count", 10)
        assert to_verify(land, "> 0") > 10, "in the flood"
        becomes(land, portal)


@BOTH_STORES
def test_who_is_told_to_end_gives_back_what_was_not_begun(land):
    for number in range(60):
        forge(land, number)
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asked = len(land.cloud.records.of("app.info"))
        sync = start_due(land)
        land.cloud.records.wait("app.info", asked + 3, limit=30)
        assert sync.stop(signal_number) == -signal_number
        assert to_verify(land, f"<= {now()}") > 40
        assert to_verify(land, f"> {now()}") <= 1, "that were under way"
        land.site.change_store("UPDATE %chore SET due_at = 1 WHERE what = 0")


# One that fails as a full disk makes it.
FAIL = {False: ["CREATE TRIGGER failing BEFORE UPDATE ON %chore WHEN OLD.what = 2 AND NEW.ended_at <> OLD.ended_at "
                "BEGIN SELECT RAISE(ABORT, 'failing'); END"],
        True: ["CREATE FUNCTION %failing() RETURNS trigger LANGUAGE plpgsql AS $$ "
               "BEGIN RAISE EXCEPTION 'failing'; END $$",
               "CREATE TRIGGER failing BEFORE UPDATE ON %chore FOR EACH ROW "
               "WHEN (OLD.what = 2 AND NEW.ended_at IS DISTINCT FROM OLD.ended_at) EXECUTE FUNCTION %failing()"]}


@BOTH_STORES
def test_what_was_not_begun_before_the_store_failed_is_due(land):
    land.active()
    for number in range(60):
        forge(land, number)
    land.site.change_store("UPDATE %chore SET due_at = 1, ended_at = 1 WHERE what = 2")
    for statement in FAIL[bool(land.site.database)]:
        land.site.change_store(statement)
    done = land.site.run("sync", "--due", check=False)
    assert done.returncode == 1 and b"error sync: sync failed" in done.stderr
    assert to_verify(land, f"<= {now()}") > 40
    assert to_verify(land, f"> {now()}") <= 1, "that were under way"


@BOTH_STORES
def test_a_worker_that_is_stopped_waits_for_renewals_alone(land):
    """systemd kills what is left of a unit when its main process has ended."""
    hanging = land.install("hanging")
    land.cloud.faults.order("hang", method="profile", portal="hanging")
    portal = land.install()
    land.cloud.faults.order("slow", times=2, method="oauth/token", seconds=4)
    worker = land.site.work()
    land.cloud.records.wait("oauth/token", 2, done=False, limit=30)
    worker.stop(signal.SIGTERM, 15)
    assert land.seen(portal) > 0 and land.seen(hanging) > 0, "what the renewals got is there"
    land.cloud.faults.clear()
    # They are taken until those who have them must have ended.
    land.site.change_store("UPDATE %chore SET due_at = 1 WHERE what = 0")
    land.sync()
    assert land.state(portal) == land.state(hanging) == "active" and len(land.renewals()) == 2
    assert land.cloud.records.spent_twice() == []


@BOTH_STORES
def test_idle_tokens_are_renewed_in_time(land):
    """As if twenty days had passed."""
    portal = land.active()
    land.site.change_store("UPDATE %chore SET due_at = 1 WHERE what = 1")
    land.site.run("work", "--once")
    assert len(land.renewals()) == 2
    land.site.run("work", "--once")
    assert len(land.renewals()) == 2
    # Without its block nothing is renewed, and `portals` says so.
    land.configure(apps=[land.cloud.app(land.app.url)])
    land.site.change_store("UPDATE %chore SET due_at = 1 WHERE what = 1")
    land.site.run("work", "--once")
    assert len(land.renewals(ran=False)) == 2
    assert "its tokens are not renewed" in land.shown(portal)["problem"]


def test_what_a_clock_that_was_ahead_put_off_is_done_at_once(land):
    """On PostgreSQL it is the server's clock that counts (unit/installations_test.cpp)."""
    clock = Clock(land.site)
    portal = land.install()
    land.cloud.faults.order("status", method="app.info", status=502)
    clock.set(30 * DAY)
    land.site.run("sync", "--due")
    [(due_at,)] = land.site.query("SELECT due_at FROM %chore WHERE what = 0")
    assert due_at / 1000 > time.time() + 29 * DAY
    clock.set(0)
    land.site.run("work", "--once")
    assert land.state(portal) == "active"


def test_cron_waits_for_chores_a_minute_at_most(land):
    land.install()
    land.site.configure(worker="start manual", more=land.cloud.conf(land.app).replace("rest {", "rest { timeout 90s "))
    fault = land.cloud.faults.order("hang", method="app.info")
    began = time.monotonic()
    worker = land.site.work("--once")
    wait_for(lambda: not worker.running(), "it to end", 70)
    assert 40 < time.monotonic() - began < 60
    fault.release()
    assert "cannot verify yet" in land.site.log()


@BOTH_STORES
def test_what_was_in_vain_is_tried_after_a_minute_then_two_up_to_an_hour(land):
    portal = land.install()
    land.cloud.faults.order("status", times=100, method="app.info", status=502)
    pauses = []
    for _ in range(8):
        before = time.time()
        assert land.site.run("sync", portal.member_id, check=False).returncode == 1
        [(due_at,)] = land.site.query("SELECT due_at FROM %chore WHERE what = 0")
        pauses.append((due_at / 1000 - before) / 60)
    for pause, expected in zip(pauses, (1, 2, 4, 8, 16, 32, 60, 60)):
        assert expected <= pause < expected + 0.5, pauses


@BOTH_STORES
def test_sync_of_one_portal_leaves_the_others(land):
    one, other = land.install("one"), land.install("other")
    land.sync(one.member_id)
    assert (land.state(one), land.state(other)) == ("active", "pending")
    done = land.site.run("sync", "nowhere.bitrix24.com", check=False)
    assert done.returncode == 1 and b"there is no installation on 'nowhere.bitrix24.com'" in done.stderr


def checked(land):
    return " ".join(land.site.run("check", check=False).stdout.decode().split())


def test_check_says_when_what_is_due_is_not_done(land):
    land.install()
    assert "has been due since" not in checked(land)
    land.site.change_store("UPDATE %chore SET due_at = 1700000000000")
    said = checked(land)
    assert "what Bitrix24 is to be asked has been due since 2023-11-14T22:13:20.000Z" in said
    type_in(land.site, finds(land.site, "warning", ["sync", "has been due since"]))
    assert "has been due since" not in checked(land)


def test_check_says_when_curl_is_missing_or_too_old(land):
    assert "rest.curl" not in checked(land)
    site = land.site
    old = site.hook("old-curl.disabled", "echo 'curl 7.19.7 (x86_64-redhat-linux-gnu) libcurl/7.19.7'\n")
    for curl, said in (("/nowhere/curl", "cannot run '/nowhere/curl', by which Bitrix24 is asked: No such file"),
                       (old, "too old for what Bitrix24 is asked by"), ("/bin/false", "it fails: ")):
        site.configure(worker="start manual",
                       more=land.cloud.conf(land.app).replace("rest {", f"rest {{ curl {curl} "))
        assert said in checked(land), curl


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_check_says_when_a_proxy_is_named_in_the_environment_alone(land, name):
    said = f"the proxy that {name} names in the environment is not used to ask Bitrix24"
    env = {name: "http://user:topsecret@127.0.0.1:1"}

    def look():
        return " ".join(land.site.run("check", env=env, check=False).stdout.decode().split())
    assert said not in checked(land)
    assert said in look() and "topsecret" not in look()
    assert land.install() and land.sync(env=env)[0].endswith("verified, 1 event"), "it is not used indeed"
    conf = land.cloud.conf(land.app).replace("rest {", "rest { proxy http://127.0.0.1:1 ")
    land.site.configure(worker="start manual", more=conf)
    assert said not in look()


def test_without_an_app_block_there_is_nothing_to_sync(quiet):
    done = quiet.run("sync", check=False)
    assert done.returncode == 1 and b"there is no `app` block in" in done.stderr


def test_with_few_threads_it_takes_longer(land):
    """Where a user may have few processes, which threads count among."""
    portals = [land.install(f"p{number}") for number in range(3)]
    done = land.site.run("sync", under=["prlimit", "--stack=1000000000", "--as=4000000000"])  # room for three stacks
    assert done.stdout.count(b"verified") == 3
    assert {land.state(portal) for portal in portals} == {"active"}


def test_the_worker_says_when_sync_fails(site):
    with clouds.on(site, worker="start auto") as land:
        curl = site.hook("curl.disabled", "kill -9 $PPID\n")
        site.configure(worker="start auto",
                       more=land.cloud.conf(land.app).replace("rest {", f"rest {{ curl {curl} "))
        land.install()
        wait_for(lambda: "warning worker: sync was ended signal=9" in site.log(), "a word about it", 30)
        land.configure(worker="start auto")
