"""Installations that Bitrix24 is asked about: verified, or refused."""

import re

import pytest

import clouds
from clouds import REINSTALL, land
from hosts import BOTH_STORES
from scratch import wait_for


def verified(line):
    return re.fullmatch(r"127\.0\.0\.1 \(local\..*\): verified(, \d+ events)?", line)


@BOTH_STORES
def test_an_installation_becomes_active_and_its_posts_events(land):
    portal = land.install()
    land.cloud.portal("acme").send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": 7}}, portal.admin()).wait()
    assert land.codes() == []
    lines = land.sync()
    assert len(lines) == 2 and verified(lines[0]) and "2 events" in lines[0]
    assert lines[1].endswith("subscribed to ONAPPUNINSTALL")
    assert land.codes() == ["ONAPPINSTALL", "ONCRMDEALADD"]
    one = land.shown(portal)
    assert (one["state"], one["client_id"], one["user_id"], one["held"]) == ("active", land.app.client_id, "1", 0)
    assert one["problem"] is None and one["portal"] == "127.0.0.1"
    methods = [request.method for request in land.cloud.records]
    assert methods == ["app.info", "oauth/token", "profile", "event.get", "event.bind"]
    installation = portal.installations[land.app.client_id]
    assert [(one.event, one.handler) for one in land.cloud.subscriptions.of(installation)] \
        == [("ONAPPUNINSTALL", land.app.url)]
    assert land.sync() == ["nothing to change"]
    # Nothing more is asked, since there are no `events`, and its events come in.
    assert len(land.cloud.records) == 5
    portal.send(land.app, "ONCRMDEALUPDATE", {"FIELDS": {"ID": 7}}, portal.admin()).wait()
    assert land.codes()[-1] == "ONCRMDEALUPDATE"
    assert land.cloud.records.spent_twice() == []


@BOTH_STORES
@pytest.mark.parametrize("change", [
    {"result.install.member_id": "0" * 32}, {"result.user_id": "7"}, {"result.client_id": "local.other"}])
def test_what_app_info_says_otherwise_is_erased(land, change):
    portal = land.install()
    land.cloud.faults.order("edit", method="app.info", change=change)
    assert "installation refused" in land.sync()[0]
    assert land.state(portal) == "none" and land.codes() == []
    assert land.site.status()["held"] == 0
    assert land.renewals(ran=False) == [], "the secret was shown nobody"


@BOTH_STORES
def test_one_of_whom_the_portal_says_another_user_is_erased(land):
    portal = land.install()
    land.cloud.faults.order("edit", method="profile", change={"result.ID": "7"})
    assert "its token is another user's" in land.sync()[0]
    assert land.state(portal) == "none" and land.codes() == [] and land.site.status()["held"] == 0


@BOTH_STORES
def test_one_whose_tokens_are_damaged_is_kept_and_holds_nobody(land):
    damaged, other = land.install("damaged"), land.install("other")
    if land.site.database:
        land.site.change_store(f"UPDATE %token SET data = 'x' WHERE installation = {land.number(damaged)}")
    else:
        land.site.change_store("UPDATE %slot SET data = x'00' WHERE id = (SELECT token FROM %installation "
                               f"WHERE id = {land.number(damaged)})")
    assert land.site.run("sync", check=False).returncode == 1
    assert land.state(other) == "active"
    assert land.shown(damaged)["problem"] == "its tokens are damaged: install the application again"
    assert land.shown(damaged)["fix"] == REINSTALL
    assert {request.portal for request in land.cloud.records} == {None, "other"}
    damaged.install(land.app).wait()
    land.sync()
    assert land.state(damaged) == "active"


def test_a_token_that_nobody_knows_is_erased(land):
    land.forge(server_endpoint=f"{land.cloud.url}/rest/")
    assert "the authorization server does not know its token" in land.sync()[0]
    assert land.installations() == []


def test_a_token_of_another_portal_is_erased(land):
    """The tokens are real, and the attacker's own: the portal named is not his."""
    mine = land.active("mine")
    pair = land.cloud.tokens.issue(mine.installations[land.app.client_id], mine.admin())
    victim = land.cloud.portal("victim")
    land.forge(access_token=pair.access, refresh_token=pair.refresh, member_id=victim.member_id,
               server_endpoint=f"{land.cloud.url}/rest/")
    assert "its token is of another portal" in land.sync()[0]
    assert land.state(victim) == "none" and land.state(mine) == "active"
    assert not pair.spent


def test_a_token_of_another_application_is_erased(land):
    foreign = land.cloud.app(land.app.url)
    portal = land.cloud.portal("acme")
    portal.install(foreign).wait()
    assert "no `app` block has its client_id" in land.sync()[0]
    assert land.installations() == []


@pytest.mark.parametrize("server", [
    "https://oauth.bitrix.info.evil.example/rest/", "https://oauth.bitrix.info@127.0.0.1/rest/",
    "https://oauth.bitrix.info:8443/rest/", "https://OAUTH.bitrix.info/rest/", "http://oauth.bitrix.info/rest/",
    "https://192.0.2.1/rest/", "https://oauth.bitrix.info./rest/"])
def test_a_server_endpoint_leads_nowhere_but_to_a_server_that_is_known(site, server):
    with clouds.on(site, names=True) as land:
        portal = land.cloud.portal("acme")
        installation = portal.add(land.app)
        pair = land.cloud.tokens.issue(installation, portal.admin())
        land.forge(access_token=pair.access, refresh_token=pair.refresh, member_id=portal.member_id,
                   application_token=installation.application_token, server_endpoint=server)
        assert "verified" in land.sync()[0]
        assert {request.host for request in land.cloud.records} == {"oauth.bitrix.info", "acme.bitrix24.example"}
        assert set(land.cloud.records.connected) <= {"oauth.bitrix.info:443", "acme.bitrix24.example:443"}


def test_by_bitrix24s_own_names_through_a_proxy(site):
    with clouds.on(site, names=True) as land:
        portal = land.active()
        assert land.shown(portal)["portal"] == "acme.bitrix24.example"
        for secret in (land.app.client_secret,):
            assert land.cloud.records.with_secret(secret, "oauth.bitrix.info") == []


@BOTH_STORES
@pytest.mark.parametrize("fault", ["html", "empty", "status", "cut", "reset"])
@pytest.mark.parametrize("method", ["app.info", "oauth/token", "profile"])
def test_no_answer_leaves_it_as_it_is(land, method, fault):
    portal = land.install()
    land.cloud.faults.order(fault, method=method)
    done = land.site.run("sync", check=False)
    assert done.returncode == 1 and b"cannot verify yet: " in done.stdout
    one = land.shown(portal)
    assert one["state"] == "pending" and one["problem"]
    if (method, fault) == ("oauth/token", "cut"):  # the token is spent, and nobody knows the new one
        assert land.site.run("sync", check=False).returncode == 1
        assert land.state(portal) == "pending" and len(land.cloud.records.spent_twice()) == 1
        portal.install(land.app).wait()
    # Its turn comes again in a minute, or when a person says so.
    assert "verified" in land.sync()[0]
    assert set(land.codes()) == {"ONAPPINSTALL"}
    assert len(land.cloud.records.spent_twice()) == (fault == "cut" and method == "oauth/token")


@BOTH_STORES
def test_who_looks_meanwhile_leaves_what_is_under_way(land):
    portal = land.install()
    slow = land.cloud.faults.order("slow", method="app.info", seconds=60)
    first = land.start_sync()
    wait_for(lambda: slow.hit == 1, "the first to ask")
    for words in ((), (portal.member_id,)):
        assert land.sync(*words) == ["nothing is due here: another process verifies 1 installation "
                                     "('bxhook portals' shows what becomes of it)"]
    assert len(land.cloud.records.of("app.info", done=False)) == 1
    slow.release()
    wait_for(lambda: not first.running(), "the first to end", limit=30)
    assert land.state(portal) == "active", first.text()


@BOTH_STORES
def test_a_verdict_is_of_the_tokens_that_were_judged(land):
    """Its own come while the server says that it does not know those that somebody made up."""
    portal = land.cloud.portal("acme")
    installation = portal.add(land.app)
    land.forge(member_id=portal.member_id, application_token=installation.application_token,
               server_endpoint=f"{land.cloud.url}/rest/")
    slow = land.cloud.faults.order("slow", method="app.info", seconds=60, after=True)
    first = land.start_sync()
    wait_for(lambda: slow.hit == 1, "the first to ask")
    portal.install(land.app).wait()
    assert len(land.installations()) == 1
    slow.release()
    wait_for(lambda: not first.running(), "the first to end", limit=30)
    assert land.state(portal) != "none", first.text()
    land.site.run("sync", check=False)
    assert land.state(portal) == "active" and set(land.codes()) == {"ONAPPINSTALL"}


def test_a_redirect_is_not_followed(land):
    portal = land.install()
    # To where who follows it is seen.
    land.cloud.faults.order("redirect", method="profile", to=f"{land.cloud.url}/rest/app.info")
    done = land.site.run("sync", check=False)
    assert done.returncode == 1 and land.state(portal) == "pending"
    assert [request.method for request in land.cloud.records] == ["app.info", "oauth/token", "profile"]


@BOTH_STORES
def test_one_who_is_no_administrator_cannot_install(land):
    portal = land.cloud.portal("acme")
    portal.install(land.app, user=portal.users[2]).wait()
    assert land.site.run("sync", check=False).returncode == 1
    one = land.shown(portal)
    assert one["state"] == "pending" and "user 2 is not an administrator" in one["problem"]
    assert one["fix"] == REINSTALL
    # The administrator installs it again: the same token.
    portal.install(land.app).wait()
    land.sync()
    assert land.state(portal) == "active" and land.shown(portal)["user_id"] == "1"
    assert land.codes() == ["ONAPPINSTALL", "ONAPPINSTALL"]


@BOTH_STORES
@pytest.mark.parametrize("error", ["NOT_INSTALLED", "PORTAL_DELETED"])
def test_one_whose_application_is_switched_off_waits(land, error):
    portal = land.install()
    land.cloud.faults.order("error", method="app.info", error=error, status=401)
    assert land.site.run("sync", check=False).returncode == 1
    assert land.state(portal) == "pending" and error in land.shown(portal)["problem"]
    assert "verified, 1 event" in land.sync()[0]


def test_with_a_wrong_secret_it_waits_and_says_what_to_compare(land):
    portal = land.cloud.portal("acme")
    right, land.app.client_secret = land.app.client_secret, "w" * 50
    land.configure()  # what a person has mistyped
    land.app.client_secret = right
    portal.install(land.app).wait()
    assert "is client_secret in the `app` block what Bitrix24 shows?" in land.sync(check=False)[0]
    one = land.shown(portal)
    assert one["state"] == "pending" and "client_secret" in one["problem"] and "bxhook sync" in one["fix"]
    land.configure()
    assert "verified, 1 event" in land.sync()[0]
