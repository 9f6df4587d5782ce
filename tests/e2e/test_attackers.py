"""Who knows the gateway's URL, or one portal's token, and wants more than that."""

import json

import pytest

import bitrix
import client
from hosts import BOTH_STORES
from scratch import wait_for
from test_installations import APP, HELD, auth, deal, install, portals, token

CLIENT = "local.67f0c1a2b3c4d5.01234567"


@pytest.fixture
def installed(quiet):
    """A site with an active installation on each of m1 and m2, whose tokens are "1" and "2"."""
    quiet.configure(worker="start manual", more=APP)
    quiet.probe()
    for number in ("1", "2"):
        body = install(f"m{number}", number)
        wait_for(lambda body=body: client.fastcgi(quiet.socket, body).status == 200, "the app block to count")
    quiet.change_store(f"UPDATE %installation SET state = 1, client_id = '{CLIENT}', user_id = '1'")
    for number in ("1", "2"):
        quiet.change_store(f"UPDATE %installation SET domain = 'real{number}.bitrix24.com' WHERE member_id = 'm{number}'")
    return quiet


def uninstall(member, name, ts="1767225700", proof=None):
    return bitrix.encode({"event": "ONAPPUNINSTALL", "event_handler_id": "13", "ts": ts,
                          "data": {"LANGUAGE_ID": "en", "CLEAN": "1"},
                          "auth": {"domain": "new.bitrix24.com", "member_id": member,
                                   "application_token": proof or token(name)}})


def all_of(site, member):
    shown = json.loads(site.run("portals", member, "--json").stdout)
    return [one for one in shown if one["source"] == "installed"]


def states(site):
    return {name: one["state"] for name, one in portals(site).items()}


@BOTH_STORES
def test_a_user_of_the_portal_with_a_token_of_his_own_gets_nothing(installed):
    """He knows his portal's member_id, has an access token, and invents an application_token."""
    body = install("m1", "9", user_id="666")
    assert client.fastcgi(installed.socket, body).json == HELD, "it may be a reinstallation"
    assert client.fastcgi(installed.socket, deal("m1", "9")).json == HELD
    number = client.fastcgi(installed.socket, deal("m1", "1")).event
    assert number, "the portal's own posts are events as before"
    installed.run("work", "--once")
    assert [line["event"] for line in installed.list()] == [number], "what he sent has reached no hook"
    assert len(portals(installed)) == 2
    assert "active" in {one["state"] for one in all_of(installed, "m1")}
    assert client.fastcgi(installed.socket, uninstall("m1", "9")).json == HELD
    installed.run("work", "--once")
    assert {one["state"] for one in all_of(installed, "m1")} == {"active", "pending"}
    assert client.fastcgi(installed.socket, deal("m1", "1")).event


@BOTH_STORES
def test_a_post_of_one_portal_that_names_another_is_refused(installed):
    foreign = bitrix.encode({"event": "ONCRMDEALUPDATE", "ts": "1767225601", "data": {"FIELDS": {"ID": "7"}},
                             "auth": auth("m2", "1")})
    answer = client.fastcgi(installed.socket, foreign)
    assert (answer.status, answer.json["error"]) == (403, "invalid_application_token")
    assert client.fastcgi(installed.socket, uninstall("m2", "1")).status == 403
    assert states(installed) == {"m1": "active", "m2": "active"}
    # Its domain alone proves nothing, and is given to no hook.
    named = bitrix.encode({"event": "ONCRMDEALUPDATE", "ts": "1767225601", "data": {"FIELDS": {"ID": "7"}},
                           "auth": auth("m1", "1", domain="real2.bitrix24.com")})
    number = client.fastcgi(installed.socket, named).event
    installed.run("work", "--once")
    run = installed.run_of(number)
    assert (run.env["BX_PORTAL"], run.env["BX_MEMBER_ID"]) == ("real1.bitrix24.com", "m1")
    assert installed.list()[0]["portal"] == "real1.bitrix24.com"


@BOTH_STORES
def test_an_uninstallation_counts_with_the_installations_token_and_once(installed):
    # The portal's outgoing webhook has a token too, which the configuration names.
    installed.configure(worker="start manual", more=APP, portals=(
        f"portal {{\n token {bitrix.TOKEN}\n}}\nportal {{\n member_id m1\n token {bitrix.WRONG_TOKEN}\n}}\n"))
    webhook = uninstall("m1", "", proof=bitrix.WRONG_TOKEN)
    wait_for(lambda: client.fastcgi(installed.socket, webhook).status == 200, "the portal block to count")
    installed.run("work", "--once")
    assert states(installed) == {"m1": "active", "m2": "active"}
    # Late: it was installed since.
    assert client.fastcgi(installed.socket, uninstall("m1", "1", ts="1767225599")).event
    installed.run("work", "--once")
    assert states(installed) == {"m1": "active", "m2": "active"}
    number = client.fastcgi(installed.socket, uninstall("m2", "2")).event
    installed.run("work", "--once")
    assert installed.delivery(number)["state"] == "done", "its hooks hear of it"
    assert states(installed) == {"m1": "active", "m2": "gone"}
    assert client.fastcgi(installed.socket, uninstall("m2", "2")).status == 403
    assert client.fastcgi(installed.socket, deal("m2", "2")).status == 403
    for forged in ("3", "1"):
        assert client.fastcgi(installed.socket, uninstall("m2", forged)).status == 403
    assert client.fastcgi(installed.socket, uninstall("unknown", "1")).status == 403
    assert states(installed) == {"m1": "active", "m2": "gone"}
