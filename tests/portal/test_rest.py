"""Calls: who may, in which encoding, what is refused with what."""

import email.utils
import http.client
import json

import pytest

from . import Cloud
from .client import Client

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BOUNDARY = "xyz"


def multipart(**fields):
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
             for name, value in fields.items()]
    return ("".join(parts) + f"--{BOUNDARY}--\r\n").encode(), {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture
def rest(cloud):
    return f"{cloud.url}/acme/rest/"


def test_a_token_comes_as_auth_access_token_or_bearer(client, rest):
    token = client.pair.access
    for body, headers in ((f"auth={token}".encode(), FORM), (f"access_token={token}".encode(), FORM),
                          (b"", {"Authorization": f"Bearer {token}"}), multipart(auth=token),
                          (json.dumps({"auth": token}).encode(), {"Content-Type": "application/json"})):
        assert json.loads(client.get(f"{rest}profile", body, headers))["result"]["ID"] == "1"
    assert b'"ADMIN": true' in client.get(f"{rest}profile.json?auth={token}")


@pytest.mark.parametrize("body, headers, params", [
    (b"fields[TITLE]=b&fields[A][]=1&fields[A][]=2&x=y%26%3D", FORM,
     {"fields": {"TITLE": "b", "A": ["1", "2"]}, "x": "y&=", "q": "1"}),
    (json.dumps({"fields": {"TITLE": None, "A": [], "N": 1, "B": False}}).encode(),
     {"Content-Type": "application/json"}, {"fields": {"TITLE": None, "A": [], "N": 1, "B": False}, "q": "1"}),
    (*multipart(**{"fields[TITLE]": "ü", "x": "1"}), {"fields": {"TITLE": "ü"}, "x": "1", "q": "1"}),
    (None, {}, {"fields": {"TITLE": "query"}, "q": "1"}),
])
def test_query_and_body_are_merged_and_the_body_wins(cloud, client, rest, body, headers, params):
    client.get(f"{rest}profile?q=1&fields[TITLE]=query&auth={client.pair.access}", body, headers)
    got = dict(cloud.records.of("profile")[0].params)
    del got["auth"]
    assert got == params


def test_chunked_bodies(cloud, client, rest):
    client.get(f"{rest}profile", iter([b"auth=", client.pair.access.encode()]), FORM)
    assert client.status == 200


@pytest.mark.parametrize("name", ["auth_connector", "start", "state", "token", "ap", "aplogin"])
def test_names_the_server_takes_do_not_reach_a_method(client, name, handler):
    client.result("event.bind", event="ONAPPTEST", handler=handler.url)
    client.result("event.test", **{name: "1", "kept": "2"})
    client.cloud.outbox.drain()
    assert client.cloud.outbox.sent[0].tree["data"] == {"QUERY": {"kept": "2"}}


@pytest.mark.parametrize("method", ["PROFILE", "Profile", "profile.json"])
def test_case_of_a_method_does_not_count(client, method):
    assert client.result(method)


def test_case_of_a_controller_s_method_counts(client, portal):
    portal.rows["tasks.flow"] = {1: {"name": "first"}}
    assert client.result("tasks.flow.Flow.isExists", flowData={"name": "first"}) is True
    assert client.result("tasks.flow.Flow.isExists", flowData={"name": "other"}) is False
    assert client.call("tasks.flow.flow.isExists", flowData={})["error"] == "ERROR_METHOD_NOT_FOUND"


def test_parameters_that_count_by_their_place(client):
    fields = {"POST_MESSAGE": "x"}
    assert client.result("task.commentitem.add", TASKID=7, FIELDS=fields) == 1
    assert client.call("task.commentitem.add", FIELDS=fields, TASKID=7)["error"] == "ERROR_CORE"
    assert client.call("task.commentitem.add", request_id=1, TASKID=7, FIELDS=fields)["error"] == "ERROR_CORE"


def revoke(name):
    def change(portal, installation):
        setattr(installation, name, not getattr(installation, name))
    return change


def of_portal(**values):
    return lambda portal, installation: vars(portal).update(values)


def of_user(name):
    return lambda portal, installation: setattr(portal.users[1], name, False)


@pytest.mark.parametrize("change, error, status", [
    (revoke("active"), "APPLICATION_NOT_FOUND", 401), (revoke("gone"), "APPLICATION_NOT_FOUND", 401),
    (of_portal(paid=False), "PAYMENT_REQUIRED", 401), (of_portal(deleted=True), "PORTAL_DELETED", 403),
    (of_user("active"), "authorization_error", 401), (of_user("access"), "user_access_error", 401)])
def test_who_may_not(client, portal, app, change, error, status):
    change(portal, portal.installations[app.client_id])
    assert client.call("profile")["error"] == error
    assert client.status == status
    assert not client.cloud.records.of("profile")[0].ran


def test_a_token_is_needed_that_this_portal_knows(cloud, client, app, rest):
    assert json.loads(client.get(f"{rest}profile"))["error"] == "NO_AUTH_FOUND"
    assert client.call("profile", access="x")["error"] == "invalid_token"
    other = Client(cloud, cloud.portal("other"), app)
    assert client.call("profile", access=other.pair.access)["error"] == "invalid_token"
    assert other.result("profile")


def test_methods_that_are_not_there_or_not_granted(client, portal, app):
    assert client.call("crm.nothing")["error"] == "ERROR_METHOD_NOT_FOUND"
    assert client.status == 404
    portal.installations[app.client_id].granted = ("user",)
    assert client.call("crm.deal.list")["error"] == "insufficient_scope"
    assert client.status == 403


def test_statuses_of_live_portals(folder):
    with Cloud(folder=folder, live=True) as cloud:
        client = Client(cloud, cloud.portal(), cloud.app("http://127.0.0.1:9/", scope=()))
        assert client.call("crm.deal.list")["error"] == "insufficient_scope"
        assert client.status == 401


def test_webhooks(client, portal, rest):
    url = portal.webhook()
    assert json.loads(client.get(f"{url}profile"))["result"]["ADMIN"] is True
    assert list(json.loads(client.get(f"{url}app.info.json"))["result"]) == ["SCOPE", "LICENSE"]
    assert json.loads(client.get(f"{url}event.get"))["error"] == "WRONG_AUTH_TYPE"
    assert client.status == 403
    for wrong in (f"{rest}1/wrong/profile", url.replace("/1/", "/2/") + "profile", f"{rest}CODE/profile"):
        assert json.loads(client.get(wrong))["error"] == "INVALID_CREDENTIALS"
        assert client.status == 401
    assert json.loads(client.get(url))["error"] == "ERROR_METHOD_NOT_FOUND"


def test_app_info_says_whether_it_is_installed(client, portal, app):
    assert client.result("app.info")["INSTALLED"] is True
    portal.installations[app.client_id].installed = False
    assert client.result("app.info")["INSTALLED"] is False


def test_users(cloud, portal, app):
    bob = Client(cloud, portal, app, portal.users[2])
    assert (bob.result("profile")["ADMIN"], bob.result("user.admin"), bob.result("user.current")["ID"]) == (
        False, False, "2")


def test_an_error_may_come_with_status_200(client):
    place = {"PLACEMENT": "CRM_DEAL_DETAIL_TAB", "HANDLER": "https://a.example/"}
    assert client.result("placement.bind", **place) is True
    assert "error" in client.call("placement.bind", **place)
    assert client.status == 200


def test_a_number_that_is_not_one(client):
    assert client.call("event.offline.get", limit="many")["error"] == "ERROR_ARGUMENT"
    assert client.status == 400


def test_an_error_may_have_no_name(client):
    assert client.call("crm.deal.get", id=7) == {"error": "", "error_description": "Not found"}
    assert client.status == 400


def test_the_time_stands_beside_every_result(cloud, client):
    cloud.clock.step(3000)
    took = client.call("profile")["time"]
    assert list(took) == ["start", "finish", "duration", "processing", "date_start", "date_finish",
                          "operating_reset_at", "operating"]
    assert abs(took["start"] - cloud.clock.now()) < 5
    date = email.utils.parsedate_to_datetime(client.headers["Date"]).timestamp()
    assert abs(date - cloud.clock.now()) < 5


def test_the_bucket_is_full_and_flows_out(cloud, client, portal):
    cloud.rest.limit(portal, burst=3, rate=0.001)
    said = [client.call("profile").get("error") for _ in range(5)]
    assert said == [None] * 3 + ["QUERY_LIMIT_EXCEEDED"] * 2
    assert client.status == 503
    cloud.rest.limit(portal, burst=1, rate=1000)
    assert all("result" in client.call("profile") for _ in range(5))


def test_the_operating_time_of_a_method_is_used_up_and_comes_back(cloud, client, portal):
    cloud.rest.operating(portal).costs["crm.deal.list"] = 250
    times = [client.call("crm.deal.list")["time"] for _ in range(2)]
    assert [one["operating"] for one in times] == [250, 500]
    assert cloud.clock.now() + 500 < times[1]["operating_reset_at"] <= cloud.clock.now() + 600
    assert client.call("crm.deal.list")["error"] == "OPERATION_TIME_LIMIT"
    assert client.status == 429
    assert client.result("crm.deal.fields")  # another method
    cloud.clock.step(601)
    assert client.call("crm.deal.list")["time"]["operating"] == 250


def test_plain_http_is_refused(cloud):
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=10)
    connection.request("GET", "/acme/rest/profile")
    assert json.loads(connection.getresponse().read())["error"] == "INVALID_REQUEST"


def test_what_is_nowhere_is_html(cloud, client):
    for path in ("/", "/nobody/rest/profile", "/acme/", "/oauth/", "/rest/crm.deal.list"):
        client.get(cloud.url + path)
        assert client.status == 404


def test_a_workflow_and_a_message_get_their_answers(cloud, client, portal, app, handler):
    robot = portal.robot(app, "my_robot", "DEAL_7", {"comment": "x"}).wait().tree
    assert client.result("bizproc.event.send", EVENT_TOKEN=robot["event_token"], RETURN_VALUES={"sum": 3},
                         LOG_MESSAGE="done") is True
    workflow = portal.workflows[robot["event_token"]]
    assert (workflow.values, workflow.log) == ({"sum": 3}, ["done"])
    assert client.result("bizproc.event.send", EVENT_TOKEN=robot["event_token"], RETURN_VALUES={"sum": 4}) is True
    assert workflow.values == {"sum": 3}, "it has gone on"
    for token in ({}, {"EVENT_TOKEN": "x"}):
        for method in ("bizproc.event.send", "bizproc.activity.log"):
            assert client.call(method, **token)["error"] == "ACCESS_DENIED"
            assert client.status == 403
    assert client.call("bizproc.activity.log", EVENT_TOKEN=robot["event_token"])["error"] == "ERROR_EMPTY_LOG_MESSAGE"
    nobody_waits = portal.robot(app, "my_robot", "DEAL_7", wait=False).wait().tree["event_token"]
    assert client.result("bizproc.event.send", EVENT_TOKEN=nobody_waits, RETURN_VALUES={"sum": 3}) is True
    assert portal.workflows[nobody_waits].values is None
    message = portal.sms(app, "my_sms", "+100", "hello", portal.admin()).wait().tree["message_id"]
    said = {"CODE": "my_sms", "MESSAGE_ID": message}
    assert client.result("messageservice.message.status.update", **said, STATUS="delivered") is True
    assert portal.messages["my_sms", message].status == "delivered"
    for change, error in (({"STATUS": "lost"}, "ERROR_MESSAGE_STATUS_INCORRECT"),
                          ({}, "ERROR_MESSAGE_STATUS_INCORRECT"),
                          ({"MESSAGE_ID": "x", "STATUS": "sent"}, "ERROR_MESSAGE_NOT_FOUND"),
                          ({"MESSAGE_ID": "", "STATUS": "sent"}, "ERROR_MESSAGE_NOT_FOUND"),
                          ({"CODE": "other", "STATUS": "sent"}, "ERROR_MESSAGE_NOT_FOUND"),
                          ({"CODE": "", "STATUS": "sent"}, "ERROR_SENDER_VALIDATION_FAILURE")):
        assert client.call("messageservice.message.status.update", **{**said, **change})["error"] == error
        assert client.status == 400


def test_all_secrets_for_a_look_into_logs(cloud, client, portal, app):
    old = client.pair
    client.refresh()
    code = portal.webhook().split("/")[-2]
    assert {old.access, old.refresh, client.pair.access, client.pair.refresh, app.client_secret, code,
            portal.installations[app.client_id].application_token} <= cloud.secrets()


def test_records_show_who_was_given_a_secret(cloud, client, app):
    client.refresh()
    assert cloud.records.with_secret(app.client_secret, *cloud.hosts) == []
    assert [one.method for one in cloud.records.with_secret(app.client_secret)] == ["oauth/token"]
    assert cloud.records.with_secret(client.pair.access) == []
