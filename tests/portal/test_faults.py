"""What goes wrong by order, and what is known of it afterwards."""

import http.client
import time

import pytest


def test_a_fault_is_for_so_many_requests_that_match(cloud, client):
    order = cloud.faults.order("status", times=2, method="crm.deal.*", status=502, body="busy", type="text/plain")
    assert client.result("profile")
    for _ in range(2):
        assert client.get(f"{cloud.url}/acme/rest/crm.deal.list?auth={client.pair.access}") == b"busy"
        assert client.status == 502
    assert client.result("crm.deal.list") == []
    assert (order.hit, order.left) == (2, 0)
    assert [one.fault for one in cloud.records] == [None, "status", "status", None]


def test_orders_name_a_portal_or_a_host(cloud, client):
    cloud.faults.order("empty", portal="other", times=9)
    cloud.faults.order("empty", host="oauth.bitrix.info", times=9)
    assert client.result("profile")
    cloud.faults.order("empty", portal="acme")
    with pytest.raises(ValueError):
        client.call("profile")


def test_an_unknown_kind_is_an_error(cloud):
    with pytest.raises(ValueError, match="no fault 'htlm'"):
        cloud.faults.order("htlm")
    with pytest.raises(ValueError, match="html: got an unexpected keyword argument 'colour'"):
        cloud.faults.order("html", colour="red")


def refresh(client):
    try:
        return client.refresh()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return type(error).__name__


@pytest.mark.parametrize("kind, options, status", [
    ("html", {}, 200), ("html", {"status": 504}, 504), ("empty", {}, 200), ("empty", {"status": 500}, 500),
    ("status", {"status": 503, "body": {"error": ""}}, 503)])
@pytest.mark.parametrize("after", [False, True])
def test_answers_that_are_not_json(cloud, client, kind, options, status, after):
    """Before or after the method ran: the token is still good, or spent."""
    old = client.pair
    cloud.faults.order(kind, method="oauth/token", after=after, **options)
    assert "access_token" not in refresh(client)
    assert client.status == status
    assert [one.ran for one in cloud.records] == [after]
    assert old.spent == after


@pytest.mark.parametrize("after", [False, True])
def test_a_reset_before_or_after_the_method_ran(cloud, client, after):
    old = client.pair
    cloud.faults.order("reset", method="oauth/token", after=after)
    with pytest.raises(ConnectionResetError):
        client.refresh()
    assert old.spent == after
    assert cloud.records.of("oauth/token")[0].status == 0


def test_a_cut_body_has_the_length_of_a_whole_one(cloud, client):
    cloud.faults.order("cut", method="profile", at=10)
    with pytest.raises((http.client.IncompleteRead, OSError)) as caught:
        client.get(f"{cloud.url}/acme/rest/profile?auth={client.pair.access}")
    assert isinstance(caught.value, OSError) or caught.value.partial == b'{"result":'
    assert cloud.records.of("profile")[0].ran


def test_a_hang_ends_when_it_is_released(cloud, client):
    import threading
    order = cloud.faults.order("hang", method="profile")
    said = []
    thread = threading.Thread(target=lambda: said.append(refused(client)))
    thread.start()
    cloud.records.wait("profile")
    assert not said
    order.release()
    thread.join(5)
    assert said and not cloud.records.of("profile")[0].ran


def refused(client):
    try:
        return client.call("profile")
    except (OSError, http.client.HTTPException) as error:
        return error


def test_a_slow_answer_comes(cloud, client):
    cloud.faults.order("slow", method="profile", seconds=0.3)
    began = time.monotonic()
    assert client.result("profile")
    assert time.monotonic() - began >= 0.3


def test_an_answer_of_any_size(cloud, client):
    cloud.faults.order("big", method="profile", size=3_000_000)
    assert len(client.result("profile")) == 3_000_000


def test_a_redirect_to_anywhere(cloud, client):
    cloud.faults.order("redirect", method="profile", to="http://127.0.0.1:9/")
    assert b"<html>" in client.get(f"{cloud.url}/acme/rest/profile?auth={client.pair.access}")
    assert (client.status, client.headers["Location"]) == (302, "http://127.0.0.1:9/")


def test_edited_answers(cloud, client):
    cloud.faults.order("edit", method="app.info", change={"result.install.member_id": "x", "result.user_id": 7})
    answer = client.post(f"{cloud.url}/rest/app.info", {"auth": client.pair.access})["result"]
    assert (answer["install"]["member_id"], answer["user_id"]) == ("x", 7)


def test_an_error_inside_a_batch(cloud, client, portal):
    portal.fill("crm.deal", 2)
    cloud.faults.order("error", inside=True, method="crm.deal.get", error="QUERY_LIMIT_EXCEEDED")
    answer = client.result("batch", cmd={"a": "crm.deal.get?id=1", "b": "crm.deal.get?id=2"})
    assert answer["result_error"]["a"]["error"] == "QUERY_LIMIT_EXCEEDED"
    assert answer["result"]["b"]["ID"] == "2"


def test_clear_ends_every_order(cloud, client):
    cloud.faults.order("empty", times=100)
    cloud.faults.clear()
    assert client.result("profile")


def test_a_renamed_portal_redirects_and_keeps_its_member_id(cloud, client, portal):
    old = cloud.client_endpoint(portal)
    cloud.rename(portal, "acme-new")
    assert b"<html>" in client.get(f"{old}profile?a=1")
    assert client.status == 302
    assert client.headers["Location"] == f"{cloud.url}/acme-new/rest/profile?a=1"
    answer = client.refresh()
    assert answer["client_endpoint"] == f"{cloud.url}/acme-new/rest/"
    assert answer["member_id"] == portal.member_id
    assert client.result("profile")
