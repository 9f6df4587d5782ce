"""The end of an installation: its subscription, who may say it, and `portals forget`."""

import secrets
import time

import bitrix
import client
from clouds import land
from hosts import BOTH_STORES
from scratch import wait_for


@BOTH_STORES
def test_its_end_is_subscribed_to_until_that_succeeds(land):
    portal = land.install()
    land.cloud.faults.order("error", method="event.bind", error="ACCESS_DENIED", status=403)
    assert land.site.run("sync", check=False).returncode == 1
    one = land.shown(portal)
    assert one["state"] == "active"
    assert "it is not subscribed to all that it is to be: ONAPPUNINSTALL: ACCESS_DENIED" in one["problem"]
    assert "bxhook bind" in one["fix"]
    [(due_at,)] = land.site.query("SELECT due_at FROM %chore WHERE what = 2")
    assert due_at / 1000 < time.time() + 300, "without it nobody would say that it is uninstalled"
    assert land.sync()[0].endswith("subscribed to ONAPPUNINSTALL")
    assert land.shown(portal)["problem"] is None
    # Bound already, by an older installation for example.
    land.site.change_store("DELETE FROM %binding")
    assert land.sync() == ["nothing to change"]
    assert len(land.cloud.records.of("event.bind", done=False)) == 2


@BOTH_STORES
def test_uninstalled_on_the_portal_it_is_gone(land):
    portal = land.active()
    [post] = portal.uninstall(land.app)
    assert post.wait().status == 200
    land.site.run("work", "--once")
    assert land.state(portal) == "gone"
    # Twice, and late: refused by then.
    assert client.fastcgi(land.site.socket, post.body).status in (200, 403)
    land.cloud.clock.step(2)  # its time is of whole seconds
    portal.install(land.app).wait()
    land.sync()
    assert land.state(portal) == "active"
    assert client.fastcgi(land.site.socket, post.body).status == 200, "the same token again"
    land.site.run("work", "--once")
    assert land.state(portal) == "active", "it was installed since"


def lifecycle(portal, token, code="ONAPPUNINSTALL"):
    return bitrix.encode({"event": code, "ts": "4102444800", "data": {"CLEAN": "1", "LANGUAGE_ID": "en"},
                          "auth": {"member_id": portal.member_id, "domain": portal.domain, "application_token": token}})


@BOTH_STORES
def test_only_its_own_token_ends_an_installation(land):
    portal, other = land.active(), land.active("other")
    webhook = portal.outgoing_webhook(land.app.url)
    land.site.portals = f"portal {{\n member_id {portal.member_id}\n token {webhook}\n}}\n"
    land.configure()
    bitrix.sent_secrets.add(webhook)
    wait_for(lambda: client.fastcgi(land.site.socket, lifecycle(portal, webhook)).status == 200, "the portal's block")
    of_other = other.installations[land.app.client_id].application_token
    assert client.fastcgi(land.site.socket, lifecycle(portal, of_other)).status == 403
    assert client.fastcgi(land.site.socket, lifecycle(portal, secrets.token_hex(16))).status == 403
    assert client.fastcgi(land.site.socket, lifecycle(portal, "")).status == 403
    land.site.run("work", "--once")
    assert land.state(portal) == land.state(other) == "active"


@BOTH_STORES
def test_forget_takes_the_subscription_back_first(land):
    portal = land.active()
    installation = portal.installations[land.app.client_id]
    land.cloud.faults.order("error", method="event.unbind", error="PAYMENT_REQUIRED", status=401)
    done = land.site.run("portals", "forget", portal.member_id, "--yes", check=False)
    assert done.returncode == 75 and b"nothing is erased; --local erases it here only" in done.stderr
    assert land.state(portal) == "active"
    assert land.site.run("portals", "forget", portal.member_id, "--yes").stdout.startswith(b"erased")
    assert land.cloud.subscriptions.of(installation) == [] and land.state(portal) == "none"


def test_forget_erases_what_the_portal_has_no_more(land):
    portal = land.active()
    portal.installations[land.app.client_id].gone = True
    land.site.change_store("UPDATE %installation SET token_expires_at = 0")
    land.site.run("portals", "forget", portal.member_id, "--yes")
    assert land.state(portal) == "none"
