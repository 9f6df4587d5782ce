"""Installations of an application that is in no `app` block: they wait for a person."""

from clouds import land
from hosts import BOTH_STORES
from scratch import wait_for


@BOTH_STORES
def test_one_in_no_block_waits_for_its_block(land):
    other, portal = land.install_in_no_block()
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
    other, portal = land.install_in_no_block()
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
