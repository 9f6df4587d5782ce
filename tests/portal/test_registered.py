"""Robots, activities and senders: how they are registered, and what goes to whom then."""

import pytest

from .client import Client

KINDS = ("robot", "activity")


def robot(handler, **more):
    return {"CODE": "total", "HANDLER": f"{handler.url}/robots", "NAME": "Total", "USE_SUBSCRIPTION": "Y",
            "RETURN_PROPERTIES": {"total": {"NAME": "Total", "TYPE": "double"}}, **more}


def sender(handler, **more):
    return {"CODE": "my_sms", "TYPE": "SMS", "HANDLER": f"{handler.url}/sms", "NAME": "Mine", **more}


@pytest.mark.parametrize("kind", KINDS)
def test_a_robot_goes_to_its_handler_and_takes_back_what_it_named(client, portal, app, handler, kind):
    assert client.result(f"bizproc.{kind}.add", **robot(handler)) is True
    post = portal.robot(app, "total", "DEAL_7", {"rate": "2"}, portal.admin()).wait()
    assert post.url == f"{handler.url}/robots" and post.tree["use_subscription"] == "Y"
    client.result("bizproc.event.send", EVENT_TOKEN=post.tree["event_token"], RETURN_VALUES={"TOTAL": "3", "x": "4"})
    assert portal.workflows[post.tree["event_token"]].values == {"TOTAL": "3"}


def test_nobody_waits_for_one_that_says_so(client, portal, app, handler):
    client.result("bizproc.robot.add", **robot(handler, USE_SUBSCRIPTION="N", AUTH_USER_ID="2"))
    tree = portal.robot(app, "total", "DEAL_7").wait().tree
    assert (tree["use_subscription"], tree["auth"]["user_id"]) == ("N", 2)


def test_each_application_has_its_own(cloud, client, portal, handler):
    other = Client(cloud, portal, cloud.app(handler.url))
    for kind, list_of_others in (("robot", "activity"), ("activity", "robot")):
        assert client.result(f"bizproc.{kind}.add", **robot(handler)) is True
        assert client.result(f"bizproc.{kind}.list") == ["total"]
        assert client.result(f"bizproc.{list_of_others}.list") == other.result(f"bizproc.{kind}.list") == []
        for also in KINDS:
            assert client.call(f"bizproc.{also}.add", **robot(handler))["error"] == "ERROR_ACTIVITY_ALREADY_INSTALLED"
        for who, verb in ((other, kind), (client, list_of_others)):
            assert who.call(f"bizproc.{verb}.delete", CODE="total")["error"] == "ERROR_ACTIVITY_NOT_FOUND"
        assert client.result(f"bizproc.{kind}.delete", code="total") is True
        assert client.result(f"bizproc.{kind}.list") == []


@pytest.mark.parametrize("more, error, text", [
    ({"CODE": ""}, "ERROR_ACTIVITY_VALIDATION_FAILURE", "Empty activity code!"),
    ({"CODE": "a b"}, "ERROR_ACTIVITY_VALIDATION_FAILURE", "Wrong activity code!"),
    ({"NAME": ""}, "ERROR_ACTIVITY_VALIDATION_FAILURE", "Empty activity NAME!"),
    ({"HANDLER": "nowhere"}, "ERROR_WRONG_HANDLER_URL", "Wrong handler URL"),
    ({"HANDLER": "ftp://a.example/"}, "ERROR_UNSUPPORTED_PROTOCOL", "Unsupported handler protocol"),
    ({"HANDLER": "https://other.example/"}, "ERROR_HANDLER_URL_MATCH",
     "Handler URL host doesn't match application url"),
    ({"PROPERTIES": "x"}, "ERROR_ACTIVITY_VALIDATION_FAILURE", "Wrong properties array!"),
    ({"PROPERTIES": {"7": {"NAME": "x"}}}, "ERROR_ACTIVITY_VALIDATION_FAILURE", "Wrong property key 7!"),
    ({"RETURN_PROPERTIES": {"a": {}}}, "ERROR_ACTIVITY_VALIDATION_FAILURE", "Empty property NAME a!")])
def test_a_robot_that_is_refused(client, handler, more, error, text):
    answer = client.call("bizproc.robot.add", **robot(handler, **more))
    assert (answer["error"], answer["error_description"], client.status) == (error, text, 400)


def test_an_administrator_registers_for_an_application(cloud, client, portal, app, handler):
    ordinary = Client(cloud, portal, app, portal.users[2])
    calls = [(f"{what}.{verb}", fields(handler)) for what, fields in (
        ("bizproc.robot", robot), ("bizproc.activity", robot), ("messageservice.sender", sender))
        for verb in ("add", "delete", "list")]
    for method, fields in calls:
        assert ordinary.call(method, **fields)["error"] == "ACCESS_DENIED" and ordinary.status == 403
        answer = client.post(f"{portal.webhook()}{method}", fields)
        assert (answer["error"], answer["error_description"]) == ("ACCESS_DENIED", "Application context required")
    assert portal.installations[app.client_id].activities == portal.installations[app.client_id].senders == {}


def test_a_message_goes_to_the_handler_of_its_sender(cloud, client, portal, app, handler):
    assert client.result("messageservice.sender.add", **sender(handler)) is True
    assert client.call("messageservice.sender.add", **sender(handler))["error"] == "ERROR_SENDER_ALREADY_INSTALLED"
    post = portal.sms(app, "my_sms", "+100", "hello", portal.users[2]).wait()
    assert post.url == f"{handler.url}/sms"
    said = {"CODE": "my_sms", "MESSAGE_ID": post.tree["message_id"], "STATUS": "sent"}
    update = "messageservice.message.status.update"
    other = Client(cloud, portal, cloud.app(handler.url))
    assert other.call(update, **said)["error"] == "ERROR_MESSAGE_NOT_FOUND", "of another application"
    third = Client(cloud, portal, app, portal.add_user())
    assert third.call(update, **said)["error"] == "ACCESS_DENIED", "neither its author nor an administrator"
    assert client.post(f"{portal.webhook()}{update}", said)["error"] == "ACCESS_DENIED"
    for who in (Client(cloud, portal, app, portal.users[2]), client):
        assert who.result(update, **said) is True
    assert client.result("messageservice.sender.list") == ["my_sms"]
    assert client.result("messageservice.sender.delete", CODE="my_sms") is True
    assert client.call("messageservice.sender.delete", CODE="my_sms")["error"] == "ERROR_SENDER_NOT_FOUND"
    assert client.result("messageservice.sender.list") == []


@pytest.mark.parametrize("more, text", [
    ({"TYPE": ""}, "Empty sender message TYPE!"), ({"TYPE": "FAX"}, "Unknown sender message TYPE!"),
    ({"NAME": ""}, "Empty sender NAME!"), ({"CODE": "ä"}, "Wrong sender code!")])
def test_a_sender_that_is_refused(client, handler, more, text):
    answer = client.call("messageservice.sender.add", **sender(handler, **more))
    assert (answer["error"], answer["error_description"]) == ("ERROR_SENDER_VALIDATION_FAILURE", text)


def test_with_the_application_goes_what_it_registered(client, portal, app, handler):
    client.result("bizproc.robot.add", **robot(handler))
    portal.uninstall(app)
    assert Client(client.cloud, portal, app).result("bizproc.robot.list") == []
