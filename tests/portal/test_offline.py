"""The offline queue: what is kept, fetched, reserved, lost."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import bitrix
import pytest

from .client import Client
from .clock import DAY


@pytest.fixture
def offline(client):
    """Has the deals' events kept."""
    for event in ("ONCRMDEALADD", "ONCRMDEALUPDATE"):
        assert client.result("event.bind", event=event, event_type="offline") is True
    return client


def change(portal, *ids, code="ONCRMDEALUPDATE", user=2):
    for id in ids:
        portal.happens(code, {"FIELDS": {"ID": id}}, portal.users[user] if user else None)


def kept(client, **params):
    """The ids of the deals whose rows are in the queue, seen without taking them."""
    return [row["EVENT_DATA"]["FIELDS"]["ID"] for row in client.result("event.offline.list", **params)]


def test_a_row(cloud, offline, portal):
    change(portal, 7)
    answer = offline.result("event.offline.get", clear=0)
    assert re.fullmatch("[0-9a-f]{32}", answer["process_id"])
    row = answer["events"][0]
    assert list(row) == ["ID", "TIMESTAMP_X", "EVENT_NAME", "EVENT_DATA", "EVENT_ADDITIONAL", "MESSAGE_ID"]
    assert (row["EVENT_NAME"], row["EVENT_DATA"], row["EVENT_ADDITIONAL"]) == (
        "ONCRMDEALUPDATE", {"FIELDS": {"ID": 7}}, {"user_id": 2})
    data = b'ONCRMDEALUPDATE|{"FIELDS":{"ID":7}}'
    assert row["MESSAGE_ID"] == hashlib.md5(data).hexdigest()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", row["TIMESTAMP_X"])


def test_a_repeat_renews_its_row(cloud, offline, portal):
    change(portal, 7, 8)
    first = offline.result("event.offline.list")
    cloud.clock.step(60)
    change(portal, 7, user=None)
    change(portal, 7, code="ONCRMDEALADD")
    rows = offline.result("event.offline.list")
    assert [row["ID"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["TIMESTAMP_X"] > first[0]["TIMESTAMP_X"] and rows[0]["EVENT_ADDITIONAL"] == {"user_id": 0}
    got = offline.result("event.offline.get", clear=0)["events"]
    assert [row["ID"] for row in got] == ["2", "1", "3"]  # by time


def test_get_deletes_unless_clear_is_0(offline, portal):
    change(portal, 1, 2, 3)
    answer = offline.result("event.offline.get", limit=2)
    assert answer["process_id"] is None and len(answer["events"]) == 2
    assert kept(offline) == [3]


def test_packages_never_overlap_and_are_read_again(offline, portal):
    change(portal, 1, 2, 3)
    first = offline.result("event.offline.get", clear=0, limit=2)
    second = offline.result("event.offline.get", clear=0, limit=2)
    assert [len(one["events"]) for one in (first, second)] == [2, 1]
    assert offline.result("event.offline.get", clear=0) == {"process_id": None, "events": []}
    assert offline.result("event.offline.get", clear=0, process_id=first["process_id"]) == first
    assert kept(offline, filter={">PROCESS_ID": ""}) == [1, 2, 3]
    assert kept(offline, filter={"=PROCESS_ID": second["process_id"]}) == [3]


def test_packages_taken_at_once_never_overlap(cloud, offline, portal, dawdle):
    dawdle(cloud.offline, "reserve")
    change(portal, *range(60))
    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(lambda _: offline.result("event.offline.get", clear=0, limit=10)["events"], range(6)))
    assert sorted(int(row["ID"]) for events in got for row in events) == list(range(1, 61))


def test_a_change_of_a_reserved_row_is_a_row_of_its_own(offline, portal):
    change(portal, 1)
    process = offline.result("event.offline.get", clear=0)["process_id"]
    change(portal, 1)
    assert kept(offline) == [1, 1]
    offline.result("event.offline.clear", process_id=process)
    assert kept(offline) == [1]


def test_reading_a_package_again_with_clear_deletes_all_of_it(offline, portal):
    change(portal, 1, 2, 3)
    process = offline.result("event.offline.get", clear=0)["process_id"]
    assert len(offline.result("event.offline.get", process_id=process, limit=1)["events"]) == 1
    assert kept(offline) == []


def test_clear_takes_messages_before_ids_and_all_when_the_list_is_empty(offline, portal):
    change(portal, 1, 2, 3, 4)
    answer = offline.result("event.offline.get", clear=0)
    process, events = answer["process_id"], answer["events"]
    offline.result("event.offline.clear", process_id=process, message_id=[events[0]["MESSAGE_ID"]],
                   id=[events[1]["ID"]])
    assert kept(offline) == [2, 3, 4]
    offline.result("event.offline.clear", process_id=process, id=[events[1]["ID"]])
    assert kept(offline) == [3, 4]
    offline.result("event.offline.clear", process_id="0" * 32)
    assert kept(offline) == [3, 4]
    offline.result("event.offline.clear", process_id=process, message_id=[])
    assert kept(offline) == []


def test_error_rows_swallow_later_changes(offline, portal):
    change(portal, 1)
    answer = offline.result("event.offline.get", clear=0)
    change(portal, 1)
    offline.result("event.offline.error", process_id=answer["process_id"],
                   message_id=[answer["events"][0]["MESSAGE_ID"]])
    change(portal, 1)
    assert offline.result("event.offline.get", clear=0)["events"] == []
    assert len(offline.result("event.offline.get", clear=0, error=1)["events"]) == 1


def test_times_are_the_portal_s_and_compare_as_moments(cloud, offline, portal):
    portal.zone = 3
    change(portal, 1)
    cloud.clock.step(600)
    change(portal, 2)
    row = offline.result("event.offline.list")[0]
    assert row["TIMESTAMP_X"].endswith("+03:00")
    moment = datetime.fromisoformat(row["TIMESTAMP_X"]).astimezone(timezone.utc) + timedelta(seconds=300)
    for text in (moment.isoformat(), moment.strftime("%Y-%m-%dT%H:%M:%SZ")):
        assert kept(offline, filter={"<TIMESTAMP_X": text}) == [1]
        assert kept(offline, filter={">=TIMESTAMP_X": text}) == [2]


def test_filter_order_and_pages(offline, portal):
    change(portal, *range(1, 71))
    got = offline.result("event.offline.get", clear=0, filter={">=ID": 10, "EVENT_NAME": "ONCRMDEALUPDATE"},
                         order={"ID": "DESC"}, limit=2)
    assert [row["ID"] for row in got["events"]] == ["70", "69"]
    page = offline.call("event.offline.list")
    assert (len(page["result"]), page["next"], page["total"]) == (50, 50, 70)
    assert len(offline.result("event.offline.list", start=50)) == 20
    for wanted in ({"!ID": 1}, {"EVENT_DATA": "x"}, {"ID": {"a": 1}}, {"PROCESS_ID": "x"}):
        assert offline.call("event.offline.get", clear=0, filter=wanted)["error"] == "ERROR_ARGUMENT"
    assert offline.call("event.offline.get", clear=0, limit=0)["error"] == "ERROR_ARGUMENT"


def test_rows_are_purged_reserved_or_not(cloud, offline, portal):
    change(portal, 1, 2)
    offline.result("event.offline.get", clear=0, limit=1)
    cloud.clock.step(35 * DAY)
    offline.pair = cloud.tokens.issue(offline.pair.installation, portal.admin())
    assert kept(offline) == []


@pytest.mark.parametrize("own, rows", [("skipped", 0), ("kept", 1)])
def test_changes_by_the_application_itself(cloud, offline, own, rows):
    cloud.own_changes = own
    offline.result("crm.deal.add", fields={})
    assert len(kept(offline)) == rows


def test_changes_with_another_connector_or_by_a_webhook_are_not_own(cloud, offline, portal):
    offline.result("crm.deal.add", fields={}, auth_connector="sync")
    offline.get(f"{portal.webhook()}crm.deal.add", bitrix.encode({"fields": {"TITLE": "x"}}),
                {"Content-Type": "application/x-www-form-urlencoded"})
    assert kept(offline) == [1, 2]


def test_a_connector_has_rows_of_its_own(offline, portal):
    offline.result("event.bind", event="ONCRMDEALADD", event_type="offline", auth_connector="sync")
    change(portal, 1, code="ONCRMDEALADD")
    assert len(kept(offline)) == 1 and len(kept(offline, auth_connector="sync")) == 1
    assert {"event": "ONCRMDEALADD", "connector_id": "sync", "offline": 1} in offline.result("event.get")
    assert offline.result("event.unbind", event="ONCRMDEALADD", event_type="offline",
                          auth_connector="sync") == {"count": 1}


def test_what_the_plan_does_not_have(offline, portal):
    change(portal, 1)
    portal.features.clear()
    assert offline.call("event.offline.get", clear=0)["error"] == "WRONG_LICENSE"
    assert offline.status == 403
    assert offline.call("event.offline.list", auth_connector="sync")["error"] == "WRONG_LICENSE"
    assert len(offline.result("event.offline.get")["events"]) == 1


def test_only_an_admin_by_the_application(cloud, offline, portal, app):
    bob = Client(cloud, portal, app, portal.users[2])
    assert bob.call("event.offline.get")["error"] == "ACCESS_DENIED"
    assert b"WRONG_AUTH_TYPE" in offline.get(f"{portal.webhook()}event.offline.list")
    assert offline.status == 403


def test_rows_go_with_the_application(cloud, offline, portal, app):
    change(portal, 1)
    portal.uninstall(app)
    again = Client(cloud, portal, app)
    assert kept(again) == []


def test_a_wake_up_comes_once_in_a_while(cloud, offline, portal, handler):
    offline.result("event.bind", event="ONOFFLINEEVENT", handler=handler.url, options={"minTimeout": 60})
    change(portal, 1, 2, 3)
    cloud.clock.step(61)
    change(portal, 4)
    cloud.outbox.drain()
    assert len(cloud.outbox.sent) == 2
    assert "data" not in handler.bodies[0] and "refresh_token" in handler.bodies[0]
