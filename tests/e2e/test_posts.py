"""What comes by POST besides events: robots, SMS, CRM's webhook robot, posts by key; and what is refused."""

import json
import re
import subprocess

import pytest

import bitrix
import client
import clouds
from clouds import KINDS
from hosts import BOTH_STORES
from scratch import PORTAL, wait_for
from servers import Nginx

KEY = "a-key_of-thirty-two-characters-0"
WEAK = "sixteen-of-these"
POSTS = f"post site-form {{ key {KEY}  portal {bitrix.DOMAIN} }}\npost Other {{ key {WEAK}  portal other.example }}\n"
EVENT_TOKEN = "67f0c1a2b3c4d5.01234567|A40364_79843|f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0.0a0a0a0a0a0a0a0a"
DYNAMIC = "Bitrix\\Crm\\Integration\\BizProc\\Document\\Dynamic"


def document(entity, cls="CCrmDocumentDeal", module="crm"):
    return {"document_id": [module, cls, entity]}


def robot(entity="DEAL_7303", code="my_robot", properties=None, **changes):
    """A robot's post, as the queue sends it."""
    properties = {"comment": "two words & more", "users": ["user_1", "user_7"]} if properties is None else properties
    return {"workflow_id": "67f0c1a2b3c4d5.01234567", "code": code, **document(entity),
            "document_type": ["crm", "CCrmDocumentDeal", "DEAL"], "event_token": EVENT_TOKEN,
            "properties": properties, "use_subscription": "Y", "timeout_duration": "660", "ts": "1767225600",
            "auth": bitrix.auth()} | changes


def sms(auth=True, **changes):
    tree = {"module_id": "bizproc", "workflow_id": "67f0c1a2b3c4d5.01234567", **document("DEAL_7303"),
            "properties": {"phone_number": "+12025550123", "message_text": "Your order"}, "type": "SMS",
            "code": "my_sms", "message_id": "b0b1c2d3e4f5a0b1c2d3e4f5a0b1c2d3", "message_to": "+12025550123",
            "message_body": "Your order", "ts": "1767225600"} | changes
    return tree | ({"auth": bitrix.auth()} if auth else {})


def with_posts(site):
    """SITE whose gateway knows the keys; they are secrets of the tests from now on."""
    bitrix.sent_secrets.update({KEY, WEAK})
    site.configure(more=POSTS, worker="start manual")
    wait_for(lambda: by_key(site, b"a=1").status == 200, "the post blocks to count")
    return site


def by_key(site, body, key=KEY, **variables):
    return client.fastcgi(site.socket, body, QUERY_STRING=f"key={key}", **variables)


def send(site, tree, **variables):
    return client.fastcgi(site.socket, bitrix.encode(tree), **variables)


def run_of(site, number, hook="any"):
    """Once the worker has been there."""
    site.run("work", "--once")
    return site.run_of(number, hook)


def entity(site, number):
    shown = site.show(number)
    return shown["code"], shown["kind"], shown["id"]


# -- Robots and activities

@BOTH_STORES
def test_a_robot_is_an_event_of_its_code(quiet):
    quiet.probe("ROBOT.MY_ROBOT.sh")
    number = send(quiet, robot()).event
    run = run_of(quiet, number, "ROBOT.MY_ROBOT")
    assert run.event == bitrix.received(robot())
    env = run.env
    assert (env["BX_EVENT"], env["BX_ID"], env["BX_MEMBER_ID"]) == ("ROBOT.MY_ROBOT", "7303", bitrix.MEMBER_ID)
    assert env["BX_PROPERTY_COMMENT"] == "two words & more" and env["BX_TS"] == "1767225600"
    assert (env["BX_PROPERTY_USERS_0"], env["BX_PROPERTY_USERS_1"]) == ("user_1", "user_7")
    assert entity(quiet, number) == ("ROBOT.MY_ROBOT", "ONCRMDEAL", "7303")
    assert [line["event"] for line in quiet.list("--event", "robot.*", "--id", "7303")] == [number]
    wait_for(lambda: quiet.show(number)["secrets"] == "erased", "its secrets to be erased")
    body = quiet.show(number, "--secrets")["body"]
    assert "event_token" not in body and body["properties"]["comment"] == "two words & more"


def test_every_way_to_host_it_takes_a_robot_and_a_post_by_key(hosted):
    bitrix.sent_secrets.update({KEY, WEAK})
    hosted.site.configure(more=POSTS)
    url = f"{hosted.url}?a=1&key={KEY}"
    taken = wait_for(lambda: (got := client.post(url, b"name=First+Last")).status == 200 and got,
                     "the post blocks to count")
    assert entity(hosted.site, taken.event) == ("POST.SITE-FORM", None, None)
    assert entity(hosted.site, client.post(hosted.url, bitrix.encode(robot())).event)[0] == "ROBOT.MY_ROBOT"
    assert client.post(f"{hosted.url}?key={KEY}0", b"name=First+Last").status == 403
    headers = {"Content-Type": client.FORM, "BXHOOK_KEY": KEY, "Bxhook-Key": KEY, "X-Bxhook-Key": KEY}
    assert client.request(hosted.url, "POST", b"name=First+Last", headers).status == 400, "never from a header"


@BOTH_STORES
def test_a_robot_and_the_events_of_its_deal_run_one_after_the_other(quiet):
    gate = quiet.gate()
    quiet.hook("any", f'[ "$BX_EVENT" != ONCRMDEALUPDATE ] || {gate.wait}')
    deal = client.fastcgi(quiet.socket, bitrix.body(id="7303")).event
    behind, other = send(quiet, robot()).event, send(quiet, robot("DEAL_8")).event
    worker = quiet.work("--once")
    quiet.delivery(other)
    assert quiet.show(behind)["deliveries"][0]["blocked_by"] == f"{deal}/any"
    gate.open()
    quiet.delivery(behind)
    wait_for(lambda: not worker.running(), "the worker to end")


def test_coalesced_robots_run_once_an_entity(quiet):
    quiet.configure(worker="start manual", more=f"hook once {{\n event ROBOT.*\n run /bin/true\n coalesce yes\n}}\n")
    numbers = [send(quiet, robot(entity, "add")).event for entity in ("DEAL_7", "DEAL_7", "DEAL_8")]
    quiet.run("work", "--once")
    states = [quiet.show(number)["deliveries"][0]["state"] for number in numbers]
    assert states == ["merged", "done", "done"], "a code that ends with ADD has no verb"


@pytest.mark.parametrize("tree,kind,id", [
    (robot("DYNAMIC_31_5", document_type=["crm", DYNAMIC, "DYNAMIC_31"],
           document_id=["crm", DYNAMIC, "DYNAMIC_31_5"]), "ONCRMDYNAMICITEM_31", "5"),
    (robot("LEAD_1"), "ONCRMLEAD", "1"),
    (robot(document_id=["lists", "Bitrix\\Lists\\BizprocDocumentLists", "12"]), "LISTS", "12"),
    (robot("DEAL_"), None, None), (robot("DEAL"), None, None), (robot("DEAL_0"), None, None),
    (robot(document_id="DEAL_7"), None, None), (robot(document_id=["crm"]), None, None),
    (robot(properties={}), "ONCRMDEAL", "7303"),
])
def test_the_entity_of_a_robot_is_that_of_its_document(quiet, tree, kind, id):
    assert entity(quiet, send(quiet, tree).event) == ("ROBOT.MY_ROBOT", kind, id)


def test_properties_of_any_form_reach_the_hook(quiet):
    quiet.probe()
    body = bitrix.encode(robot(properties={"a": {"b": "1"}, "A_B": "2", "text": "x" * 40000}))
    body += b"&properties[late]=%FF%FE&properties[text]=short&properties[gap][5]=five"
    run = run_of(quiet, client.fastcgi(quiet.socket, body).event)
    env = run.env
    assert env["BX_PROPERTY_A_B"] == "1" and env["BX_TRUNCATED"] == "1", "two of one name: the first"
    assert env["BX_PROPERTY_TEXT"] == "short" and env["BX_PROPERTY_GAP_5"] == "five"
    assert run.event["properties"]["late"] == "\ufffd\ufffd" and run.event["properties"]["gap"] == {"5": "five"}


@pytest.mark.parametrize("change,status", [
    ({"code": ""}, 400), ({"code": "a" * 250}, 400), ({"code": "a" * 249}, 200), ({"code": ["x"]}, 400),
    ({"auth": {}}, 403), ({"auth": bitrix.auth(bitrix.WRONG_TOKEN)}, 403)])
def test_a_robot_is_refused_as_an_event_is(quiet, change, status):
    assert send(quiet, robot(**change)).status == status


def test_other_bytes_of_a_code_become_a_mark(quiet):
    number = send(quiet, robot(code="мой-robot.1/../x y")).event
    assert entity(quiet, number)[0] == "ROBOT.______-ROBOT.1_.._X_Y"


def test_as_json_and_multipart_it_is_the_same_post(quiet):
    parts = "".join(f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                    for name, value in bitrix.pairs(robot()))
    for content_type, body in (("application/json", json.dumps(robot()).encode()),
                               ("multipart/form-data; boundary=XX", f"{parts}--XX--\r\n".encode())):
        number = client.fastcgi(quiet.socket, body, CONTENT_TYPE=content_type).event
        assert entity(quiet, number) == ("ROBOT.MY_ROBOT", "ONCRMDEAL", "7303")


# -- SMS

def test_an_sms_with_a_token_and_without_one(quiet):
    quiet.probe("SMS.MY_SMS.sh")
    refused = send(quiet, sms(auth=False))
    assert refused.status == 403 and "an SMS without author has none" in quiet.log()
    site = with_posts(quiet)
    number = send(site, sms()).event
    run = run_of(site, number, "SMS.MY_SMS")
    assert run.env["BX_ID"] == sms()["message_id"] and run.env["BX_PROPERTY_PHONE_NUMBER"] == "+12025550123"
    number = by_key(site, bitrix.encode(sms(auth=False))).event
    run = run_of(site, number, "SMS.MY_SMS")
    assert run.env["BX_PORTAL"] == bitrix.DOMAIN and run.env["BX_MEMBER_ID"] == bitrix.MEMBER_ID
    assert entity(site, number) == ("SMS.MY_SMS", "SMS", sms()["message_id"])


# -- By a key

@BOTH_STORES
def test_a_key_stands_for_a_token(quiet):
    site = with_posts(quiet)
    assert entity(site, by_key(site, bitrix.encode(document("DEAL_7303"))).event) == (
        "WEBHOOK.SITE-FORM", "ONCRMDEAL", "7303")
    number = by_key(site, bitrix.encode(document("DEAL_7303")), WEAK).event
    assert entity(site, number) == ("WEBHOOK.OTHER", "ONCRMDEAL", "7303")
    shown = site.show(number)
    assert (shown["portal"], shown["member_id"]) == ("other.example", None)
    # Whatever its `event` says, and who it says it is of.
    forged = bitrix.event(id="1") | {"event": "ONCRMDEALDELETE"}
    forged["auth"] = {"member_id": "f" * 32, "domain": "f.example", "user_id": "1"}
    shown = site.show(by_key(site, bitrix.encode(forged)).event)
    assert (shown["code"], shown["portal"], shown["member_id"], shown["user_id"], shown["id"]) == (
        "POST.SITE-FORM", bitrix.DOMAIN, bitrix.MEMBER_ID, None, None)
    assert site.show(by_key(site, b"event=ROBOT.X").event)["code"] == "POST.SITE-FORM"
    # The token decides where there is one.
    assert site.show(by_key(site, bitrix.body()).event)["code"] == "ONCRMDEALUPDATE"
    assert by_key(site, bitrix.body(token=bitrix.WRONG_TOKEN)).status == 403
    assert by_key(site, bitrix.body(token=bitrix.WRONG_TOKEN), WEAK + "0").status == 403


def test_what_a_hook_prints_has_no_key_in_it(quiet):
    site = with_posts(quiet)
    site.hook("any", f"grep ^post {site.config}")
    number = by_key(site, b"a=1").event
    site.run("work", "--once")
    output = site.show(number)["deliveries"][0]["attempts"][0]["stdout"]
    assert "post site-form { key ***" in output


def test_a_key_is_right_once_and_whole(quiet):
    site = with_posts(quiet)
    body = b"name=First+Last"

    def status(query="", **variables):
        return client.fastcgi(site.socket, body, QUERY_STRING=query, **variables).status
    for query in (f"key={KEY}", f"a=1&key={KEY}&b[]=2", "key=" + KEY.replace("-", "%2D")):
        assert status(query) == 200, query
    wrong = (f"key={KEY}&key={KEY}", f"key={KEY}&key=", f"key[]={KEY}", f"key={KEY[:-1]}", f"key={KEY}0", "key=",
             f"key={KEY.upper()}", f"key={KEY}%00", "&" * 200 + f"key={KEY}")
    for query in wrong:
        assert status(query) == 403, query
    assert status("") == status(f"Key={KEY}") == 400, "no key at all"
    assert status("", BXHOOK_KEY=KEY) == 200
    assert status("", BXHOOK_KEY=KEY + "0") == status(f"key={KEY}", BXHOOK_KEY=KEY) == 403
    assert status("", HTTP_BXHOOK_KEY=KEY) == status("", HTTP_X_BXHOOK_KEY=KEY) == 400
    assert "reason=\"key repeated\"" in site.log() and "reason=\"wrong key\"" in site.log()


def test_without_a_key_a_webhook_robot_is_told_what_it_needs(quiet):
    refused = send(quiet, document("DEAL_7303"))
    assert refused.status == 403 and refused.json["error"] == "invalid_application_token"
    assert "CRM's webhook robot, which has no token: it needs the key of a `post` block" in quiet.log()


def test_a_key_that_was_just_added_counts_at_once(quiet):
    bitrix.sent_secrets.update({KEY, WEAK})
    assert by_key(quiet, b"a=1").status == 403
    quiet.configure(more=POSTS, worker="start manual")
    wait_for(lambda: by_key(quiet, b"a=1").status == 200, "the new configuration")


# -- Those whose sender reads the answer

CONNECTION = {"connection": {"login": "reader", "password": "reader-password"}}
WAITING = {
    "a pay system": [{"paymentId": "98/1", "BX_PAYSYSTEM_ID": "17", "BX_RETURN_URL": "https://a.example/?o=98"},
                     {"paymentId": "98/1", "BX_SYSTEM_PARAMS": {"PAYSYSTEM_ID": "17", "PAYMENT_ID": "98"}}],
    "a cash register": [
        {"type": "sell", "calculated_sign": "income", "unique_id": "85", "items": [{"name": "Chair"}],
         "cashbox_params": {"AUTH": {"LOGIN": "operator", "PASSWORD": "operator-password"}}},
        {"uuid": "00000000-0000-4000-8000-000000000085"}],
    "a delivery service": [{"SHIPMENT": {"ID": "85", "PRICE": "120"}}, {"SHIPMENTS": [{"ID": "1"}]},
                           {"DELIVERY_ID": "3", "REQUEST_ID": "r1"}],
    "an AI engine": [{"prompt": "Say hello", "callbackUrl": "https://a.example/1", "context": ["x"]}],
    "a BI connector": [CONNECTION, {"searchString": "sales"} | CONNECTION, {"table": "sales"} | CONNECTION,
                       {"limit": "100", "table": "sales", "mapFields": {"id": "Deal"}} | CONNECTION],
    "the settings wizard of an application": [
        {"event": "OnAppSettingsInstall", "auth": bitrix.auth()},
        {"event": "OnAppSettingsChange", "data": {"api-key": "the-api-key-of-a-wizard"}, "auth": bitrix.auth()},
        {"data": {"api-key": "the-api-key-of-a-wizard"}, "auth": bitrix.auth(), "saveform": "Y"}],
}


@pytest.mark.parametrize("name", WAITING)
def test_whose_sender_waits_is_refused_by_its_name(quiet, name):
    bitrix.sent_secrets.update({"reader-password", "operator-password", "the-api-key-of-a-wizard"})
    for tree in WAITING[name]:
        for content_type, body in ((client.FORM, bitrix.encode(tree)), ("application/json", json.dumps(tree).encode())):
            answer = client.fastcgi(quiet.socket, body, CONTENT_TYPE=content_type)
            assert (answer.status, answer.json["error"]) == (400, "malformed"), tree
            assert answer.json["message"] == (f"a post of {name}: its sender reads the answer, and a hook runs too "
                                              "late to answer")
        assert f"a post of {name}: its sender reads the answer" in quiet.log()
        if "auth" in tree:
            assert send(quiet, tree | {"auth": bitrix.auth(bitrix.WRONG_TOKEN)}).status == 403
    assert quiet.list() == []


def test_by_a_key_it_is_a_post_and_its_secrets_are_secrets(quiet):
    quiet.probe()
    site = with_posts(quiet)
    tree = WAITING["a cash register"][0] | {"botToken": "the-token-of-a-bot"}
    bitrix.sent_secrets.update({"operator-password", "the-token-of-a-bot"})
    body = bitrix.encode(tree) + b"&items[0][nomenclature_code]=DM%05%CE%D1%F0%99%0C"
    number = by_key(site, body).event
    run = run_of(site, number)
    assert run.event["cashbox_params"] == tree["cashbox_params"], "on stdin it stands"
    assert run.event["items"][0]["nomenclature_code"] == "DM\x05\ufffd\ufffd\ufffd\x0c"
    assert entity(site, number) == ("POST.SITE-FORM", None, None)
    hidden = site.show(number)["body"]
    assert hidden.get("cashbox_params", {}).get("AUTH", {}) in ({}, [], {"LOGIN": "***", "PASSWORD": "***"})


@pytest.mark.parametrize("code", ["BXHOOK.DEAD", "robot.x", "Sms.X", "WEBHOOK.x", "post.X"])
def test_an_event_never_has_the_code_of_another_post(quiet, code):
    answer = send(quiet, bitrix.event() | {"event": code})
    assert answer.status == 400 and "as no event of Bitrix24 does" in answer.json["message"]


# -- Bots

def test_a_bots_own_token_counts_and_nested_ones_do_not(quiet):
    token = "custom0f0e0d0c0b0a09080706050403020100"
    bitrix.sent_secrets.add(token)
    quiet.configure(worker="start manual", portals=PORTAL.replace(bitrix.TOKEN, f"{bitrix.TOKEN}\n    token {token}"))
    bot = {"event": "ONIMBOTV2MESSAGEADD", "event_handler_id": "404", "ts": "1767225600",
           "data": {"message": {"id": "789"}, "chat": {"dialogId": "chat5"}}}
    wait_for(lambda: send(quiet, bot | {"auth": bitrix.auth(token)}).status == 200, "the bot's token to count")
    nested = {"event": "ONIMBOTMESSAGEADD", "data": {"BOT": {"567": {**bitrix.auth(), "AUTH": bitrix.auth()}},
                                                     "PARAMS": {"DIALOG_ID": "1"}}}
    assert send(quiet, nested).status == 403
    assert send(quiet, nested | {"auth": bitrix.auth(bitrix.WRONG_TOKEN)}).status == 403
    number = send(quiet, nested | {"auth": bitrix.auth()}).event
    assert list(quiet.show(number)["body"]["data"]["BOT"]) == ["567"], "a list with a gap is none"


# -- Commands

def test_the_commands_know_the_codes(quiet):
    site = with_posts(quiet)
    site.hook("ROBOT.MY_ROBOT.sh", "exit 0")
    site.hook("POST.SITE-FORM.sh", "exit 0")
    site.hook("POST.NOBODY.sh", "exit 0")
    checked = site.run("check", check=False)
    said = (checked.stdout + checked.stderr).decode()
    assert "is not a known event" not in said
    assert "no post block has the name that 'POST.NOBODY' ends with" in said
    assert "post Other: its key has 16 characters" in said and "post site-form: its key" not in said
    assert "gets into the web server's access log" in said
    assert re.search(r"post site-form \{\n +key \*\*\*\n", site.run("check", "--print").stdout.decode())
    dry = site.run("trigger", "ROBOT.MY_ROBOT", "--set", "properties.amount=7", "--dry-run")
    assert b"ROBOT.MY_ROBOT matches" in dry.stdout and b"BX_PROPERTY_AMOUNT=7" in dry.stdout and dry.stderr == b""
    for code, kind in (("ROBOT.x", "ONCRMDEAL"), ("SMS.y", "SMS"), ("WEBHOOK.site-form", "ONCRMDEAL"),
                       ("POST.other", None)):
        number = re.search(rb"event (\d+)", site.run("trigger", code).stdout)[1].decode()
        assert entity(site, number)[:2] == (code.upper(), kind)
    shown = site.run("show", number).stdout.decode()
    assert re.search(r"entity +none\n", shown) and "First Last" in shown
    missing = site.run("trigger", "POST.nobody", check=False)
    assert missing.returncode == 1 and b"no post block 'nobody'" in missing.stderr
    codes = [line["code"] for line in json.loads(site.run("events", "--json").stdout)]
    assert {"ROBOT.*", "SMS.*", "WEBHOOK.*", "POST.*"} <= set(codes)
    raw = bitrix.encode(robot())
    assert json.loads(site.run("decode", input=raw).stdout) == bitrix.received(robot())
    refused = site.run("trigger", "--raw", "-", input=b"uuid=1", check=False)
    assert refused.returncode == 1 and b"a post of a cash register: its sender reads the answer" in refused.stderr


def test_check_knows_the_portals_and_any_field_of_posts(quiet):
    bitrix.sent_secrets.update({KEY, WEAK})
    hook = "hook {} {{ event {}  run /bin/true  arg \"--name={{name}}\"  when {{ portal {}  name First* }} }}\n"
    quiet.configure(worker="start manual", more=POSTS + hook.format("a", "POST.*", "other.example")
                    + hook.format("b", "ROBOT.*", "nobody.example"))
    checked = quiet.run("check", check=False)
    said = (checked.stdout + checked.stderr).decode()
    assert "hook a:" not in said
    assert "hook b: no portal or post block has a domain that matches 'nobody.example'" in said
    assert "hook b: 'name' is in no event" in said and "hook b: argument {name} is in no event" in said


def test_the_key_that_check_proposes_is_one(quiet):
    with_posts(quiet)
    checked = quiet.run("check", check=False)
    command = re.search(r"post Other: its key has 16 characters: .* \('(openssl [^']+)' makes one\)",
                        (checked.stdout + checked.stderr).decode())[1]
    key = subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout.strip()
    bitrix.sent_secrets.add(key)
    quiet.configure(more=POSTS.replace(WEAK, key), worker="start manual")
    checked = quiet.run("check", check=False)
    assert b"characters" not in checked.stdout + checked.stderr
    wait_for(lambda: by_key(quiet, b"a=1", key).status == 200, "the new key to count")


def test_trigger_sends_a_post_with_its_key(quiet):
    site = with_posts(quiet)
    server = Nginx(site)
    done = site.run("trigger", "POST.site-form", "--set", "phone=7", "--url", server.url)
    assert b"200" in done.stdout
    number = json.loads(re.search(rb"\{.*?\}", done.stdout)[0])["event"]
    shown = site.show(number)
    assert shown["code"] == "POST.SITE-FORM" and shown["body"]["phone"] == "7" and not shown["test"]


# -- As the stand-in for Bitrix24 sends them (tests/portal), with the token of an installation

@pytest.fixture
def land(site):
    with clouds.on(site) as made:
        bitrix.sent_secrets.add(KEY)
        yield made


def test_what_an_installed_applications_portal_posts(land):
    portal = land.active()
    admin, codes = portal.admin(), {}
    posts = {"robot": portal.robot(land.app, "my_robot", "DEAL_7", {"comment": "x"}, admin),
             "nobody's robot": portal.robot(land.app, "my_robot", "DYNAMIC_31_5"),
             "sms": portal.sms(land.app, "my_sms", "+12025550100", "Hello", admin, "LEAD_3"),
             **{kind: portal.other(land.app, kind) for kind in ("call", "open_line", "bot_v1")}}
    for name, post in posts.items():
        number = json.loads(post.wait().answer)["event"]
        codes[name] = entity(land.site, number)
        assert land.site.show(number)["member_id"] == portal.member_id
    assert codes["robot"] == ("ROBOT.MY_ROBOT", "ONCRMDEAL", "7")
    assert codes["nobody's robot"] == ("ROBOT.MY_ROBOT", "ONCRMDYNAMICITEM_31", "5")
    assert codes["sms"][:2] == ("SMS.MY_SMS", "SMS") and codes["call"][0] == "ONEXTERNALCALLSTART"
    assert portal.sms(land.app, "my_sms", "+12025550100", "Hello").wait().status == 403, "no author"
    assert portal.other(land.app, "bot_v2").wait().status == 403, "a token of the bot's own"
    for kind, (_, waits, _) in KINDS.items():
        if waits:
            assert portal.other(land.app, kind).status == 400, kind
    assert land.site.log().count("its sender reads the answer") >= sum(waits for _, waits, _ in KINDS.values())


@BOTH_STORES
def test_by_a_key_they_have_the_lanes_of_the_installation(land):
    portal = land.active()
    domain = land.shown(portal)["portal"]  # by which the stand-in is reached
    land.configure(more=f"post robots {{ key {KEY} portal {domain} }}\n")
    url = f"{land.front.url}?key={KEY}"
    post = wait_for(lambda: (got := portal.other(land.app, "webhook_robot", url).wait()).status == 200 and got,
                    "the post block to count")
    shown = land.site.show(json.loads(post.answer)["event"])
    assert (shown["code"], shown["kind"], shown["id"]) == ("WEBHOOK.ROBOTS", "ONCRMDEAL", "7")
    assert (shown["member_id"], shown["portal"]) == (portal.member_id, domain)
    post = portal.sms(land.app, "my_sms", "+12025550100", "Hello", url=url).wait()
    shown = land.site.show(json.loads(post.answer)["event"])
    assert (shown["code"], shown["member_id"]) == ("SMS.MY_SMS", portal.member_id)


def test_trigger_makes_no_event_that_the_gateway_would_refuse(quiet):
    for code in ("ROBOT.", "POST.", "SMS."):
        done = quiet.run("trigger", code, check=False)
        assert done.returncode == 1 and b"as no event of Bitrix24 does" in done.stderr, done
    assert quiet.list() == []
    quiet.run("trigger", "BXHOOK.DEAD")
    assert [line["code"] for line in quiet.list()] == ["BXHOOK.DEAD"]
