"""The authorization server: single-use tokens, chains, expiry, and every refusal."""

import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from .client import Client
from .clock import DAY

ACCESS = 3600


def test_a_renewal_answers_all_that_bitrix24_answers(cloud, client, portal, app):
    answer = client.refresh()
    assert list(answer) == ["access_token", "expires", "expires_in", "scope", "domain", "server_endpoint", "status",
                            "client_endpoint", "member_id", "user_id", "refresh_token"]
    assert answer["domain"] == "127.0.0.1"  # the server's own name, not the portal's
    assert answer["client_endpoint"] == f"{cloud.url}/acme/rest/"
    assert (answer["member_id"], answer["user_id"], answer["expires_in"]) == (portal.member_id, 1, ACCESS)
    assert int.from_bytes(bytes.fromhex(answer["access_token"][:8]), "little") == answer["expires"]
    assert client.result("profile")["ADMIN"] is True


def test_a_refresh_token_is_good_once_and_its_use_kills_the_access_token(client):
    old = client.pair
    client.refresh()
    assert client.refresh(old.refresh) == {"error": "invalid_grant", "error_description": "Invalid grant"}
    assert client.status == 400
    assert client.call("profile", access=old.access)["error"] == "expired_token"
    assert client.status == 401
    assert client.result("profile")  # a second use of the old one harms nobody


@pytest.mark.parametrize("said", ["invalid_token", None])
def test_what_a_killed_access_token_gets_is_ordered(cloud, client, said):
    cloud.killed_token, old = said, client.pair.access
    client.refresh()
    assert client.call("profile", access=old).get("error") == said


def test_chains_are_independent(cloud, client, portal, app):
    other = Client(cloud, portal, app)
    for _ in range(3):
        client.refresh()
    assert other.result("profile") and "access_token" in other.refresh()
    assert client.pair.chain != other.pair.chain


def test_tokens_end_by_the_clock(cloud, client):
    cloud.clock.step(ACCESS + 1)
    assert client.call("profile")["error"] == "expired_token"
    assert client.refresh()["expires"] > cloud.clock.now()
    assert client.result("profile")
    cloud.clock.step(28 * DAY)
    assert client.refresh()["error"] == "invalid_grant"


def test_the_clock_is_that_of_a_file(folder, tmp_path):
    from . import Cloud
    file = tmp_path / "clock"
    file.write_text("0 0")
    with Cloud(folder=folder, clock=file) as cloud:
        client = Client(cloud, cloud.portal(), cloud.app("http://127.0.0.1:9/"))
        assert client.result("profile")
        file.write_text(f"{ACCESS + 1} 0")
        assert client.call("profile")["error"] == "expired_token"


@pytest.mark.parametrize("change, error, status", [
    ({"client_id": "local.0"}, "wrong_client", 200),
    ({"client_id": None}, "wrong_client", 200),
    ({"client_secret": "x"}, "invalid_client", 400),
    ({"refresh_token": "x"}, "invalid_grant", 400),
    ({"refresh_token": ""}, "invalid_request", 400),
    ({"grant_type": "password"}, "invalid_request", 400),
    ({"grant_type": "authorization_code", "code": "x"}, "invalid_grant", 400),
])
def test_refusals_of_what_was_sent(client, change, error, status):
    assert client.refresh(**change)["error"] == error
    assert client.status == status


def unpaid(portal, installation):
    portal.paid = False


def inactive(portal, installation):
    installation.active = False


def dismissed(portal, installation):
    installation.user.active = False


def deleted(portal, installation):
    portal.deleted = True


def uninstalled(portal, installation):
    portal.uninstall(installation.app)


@pytest.mark.parametrize("change, error, status", [
    (unpaid, "PAYMENT_REQUIRED", 401), (inactive, "NOT_INSTALLED", 401), (uninstalled, "NOT_INSTALLED", 401),
    (dismissed, "authorization_error", 401), (deleted, "NOT_FOUND", 404)])
def test_refusals_of_who_asks(client, portal, app, change, error, status):
    change(portal, portal.installations[app.client_id])
    assert client.refresh()["error"] == error
    assert client.status == status


def test_a_market_application_outlives_the_dismissal_of_its_user(client, portal, app):
    app.status, portal.users[1].active = "P", False
    assert "access_token" in client.refresh()
    assert client.result("profile")


@pytest.mark.parametrize("error, status", [("insufficient_scope", 403), ("invalid_scope", 403), ("NO_AUTH_FOUND", 401)])
def test_other_refusals_by_order(cloud, client, error, status):
    cloud.faults.order("error", method="oauth/token", error=error)
    assert client.refresh()["error"] == error
    assert client.status == status
    assert "access_token" in client.refresh()


def test_a_token_of_another_application_is_refused(cloud, client, portal):
    other = Client(cloud, portal, cloud.app("http://127.0.0.1:9/"))
    assert client.refresh(other.pair.refresh)["error"] == "invalid_grant"
    assert "access_token" in other.refresh()


def test_renewal_by_get(cloud, client, app):
    query = urllib.parse.urlencode({"grant_type": "refresh_token", "client_id": app.client_id,
                                    "client_secret": app.client_secret, "refresh_token": client.pair.refresh})
    assert b"access_token" in client.get(f"{cloud.url}/oauth/token/?{query}")


def test_answers_that_lack_something_or_name_another(cloud, client):
    cloud.faults.order("edit", method="oauth/token", change={"refresh_token": None})
    cloud.faults.order("edit", method="oauth/token", change={"member_id": "0" * 32})
    assert "refresh_token" not in client.refresh()
    assert client.refresh()["member_id"] == "0" * 32


def test_app_info_of_the_server_says_whose_token_it_is(cloud, client, portal, app):
    answer = client.post(f"{cloud.url}/rest/app.info", {"auth": client.pair.access})["result"]
    assert (answer["client_id"], answer["user_id"]) == (app.client_id, 1)
    assert list(answer["install"]) == ["installed", "version", "status", "scope", "domain", "uri", "client_endpoint",
                                       "member_id", "member_type"]
    assert answer["install"]["member_id"] == portal.member_id
    assert client.post(f"{cloud.url}/rest/app.info.json", {"auth": "x"})["error"] == "invalid_client"
    assert client.status == 400
    cloud.clock.step(ACCESS + 1)
    assert client.post(f"{cloud.url}/rest/app.info", {"auth": client.pair.access})["error"] == "expired_token"


def code_of(cloud, client, app):
    client.get(f"{cloud.url}/acme/oauth/authorize/?client_id={app.client_id}&state=s1")
    assert client.status == 302
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(client.headers["Location"]).query))


def exchange(cloud, client, app, code):
    return client.post(f"{cloud.url}/oauth/token/", {"grant_type": "authorization_code", "client_id": app.client_id,
                                                     "client_secret": app.client_secret, "code": code})


def test_a_code_becomes_a_pair_within_half_a_minute(cloud, client, portal, app):
    back = code_of(cloud, client, app)
    assert (back["state"], back["domain"], back["member_id"]) == ("s1", portal.domain, portal.member_id)
    assert exchange(cloud, client, app, back["code"])["user_id"] == 1
    assert exchange(cloud, client, app, back["code"])["error"] == "invalid_grant"
    late = code_of(cloud, client, app)["code"]
    cloud.clock.step(31)
    assert exchange(cloud, client, app, late)["error"] == "invalid_grant"


def test_an_unknown_application_is_not_redirected(cloud, client):
    client.get(f"{cloud.url}/acme/oauth/authorize/?client_id=local.0")
    assert client.status == 200


def test_what_was_spent_twice_is_seen(cloud, client):
    old = client.pair.refresh
    client.refresh()
    assert cloud.records.spent_twice() == []
    client.refresh(old)
    assert cloud.records.spent_twice() == [old]


def test_a_retry_of_what_did_not_arrive_spends_nothing_twice(cloud, client):
    cloud.faults.order("html", method="oauth/token")
    with pytest.raises(ValueError):
        client.refresh()
    client.refresh()
    assert cloud.records.spent_twice() == []


def test_of_ten_at_once_one_gets_the_next_pair(cloud, client, dawdle):
    dawdle(cloud.tokens, "renew")
    old = client.pair.refresh
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: client.refresh(old), range(10)))
    assert sorted(answer.get("error", "") for answer in answers) == [""] + ["invalid_grant"] * 9
