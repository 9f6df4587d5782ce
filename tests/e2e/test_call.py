"""bxhook call: REST methods of a portal, from a terminal and in hooks."""

import json
import re
import secrets
import signal
import subprocess
from pathlib import Path

import pytest

import bitrix
import client
from calls import HOOK, asked, call, count, failed, land, named, result, run_hooks
from hosts import BOTH_STORES
from pages import blocks
from scratch import ROOT, as_user, children_of, directory, wait_for, write


@BOTH_STORES
def test_it_prints_the_result(land):
    portal = land.active()
    portal.fill("crm.deal", 7)
    assert result(land, "crm.deal.get", "id=7") == {"ID": "7", "TITLE": "Row 7"}
    assert result(land, "crm.deal.add", "fields[TITLE]=New", "fields[STAGE_ID]=NEW") == 8
    assert asked(land, "crm.deal.add") == [{"fields": {"TITLE": "New", "STAGE_ID": "NEW"}}]
    assert result(land, "crm.deal.update", "id=8", "fields[TITLE]=", "--portal", portal.member_id) is True
    assert result(land, "crm.deal.get", "id=8")["TITLE"] == ""
    raw = result(land, "crm.deal.get", "id=7", "--raw")
    assert raw["result"]["ID"] == "7" and "time" in raw


def test_every_result_is_one(land):
    land.active()
    for value, shown in ((None, b"null"), (False, b"false"), ([], b"[]"), (0, b"0"), ("text", b'"text"'), ({}, b"{}")):
        land.cloud.faults.order("status", method="crm.deal.get", status=200, body={"result": value})
        assert call(land, "crm.deal.get", "id=7").stdout == shown + b"\n"


def test_an_error_with_status_200_is_one(land):
    land.active()
    for error in ("", 100, "0", "error_core", "ERROR_CORE"):
        land.cloud.faults.order("status", method="crm.deal.get", status=200,
                                body={"error": error, "error_description": "No such deal", "result": None})
        failed(call(land, "crm.deal.get", "id=7", check=False), 65, "crm.deal.get: ", str(error), "No such deal")


def test_its_exit_status_says_whether_trying_again_helps(land):
    failed(call(land, "crm.deal.get", check=False), 78, "no application is installed")
    portal = land.install("acme")
    failed(call(land, "crm.deal.get", check=False), 75, "not verified")
    land.sync()
    failed(call(land, "crm.deal.get", "id=7", check=False), 65, "crm.deal.get: Not found")
    failed(call(land, "no.such.method", check=False), 65, "no.such.method: ERROR_METHOD_NOT_FOUND: ")
    for error, status in (("OVERLOAD_LIMIT", 75), ("METHOD_CONFIRM_WAITING", 75), ("insufficient_scope", 77),
                          ("ACCESS_DENIED", 77), ("WRONG_LICENSE", 77), ("user_access_error", 77),
                          ("METHOD_CONFIRM_DENIED", 77), ("PORTAL_DELETED", 78), ("INTERNAL_SERVER_ERROR", 75)):
        land.cloud.faults.order("error", method="crm.deal.add", error=error)
        failed(call(land, "crm.deal.add", check=False), status, f"crm.deal.add: {error}: ")
    portal.paid = False
    failed(call(land, "crm.deal.get", check=False), 75, "PAYMENT_REQUIRED")
    portal.paid = True
    failed(call(land, "crm.deal.get", "--portal", "other.bitrix24.com", check=False), 78, "'other.bitrix24.com'")
    land.configure(apps=[])
    failed(call(land, "crm.deal.get", check=False), 78, "no `app` block has client_id")
    land.configure(more="nonsense 1\n")
    failed(call(land, "crm.deal.get", check=False), 78, "nonsense")


@BOTH_STORES
def test_in_a_hook_the_portal_is_the_events(land):
    """Another one takes `call any`."""
    first, second = land.active("first"), land.active("second")
    first.fill("crm.deal", 7)
    second.fill("crm.deal", 7)
    second.rows["crm.deal"][7]["TITLE"] = "of the second"
    foreign = f'crm.deal.get id="$BX_ID" --portal {second.member_id}'
    states = run_hooks(land, first, {"own": ('crm.deal.get id="$BX_ID"', ""), "foreign": (foreign, ""),
                                     "free": (foreign, "call any")})
    assert states == {"own": "done", "foreign": "dead", "free": "done"}
    assert json.loads((land.site.out / "own.result").read_text())["TITLE"] == "Row 7"
    assert json.loads((land.site.out / "free.result").read_text())["TITLE"] == "of the second"
    assert "add `call any` to hook 'foreign'" in (land.site.out / "foreign.errors").read_text()


# -- Arguments

VALUES = ["", "a=b", "a&b=c", "100 %", "%41", "a+b", "two\nlines", "Привет, мир", "@file", "-", "--raw", "'\"\\", "[x]",
          "x" * 100_000]


def test_values_arrive_as_they_are(land):
    """In order, with the letters of their names."""
    land.active()
    words = [f"fields[N{i}]={value}" for i, value in enumerate(VALUES)]
    result(land, "crm.deal.add", *words)
    fields = asked(land, "crm.deal.add")[0]["fields"]
    assert list(fields.items()) == [(f"N{i}", value) for i, value in enumerate(VALUES)]


def test_a_megabyte_arrives(land):
    land.active()
    text = "0123456789abcdef" * 8000
    result(land, "crm.deal.add", *(f"fields[N{i}]={text}" for i in range(8)))
    assert asked(land, "crm.deal.add")[0]["fields"] == {f"N{i}": text for i in range(8)}


def test_old_methods_get_their_arguments_by_position(land):
    land.active()
    assert result(land, "task.commentitem.add", "TASKID=7", "FIELDS[POST_MESSAGE]=Hello") == 1
    body = land.cloud.records.of("task.commentitem.add")[0].body
    assert body.startswith(b"TASKID=7&FIELDS%5BPOST_MESSAGE%5D=Hello&auth=")


def test_names_are_repeated_and_nested_as_in_a_form(land):
    land.active()
    result(land, "crm.deal.add", "fields[A]=1", "fields[A]=2", "fields[B][]=3", "fields[B][]=4", "fields[C][d][e]=5",
           "FIELDS[a b]=6")
    assert asked(land, "crm.deal.add")[0] == {
        "fields": {"A": "2", "B": ["3", "4"], "C": {"d": {"e": "5"}}}, "FIELDS": {"a b": "6"}}


def test_a_name_that_the_server_keeps_is_an_error(land):
    land.active()
    for word in ("auth=x", "access_token=x", "token=x", "state=x", "ap=x", "aplogin=x", "auth_connector=x", "auth[x]=1",
                 " auth=x", "access.token=x"):
        failed(call(land, "crm.deal.get", "id=7", word, check=False), 2, "keeps an argument")
    assert count(land, "crm.deal.get") == 0
    result(land, "crm.deal.list", "fields[auth]=1", "AUTH=1", "start=0")


def test_a_name_that_is_no_method_is_an_error(land):
    land.active()
    before = len(land.cloud.records)
    for method in ("../../evil", "a/b", "a?b=c", "a#b", "a b", "", ".", "..", ".a", "a.", "a%2fb", "a\nb",
                   "crm.deal.get.xml", "a" * 256):
        failed(call(land, method, check=False), 2, "is not the name of a method")
    failed(call(land, "crm.deal.get", "id", check=False), 2, "is not NAME=VALUE")
    failed(call(land, "crm.deal.get", "=7", check=False), 2, "is not NAME=VALUE")
    assert len(land.cloud.records) == before


def test_the_letters_of_a_method_stay(land):
    land.active()
    assert result(land, "tasks.flow.Flow.isExists", "flowData[name]=x") is False
    failed(call(land, "tasks.flow.flow.isexists", "flowData[name]=x", check=False), 65, "METHOD_NOT_FOUND")


def test_json_keeps_types(land):
    """From a file, or stdin."""
    land.active()
    given = {"fields": {"TITLE": "Ж", "N": 5, "F": False, "NONE": None, "L": [], "D": {"a": [1.50, True]}}}
    path = land.site.home / "call.json"
    path.write_text(json.dumps(given))
    path.chmod(0o644)
    for words, data in ((("--json", path), b""), (("--json", "-"), json.dumps(given).encode()),
                        (("--json", "-"), b" {\n } \n")):
        result(land, "crm.deal.add", *words, data=data)
    assert asked(land, "crm.deal.add") == [given, given, {}]
    sent = land.cloud.records.of("crm.deal.add")[0].body
    assert sent.endswith(b"}") and b"1.50" not in sent and b'"auth":' in sent
    for data in (b"[1]", b"{", b"", b'{"a":1}x', b"\xff"):
        failed(call(land, "crm.deal.add", "--json", "-", data=data, check=False), 2, "--json -", "not a JSON object")
    failed(call(land, "crm.deal.add", "--json", "-", data=b'{"auth":"x"}', check=False), 2, "keeps an argument 'auth'")
    failed(call(land, "crm.deal.add", "a=1", "--json", "-", data=b"{}", check=False), 2, "either --json or NAME=VALUE")
    failed(call(land, "crm.deal.add", "--json", "/no/such/file", check=False), 2, "/no/such/file")
    land.site.run("--json", path, "call", "crm.deal.add")  # of other commands --json has no value
    assert asked(land, "crm.deal.add")[-1] == given


def test_what_a_server_says_is_one_line_without_secrets(land):
    portal = land.active()
    token = land.site.run("token", look=False).stdout
    secret = json.loads(token)["access_token"]
    text = f"a\x1b[31m{secret}\nbxhook: second line {'x' * 2000}"
    land.cloud.faults.order("error", method="crm.deal.get", error="E", text=text)
    done = call(land, "crm.deal.get", check=False)
    failed(done, 65, "crm.deal.get: E: a\\x1b[31m***\\nbxhook: second")
    assert len(done.stderr) < 600 and portal.paid


# -- Whose right

def with_webhook(land, portal, url, hooks="", member_id=True):
    """The configuration of a portal block for PORTAL, which may have an outgoing webhook too."""
    token = portal.outgoing_webhook(land.front.url, "ONCRMDEALADD")
    member = f"member_id {portal.member_id}  " if member_id else ""
    block = f'portal {{ {member}domain {portal.domain}  token {token}' + (f'  webhook "{url}"' if url else "") + " }\n"
    land.site.configure(portals=block, more=land.cloud.conf() + hooks)
    return token


def test_a_webhook_calls_where_no_application_is_installed(named):
    """Its URL as Bitrix24 shows it, with or without a method or a slash at its end."""
    portal = named.cloud.portal("acme")
    portal.fill("crm.deal", 7)
    url = portal.webhook()
    for written in (url, url[:-1], url + "profile", url + "crm.deal.list.json", url + "profile/"):
        with_webhook(named, portal, written)
        assert result(named, "crm.deal.get", "id=7")["ID"] == "7"
    assert [one.path for one in named.cloud.records.of("crm.deal.get")] == 5 * [f"/rest/{url.split('/rest/')[1]}crm.deal.get"]
    assert all("auth" not in one.params for one in named.cloud.records.of("crm.deal.get"))
    for choice in ((), ("--portal", portal.domain.upper()), ("--portal", portal.member_id), ("--as", "webhook")):
        assert result(named, "crm.deal.get", "id=7", *choice)["ID"] == "7"
    failed(call(named, "crm.deal.get", "--as", "app", check=False), 78, "no application is installed")
    failed(call(named, "crm.deal.get", "--portal", "other.example", check=False), 78, "no webhook for it")
    failed(call(named, "crm.deal.get", "--as", "event", check=False), 78, "does not run in a hook")
    failed(call(named, "crm.deal.get", "--as", "nobody", check=False), 2, "'nobody' is not app, webhook or event")
    failed(call(named, "event.bind", "event=ONCRMDEALADD", "handler=https://x.example/", check=False), 77,
           "WRONG_AUTH_TYPE")


def test_a_webhook_that_is_deleted_or_renamed_is_the_configurations_fault(named):
    portal = named.cloud.portal("acme")
    with_webhook(named, portal, portal.webhook())
    named.cloud.rename(portal, "renamed")
    done = call(named, "crm.deal.list", check=False)
    failed(done, 78, "crm.deal.list: status 302", "the portal has another name now")
    with_webhook(named, portal, portal.webhook())
    portal.webhooks.clear()
    failed(call(named, "crm.deal.list", check=False), 78, "INVALID_CREDENTIALS")


def test_check_says_that_there_is_no_curl_to_call_by(named):
    portal = named.cloud.portal("acme")
    with_webhook(named, portal, portal.webhook(), hooks="")
    assert b"rest.curl" not in named.site.run("check", check=False).stdout
    conf = named.site.config.read_text().replace("rest {", "rest { curl /nowhere/curl ")
    write(named.site.config, conf, 0o600, named.site.user)
    assert b"cannot run '/nowhere/curl', by which Bitrix24 is asked" in named.site.run("check", check=False).stdout
    failed(call(named, "crm.deal.get", check=False), 78, "cannot run '/nowhere/curl'")


def test_a_webhooks_code_is_said_nowhere(named):
    portal = named.cloud.portal("acme")
    url = portal.webhook()
    code = portal.webhooks[-1].code
    with_webhook(named, portal, url)
    named.cloud.faults.order("error", method="crm.deal.get", error="E", text=f"no right: {code} of {url}")
    done = call(named, "crm.deal.get", check=False)
    failed(done, 65, "***")
    assert code.encode() not in done.stderr
    named.cloud.faults.order("reset", times=9, method="crm.deal.add")
    done = call(named, "crm.deal.add", check=False)
    failed(done, 75, "crm.deal.add: ")
    assert code.encode() not in done.stderr and b"/rest/" not in done.stderr


@pytest.mark.parametrize("block", ["portal { token x0123456  webhook https://acme.bitrix24.example/rest/1/code/ }",
                                   "portal { domain b.example  token x0123456  webhook https://a.example/rest/1/code/ }",
                                   "portal { domain a.example  token x0123456  webhook http://a.example/rest/1/code/ }"])
def test_a_webhook_of_another_host_or_of_none_is_an_error(named, block):
    named.site.configure(portals=block + "\n", more=named.cloud.conf())
    failed(call(named, "crm.deal.get", check=False), 78, "webhook")


def test_an_application_comes_before_a_webhook(named):
    """`--as` says otherwise."""
    portal = named.active()
    portal.fill("crm.deal", 7)
    url = portal.webhook()
    token = portal.outgoing_webhook(named.front.url)
    block = f"portal {{ member_id {portal.member_id}  domain {portal.domain}  token {token}  webhook {url} }}\n"
    named.site.configure(portals=block, more=named.cloud.conf(named.app))
    for choice, with_token in (((), True), (("--as", "app"), True), (("--as", "webhook"), False)):
        result(named, "crm.deal.get", "id=7", *choice)
        assert ("auth" in named.cloud.records.of("crm.deal.get")[-1].params) == with_token
    other = named.cloud.portal("other")
    named.site.configure(more=named.cloud.conf(named.app), portals=block + f"portal {{ domain {other.domain}  token {token}x  "
                                                                          f"webhook {other.webhook()} }}\n")
    failed(call(named, "crm.deal.get", check=False), 78, "several portals")
    result(named, "crm.deal.get", "id=7", "--portal", portal.domain)
    assert result(named, "crm.deal.list", "--portal", other.domain) == []


def test_the_events_own_token_calls_at_its_domain(named):
    """Of an event that an application sent, and of none that has no token."""
    site, cloud = named.site, named.cloud
    portal = cloud.portal("acme")
    portal.add(named.app)
    portal.fill("crm.deal", 7)
    token = portal.token_of(named.app)
    words = 'crm.deal.get id="$BX_ID"'
    for name, options in (("first", ""), ("event", " --as event"), ("webhook", " --as webhook")):
        site.hook(f"{name}.disabled", HOOK.format(words=words + options, out=site.out))
    hooks = "".join(f"hook {name} {{ event ONCRMDEALADD run {site.hooks}/{name}.disabled attempts 1 }}\n"
                    for name in ("first", "event", "webhook"))

    def states(block, user=portal.admin()):
        loaded = site.gateway.text().count("config loaded")
        site.configure(portals=block, more=cloud.conf() + hooks)
        site.gateway.popen.send_signal(signal.SIGHUP)
        wait_for(lambda: site.gateway.text().count("config loaded") > loaded, "the gateway to read it")
        post = portal.send(named.app, "ONCRMDEALADD", {"FIELDS": {"ID": "7"}}, user).wait()
        number = json.loads(post.answer)["event"]
        site.run("work", "--once")
        return {line["hook"]: line["state"] for line in site.list() if line["event"] == number}

    assert states(f"portal {{ domain {portal.domain}  token {token} }}\n") == {
        "first": "done", "event": "done", "webhook": "dead"}
    assert json.loads((site.out / "event.result").read_text())["ID"] == "7"
    assert "no `portal` block has a `webhook`" in (site.out / "webhook.errors").read_text()
    asked_before = len(cloud.records)
    assert states(f"portal {{ domain {portal.domain}  token {token} }}\n", None)["event"] == "dead"
    assert "brought no access token" in (site.out / "event.errors").read_text()
    assert states(f"portal {{ member_id {portal.member_id}  token {token} }}\n")["event"] == "dead"
    assert "proved no domain" in (site.out / "event.errors").read_text()
    assert states(f"portal {{ token {token} }}\n") == dict.fromkeys(("first", "event", "webhook"), "dead")
    assert "proved no portal" in (site.out / "event.errors").read_text()
    assert len(cloud.records) == asked_before


@BOTH_STORES
def test_what_came_by_a_key_is_of_the_portal_of_its_block(land):
    """Whatever it says of itself, and it has no token of its own."""
    portal, other, site = land.active(), land.active("other"), land.site
    portal.fill("crm.deal", 7)
    key = secrets.token_hex(16)
    bitrix.sent_secrets.add(key)
    names = ("POST.FORM", "WEBHOOK.FORM", "SMS.MY_SMS")
    for name in names:
        site.hook(f"{name}.sh", HOOK.format(words="crm.deal.get id=7", out=site.out) +
                  f'"$BXHOOK" call profile --as event 2> {site.out}/$BX_HOOK.own\n')
    land.configure(more=f"post form {{ key {key}  portal {land.shown(portal)['portal']} }}\n")
    url = f"{land.front.url}?key={key}"
    auth = {"member_id": other.member_id, "domain": other.domain, "access_token": secrets.token_hex(35)}
    posts = (lambda: portal.post("form", url, {"name": "x", "auth": auth}),
             lambda: portal.other(land.app, "webhook_robot", url),
             lambda: portal.sms(land.app, "my_sms", "+100", "Hello", url=url))
    for name, post in zip(names, posts):
        taken = wait_for(lambda send=post: (got := send().wait()).status == 200 and got, "the post block to count")
        site.run("work", "--once")
        assert site.show(json.loads(taken.answer)["event"])["deliveries"][0]["attempts"][-1]["exit"] == 78
        assert json.loads((site.out / f"{name}.result").read_text())["ID"] == "7", name
        assert "came by a key: it has no token" in (site.out / f"{name}.own").read_text()
    tokens = [one.params["auth"] for one in land.cloud.records.of("crm.deal.get")]
    assert {land.cloud.tokens.of_access(token).installation.portal for token in tokens} == {portal}


def test_another_portal_by_its_webhook_takes_call_any_too(named):
    """And its token is never sent there."""
    portal, other, site = named.active(), named.cloud.portal("other"), named.site
    other.fill("crm.deal", 7)
    block = f"portal {{ domain {other.domain}  token 0123456789abcdef  webhook {other.webhook()} }}\n"
    words = f"crm.deal.get id=7 --portal {other.domain}"
    tried = {"foreign": ("", ""), "webhook": ("--as webhook", ""), "event": ("--as event", "call any"),
             "free": ("", "call any")}
    for name, (option, _) in tried.items():
        site.hook(f"{name}.disabled", HOOK.format(words=f"{words} {option}", out=site.out))
    hooks = "".join(f"hook {name} {{ event ONCRMDEALADD run {site.hooks}/{name}.disabled attempts 1 {extra} }}\n"
                    for name, (_, extra) in tried.items())
    site.configure(portals=block, worker="start manual", more=named.cloud.conf(named.app) + hooks)
    portal.send(named.app, "ONCRMDEALADD", {"FIELDS": {"ID": "7"}}, portal.admin()).wait()
    site.run("work", "--once")
    states = {line["hook"]: (line["state"], line["reason"]) for line in site.list("--event", "ONCRMDEALADD")}
    dead = ("dead", "exit 78")
    assert states == {"foreign": dead, "webhook": dead, "event": dead, "free": ("done", None)}
    for name in ("foreign", "webhook"):
        assert f"add `call any` to hook '{name}'" in (site.out / f"{name}.errors").read_text()
    assert ["auth" in one.params for one in named.cloud.records.of("crm.deal.get")] == [False]


def test_an_events_token_that_is_old_is_not_tried_again(named):
    """There is no other: a hook that ends with this status is not run again."""
    portal = named.active()
    named.cloud.faults.order("error", times=2, method="crm.deal.get", error="expired_token")
    states = run_hooks(named, portal, {"old": ("crm.deal.get id=7 --as event", "")})
    assert states == {"old": "dead"}
    assert named.site.list()[0]["reason"] == "exit 77", named.site.list()
    assert count(named, "crm.deal.get") == 1


# -- What it says, and where

def test_no_secret_is_in_a_process(named):
    """Of a call under way, by a token and by a webhook."""
    portal = named.active()
    url = portal.webhook()
    token = portal.outgoing_webhook(named.front.url)
    block = f"portal {{ member_id {portal.member_id}  domain {portal.domain}  token {token}  webhook {url} }}\n"
    named.site.configure(portals=block, worker="start manual", more=named.cloud.conf(named.app))
    for number, words in enumerate((["--as", "app"], ["--as", "webhook"], ["--v3"])):
        held = named.cloud.faults.order("slow", method="tasks.task.get", seconds=20)
        asking = named.site.start([named.site.binary, "call", "tasks.task.get", "id=1", *words, "--config",
                                   named.site.config], "call.log")
        named.cloud.records.wait("tasks.task.get", number + 1, done=False)
        pids = [asking.pid, *children_of(asking.pid)]
        assert len(pids) > 1, "itself and curl"
        shown = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for pid in pids for name in ("cmdline", "environ"))
        assert not [secret for secret in named.cloud.secrets() if secret.encode() in shown]
        assert all(re.search(r"Max core file size +1 ", Path(f"/proc/{pid}/limits").read_text()) for pid in pids)
        held.release()
        wait_for(lambda one=asking: not one.running(), "the call to end")


def test_the_commands_of_the_page_do_what_it_says(land):
    portal, site = land.active(), land.site
    portal.fill("crm.deal", 70)
    where = directory(site.run_dir / "page", 0o755, site.user)
    write(where / "ids.txt", "1\n2\n70\n", 0o644, site.user)
    (where / "bxhook").symlink_to(site.binary)
    env = {"PATH": f"{where}:/usr/bin:/bin", "BXHOOK_CONFIG": str(site.config), "BXHOOK": str(site.binary), "HOME": "/"}
    typed = blocks("docs/rest.md", "sh")
    assert len(typed) == 6
    for block in typed:
        if block.startswith("#!"):
            site.hook("ONCRMDEALUPDATE.sh", block)
            continue
        done = subprocess.run(["sh", "-e", "-c", block], cwd=where, env=env, capture_output=True, timeout=60,
                              **as_user(site.user))
        assert done.returncode == 0 and done.stderr == b"", (block, done)
    rows = portal.rows["crm.deal"]
    assert rows[71]["TITLE"] == "From the terminal" and rows[1] == {"ID": "1", "TITLE": "Renamed", "COMMENTS": None}
    assert [json.loads(line)["result"]["ID"] for line in (where / "deals.jsonl").read_text().splitlines()] == ["1", "2", "70"]
    portal.send(land.app, "ONCRMDEALUPDATE", {"FIELDS": {"ID": "7"}}).wait()
    site.run("work", "--once")
    assert json.loads((site.hooks / "deals.jsonl").read_text())["ID"] == "7"


def test_the_exit_statuses_are_those_of_the_page():
    page = (ROOT / "docs" / "rest.md").read_text()
    section = page[page.index("## Exit status"):page.index("## With an SDK")]
    assert re.findall(r"^\| (\d+) \|", section, re.MULTILINE) == ["0", "65", "75", "77", "78", "2"]


def test_what_anybody_can_make_takes_no_right_away(named):
    """Installations that nobody verified: two for the portal of a webhook, and one that claims another's name."""
    portal = named.cloud.portal("acme")
    portal.fill("crm.deal", 7)
    url = portal.webhook()
    token = portal.outgoing_webhook(named.front.url)
    named.site.configure(portals=f"portal {{ member_id {portal.member_id}  domain {portal.domain}  token {token}  webhook {url} }}\n",
                         worker="start manual", more=named.cloud.conf(named.app))
    wait_for(lambda: client.fastcgi(named.site.socket, method="GET") and named.site.log().count("config loaded") > 1,
             named.site.log)
    for number, domain in enumerate((portal.domain, portal.domain, "other.bitrix24.example")):
        body = bitrix.body("ONAPPINSTALL", member_id=portal.member_id, domain=domain, token=f"forged-token-{number}")
        assert client.fastcgi(named.site.socket, body).status == 200
    assert [one["state"] for one in named.installations()] == 3 * ["pending"]
    for choice in ((), ("--portal", portal.domain), ("--portal", portal.member_id)):
        assert result(named, "crm.deal.get", "id=7", *choice)["ID"] == "7"
    failed(call(named, "crm.deal.get", "id=7", "--portal", "other.bitrix24.example", check=False), 75, "not verified")
    failed(call(named, "crm.deal.get", "id=7", "--app", "local.nobodys", check=False), 78, "no application is installed")
    failed(call(named, "crm.deal.get", "id=7", "--app", "a", "--as", "webhook", check=False), 2, "--app")
    failed(call(named, "crm.deal.get", "id=7", "--as", "app", check=False), 75, "not verified")
