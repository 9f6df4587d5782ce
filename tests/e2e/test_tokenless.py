"""An installation whose application_token has not come: an old portal's page brought it."""

import secrets

import bitrix
import client
import clouds
from clock import Clock
from clouds import HOUR
from hosts import BOTH_STORES


def without_application_token(land):
    """An active installation that an old portal's page brought."""
    land.app.page = True
    portal = land.cloud.portal("acme")
    portal.install(land.app)
    portal.open(land.app, old=True)
    assert "verified" in land.sync()[0]
    return portal


@BOTH_STORES
def test_without_application_token_the_first_post_that_is_proven_sets_it(site):
    with clouds.on(site, names=True) as land:
        portal = without_application_token(land)
        assert "its application_token has not come yet" in land.shown(portal)["problem"]
        assert "the first event there that its user or an administrator causes" in land.shown(portal)["fix"]
        body = bitrix.encode({"event": "ONCRMDEALADD", "ts": "1767225600", "data": {"FIELDS": {"ID": "666"}},
                              "auth": {"access_token": secrets.token_hex(35), "member_id": portal.member_id,
                                       "user_id": "1", "domain": portal.domain, "application_token": secrets.token_hex(16)}})
        assert client.fastcgi(land.site.socket, body).status == 200
        portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": 7}}, portal.users[2]).wait()  # is not an admin's
        land.sync()
        assert land.site.list("--event", "ONCRMDEALADD") == []
        portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": 8}}, portal.admin()).wait()
        assert "application_token found, 2 events" in " ".join(land.sync())
        assert [line["id"] for line in land.site.list("--event", "ONCRMDEALADD")] == ["8", "7"]
        assert land.shown(portal)["problem"] is None


@BOTH_STORES
def test_forged_posts_keep_no_installation_without_application_token_from_its_own(site):
    with clouds.on(site, names=True) as land:
        portal = without_application_token(land)

        def post(number):
            auth = {"access_token": secrets.token_hex(35), "member_id": portal.member_id, "user_id": "1",
                    "domain": portal.domain, "application_token": secrets.token_hex(16)}
            body = bitrix.encode({"event": "ONCRMDEALADD", "ts": "1767225600", "auth": auth,
                                  "data": {"FIELDS": {"ID": number}}})
            return client.fastcgi(land.site.socket, body).status

        assert {post(1000 + number) for number in range(105)} == {200}
        assert land.site.status()["held"] == 100, "the oldest make room"
        before = len(land.cloud.records.of("app.info"))
        done = land.site.run("sync", check=False)
        assert done.returncode == 1
        assert len(land.cloud.records.of("app.info")) == before + 10
        assert land.site.status()["held"] == 90, "what the server does not know is erased"
        assert done.stdout.decode().count("held posts refused: their access token is not this installation's; erased: 1") == 10
        # The next real one is looked at first.
        portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": 7}}, portal.admin()).wait()
        assert "application_token found, 1 event" in " ".join(land.sync())
        assert len(land.cloud.records.of("app.info")) == before + 11
        assert [line["id"] for line in land.site.list("--event", "ONCRMDEALADD")] == ["7"]
        assert land.site.status()["held"] == 0


@BOTH_STORES
def test_where_no_answer_comes_held_posts_stay_and_the_others_are_not_asked_about(site):
    with clouds.on(site, names=True) as land:
        portal = without_application_token(land)
        for number in (7, 8):
            portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": number}}, portal.admin()).wait()
        reset = land.cloud.faults.order("reset", times=9, method="app.info")
        assert land.site.run("sync", check=False).returncode == 1
        assert land.site.status()["held"] == 2 and reset.hit <= 2
        reset.release()
        assert "application_token found, 2 events" in " ".join(land.sync())


def test_held_posts_whose_tokens_hour_is_over_stay_when_the_server_has_forgotten_it(site):
    clock = Clock(site)
    with clouds.on(site, names=True) as land:
        portal = without_application_token(land)
        portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": 7}}, portal.admin()).wait()
        clock.set(HOUR + 10)
        land.cloud.faults.order("error", method="app.info", error="invalid_client", status=400)
        land.sync(check=False)
        assert land.site.status()["held"] == 1
        portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": 8}}, portal.admin()).wait()
        assert "application_token found, 2 events" in " ".join(land.sync())
