"""BXHOOK.DEAD and BXHOOK.PORTAL: what bxhook tells by itself, to hooks that name it."""

import contextlib
import json
import os
import shutil
import signal

import pytest

import bitrix
import client
import clouds
from clouds import land
from hosts import BOTH_STORES, Host
from scratch import ROOT, as_user, wait_for
from test_examples import accept

DEAD, PORTAL = "BXHOOK.DEAD", "BXHOOK.PORTAL"


def told(site, code=DEAD):
    """The events of CODE that are there, oldest first, as `show` has them."""
    numbers = sorted({line["event"] for line in site.list("--event", code, "--limit", "1000")})
    return [site.show(number) for number in numbers]


def post(site, *args, **options):
    return client.fastcgi(site.socket, bitrix.body(*args, **options)).event


@BOTH_STORES
def test_a_hook_that_names_it_is_told_of_a_death(site):
    site.hook("ONCRMDEALADD.sh", "exit 65")
    site.probe("BXHOOK.DEAD.sh")
    site.probe("any.d/all")
    site.configure(more=f"hook globs {{ event BXHOOK.*  event *  run {site.hooks}/any.d/all }}\n")
    site.serve()
    number = post(site, "ONCRMDEALADD", "7")
    site.delivery(number, "ONCRMDEALADD", ("dead",))
    [event] = wait_for(lambda: told(site), "the event")
    run = site.run_of(event["event"], DEAD)
    site.wait_idle()
    [event] = told(site)
    assert [delivery["hook"] for delivery in event["deliveries"]] == [DEAD]
    assert (event["origin"], event["test"], event["id"], event["portal"]) == ("self", False, None, bitrix.DOMAIN)
    assert {line["origin"] for line in site.list("--event", DEAD)} == {"self"}
    env = {name: value for name, value in run.env.items() if name.startswith(("BX_DATA", "BX_ORIGIN", "BX_PORTAL", "BX_TEST"))}
    since, fix = env.pop("BX_DATA_SINCE"), env.pop("BX_DATA_FIX")
    assert env == {"BX_DATA_HOOK": "ONCRMDEALADD", "BX_DATA_COUNT": "1", "BX_DATA_DELIVERY": f"{number}/ONCRMDEALADD",
                   "BX_DATA_REASON": "exit 65", "BX_DATA_EVENT": "ONCRMDEALADD", "BX_DATA_ENTITY": "7",
                   "BX_ORIGIN": "self", "BX_PORTAL": bitrix.DOMAIN}
    assert since == site.show(number)["deliveries"][0]["ended_at"] and f"show {number}/ONCRMDEALADD" in fix
    assert run.event["auth"] == {"domain": bitrix.DOMAIN, "member_id": bitrix.MEMBER_ID}
    assert run.event["event"] == DEAD and set(run.event) == {"event", "data", "ts", "auth"}


@BOTH_STORES
def test_one_that_dies_of_its_own_tells_nobody(site):
    site.hook("any.sh", "exit 65")
    site.hook("BXHOOK.DEAD.sh", "exit 65")
    site.configure(more=f"hook mixed {{ event ONCRMDEALADD  event {DEAD}  run {site.hooks}/BXHOOK.DEAD.sh }}\n", worker="start manual")
    number = accept(site, bitrix.event("ONCRMDEALADD", "7"))
    site.run("work", "--once")
    assert {delivery["state"] for delivery in site.show(number)["deliveries"]} == {"dead"}
    events = told(site)
    assert sorted(event["body"]["data"]["HOOK"] for event in events) == ["any", "mixed"]
    assert all({d["hook"]: d["state"] for d in event["deliveries"]} == {DEAD: "dead", "mixed": "dead"} for event in events)
    site.run("work", "--once")
    assert len(told(site)) == 2
    assert site.status()["unfinished"] == 0


@BOTH_STORES
def test_a_thousand_deaths_are_few_events(site):
    site.hook("any.sh", "exit 65")
    site.hook("BXHOOK.DEAD.sh", f"echo $BX_DATA_COUNT $BX_DATA_HOOK >> {site.out}/told")
    site.configure(worker="start manual concurrency 16", defaults="concurrency 16")
    site.serve()
    for number in range(1, 1001):
        post(site, "ONCRMDEALADD", str(number))
    worker = site.work()
    wait_for(lambda: site.status()["deliveries"]["dead"] == 1000, "a thousand deaths", 120)
    first = told(site)
    assert [event["body"]["data"]["HOOK"] for event in first] == ["any"] and len(first) <= 3
    assert worker.stop() == 0  # and what is left is told
    counts = [int(event["body"]["data"]["COUNT"]) for event in told(site)]
    assert sum(counts) == 1000 and len(counts) <= 4, counts
    site.run("work", "--once")
    lines = (site.out / "told").read_text().splitlines()
    assert sorted(lines) == sorted(f"{count} any" for count in counts)


def test_what_dies_on_two_hosts_is_told_once_a_minute(scratch, database):
    with contextlib.ExitStack() as stack:
        hosts = [Host(scratch, database, name) for name in ("a", "b")]
        for host in hosts:
            stack.callback(host.stop)
            host.hook("ONCRMDEALADD.sh", f"echo >> {host.out}/ran; sleep 0.05; exit 65")
            host.hook("BXHOOK.DEAD.sh", "exit 0")
            host.configure(worker="start manual concurrency 1")
        first = hosts[0]
        first.serve()
        for number in range(60):
            post(first, "ONCRMDEALADD", str(number))
        workers = [host.work() for host in hosts]
        wait_for(lambda: first.status()["deliveries"]["dead"] == 60, "the deaths", 60)
        assert all((host.out / "ran").exists() for host in hosts), "both had a part"
        assert len(told(first)) == 1
        for worker in workers:
            assert worker.stop() == 0
        assert sum(int(event["body"]["data"]["COUNT"]) for event in told(first)) == 60


def test_a_worker_of_cron_tells_at_its_end(site):
    site.hook("any.sh", "exit 65")
    site.hook("BXHOOK.DEAD.sh", f"echo $BX_DATA_COUNT >> {site.out}/told")
    site.configure(worker="start manual")
    for number in range(5):
        accept(site, bitrix.event("ONCRMDEALADD", str(number)))
    site.run("work", "--once")
    assert (site.out / "told").read_text() == "5\n"


def test_without_a_hook_for_it_nothing_is_made(site):
    site.hook("any.sh", "exit 65")
    site.configure(more=f"hook globs {{ event BXHOOK.DEA?  run {site.hooks}/any.sh }}\n", worker="start manual")
    accept(site, bitrix.event())
    site.run("work", "--once")
    assert told(site) == [] and len(site.list()) == 1


def test_none_is_made_when_the_queue_is_nearly_full(site):
    site.hook("ONCRMDEALADD.sh", "exit 65")
    site.probe("BXHOOK.DEAD.sh")
    site.hook("ONCRMLEADADD.sh", "exit 75")
    site.configure(more="limits { queue 5 }\nhook ONCRMLEADADD { backoff 1h }\n", worker="start manual")
    for number in range(4):
        accept(site, bitrix.event("ONCRMLEADADD", str(number)))
    dead = accept(site, bitrix.event("ONCRMDEALADD"))
    site.run("work", "--once")
    assert site.show(dead)["deliveries"][0]["state"] == "dead" and told(site) == []
    site.run("cancel", "1")
    accept(site, bitrix.event("ONCRMDEALADD"))
    site.run("work", "--once")
    assert len(told(site)) == 1


@pytest.mark.parametrize("code", [DEAD, "bxhook.dead", PORTAL, "BXHOOK.X", "ROBOT.X", "Sms.X", "WEBHOOK.X", "POST.X"])
def test_no_post_can_say_that_it_is_one(site, code):
    site.probe("BXHOOK.DEAD.sh")
    site.serve()
    answer = client.fastcgi(site.socket, bitrix.body(code))
    assert (answer.status, answer.json["error"]) == (400, "malformed")
    assert "begins with" in answer.json["message"]
    assert client.fastcgi(site.socket, bitrix.body(code, token=bitrix.WRONG_TOKEN)).status == 400
    assert site.list() == []
    assert post(site, code.replace(".", "_")) == 1


def test_trigger_and_events_know_them(site):
    site.probe("BXHOOK.DEAD.sh")
    site.probe("BXHOOK.PORTAL.sh")
    assert "fields   below data:" in site.run("events", DEAD).stdout.decode()
    known = {one["code"]: one for one in json.loads(site.run("events", "BXHOOK.*", "--json").stdout)}
    assert known.keys() == {DEAD, PORTAL} and "COUNT" in known[DEAD]["fields"] and known[PORTAL]["id_paths"] == []
    for number, code in enumerate((DEAD, PORTAL), 1):
        site.run("trigger", code)
        run = site.run_of(number, code)
        assert run.env["BX_TEST"] == "1" and run.env["BX_ORIGIN"] == "test"
        assert {f"BX_DATA_{field}" for field in known[code]["fields"]} <= run.env.keys()
    assert site.run("check", check=False).stdout.decode().count("BXHOOK") == 0


@BOTH_STORES
def test_what_a_worker_that_is_killed_had_to_tell_is_lost_and_no_death(site, scratch):
    program = ROOT / os.environ.get("BUILD", "build") / "bxhook-faults"
    assert program.is_file(), f"no program {program}: run make {program}"
    site.hook("any.sh", "exit 65")
    site.hook("BXHOOK.DEAD.sh", f"echo $BX_DATA_DELIVERY $BX_DATA_COUNT >> {site.out}/told")
    site.configure(worker="start manual")
    number = accept(site, bitrix.event("ONCRMDEALADD", "7"))
    whole, site.binary = site.binary, shutil.copy(program, scratch.bin / "bxhook-faults")
    worker = site.start([site.binary, "work", "--config", site.config], "worker.log", env={"BXHOOK_FAULT": "after-finish 1"})
    wait_for(lambda: not worker.running(), "its end")
    assert worker.popen.returncode == -signal.SIGKILL
    site.binary = whole
    assert site.show(number)["deliveries"][0]["state"] == "dead"
    accept(site, bitrix.event("ONCRMDEALADD", "8"))
    site.run("work", "--once")
    assert (site.out / "told").read_text() == f"{number + 1}/any 1\n"
    assert site.show(number)["deliveries"][0]["state"] == "dead" and site.status()["deliveries"]["dead"] == 2


# -- Installations

def data(event):
    return event["body"]["data"]


@BOTH_STORES
def test_a_hook_that_names_it_is_told_once_of_an_installation_that_broke(land):
    land.site.probe("BXHOOK.PORTAL.sh")
    land.site.probe("any")
    portal = land.active()
    land.cloud.faults.order("error", method="oauth/token", error="invalid_grant", status=400)
    land.renew(portal, check=False)
    land.renew(portal, check=False)
    one = land.shown(portal)
    assert one["state"] == "broken"
    [event] = told(land.site, PORTAL)
    assert (event["origin"], event["member_id"], event["id"]) == ("self", portal.member_id, None)
    assert data(event) == {"STATE": "broken", "PORTAL": one["portal"], "MEMBER_ID": portal.member_id,
                           "CLIENT_ID": land.app.client_id, "PROBLEM": one["problem"], "FIX": one["fix"]}
    land.site.run("work", "--once")
    assert [d["hook"] for d in land.site.show(event["event"])["deliveries"]] == [PORTAL]
    # Healed and broken again is news again.
    portal.send(land.app, "ONAPPTEST", {}, portal.admin(), refresh=True).wait()
    assert land.state(portal) == "active"
    land.cloud.faults.order("error", method="oauth/token", error="invalid_grant", status=400)
    land.renew(portal, check=False)
    assert len(told(land.site, PORTAL)) == 2


def killed(land, scratch, place, *words):
    """The command WORDS is killed at that PLACE of the program (src/base/fault.h)."""
    site, whole = land.site, land.site.binary
    program = ROOT / os.environ.get("BUILD", "build") / "bxhook-faults"
    site.binary = shutil.copy(program, scratch.bin / "bxhook-faults")
    try:
        done = site.run(*words, check=False, env={"BXHOOK_FAULT": f"{place} 1"})
    finally:
        site.binary = whole
    assert done.returncode == -signal.SIGKILL, done


def broken_by_a_killed_renewal(land, scratch):
    """The portal; a hook waits to be told."""
    land.site.probe("BXHOOK.PORTAL.sh")
    portal = land.active()
    land.cloud.faults.order("error", method="oauth/token", error="invalid_grant", status=400)
    killed(land, scratch, "renewal-refused", "renew", land.number(portal), "--seen", land.seen(portal))
    return portal


@BOTH_STORES
def test_one_that_broke_as_its_renewal_was_killed_is_told_of(land, scratch):
    portal = broken_by_a_killed_renewal(land, scratch)
    assert land.state(portal) == "broken" and told(land.site, PORTAL) == []
    land.site.run("work", "--once")
    [event] = told(land.site, PORTAL)
    assert data(event)["STATE"] == "broken" and event["deliveries"][0]["state"] == "done"
    land.site.run("work", "--once")
    assert len(told(land.site, PORTAL)) == 1


@BOTH_STORES
def test_one_that_waits_for_its_block_as_sync_was_killed_is_told_of(land, scratch):
    land.site.probe("BXHOOK.PORTAL.sh")
    land.install_in_no_block()
    killed(land, scratch, "installation-kept", "sync")
    assert told(land.site, PORTAL) == []
    land.site.run("work", "--once")
    [event] = told(land.site, PORTAL)
    assert data(event)["STATE"] == "pending" and f"client_id {land.app.client_id}" in data(event)["FIX"]
    land.sync()
    assert len(told(land.site, PORTAL)) == 1


@BOTH_STORES
def test_one_that_is_healed_before_it_was_told_of_needs_nobody(land, scratch):
    portal = broken_by_a_killed_renewal(land, scratch)
    portal.send(land.app, "ONAPPTEST", {}, portal.admin(), refresh=True).wait()
    assert land.state(portal) == "active"
    land.site.run("work", "--once")
    assert told(land.site, PORTAL) == []


@BOTH_STORES
def test_ten_that_find_it_broken_tell_once(land):
    land.site.probe("BXHOOK.PORTAL.sh")
    portal = land.active()
    land.cloud.faults.order("error", method="oauth/token", error="invalid_grant", status=400)
    for process in land.start_renewals(portal, 10):
        process.popen.wait(60)
    assert land.state(portal) == "broken"
    assert len(told(land.site, PORTAL)) == 1


@BOTH_STORES
def test_it_is_told_once_of_one_that_no_block_has(land):
    land.site.probe("BXHOOK.PORTAL.sh")
    other, portal = land.install_in_no_block()
    assert land.sync()[0].endswith("waits for an app block")
    one = land.shown(portal)
    [event] = told(land.site, PORTAL)
    assert data(event) == {"STATE": "pending", "PORTAL": one["portal"], "MEMBER_ID": portal.member_id,
                           "CLIENT_ID": land.app.client_id, "PROBLEM": one["problem"], "FIX": one["fix"]}
    assert f"client_id {land.app.client_id}" in data(event)["FIX"]
    # Installed again with another application_token: it is found, and joins the one that waits.
    land.app.client_secret = "n" * 50
    portal.installations.clear()
    portal.install(land.app).wait()
    assert len(land.installations()) == 2
    assert land.sync()[0].endswith("waits for an app block")
    assert [one["state"] for one in land.installations()] == ["pending"]
    assert len(told(land.site, PORTAL)) == 1


def test_it_is_not_told_of_tokens_that_are_refused_for_now(land):
    land.site.probe("BXHOOK.PORTAL.sh")
    portal = land.active()
    land.cloud.faults.order("error", method="oauth/token", error="NOT_INSTALLED", status=401)
    land.renew(portal, check=False)
    one = land.shown(portal)
    assert one["state"] == "active" and "NOT_INSTALLED" in one["problem"]
    assert told(land.site, PORTAL) == []


def test_nobody_is_told_of_installations_who_did_not_ask(land):
    land.site.probe("any")
    portal = land.active()
    land.cloud.faults.order("error", method="oauth/token", error="invalid_grant", status=400)
    land.renew(portal, check=False)
    assert land.state(portal) == "broken" and told(land.site, PORTAL) == []


def test_one_found_by_the_worker_is_told_of_by_itself(site):
    """A worker that runs takes the event at once."""
    with clouds.on(site, worker="start auto") as land:
        site.probe("BXHOOK.PORTAL.sh")
        portal = land.install()
        wait_for(lambda: land.state(portal) == "active", "active", 30)
        land.cloud.faults.order("error", method="oauth/token", error="invalid_grant", status=400)
        land.site.change_store("UPDATE %chore SET due_at = 1 WHERE what = 1")
        wait_for(lambda: land.state(portal) == "broken", "broken", 30)
        [event] = wait_for(lambda: told(site, PORTAL), "the event")
        assert site.run_of(event["event"], PORTAL).env["BX_DATA_STATE"] == "broken"
