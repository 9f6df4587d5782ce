"""The other posts: what tells them apart, and who waits for the answer."""

import json

import bitrix
import pytest

from . import kinds


@pytest.fixture
def installed(portal, app):
    portal.add(app)
    return app


@pytest.mark.parametrize("kind", sorted(kinds.KINDS))
def test_each_arrives_as_it_was_made(cloud, portal, installed, handler, kind):
    handler.answer = b"read"
    post = portal.other(installed, kind).wait()
    assert (post.status, post.answer) == (200, b"read")
    body, headers = handler.bodies[0], handler.requests[0].headers
    if headers["Content-Type"] == "application/json":
        assert json.loads(body) == post.tree
    elif kind != "cashbox_print":
        assert body == bitrix.encode(post.tree).decode() and "raw-bytes" not in body


@pytest.mark.parametrize("kind, has, lacks", [
    ("webhook_robot", ["document_id"], ["event", "auth", "ts"]), ("pay_form", ["BX_PAYSYSTEM_ID"], ["event", "auth"]),
    ("pay_checkout", ["BX_SYSTEM_PARAMS"], ["auth"]), ("cashbox_print", ["cashbox_params"], ["auth"]),
    ("bi_data", ["connection", "mapFields"], ["auth"]), ("delivery", ["SHIPMENT"], ["auth"]),
    ("prompt", ["callbackUrl", "auth"], ["event"]), ("settings_install", ["event", "auth"], ["ts", "event_handler_id"]),
    ("settings_save", ["saveform"], ["event"]), ("call", ["event", "ts"], []), ("open_line", ["event"], [])])
def test_what_tells_them_apart(portal, installed, kind, has, lacks):
    tree = portal.other(installed, kind).wait().tree
    assert set(has) <= set(tree) and not set(lacks) & set(tree)


def test_bots(portal, installed):
    tree = portal.other(installed, "bot_v1").wait().tree
    assert tree["data"]["BOT"]["567"]["AUTH"]["client_id"] == installed.client_id
    assert portal.other(installed, "bot_v2").wait().tree["auth"]["application_token"].startswith("custom")


def test_bytes_that_are_not_utf8(portal, installed, handler):
    portal.other(installed, "cashbox_print")
    assert "nomenclature_code%5D=DM%05%CE%D1%F0%99%0C&" in handler.bodies[0]


def test_messages_without_an_author_have_no_auth(portal, installed):
    assert "auth" not in portal.sms(installed, "s", "+1", "t", document_id="DEAL_7").wait().tree
    assert "refresh_token" not in portal.sms(installed, "s", "+1", "t", portal.admin()).wait().tree["auth"]


def test_documents_of_robots(portal, installed):
    deal = portal.robot(installed, "r", "DEAL_7", {}, portal.admin()).wait()
    assert deal.tree["document_id"] == ["crm", "CCrmDocumentDeal", "DEAL_7"]
    assert deal.tree["document_type"][2] == "DEAL" and "refresh_token" in deal.tree["auth"]
    item = portal.robot(installed, "r", "DYNAMIC_31_5", wait=False).wait().tree
    assert item["document_id"][1].endswith("\\Dynamic") and item["use_subscription"] == "N"
    assert "access_token" not in item["auth"]


def test_a_bot_that_a_webhook_registered_has_a_token_of_its_own(cloud, client, portal, handler):
    url = portal.webhook()
    made = client.post(f"{url}imbot.register", {"CODE": "helper", "EVENT_HANDLER": handler.url, "CLIENT_ID": "x1"})
    tree = portal.say(made["result"], "Hello").wait().tree
    assert (tree["auth"]["application_token"], "access_token" in tree["auth"]) == ("customx1", False)
    assert client.post(f"{url}imbot.register", {"CODE": "a", "EVENT_HANDLER": "b"})["error"] == "ERROR_ARGUMENT"
    fields = {"code": "second", "eventMode": "webhook", "webhookUrl": handler.url}
    made = client.post(f"{url}imbot.v2.Bot.register", {"fields": fields, "botToken": "t2"})
    assert portal.say(made["result"]["bot"]["id"], "Hi").wait().tree["auth"]["application_token"] == "customt2"
    assert client.post(f"{url}imbot.v2.Bot.register", {"fields": fields})["error"] == "ERROR_ARGUMENT"


def test_a_bot_of_an_application_has_the_application_s(client, portal, app, handler):
    bot = client.result("imbot.register", CODE="helper", EVENT_HANDLER=handler.url)
    auth = portal.say(bot, "Hello").wait().tree["auth"]
    assert auth["application_token"] == portal.installations[app.client_id].application_token
    assert "access_token" in auth
