"""Installations whose tokens came long ago: what the server has forgotten of them, and what proves them still."""

import pytest

import clouds
from clouds import HOUR, REINSTALL, land
from hosts import BOTH_STORES


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
        land.forge(access_token=pair.access, refresh_token=pair.refresh, member_id=portal.member_id,
                   application_token=installation.application_token, server_endpoint="")
        make_old(land)
        land.cloud.faults.order("error", method="oauth/token", host="oauth.bitrix.info", error="invalid_grant", status=400)
        land.cloud.faults.order("reset", method="oauth/token", host="oauth.bitrix24.tech")
        assert "cannot verify yet" in land.sync(check=False)[0]
        assert {request.host for request in land.renewals(ran=False)} == {"oauth.bitrix.info", "oauth.bitrix24.tech"}
        assert land.state(portal) == "pending"


def test_a_token_that_its_post_calls_old_is_erased(land):
    """Anybody can write that: for an hour app.info's word is enough."""
    land.forge(server_endpoint=f"{land.cloud.url}/rest/", expires_in="1")
    land.site.change_store("UPDATE %installation SET token_expires_at = 1000")  # its second is over
    assert "the authorization server does not know its token" in land.sync()[0]
    assert land.installations() == [] and land.renewals(ran=False) == []


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
