"""Installed again: by whom, and while Bitrix24 is asked about it.  What came last holds."""

import secrets

import pytest

from clouds import DONE, land
from hosts import BOTH_STORES
from scratch import wait_for


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
    land.forge(access_token=pair.access, refresh_token=pair.refresh, member_id=portal.member_id, user_id="2",
               application_token=secrets.token_hex(16), server_endpoint=f"{land.cloud.url}/rest/")
    assert land.site.run("sync", check=False).returncode == 1
    assert {one["state"] for one in land.installations()} == {"active", "pending"}
    assert before[0] in land.site.query("SELECT user_id, token_expires_at FROM %installation")
    portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": 7}}, portal.admin()).wait()
    assert land.codes()[-1] == "ONCRMDEALADD", "the right token stays right"


# -- While Bitrix24 is asked

def hold(land, method):
    """The next answer to METHOD, which has run, until it is released."""
    return land.cloud.faults.order("slow", method=method, seconds=60, after=True)


def renew_and_hold(land, portal):
    """(the answer that is held, the process that waits for it)."""
    answer = hold(land, "oauth/token")
    renewal = land.start_renewals(portal)[0]
    wait_for(lambda: answer.hit == 1, "the server to be asked")
    return answer, renewal


def has_ended(process):
    wait_for(lambda: not process.running(), "the process to end", limit=30)
    return process.popen.returncode


def install_as_another(land, portal):
    boss = portal.add_user(admin=True)
    portal.install(land.app, user=boss).wait()
    return boss


def is_whose(land, portal, user):
    """It is active, once, with tokens of USER that work."""
    shown = [(one["state"], one["user_id"], one["problem"]) for one in land.installations()]
    assert shown == [("active", str(user.id), None)]
    assert land.renew(portal) == DONE
    spent = land.cloud.tokens.of_refresh(land.renewals()[-1].params["refresh_token"])
    assert spent.user.id == user.id, "those of a chain before would work as well"
    assert land.cloud.records.spent_twice() == []


@BOTH_STORES
@pytest.mark.parametrize("method", ["app.info", "oauth/token", "profile"])
def test_installed_again_while_it_is_verified_it_has_the_newest_tokens(land, method):
    portal = land.install()
    answer = hold(land, method)
    sync = land.start_sync()
    wait_for(lambda: answer.hit == 1, f"{method} to be asked")
    boss = install_as_another(land, portal)
    answer.release()
    has_ended(sync)
    assert "verified, 2 events" in sync.text() and "refused" not in sync.text()
    assert land.codes() == ["ONAPPINSTALL", "ONAPPINSTALL"]
    is_whose(land, portal, boss)


@BOTH_STORES
def test_installed_again_while_it_is_found_in_no_block_it_waits_with_the_newest_tokens(land):
    other, portal = land.install_in_no_block()
    answer = hold(land, "app.info")
    sync = land.start_sync()
    wait_for(lambda: answer.hit == 1, "app.info to be asked")
    boss = install_as_another(land, portal)
    answer.release()
    has_ended(sync)
    one = land.shown(portal)
    assert (one["state"], one["client_id"], one["user_id"]) == ("pending", land.app.client_id, str(boss.id))
    land.configure(apps=[other, land.app])
    assert "verified, 2 events" in land.sync()[0]
    is_whose(land, portal, boss)


@BOTH_STORES
def test_installed_again_while_its_tokens_are_renewed_it_has_the_newest(land):
    portal = land.active()
    answer, renewal = renew_and_hold(land, portal)
    boss = install_as_another(land, portal)
    assert "verified" in land.sync()[0]
    answer.release()
    assert has_ended(renewal) == 0, "there are tokens that are newer than those it was to renew"
    is_whose(land, portal, boss)


@BOTH_STORES
def test_uninstalled_while_its_tokens_are_renewed_it_stays_gone(land):
    portal = land.active()
    answer, renewal = renew_and_hold(land, portal)
    [post] = portal.uninstall(land.app)
    assert post.wait().status == 200
    land.site.run("work", "--once")
    assert land.state(portal) == "gone"
    answer.release()
    assert has_ended(renewal) == 1 and "the application was uninstalled" in renewal.text()
    assert land.state(portal) == "gone"
    of_tokens = "SELECT count(*) FROM %token" if land.site.database else "SELECT count(token) FROM %installation"
    [(left,)] = land.site.query(of_tokens)
    assert left == 0
