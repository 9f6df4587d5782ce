"""`portals test`: the whole way round, from the tokens through the portal and the web server into the store."""

import json
import signal

import pytest

from clouds import land, portal
from hosts import BOTH_STORES
from scratch import wait_for
from test_bindings import OURS, add, bound, here, run, text, wants


@BOTH_STORES
def test_what_the_portal_posts_arrives(land):
    portal = land.active()
    lines, said = run(land, "portals", "test", portal.member_id)
    assert said == "" and lines[0].startswith("127.0.0.1: what it posts arrives: event ")
    number = lines[0].split("event ")[1].split()[0]
    shown = json.loads(land.site.run("show", number, "--json").stdout)
    assert shown["code"] == "ONAPPTEST" and shown["body"]["data"]["QUERY"]["nonce"].startswith("bxhook-")
    assert bound(land, portal) == here(land, OURS), "ONAPPTEST is bound for as long as it takes"
    assert run(land, "bind")[0] == ["nothing to change"]
    [line], _ = run(land, "portals", "test", portal.member_id, "--json")
    told = json.loads(line)
    assert told.pop("event") > int(number) and told.pop("took_ms") >= 0
    assert told == {"portal": "127.0.0.1", "member_id": portal.member_id, "client_id": land.app.client_id,
                    "arrived": True, "error": None}


def test_one_that_was_there_stays(land, portal):
    add(land, portal, "ONAPPTEST")
    run(land, "portals", "test", portal.member_id)
    assert bound(land, portal) == here(land, OURS, "ONAPPTEST")
    assert land.cloud.records.of("event.unbind", done=False) == []
    wants(land, "ONAPPTEST")
    run(land, "portals", "test", portal.member_id)
    assert bound(land, portal) == here(land, OURS, "ONAPPTEST")


def test_where_the_way_is_broken_it_says_so(land, portal):
    land.site.gateway.stop()
    lines, said = run(land, "portals", "test", portal.member_id, "--wait", "2s", code=1)
    assert lines == [] and f"what it posts to {land.app.url} did not arrive within 2 s" in said
    assert "'bxhook check --url URL'" in said
    assert bound(land, portal) == here(land, OURS)
    [line], _ = run(land, "portals", "test", portal.member_id, "--wait", "1s", "--json", code=1)
    told = json.loads(line)
    assert told["arrived"] is False and told["event"] is None and "did not arrive" in told["error"]


def test_another_event_of_that_code_is_not_it(land, portal):
    land.cloud.faults.order("status", method="event.test", status=200, body='{"result":1}')
    test = land.site.start([land.site.binary, "portals", "test", portal.member_id, "--wait", "4s", "--config",
                            land.site.config], "test.log")
    land.cloud.records.wait("event.test", done=False)
    portal.send(land.app, "ONAPPTEST", {"QUERY": {"nonce": "bxhook-1"}}, portal.admin()).wait()
    wait_for(lambda: not test.running(), "it to end", 20)
    assert "did not arrive within 4 s" in test.text()
    assert land.codes().count("ONAPPTEST") == 1


def test_when_the_portal_cannot_be_asked_it_is_75(land, portal):
    for method, error in (("event.get", "OVERLOAD_LIMIT"), ("event.bind", "PAYMENT_REQUIRED"),
                          ("event.test", "OVERLOAD_LIMIT")):
        land.cloud.faults.order("error", method=method, error=error, status=503)
        assert error in run(land, "portals", "test", portal.member_id, code=75)[1]
    assert bound(land, portal) == here(land, OURS)
    pending = land.install("other")
    assert "it is not verified yet" in run(land, "portals", "test", pending.member_id, code=75)[1]


def test_what_has_to_be_changed_first_is_1(land, portal):
    land.cloud.faults.order("error", method="event.test", error="ACCESS_DENIED", status=403)
    assert "event.test: ACCESS_DENIED" in run(land, "portals", "test", portal.member_id, code=1)[1]
    assert "there is no installation on 'nowhere'" in run(land, "portals", "test", "nowhere", code=1)[1]
    assert "test takes one portal" in run(land, "portals", "test", code=2)[1]
    conf = land.cloud.conf(land.app).replace(f"    url           {land.app.url}\n", "")
    land.site.configure(worker="start manual", more=conf)
    assert "app 1 has no `url`" in run(land, "portals", "test", portal.member_id, code=1)[1]


def test_one_that_was_killed_leaves_nothing_for_long(land, portal):
    land.cloud.faults.order("hang", method="event.test")
    test = land.site.start([land.site.binary, "portals", "test", portal.member_id, "--config", land.site.config],
                           "test.log")
    land.cloud.records.wait("event.test", done=False)
    test.stop(signal.SIGKILL)
    land.cloud.faults.clear()
    assert run(land, "bind")[0] == ["nothing to change"], "somebody may wait for it"
    assert bound(land, portal) == here(land, OURS, "ONAPPTEST")
    land.site.change_store("UPDATE %binding SET bound_at = 1")
    assert run(land, "bind")[0] == ["unbound ONAPPTEST"]
    assert [text(event) for (event,) in land.site.query("SELECT event FROM %binding")] == [OURS]
