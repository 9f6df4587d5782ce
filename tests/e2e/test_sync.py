"""Installations that Bitrix24 is asked about: verified, refused, renewed, and what is left of them."""

import re
import secrets

import pytest

import bitrix
import client
import clouds
from clock import Clock
from clouds import HOUR
from hosts import BOTH_STORES
from scratch import wait_for


REINSTALL = "reinstall the application on that portal, as an administrator"


@pytest.fixture
def land(site):
    with clouds.on(site) as made:
        yield made


def verified(line):
    return re.fullmatch(r"127\.0\.0\.1 \(local\..*\): verified(, \d+ events)?", line)


# -- Verifying

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
    assert methods == ["app.info", "oauth/token", "profile", "event.bind"]
    installation = portal.installations[land.app.client_id]
    assert [(one.event, one.handler) for one in land.cloud.subscriptions.of(installation)] \
        == [("ONAPPUNINSTALL", land.app.url)]
    assert land.sync() == ["nothing is due"]
    # Nothing more is asked, and its events come in.
    assert len(land.cloud.records) == 4
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


def forged(land, **changes):
    """An ONAPPINSTALL as anybody can send it."""
    auth = {"access_token": secrets.token_hex(35), "expires_in": "3600", "refresh_token": secrets.token_hex(35),
            "scope": "crm", "domain": "acme.bitrix24.com", "member_id": "f" * 32, "user_id": "1",
            "application_token": secrets.token_hex(16),
            "server_endpoint": "https://oauth.bitrix.info/rest/",
            "client_endpoint": "https://acme.bitrix24.com/rest/"} | changes
    body = bitrix.encode({"event": "ONAPPINSTALL", "data": {"VERSION": "1"}, "ts": "1767225600", "auth": auth})
    assert client.fastcgi(land.site.socket, body).status == 200


def test_a_token_that_nobody_knows_is_erased(land):
    forged(land, server_endpoint=f"{land.cloud.url}/rest/")
    assert "the authorization server does not know its token" in land.sync()[0]
    assert land.installations() == []


def test_a_token_of_another_portal_is_erased(land):
    """The tokens are real, and the attacker's own: the portal named is not his."""
    mine = land.active("mine")
    pair = land.cloud.tokens.issue(mine.installations[land.app.client_id], mine.admin())
    victim = land.cloud.portal("victim")
    forged(land, access_token=pair.access, refresh_token=pair.refresh, member_id=victim.member_id,
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
        forged(land, access_token=pair.access, refresh_token=pair.refresh, member_id=portal.member_id,
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
        assert land.site.run("sync", *words, check=False).stdout == b"nothing is due\n"
    assert len(land.cloud.records.of("app.info", done=False)) == 1
    slow.release()
    wait_for(lambda: not first.running(), "the first to end", limit=30)
    assert land.state(portal) == "active", first.text()


@BOTH_STORES
def test_a_verdict_is_of_the_tokens_that_were_judged(land):
    """Its own come while the server says that it does not know those that somebody made up."""
    portal = land.cloud.portal("acme")
    installation = portal.add(land.app)
    forged(land, member_id=portal.member_id, application_token=installation.application_token,
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
    land.cloud.faults.order("redirect", method="profile", to="https://127.0.0.1:1/internal")
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
def test_tokens_too_old_for_app_info_are_proven_by_their_renewal(land):
    portal = land.install()
    land.cloud.clock.step(2 * HOUR)
    other = land.cloud.app(land.app.url)
    land.configure(apps=[other, land.app])
    assert "verified" in land.sync()[0]
    assert land.shown(portal)["client_id"] == land.app.client_id
    assert land.codes() == ["ONAPPINSTALL"]


@BOTH_STORES
def test_one_in_no_block_waits_for_its_block(land):
    other = land.cloud.app(land.app.url)
    land.configure(apps=[other], more=f"app {{ server {land.cloud.url} }}\n")
    portal = wait_for(lambda: land.install(), "the empty block")
    assert land.sync()[0].endswith("waits for an app block")
    one = land.shown(portal)
    assert (one["state"], one["client_id"]) == ("pending", land.app.client_id)
    assert f"client_id {land.app.client_id}" in one["fix"] and "only if this is your application" in one["fix"]
    assert land.sync() == ["nothing is due"]
    portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": 7}}, portal.admin()).wait()
    land.configure(apps=[other, land.app])
    assert "verified, 2 events" in land.sync()[0]
    assert land.codes() == ["ONAPPINSTALL", "ONCRMDEALADD"]


@BOTH_STORES
def test_one_that_was_known_once_is_never_erased_by_app_info_alone(land):
    """The server has forgotten its access token, which was proven when its block was not there yet."""
    other = land.cloud.app(land.app.url)
    land.configure(apps=[other], more=f"app {{ server {land.cloud.url} }}\n")
    portal = wait_for(lambda: land.install(), "the empty block")
    assert land.sync()[0].endswith("waits for an app block")
    land.cloud.faults.order("error", times=2, method="app.info", error="invalid_client", status=400)
    land.cloud.faults.order("reset", method="oauth/token")
    land.configure(apps=[other, land.app])
    assert land.site.run("sync", check=False).returncode == 1
    one = land.shown(portal)
    assert (one["state"], one["client_id"], one["held"]) == ("pending", land.app.client_id, 1)
    assert one["problem"].startswith("renewal: ") and "sync" in one["fix"]
    assert "verified, 1 event" in land.sync()[0]
    # Its secret is asked with alone: the application is known.
    assert {request.params["client_id"] for request in land.renewals(ran=False)} == {land.app.client_id}


@BOTH_STORES
def test_an_old_token_that_app_info_does_not_know_is_proven_by_its_renewal(land):
    portal = land.install()
    land.site.change_store("UPDATE %installation SET token_expires_at = 1000, installed_at = installed_at - 3700000")
    land.cloud.faults.order("error", times=2, method="app.info", error="invalid_client", status=400)
    land.cloud.faults.order("html", method="oauth/token")
    assert land.site.run("sync", check=False).returncode == 1
    assert land.state(portal) == "pending" and "renewal: " in land.shown(portal)["problem"]
    assert "verified, 1 event" in land.sync()[0]


def make_old(land):
    """As if its tokens had come an hour ago, and app.info knew nothing of them any more."""
    land.site.change_store("UPDATE %installation SET token_expires_at = 1000, installed_at = installed_at - 3700000")
    land.cloud.faults.order("error", times=9, method="app.info", error="invalid_client", status=400)


@BOTH_STORES
def test_of_which_the_server_knows_neither_token_it_is_erased(land):
    portal = land.install()
    make_old(land)
    land.cloud.faults.order("error", method="oauth/token", error="invalid_grant", status=400)
    [line] = land.sync()
    assert line.endswith("installation refused: the authorization server knows neither of its tokens")
    assert land.state(portal) == "none" and land.site.status()["held"] == 0
    assert land.sync() == ["nothing is due"]


@BOTH_STORES
@pytest.mark.parametrize("error", ["NOT_INSTALLED", "invalid_client", "invalid_scope"])
def test_another_refusal_of_its_renewal_erases_nothing(land, error):
    portal = land.install()
    make_old(land)
    land.cloud.faults.order("error", method="oauth/token", error=error, status=400)
    assert "cannot verify yet" in land.sync(check=False)[0]
    assert "verified, 1 event" in land.sync()[0] and land.state(portal) == "active"


@BOTH_STORES
def test_a_refresh_token_that_a_lost_answer_may_have_spent_erases_nothing(land):
    portal = land.install()
    make_old(land)
    land.cloud.faults.order("cut", method="oauth/token")
    assert "cannot verify yet" in land.sync(check=False)[0]
    for _ in range(2):
        assert "invalid_grant" in land.sync(check=False)[0], "that was the first's doing"
    one = land.shown(portal)
    assert (one["state"], one["held"], one["fix"]) == ("pending", 1, REINSTALL)
    land.cloud.faults.clear()
    portal.install(land.app).wait()
    assert "verified, 2 events" in land.sync()[0]


@BOTH_STORES
def test_while_an_empty_block_stands_one_may_be_of_an_application_in_no_block(land):
    portal = land.install()
    other = land.cloud.app(land.app.url)
    land.configure(apps=[other], more=f"app {{ server {land.cloud.url} }}\n")
    make_old(land)
    assert "cannot verify yet" in land.sync(check=False)[0]
    assert land.state(portal) == "pending"
    land.configure(apps=[other, land.app])
    assert "verified, 1 event" in land.sync()[0]


def test_of_two_servers_that_may_know_it_one_alone_erases_nothing(site):
    with clouds.on(site, names=True) as land:
        portal = land.cloud.portal("acme")
        installation = portal.add(land.app)
        pair = land.cloud.tokens.issue(installation, portal.admin())
        forged(land, access_token=pair.access, refresh_token=pair.refresh, member_id=portal.member_id,
               application_token=installation.application_token, server_endpoint="")
        make_old(land)
        land.cloud.faults.order("error", method="oauth/token", host="oauth.bitrix.info", error="invalid_grant", status=400)
        land.cloud.faults.order("reset", method="oauth/token", host="oauth.bitrix24.tech")
        assert "cannot verify yet" in land.sync(check=False)[0]
        assert {request.host for request in land.renewals(ran=False)} == {"oauth.bitrix.info", "oauth.bitrix24.tech"}
        assert land.state(portal) == "pending"


def test_a_token_that_its_post_calls_old_is_erased(land):
    """Anybody can write that: for an hour app.info's word is enough."""
    forged(land, server_endpoint=f"{land.cloud.url}/rest/", expires_in="1")
    land.site.change_store("UPDATE %installation SET token_expires_at = 1000")  # its second is over
    assert "the authorization server does not know its token" in land.sync()[0]
    assert land.installations() == [] and land.renewals(ran=False) == []


@BOTH_STORES
@pytest.mark.parametrize("error", ["NOT_INSTALLED", "PORTAL_DELETED"])
def test_one_whose_application_is_switched_off_waits(land, error):
    portal = land.install()
    land.cloud.faults.order("error", method="app.info", error=error, status=401)
    assert land.site.run("sync", check=False).returncode == 1
    assert land.state(portal) == "pending" and error in land.shown(portal)["problem"]
    assert "verified, 1 event" in land.sync()[0]


@BOTH_STORES
def test_of_several_applications_the_failure_that_says_most_is_shown(land):
    portal = land.install()
    land.cloud.clock.step(2 * HOUR)
    other = land.cloud.app(land.app.url)
    land.configure(apps=[land.app, other])
    land.cloud.faults.order("status", method="oauth/token", status=500)
    assert land.site.run("sync", check=False).returncode == 1
    assert "status 500" in land.shown(portal)["problem"], "the other's refusal is no wonder"
    assert "verified" in land.sync()[0]


@BOTH_STORES
def test_one_in_no_block_goes_with_the_empty_block(land):
    land.configure(apps=[], more=f"app {{ server {land.cloud.url} }}\n")
    portal = wait_for(lambda: land.install(), "the empty block")
    land.sync()
    assert land.state(portal) == "pending"
    portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": 7}}, portal.admin()).wait()
    land.configure(apps=[land.cloud.app(land.app.url)])  # another than its own
    [line] = land.sync()
    assert line.startswith(f"127.0.0.1 ({land.app.client_id}): installation erased: no `app` block has its client_id ")
    assert f"'{land.app.client_id}'" in line and "held posts erased with it: 2" in line
    assert land.state(portal) == "none"
    assert land.sync() == ["nothing is due"]


@BOTH_STORES
def test_installed_again_by_another_administrator_it_is_the_same_installation(land):
    portal = land.active()
    first = land.number(portal)
    boss = portal.add_user(admin=True)
    portal.install(land.app, user=boss).wait()  # the same application_token: an event at once
    assert land.codes() == ["ONAPPINSTALL", "ONAPPINSTALL"]
    assert "verified" in land.sync()[0]
    assert land.codes() == ["ONAPPINSTALL", "ONAPPINSTALL"], "it is one event"
    assert [(one["state"], one["user_id"]) for one in land.installations()] == [("active", str(boss.id))]
    assert land.number(portal) == first
    # Another secret, and so another application_token.
    land.app.client_secret = "n" * 50
    portal.installations.clear()
    land.configure()
    portal.install(land.app).wait()
    assert "verified, 1 event" in land.sync()[0]
    assert [(one["state"], one["user_id"]) for one in land.installations()] == [("active", "1")]
    assert land.number(portal) == first
    assert land.cloud.records.spent_twice() == []


@BOTH_STORES
def test_what_is_broken_heals_when_another_administrator_installs_it(land):
    portal = land.active()
    portal.users[1].active = False
    land.cloud.faults.order("error", method="oauth/token", error="invalid_grant", status=400)
    land.renew(portal, check=False)
    assert land.state(portal) == "broken"
    boss = portal.add_user(admin=True)
    portal.install(land.app, user=boss).wait()
    land.sync()
    assert [(one["state"], one["user_id"]) for one in land.installations()] == [("active", str(boss.id))]
    assert land.renew(portal) == "0 \n"


def test_an_ordinary_user_takes_no_installation_over(land):
    """He sends an installation with tokens of his own, and an application_token that he made up."""
    portal = land.active()
    before = land.site.query("SELECT user_id, token_expires_at FROM %installation")
    pair = land.cloud.tokens.issue(portal.installations[land.app.client_id], portal.users[2])
    forged(land, access_token=pair.access, refresh_token=pair.refresh, member_id=portal.member_id, user_id="2",
           application_token=secrets.token_hex(16), server_endpoint=f"{land.cloud.url}/rest/")
    assert land.site.run("sync", check=False).returncode == 1
    assert {one["state"] for one in land.installations()} == {"active", "pending"}
    assert before[0] in land.site.query("SELECT user_id, token_expires_at FROM %installation")
    portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": 7}}, portal.admin()).wait()
    assert land.codes()[-1] == "ONCRMDEALADD", "the right token stays right"


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


# -- Its end

@BOTH_STORES
def test_its_end_is_subscribed_to_until_that_succeeds(land):
    portal = land.install()
    land.cloud.faults.order("error", method="event.bind", error="ACCESS_DENIED", status=403)
    assert land.site.run("sync", check=False).returncode == 1
    one = land.shown(portal)
    assert one["state"] == "active"
    assert "nobody would say that it is uninstalled: event.bind: ACCESS_DENIED" in one["problem"]
    assert "bxhook sync" in one["fix"]
    assert land.sync()[0].endswith("subscribed to ONAPPUNINSTALL")
    assert land.shown(portal)["problem"] is None
    # Bound already, by an older installation for example.
    land.site.change_store("INSERT INTO %chore (installation, what, due_at, tries) "
                           f"VALUES ({land.number(portal)}, 2, 1, 0)")
    assert land.sync()[0].endswith("subscribed to ONAPPUNINSTALL")
    assert len(land.cloud.records.of("event.bind")) == 3


@BOTH_STORES
def test_a_token_that_the_portal_refuses_is_renewed_once(land):
    """expired_token although it should be good: others are asked for, and not twice in ten minutes."""
    portal = land.install()
    land.cloud.faults.order("error", times=2, method="event.bind", error="expired_token", status=401)
    assert land.site.run("sync", check=False).returncode == 1
    assert len(land.renewals()) == 1, "a moment ago it was renewed already"
    land.site.change_store("UPDATE %installation SET renewed_at = renewed_at - 601000")
    assert land.sync()[0].endswith("subscribed to ONAPPUNINSTALL")
    assert len(land.renewals()) == 2 and land.state(portal) == "active"
    assert land.cloud.records.spent_twice() == []


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
    land.cloud.faults.order("html", method="event.unbind")
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
