"""robot.sh and sms.sh of examples/, from their registration to what comes back, against the stand-in (tests/portal)."""

import contextlib
import json
import re

import pytest

import bitrix
import clouds
from hosts import BOTH_STORES
from pages import Terminal, blocks
from remote import Remote
from test_examples import EXAMPLES, blocks_of

INDEX = "examples/README.md"
KEY = re.search(r"key +(\w{32})", blocks_of("sms.sh")[0])[1]
PHONE = "+1 (202) 555-0100"


@pytest.fixture
def land(site):
    """A portal with an application, and where the commands of the index are typed."""
    with clouds.on(site) as made, contextlib.closing(Remote()) as made.service:
        bitrix.sent_secrets.add(KEY)
        made.portal = made.active()
        made.terminal = Terminal(site, {"https://YOUR-SITE/bitrix24": made.front.url})
        yield made


def last(land, post, hook):
    """(delivery, its last attempt) of the event that POST made, once the worker has been there."""
    number = json.loads(post.wait().answer)["event"]
    land.site.run("work", "--once")
    delivery, = [one for one in land.site.show(number)["deliveries"] if one["hook"] == hook]
    return delivery, delivery["attempts"][-1]


# -- robot.sh

def install_robot(land, settings=""):
    register, remove = blocks(INDEX, "sh", "robot.sh")
    land.configure(more=f"hook ROBOT.ADD_VAT {{ {settings} }}\n")
    land.site.hook("ROBOT.ADD_VAT.sh", (EXAMPLES / "robot.sh").read_text())
    assert land.terminal.type(register) == "true\n"
    return remove


def run_robot(land, sum, rate, **more):
    post = land.portal.robot(land.app, "add_vat", "DEAL_7", {"sum": sum, "rate": rate}, **more)
    return (*last(land, post, "ROBOT.ADD_VAT"), land.portal.workflows[post.tree["event_token"]])


@BOTH_STORES
def test_a_robot_from_its_registration_to_its_answer(land):
    remove = install_robot(land)
    for user in (land.portal.admin(), None):
        delivery, attempt, workflow = run_robot(land, "200", "7.5", user=user)
        assert (delivery["state"], attempt["stdout"], attempt["stderr"]) == (
            "done", "deal 7: 200 and 7.5 % are 215.00\n", ""), attempt
        assert (workflow.values, workflow.log) == ({"total": "215.00"}, ["with VAT: 215.00"])
    assert land.terminal.type(remove) == "true\n"
    assert land.portal.installations[land.app.client_id].activities == {}


@pytest.mark.parametrize("sum, rate", [("", "20"), ("two", "20"), ("1e3", "20"), ("200", "20;"), ("2\\", "$(id)")])
def test_a_robot_whose_values_are_none_lets_the_workflow_go_on(land, sum, rate):
    install_robot(land)
    delivery, attempt, workflow = run_robot(land, sum, rate)
    assert delivery["state"] == "done" and workflow.values == {}, attempt
    assert workflow.log == [f"sum '{sum}' or rate '{rate}' is not a number"]


def test_a_robot_is_tried_again_when_that_helps(land):
    install_robot(land, "backoff 1h")
    for error, exit_status, state in (("OVERLOAD_LIMIT", 75, "waiting"), ("insufficient_scope", 77, "dead")):
        land.cloud.faults.order("error", method="bizproc.event.send", error=error)
        delivery, attempt, workflow = run_robot(land, "200", "20")
        assert (attempt["exit"], delivery["state"], workflow.values) == (exit_status, state, None), attempt
        land.site.run("retry", delivery["delivery"])
        land.site.run("work", "--once")
        assert workflow.values == {"total": "240.00"}


def test_a_robot_is_tried_without_bitrix24(land):
    install_robot(land)
    command = re.search(r"^# Try +(.*)$", (EXAMPLES / "robot.sh").read_text(), re.MULTILINE)[1]
    with land.site.working():
        shown = land.terminal.type(command)
    assert "| deal 1: 200 and 20 % are 240.00" in shown and "which is a test: none is sent" in shown
    assert "2/ROBOT.ADD_VAT: done" in shown


# -- sms.sh

def install_sms(land, *answers, more=""):
    land.service.answers = [(status, {}) for status in answers]
    block, = blocks_of("sms.sh")
    block = block.replace("some-domain.bitrix24.com", land.shown(land.portal)["portal"])
    block = block.replace("https://sms.example/", land.service.url).replace("timeout 30s", f"timeout 30s\n    {more}")
    land.reconfigure(more=block)
    land.site.hook("SMS.MY_SMS.sh", (EXAMPLES / "sms.sh").read_text())
    register, = blocks(INDEX, "sh", "sms.sh")
    assert land.terminal.type(register) == "true\n"


def send(land, text="Your order", user=None):
    post = land.portal.sms(land.app, "my_sms", PHONE, text, user, "DEAL_7")
    return (*last(land, post, "SMS.MY_SMS"), land.portal.messages["my_sms", post.tree["message_id"]])


@BOTH_STORES
def test_an_sms_provider_from_its_registration_to_the_status(land):
    """Also of a message without author, which has no token."""
    install_sms(land, 200)
    text = 'Привет "мир" & co\\\n100 %'
    for user in (land.portal.admin(), None):
        delivery, attempt, message = send(land, text, user)
        assert (delivery["state"], message.status, attempt["stderr"]) == ("done", "sent", ""), attempt
        assert attempt["stdout"] == f"message {delivery['id']}: sent: 200\n"
        _, headers, form = land.service.requests[-1]
        assert headers["Authorization"] == "Bearer SECRET"
        assert form == {"text": text, "to": "+12025550100", "id": delivery["id"]}
    assert land.cloud.records.of("messageservice.message.status.update")[-1].params["auth"]


def test_what_the_operator_refuses_has_failed(land):
    install_sms(land, 400)
    delivery, attempt, message = send(land)
    assert (delivery["state"], message.status) == ("done", "failed"), attempt


@pytest.mark.parametrize("text", ['1"\noutput = "{out}/written', '$(touch {out}/written)', '\\"; exit 0'])
def test_what_the_key_s_holder_writes_is_no_setting_of_curl(land, text):
    install_sms(land, 200)
    text = text.replace("{out}", str(land.site.out))
    tree = {"type": "SMS", "code": "my_sms", "message_id": text,
            "properties": {"phone_number": text, "message_text": text}}
    last(land, land.portal.post("SMS", f"{land.front.url}?key={KEY}", tree), "SMS.MY_SMS")
    _, _, form = land.service.requests[-1]
    assert form["text"] == text and set(form) <= {"text", "to", "id"} and not list(land.site.out.glob("written*"))


@pytest.mark.parametrize("status", [429, 503])
def test_a_message_is_sent_again_when_the_operator_is_away(land, status):
    install_sms(land, status, 200, more="backoff 1h")
    delivery, attempt, message = send(land)
    assert (attempt["exit"], delivery["state"], message.status) == (75, "waiting", None), attempt
    land.site.run("retry", delivery["delivery"])
    land.site.run("work", "--once")
    assert message.status == "sent"
    first, second = [form for _, _, form in land.service.requests]
    assert first["id"] == second["id"], "by which the operator sends it once"


def test_a_status_that_is_not_taken_is_reported_again(land):
    install_sms(land, 200, more="backoff 1h")
    land.cloud.faults.order("error", method="messageservice.*", error="OVERLOAD_LIMIT")
    delivery, attempt, message = send(land)
    assert (attempt["exit"], delivery["state"], message.status) == (75, "waiting", None), attempt
    land.site.run("retry", delivery["delivery"])
    land.site.run("work", "--once")
    assert message.status == "sent"


def test_a_provider_is_tried_without_bitrix24(land):
    install_sms(land, 200)
    command = re.search(r"^# Try +(.*)$", (EXAMPLES / "sms.sh").read_text(), re.MULTILINE)[1]
    with land.site.working():
        assert "2/SMS.MY_SMS: done" in land.terminal.type(command)
    assert len(land.service.requests) == 1 and land.cloud.records.of("messageservice.message.status.update") == []


def test_without_its_url_it_does_not_run(land):
    install_sms(land, 200)
    land.configure(more=re.sub(r"env .*", "", blocks_of("sms.sh")[0]).replace("some-domain.bitrix24.com",
                                                                               land.shown(land.portal)["portal"]))
    delivery, attempt, _ = send(land)
    assert (attempt["exit"], delivery["state"]) == (78, "dead") and "SMS_URL is not set" in attempt["stderr"]
