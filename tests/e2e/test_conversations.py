"""A conversation is a lane: what is said in one dialog is handled in order, each dialog by itself."""

import itertools

import pytest

import bitrix
import client
from hosts import BOTH_STORES
from test_queue import note, order


def bot(code, dialog, message):
    params = {"DIALOG_ID": dialog, "MESSAGE_ID": message, "CHAT_ID": f"14{dialog}"}
    return code, {"BOT": {"567": {"BOT_ID": "567"}}, "PARAMS": params}


def bot_v2(code, dialog, message):
    return code, {"bot": {"id": 456}, "message": {"id": message}, "messageId": message,
                  "chat": {"id": dialog, "dialogId": f"chat{dialog}"}}


def open_line(code, dialog, message):
    return code, {"DATA": [{"connector": {"connector_id": "livechat", "line_id": 128, "user_id": dialog},
                            "chat": {"id": dialog}, "message": {"id": message}}]}


def connector(code, dialog, message):
    return code, {"CONNECTOR": "my_connector", "LINE": "107", "MESSAGES": [
        {"im": {"chat_id": dialog, "message_id": message}, "message": {"user_id": 27}, "chat": {"id": f"c-{dialog}"}}]}


def connector_of_user(code, dialog, message):
    """Without a chat id: connector, line and user tell the dialog."""
    return code, {"CONNECTOR": "my_connector", "LINE": "107", "DATA": [
        {"session": {"id": message}, "user": {"id": dialog}}]}


# What is sent, the first and the later messages' code, and the id of dialog 27.
KINDS = {
    "bot": (bot, "ONIMBOTMESSAGEADD", "ONIMBOTMESSAGEUPDATE", "27"),
    "command": (bot, "ONIMCOMMANDADD", "ONIMCOMMANDADD", "27"),
    "bot, version 2": (bot_v2, "ONIMBOTV2MESSAGEADD", "ONIMBOTV2MESSAGEDELETE", "chat27"),
    "open line": (open_line, "ONOPENLINEMESSAGEADD", "ONOPENLINEMESSAGEUPDATE", "27"),
    "connector": (connector, "ONIMCONNECTORMESSAGEADD", "ONIMCONNECTORMESSAGEDELETE", "27"),
    "connector of a user": (connector_of_user, "ONIMCONNECTORDIALOGSTART", "ONIMCONNECTORDIALOGFINISH",
                            "my_connector:107:27"),
}


def post(site, code, data):
    tree = bitrix.event(code) | {"data": data}
    return client.fastcgi(site.socket, bitrix.encode(tree)).event


@pytest.mark.parametrize("kind", KINDS)
def test_a_dialog_is_in_order_and_another_beside_it(quiet, kind):
    make, first, later, id_of_27 = KINDS[kind]
    gate = quiet.gate()
    quiet.hook("any", f"""
case $BX_EVENT_NUMBER in 1) {gate.wait} ;; esac
{note(quiet)}
echo "$BX_ID" >{quiet.out}/id-$BX_EVENT_NUMBER""")
    message = itertools.count(84331)
    dialog_27 = [post(quiet, *make(code, 27, next(message))) for code in (first, later, first, later)]
    dialog_28 = [post(quiet, *make(code, 28, next(message))) for code in (first, later)]
    assert dialog_27[0] == 1
    worker = quiet.work()
    for number in dialog_28:
        quiet.delivery(number)          # while the first of dialog 27 goes on
    assert order(quiet) == dialog_28    # and nothing else of that dialog began
    gate.open()
    quiet.wait_idle()
    assert order(quiet) == dialog_28 + dialog_27
    assert {(quiet.out / f"id-{number}").read_text().strip() for number in dialog_27} == {id_of_27}
    worker.stop()


@BOTH_STORES
def test_a_comment_that_fails_holds_up_no_other(quiet):
    """Comments of the new task card all come with the ID 0."""
    quiet.configure(worker="start manual", backoff="1h")
    quiet.hook("ONTASKCOMMENTADD", 'echo "$BX_ID"; test "$BX_ID" != 1458')

    def comment(message):
        return post(quiet, "ONTASKCOMMENTADD", {
            "FIELDS_BEFORE": "undefined", "IS_ACCESSIBLE_BEFORE": "undefined",
            "FIELDS_AFTER": {"ID": 0, "TASK_ID": 555, "MESSAGE_ID": message}})
    failing, *others = [comment(message) for message in (1458, 1459, 1460)]
    quiet.run("work", "--once")
    states = {line["event"]: (line["state"], line["id"]) for line in quiet.list()}
    assert states == {failing: ("waiting", "1458"), others[0]: ("done", "1459"), others[1]: ("done", "1460")}


def test_zero_is_no_id(quiet):
    """Events whose id is 0 have no lane, and no BX_ID."""
    quiet.configure(worker="start manual", backoff="1h")
    quiet.hook("any", 'test -z "${BX_ID-}" || exit 65; test "$BX_EVENT_NUMBER" != 1')
    numbers = [post(quiet, "ONCRMDEALUPDATE", {"FIELDS": {"ID": 0}}) for _ in range(3)]
    quiet.run("work", "--once")
    states = {line["event"]: (line["state"], line["id"]) for line in quiet.list()}
    assert states == {numbers[0]: ("waiting", None), numbers[1]: ("done", None), numbers[2]: ("done", None)}


def test_the_catalog_tells_where_the_id_is(site):
    text = site.run("events", "ONOPENLINEMESSAGEADD").stdout.decode()
    assert ("  id       DATA.0.chat.id, then DATA.0.im.chat_id, then DATA.0.connector.connector_id+"
            "DATA.0.connector.line_id+DATA.0.connector.user_id (joined by ':')\n") in text
    text = site.run("events", "ONIMCONNECTORLINEDELETE").stdout.decode()
    assert "  id       . (data itself)\n" in text
