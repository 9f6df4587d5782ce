"""Subscriptions, and the life of an application as its handlers hear of it."""

import urllib.parse

import pytest

from .client import Client


@pytest.fixture
def bound(client, handler):
    """Has bound two events to the handler."""
    for event in ("ONCRMDEALADD", "ONAPPUNINSTALL"):
        assert client.result("event.bind", event=event, handler=handler.url) is True
    return client


def codes(cloud):
    cloud.outbox.drain()
    return [post.tree.get("event") for post in cloud.outbox.sent]


def test_an_event_goes_to_who_bound_it_with_a_token_of_who_caused_it(cloud, bound, portal, handler):
    portal.happens("ONCRMDEALADD", {"FIELDS": {"ID": 7}}, portal.users[2])
    portal.happens("ONCRMDEALUPDATE", {"FIELDS": {"ID": 7}}, portal.users[2])
    assert codes(cloud) == ["ONCRMDEALADD"]
    auth = cloud.outbox.sent[0].tree["auth"]
    assert "refresh_token" not in auth and auth["user_id"] == 2
    assert bound.call("profile", access=auth["access_token"])["result"]["ID"] == "2"
    assert "data%5BFIELDS%5D%5BID%5D=7" in handler.bodies[0]


def test_an_event_nobody_caused_has_no_token(cloud, bound, portal):
    portal.happens("ONCRMDEALADD", {"FIELDS": {"ID": 7}})
    codes(cloud)
    assert list(cloud.outbox.sent[0].tree["auth"]) == ["domain", "client_endpoint", "server_endpoint", "member_id",
                                                       "application_token"]


def test_auth_type_is_whose_token_comes(cloud, client, portal, handler):
    client.result("event.bind", event="ONCRMDEALADD", handler=handler.url, auth_type=1)
    portal.happens("ONCRMDEALADD", {}, portal.users[2])
    codes(cloud)
    assert cloud.outbox.sent[0].tree["auth"]["user_id"] == 1


def test_calls_make_events(cloud, bound):
    id = bound.result("crm.deal.add", fields={"TITLE": "a"})
    assert codes(cloud) == ["ONCRMDEALADD"]
    assert cloud.outbox.sent[0].tree["data"] == {"FIELDS": {"ID": id}}


def bind(client, **params):
    return client.call("event.bind", **{"event": "ONCRMDEALADD", "handler": "https://a.example/", **params})


@pytest.mark.parametrize("change, error", [
    ({"event": "ONNOTHING"}, "ERROR_EVENT_NOT_FOUND"), ({"event": ""}, "ERROR_ARGUMENT"),
    ({"handler": ""}, "ERROR_ARGUMENT"), ({"handler": "/path"}, "ERROR_ARGUMENT"),
    ({"handler": "http://localhost/"}, "ERROR_ARGUMENT"), ({"handler": "ftp://a.example/"}, "ERROR_ARGUMENT"),
    ({"event": "ONOFFLINEEVENT", "event_type": "offline"}, "ERROR_ARGUMENT")])
def test_what_cannot_be_bound(client, change, error):
    assert bind(client, **change)["error"] == error
    assert client.status == 400


def test_an_event_outside_of_the_scope(client, portal, app):
    portal.installations[app.client_id].granted = ("task",)
    assert bind(client)["error"] == "ERROR_EVENT_NOT_FOUND"
    assert "ONCRMDEALADD" not in client.result("events") and "ONTASKADD" in client.result("events")
    assert "ONCRMDEALADD" in client.result("events", FULL=True)
    assert client.result("events", SCOPE="telephony") and client.result("events", SCOPE="nothing") == []


def test_binding_twice(client):
    assert bind(client)["result"] is True
    assert bind(client) == {"error": "ERROR_CORE", "error_description": "Handler already binded"}
    assert client.status == 400
    assert bind(client, handler="https://a.example")["result"] is True  # differs by a slash


def test_names_of_parameters_in_any_case(client):
    assert client.result("event.bind", EVENT="oncrmdealadd", Handler="https://a.example/") is True
    assert client.result("event.get") == [
        {"event": "ONCRMDEALADD", "handler": "https://a.example/", "auth_type": "0", "offline": 0}]


def test_unbinding(client):
    bind(client)
    assert client.result("event.unbind", event="ONCRMDEALADD", handler="https://b.example/") == {"count": 0}
    assert client.call("event.unbind", event="ONCRMDEALADD")["error"] == "ERROR_ARGUMENT"
    assert client.result("event.unbind", event="ONCRMDEALADD", handler="https://a.example/") == {"count": 1}
    assert client.result("event.get") == []


def test_an_ordinary_user_binds_for_himself_only(cloud, portal, app):
    bob = Client(cloud, portal, app, portal.users[2])
    assert bind(bob, auth_type=1)["error"] == "ACCESS_DENIED"
    assert bind(bob, event_type="offline")["error"] == "ACCESS_DENIED"
    assert bind(bob, auth_type=2)["result"] is True
    unbind = {"event": "ONCRMDEALADD", "handler": "https://a.example/"}
    assert bob.result("event.unbind", **unbind, auth_type="2") == {"count": 0}  # as in a form: never equal
    assert bob.result("event.unbind", **unbind, auth_type=2) == {"count": 1}


def test_the_number_of_a_binding_changes_each_time(cloud, client, portal, handler):
    for _ in range(2):
        client.result("event.bind", event="ONCRMDEALADD", handler=handler.url)
        portal.happens("ONCRMDEALADD")
        codes(cloud)
        client.result("event.unbind", event="ONCRMDEALADD", handler=handler.url)
    first, second = [post.tree["event_handler_id"] for post in cloud.outbox.sent]
    assert first != second


def test_the_test_event(cloud, client, handler):
    client.result("event.bind", event="ONAPPTEST", handler=handler.url)
    assert client.result("event.test", nonce="n1") == 1
    assert codes(cloud) == ["ONAPPTEST"]
    tree = cloud.outbox.sent[0].tree
    assert tree["data"] == {"QUERY": {"nonce": "n1"}}
    assert client.refresh(tree["auth"]["refresh_token"])["user_id"] == 1


def test_an_outgoing_webhook_has_a_token_of_its_own(cloud, portal, handler):
    token = portal.outgoing_webhook(handler.url, "ONCRMDEALADD")
    portal.happens("ONCRMDEALADD", {"FIELDS": {"ID": 1}}, portal.users[1])
    codes(cloud)
    assert cloud.outbox.sent[0].tree["auth"] == {
        "domain": portal.domain, "client_endpoint": f"{cloud.url}/acme/rest/", "server_endpoint": f"{cloud.url}/rest/",
        "member_id": portal.member_id, "application_token": token}


def test_who_bound_the_end_hears_of_it_and_tokens_are_dead(cloud, bound, portal, app):
    portal.uninstall(app)
    portal.happens("ONCRMDEALADD")
    assert codes(cloud) == ["ONAPPUNINSTALL"]
    tree = cloud.outbox.sent[0].tree
    assert list(tree) == ["event", "event_handler_id", "data", "ts", "auth"]
    assert tree["data"] == {"CLEAN": 1, "LANGUAGE_ID": "en"}
    assert list(tree["auth"]) == ["domain", "client_endpoint", "server_endpoint", "member_id", "application_token"]
    assert bound.call("event.get")["error"] == "APPLICATION_NOT_FOUND"
    assert bound.refresh()["error"] == "NOT_INSTALLED"
    assert bound.post(f"{cloud.url}/rest/app.info", {"auth": bound.pair.access})["error"] == "invalid_client"
    bound.pair = cloud.tokens.issue(portal.add(app), portal.admin())
    assert bound.result("event.get") == []


def test_who_did_not_bind_the_end_does_not_hear_of_it(cloud, client, portal, app):
    portal.uninstall(app)
    assert codes(cloud) == []


@pytest.mark.parametrize("word", ["active", "installed"])
def test_no_event_without_an_active_and_installed_application(cloud, bound, portal, app, word):
    setattr(portal.installations[app.client_id], word, False)
    portal.happens("ONCRMDEALADD")
    assert codes(cloud) == []


def test_no_event_without_paying(cloud, bound, portal):
    portal.paid = False
    portal.happens("ONCRMDEALADD")
    assert codes(cloud) == []


PAGE = ["AUTH_ID", "AUTH_EXPIRES", "REFRESH_ID", "SERVER_ENDPOINT", "APPLICATION_TOKEN", "APPLICATION_SCOPE",
        "member_id", "status", "PLACEMENT"]


@pytest.mark.parametrize("old", [False, True])
def test_a_browser_brings_an_application_with_a_page(cloud, portal, handler, old):
    app = cloud.app(handler.url, page=True)
    assert portal.install(app) is None
    handler.answer = b"<html><script>wait</script></html>"
    portal.open(app, old=old)
    assert portal.installations[app.client_id].installed is False
    handler.answer = b"<html><script>BX24.installFinish()</script></html>"
    page = portal.open(app, old=old)
    assert portal.installations[app.client_id].installed is True
    assert list(page.tree) == [name for name in PAGE if not old or name not in PAGE[3:6]]
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(handler.requests[1].path).query))
    assert sorted(query) == ["APP_SID", "DOMAIN", "LANG", "PROTOCOL"]
    assert query["DOMAIN"] == portal.domain
    assert handler.requests[1].headers["Origin"] == f"https://{portal.domain}"
    assert "event" not in page.tree


def test_a_place_in_the_portal_is_a_page_with_options(cloud, portal, app, handler):
    portal.add(app, installed=False)
    handler.answer = b"BX24.installFinish()"
    page = portal.open(app, portal.users[2], "CRM_DEAL_DETAIL_TAB", {"ID": "7", "URI": "/crm/"})
    assert page.tree["PLACEMENT_OPTIONS"] == '{"ID": "7", "URI": "\\/crm\\/"}'
    assert portal.open(app, placement="X", options="undefined").tree["PLACEMENT_OPTIONS"] == "undefined"
    assert portal.installations[app.client_id].installed is False


def test_handlers_bound_before_it_was_finished_hear_of_the_installation(cloud, client, portal, app, handler):
    client.result("event.bind", event="ONAPPINSTALL", handler=handler.url)
    for _ in range(2):
        portal.finish(app)
    assert codes(cloud) == ["ONAPPINSTALL"] * 2
    assert "refresh_token" in cloud.outbox.sent[0].tree["auth"]
