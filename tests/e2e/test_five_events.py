"""The five events, through every server and mode: answer, stdin, environment, lane, exit status."""

import copy

import pytest

import bitrix
import client

DEAL = {"event": "ONCRMDEALMOVETOCATEGORY", "event_handler_id": "655",
        "data": {"FIELDS": {"ID": "6675", "CATEGORY_ID": "1", "STAGE_ID": "C1:NEW"}},
        "ts": "1736424182", "auth": bitrix.auth()}
COMMENT = {"event": "onCrmTimelineCommentUpdate", "data": {"ID": 999}, "ts": "1466439714", "auth": bitrix.auth()}
COMMENT_FIELDS = COMMENT | {"data": {"FIELDS": {"ID": "999"}}}
ITEM = {"event": "ONCRMDYNAMICITEMUPDATE", "event_handler_id": "5",
        "data": {"FIELDS": {"ID": "24", "ENTITY_TYPE_ID": "1220"}}, "ts": "1723538517", "auth": bitrix.auth()}
ITEM_TYPED = ITEM | {"event": "ONCRMDYNAMICITEMUPDATE_1220"}
FIELD = {"event": "ONCRMCONTACTUSERFIELDUPDATE", "event_handler_id": "15",
         "data": {"FIELDS": {"ID": "554", "ENTITY_ID": "CRM_CONTACT", "FIELD_NAME": "UF_CRM_1724771514"}},
         "ts": "1724775198", "auth": bitrix.auth()}
ITEM_GONE = {"event": "ONCRMDYNAMICITEMDELETE", "event_handler_id": "6",
             "data": {"FIELDS": {"ID": "23", "ENTITY_TYPE_ID": "1220"}}, "ts": "1723538149", "auth": bitrix.auth()}

# name: event, lane, BX_DATA_ variables
FIVE = {
    "deal": (DEAL, ("ONCRMDEAL", "6675"),
             {"FIELDS_ID": "6675", "FIELDS_CATEGORY_ID": "1", "FIELDS_STAGE_ID": "C1:NEW"}),
    "comment": (COMMENT, ("ONCRMTIMELINECOMMENT", "999"), {"ID": "999"}),
    "comment_fields": (COMMENT_FIELDS, ("ONCRMTIMELINECOMMENT", "999"), {"FIELDS_ID": "999"}),
    "item": (ITEM, ("ONCRMDYNAMICITEM_1220", "24"), {"FIELDS_ID": "24", "FIELDS_ENTITY_TYPE_ID": "1220"}),
    "item_typed": (ITEM_TYPED, ("ONCRMDYNAMICITEM_1220", "24"),
                   {"FIELDS_ID": "24", "FIELDS_ENTITY_TYPE_ID": "1220"}),
    "field": (FIELD, ("ONCRMCONTACTUSERFIELD", "554"),
              {"FIELDS_ID": "554", "FIELDS_ENTITY_ID": "CRM_CONTACT", "FIELDS_FIELD_NAME": "UF_CRM_1724771514"}),
    "item_gone": (ITEM_GONE, ("ONCRMDYNAMICITEM_1220", "23"), {"FIELDS_ID": "23", "FIELDS_ENTITY_TYPE_ID": "1220"}),
}


def check_run(site, number, tree, data):
    run = site.run_of(number)
    assert run.stdin.endswith(b"}\n") and run.stdin.count(b"\n") == 1
    assert run.event == bitrix.received(tree)
    expected = {"BX_EVENT": tree["event"].upper(), "BX_EVENT_NUMBER": str(number), "BX_HOOK": "any",
                "BX_PORTAL": bitrix.DOMAIN, "BX_MEMBER_ID": bitrix.MEMBER_ID, "BX_TS": tree["ts"],
                "BX_ATTEMPT": "1", "BX_EVENT_HANDLER_ID": tree.get("event_handler_id"),
                "BX_USER_ID": tree["auth"].get("user_id"), "BX_TRUNCATED": None, "BX_TEST": None}
    assert {name: run.env.get(name) for name in expected} == expected
    assert {k.removeprefix("BX_DATA_"): v for k, v in run.env.items() if k.startswith("BX_DATA_")} == data


@pytest.mark.parametrize("name", FIVE)
def test_reaches_its_hook(hosted, name):
    tree, (kind, id), data = FIVE[name]
    for variant in (tree, bitrix.without_oauth(tree)):
        body = bitrix.encode(variant)
        assert b"%5B" in body and b"[" not in body
        number = client.post(hosted.url, body).event
        check_run(hosted.site, number, variant, data)
        delivery = hosted.site.delivery(number)
        assert hosted.site.run_of(number).env["BX_ID"] == id
        assert (delivery["kind"], delivery["id"]) == (kind, id)
        assert delivery["code"].upper() == tree["event"].upper()
        assert [(a["result"], a["exit"]) for a in delivery["attempts"]] == [("done", 0)]


def test_a_wrong_token_is_refused(hosted):
    tree = copy.deepcopy(DEAL)
    tree["auth"]["application_token"] = bitrix.WRONG_TOKEN
    answer = client.post(hosted.url, bitrix.encode(tree))
    assert (answer.status, answer.json["error"]) == (403, "invalid_application_token")


def test_a_get_says_ready(hosted):
    answer = client.get(hosted.url)
    assert (answer.status, answer.body.strip()) == (200, b"bxhook: ready")


def test_a_failing_hook_is_recorded(hosted):
    hosted.site.hook("ONCRMLEADADD.sh", "echo no >&2; exit 65")
    number = client.post(hosted.url, bitrix.body("ONCRMLEADADD")).event
    delivery = hosted.site.delivery(number, "ONCRMLEADADD", ("dead",))
    assert [(a["result"], a["exit"], a["stderr"]) for a in delivery["attempts"]] == [("failed", 65, "no\n")]
