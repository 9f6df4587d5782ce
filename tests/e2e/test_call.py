"""bxhook call: REST methods of a portal, from a terminal and in hooks."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

import clouds
from hosts import BOTH_STORES
from pages import blocks
from scratch import ROOT, as_user, children_of, directory, wait_for, write


@pytest.fixture
def land(site):
    with clouds.on(site) as made:
        yield made


def call(land, *words, check=True, data=None, env=None):
    return land.site.run("call", *words, check=check, input=data or b"", env=env)


def result(land, *words, **more):
    """What a call that succeeds prints, as a value."""
    done = call(land, *words, **more)
    assert done.stderr == b"" and done.stdout.count(b"\n") == 1 and done.stdout.endswith(b"\n"), done
    return json.loads(done.stdout)


def failed(done, status, *parts):
    """One line says why, and nothing else is printed."""
    assert done.returncode == status, done
    assert done.stdout == b"" and done.stderr.startswith(b"bxhook: ") and done.stderr.count(b"\n") == 1, done
    for part in parts:
        assert part in done.stderr.decode(), done


def asked(land, method):
    """The parameters of the calls of METHOD that ran, without the token."""
    return [{name: value for name, value in one.params.items() if name != "auth"}
            for one in land.cloud.records.of(method) if one.ran]


def count(land, method):
    return len(land.cloud.records.of(method, done=False))


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


HOOK = """cat > /dev/null
"$BXHOOK" call {words} > {out}/$BX_HOOK.result 2> {out}/$BX_HOOK.errors
"""


def run_hooks(land, portal, hooks, code="ONCRMDEALADD", data=None):
    """The states of HOOKS, {name: (words, more of its block)}, that an event of PORTAL starts."""
    site = land.site
    for name, (words, _) in hooks.items():
        site.hook(f"{name}.disabled", HOOK.format(words=words, out=site.out))
    land.configure(more="".join(f"hook {name} {{ event {code} run {site.hooks}/{name}.disabled attempts 1 {extra} }}\n"
                                for name, (_, extra) in hooks.items()))
    wait_for(lambda: site.run("check", "--print").stdout.count(code.encode()) == len(hooks), "the hooks")
    post = portal.send(land.app, code, data or {"FIELDS": {"ID": "7"}}, portal.admin()).wait()
    number = json.loads(post.answer)["event"]
    site.run("work", "--once")
    return {line["hook"]: line["state"] for line in site.list() if line["event"] == number}


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



@pytest.fixture
def named(site):
    """Bitrix24's own names, behind a proxy."""
    with clouds.on(site, names=True) as made:
        yield made


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


def test_an_events_token_that_is_old_is_not_tried_again(named):
    """There is no other: a hook that ends with this status is not run again."""
    portal = named.active()
    named.cloud.faults.order("error", times=2, method="crm.deal.get", error="expired_token")
    states = run_hooks(named, portal, {"old": ("crm.deal.get id=7 --as event", "")})
    assert states == {"old": "dead"}
    assert named.site.list()[0]["reason"] == "exit 77", named.site.list()
    assert count(named, "crm.deal.get") == 1


# -- Again

def tried(land, fault, method="crm.deal.add", *options, **more):
    """How often METHOD was asked, and ran, when its first request ends in FAULT, and the exit status."""
    land.cloud.faults.clear()
    land.cloud.faults.order(fault, method=method, **more)
    asked_before = count(land, method)
    ran_before = sum(one.ran for one in land.cloud.records.of(method, done=False))
    status = call(land, method, "id=1", "--wait", "5s", *options, check=False).returncode
    ran = sum(one.ran for one in land.cloud.records.of(method, done=False)) - ran_before
    return count(land, method) - asked_before, ran, status


def test_what_did_not_run_is_sent_again(land):
    land.active()
    assert tried(land, "error", error="QUERY_LIMIT_EXCEEDED") == (2, 1, 0)
    assert tried(land, "error", error="query_limit_exceeded", status=200) == (2, 1, 0)
    assert tried(land, "error", error="CONNECTION_ERROR") == (2, 1, 0)
    assert tried(land, "status", status=429, body="slow down") == (2, 1, 0)
    land.cloud.faults.order("error", times=99, method="crm.deal.add", error="QUERY_LIMIT_EXCEEDED")
    failed(call(land, "crm.deal.add", "--wait", "0s", check=False), 75, "QUERY_LIMIT_EXCEEDED")


WRITES = [("error", {"error": "INTERNAL_SERVER_ERROR"}), ("error", {"error": "ERROR_UNEXPECTED_ANSWER"}), ("html", {}),
          ("html", {"status": 502}), ("empty", {"status": 504}), ("status", {"status": 500, "body": "oops"}),
          ("reset", {}), ("cut", {})]


def test_what_may_have_run_is_sent_again_where_that_does_no_harm(land):
    """A write never: it would be done twice."""
    portal = land.active()
    portal.fill("crm.deal", 1)
    for fault, more in WRITES:
        after = {} if fault == "cut" else {"after": True}
        assert tried(land, fault, **after, **more) == (1, 1, 75), (fault, more)
        assert tried(land, fault, "crm.deal.add", "--idempotent", **after, **more) == (2, 2, 0), (fault, more)
        assert tried(land, fault, "crm.deal.get", **after, **more) == (2, 2, 0), (fault, more)
    for method in ("crm.deal.list", "crm.deal.FIELDS"):
        assert tried(land, "html", method, after=True)[::2] == (2, 0), method
    for method in ("event.offline.get", "im.v2.Event.get", "crm.deal.update", "batch"):
        assert tried(land, "html", method)[::2] == (1, 75), method


def test_no_answer_in_time_is_as_a_lost_one(land):
    portal = land.active()
    portal.fill("crm.deal", 1)
    land.configure(more="")
    land.site.configure(worker="start manual", more=land.cloud.conf(land.app).replace("rest {", "rest { timeout 1s "))
    assert tried(land, "hang") == (1, 0, 75)
    assert tried(land, "hang", "crm.deal.get") == (2, 1, 0)


def renewals(land):
    return len(land.renewals())


@BOTH_STORES
def test_an_expired_token_is_renewed_once_and_the_call_repeated(land):
    portal = land.active()
    portal.fill("crm.deal", 7)
    land.site.change_store("UPDATE %installation SET renewed_at = 1")
    before = renewals(land)
    land.cloud.faults.order("error", method="crm.deal.add", error="expired_token")
    assert result(land, "crm.deal.add", "fields[TITLE]=x") == 8
    assert renewals(land) == before + 1 and count(land, "crm.deal.add") == 2
    first, second = [one.params["auth"] for one in land.cloud.records.of("crm.deal.add")]
    assert first != second
    # And again at once: no loop.
    land.cloud.faults.order("error", times=9, method="crm.deal.get", error="expired_token")
    failed(call(land, "crm.deal.get", "id=7", check=False), 75, "expired_token")
    assert renewals(land) == before + 1 and count(land, "crm.deal.get") == 1


def test_a_renewal_that_takes_longer_than_the_hook_goes_on(land):
    """The next attempt has what it brought."""
    portal = land.active()
    portal.fill("crm.deal", 7)
    land.site.change_store("UPDATE %installation SET token_expires_at = 1")
    seen = land.seen(portal)
    held = land.cloud.faults.order("slow", method="oauth/token", seconds=60)
    assert run_hooks(land, portal, {"short": ("crm.deal.get id=7", "timeout 3s")}) == {"short": "dead"}
    line, = land.site.list("--hook", "short")
    assert line["reason"] == "exit 75" and held.hit == 1
    held.release()
    wait_for(lambda: land.seen(portal) != seen, "what was answered to be stored")
    before = renewals(land)
    land.site.run("retry", line["delivery"])
    land.site.run("work", "--once")
    assert land.site.list("--hook", "short")[0]["state"] == "done" and renewals(land) == before


def together(land, words, many):
    """MANY calls at once: their exit statuses and what they said."""
    asking = [subprocess.Popen([land.site.binary, "call", *words, "--config", land.site.config], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, cwd="/", **as_user(land.site.user)) for _ in range(many)]
    said = [one.communicate(timeout=90) for one in asking]
    return [one.returncode for one in asking], said


def test_of_many_that_find_it_expired_one_renews(land):
    portal = land.active()
    portal.fill("crm.deal", 7)
    land.site.change_store("UPDATE %installation SET renewed_at = 1")
    before = renewals(land)
    land.cloud.tokens.of_access(json.loads(land.site.run("token").stdout)["access_token"]).expires = 0
    statuses, said = together(land, ["crm.deal.get", "id=7"], 8)
    assert statuses == 8 * [0], said
    assert renewals(land) == before + 1 and land.cloud.records.spent_twice() == []


def test_a_renamed_portal_is_found_by_a_renewal(named):
    portal = named.active()
    portal.fill("crm.deal", 7)
    named.site.change_store("UPDATE %installation SET renewed_at = 1")
    named.cloud.rename(portal, "renamed")
    assert result(named, "crm.deal.get", "id=7")["ID"] == "7"
    assert [one.host for one in named.cloud.records.of("crm.deal.get")] == ["acme.bitrix24.example", portal.domain]
    assert result(named, "crm.deal.get", "id=7", "--portal", portal.domain)["ID"] == "7"


def test_a_hook_ends_before_its_time_limit_does(land):
    """With the status that has it run again."""
    portal = land.active()
    land.cloud.faults.order("error", times=99, method="crm.deal.add", error="QUERY_LIMIT_EXCEEDED")
    land.cloud.faults.order("hang", method="crm.deal.get")
    states = run_hooks(land, portal, {"late": ("crm.deal.add", "timeout 4s"),
                                      "hangs": ("crm.deal.get", "timeout 4s")})
    assert states == {"late": "dead", "hangs": "dead"}
    dead = land.site.list("--state", "dead")
    assert {line["reason"] for line in dead} == {"exit 75"}
    for line in dead:
        attempt, = land.site.delivery(line["event"], line["hook"], ("dead",))["attempts"]
        assert attempt["result"] == "failed" and attempt["duration_ms"] < 4000, attempt


# -- How fast

@BOTH_STORES
def test_all_calls_share_the_limit_of_a_portal(land):
    """None is refused, since all know of each other."""
    portal = land.active()
    portal.fill("crm.deal", 7)
    land.site.configure(worker="start manual",
                        more=land.cloud.conf(land.app).replace("client_id", "rate 4  burst 5  client_id", 1))
    land.cloud.rest.limit(portal, burst=6, rate=4.0)
    statuses, said = together(land, ["crm.deal.get", "id=7"], 20)
    assert statuses == 20 * [0], said
    assert len(land.cloud.records.of("crm.deal.get")) == 20, "none was asked twice"


def test_a_turn_that_does_not_come_in_time_is_not_waited_for(land):
    portal = land.active()
    portal.fill("crm.deal", 7)
    land.site.configure(worker="start manual",
                        more=land.cloud.conf(land.app).replace("client_id", "rate 1  burst 1  client_id", 1))
    statuses, said = together(land, ["crm.deal.get", "id=7", "--wait", "100ms"], 4)
    assert set(statuses) == {0, 75}, said
    assert any(b"crm.deal.get: its turn does not come in time" in errors for _, errors in said)


def test_a_method_whose_operating_time_is_used_up_waits_until_some_is_free(land):
    """Whoever calls it; other methods go on."""
    portal = land.active()
    portal.fill("crm.deal", 7)
    land.cloud.rest.operating(portal).costs = {"crm.deal.get": 480}
    assert result(land, "crm.deal.get", "id=7")["ID"] == "7"
    failed(call(land, "crm.deal.get", "id=7", "--wait", "5s", check=False), 75, "OPERATION_TIME_LIMIT")
    asked_before = count(land, "crm.deal.get")
    failed(call(land, "crm.deal.get", "id=7", "--wait", "5s", check=False), 75, "its turn does not come in time")
    assert count(land, "crm.deal.get") == asked_before, "nobody asks in vain"
    assert result(land, "crm.deal.list", "filter[ID]=7")[0]["ID"] == "7"


def test_operating_time_that_is_free_soon_is_waited_for(land):
    """As an answer before told; without one for ten seconds."""
    land.active()
    soon = int(time.time()) + 3
    body = {"result": 1, "time": {"operating": 400.5, "operating_reset_at": soon}}
    land.cloud.faults.order("status", method="crm.deal.add", status=200, body=body)
    assert result(land, "crm.deal.add") == 1
    land.cloud.faults.order("error", method="crm.deal.add", error="OPERATION_TIME_LIMIT")
    assert result(land, "crm.deal.add") == 1
    assert time.time() >= soon
    land.cloud.faults.order("error", times=9, method="crm.deal.update", error="OPERATION_TIME_LIMIT")
    failed(call(land, "crm.deal.update", "--wait", "9s", check=False), 75, "OPERATION_TIME_LIMIT")
    assert count(land, "crm.deal.update") == 1


# -- All items

def ids(done):
    return [int(row.get("ID") or row.get("id")) for row in map(json.loads, done.stdout.splitlines())]


@BOTH_STORES
def test_all_items_of_a_list_are_printed_a_line_each(land):
    portal = land.active()
    portal.fill("crm.deal", 120)
    done = call(land, "crm.deal.list", "--all", "select[]=ID", "filter[>=ID]=11")
    assert ids(done) == list(range(11, 121)) and done.stderr == b""
    asked_for = asked(land, "crm.deal.list")
    assert asked_for[1]["order"] == {"ID": "ASC"} and asked_for[2]["filter"] == {">=ID": "11", ">ID": "60"}
    starts = [one.params.get("start") for one in land.cloud.records.of("crm.deal.list")]
    assert starts == [None, "-1", "-1", "-1", "-1"]
    path = land.site.home / "call.json"
    path.write_text('{"filter": {">=ID": 71}}')
    path.chmod(0o644)
    assert ids(call(land, "crm.deal.list", "--all", "--json", path)) == list(range(71, 121))


def test_lists_lie_in_several_places(land):
    portal = land.active()
    for entity in ("crm.item_31", "crm.type", "tasks.task", "crm.lead"):
        portal.fill(entity, 60)
    for words in (["crm.item.list", "entityTypeId=31"], ["crm.type.list"], ["tasks.task.list"], ["crm.lead.list"]):
        assert ids(call(land, *words, "--all")) == list(range(1, 61)), words
    assert len(call(land, "user.get", "--all").stdout.splitlines()) == 2


@pytest.mark.parametrize("quirk", ["no_total", "short_pages", "unordered"])
def test_a_list_with_a_quirk_is_whole(land, quirk):
    portal = land.active()
    portal.fill("crm.deal", 120)
    portal.quirks["crm.deal.list"] = {quirk}
    assert ids(call(land, "crm.deal.list", "--all")) == list(range(1, 121))


@pytest.mark.parametrize("quirk", ["ignores_filter", "ignores_order"])
def test_a_list_that_keeps_to_no_filter_or_order_is_an_error(land, quirk):
    portal = land.active()
    portal.fill("crm.deal", 120)
    portal.rows["crm.deal"] = dict(reversed(portal.rows["crm.deal"].items())) if quirk == "ignores_order" else portal.rows["crm.deal"]
    portal.quirks["crm.deal.list"] = {quirk}
    done = call(land, "crm.deal.list", "--all", check=False)
    assert done.returncode == 65 and b"does not keep to the filter or the order by ID" in done.stderr
    assert ids(done) == (list(range(1, 51)) if quirk == "ignores_filter" else [])


def test_a_list_that_goes_on_for_ever_is_ended(land):
    """By id it has an end; where items have no id it is an error."""
    portal = land.active()
    portal.fill("crm.deal", 60)
    portal.quirks["crm.deal.list"] = {"next_for_ever"}
    assert ids(call(land, "crm.deal.list", "--all")) == list(range(1, 61))
    body = {"result": [{"NAME": "x"}], "next": 50}
    land.cloud.faults.order("status", times=99, method="crm.status.list", status=200, body=body)
    done = call(land, "crm.status.list", "--all", check=False)
    assert done.returncode == 65 and b"`next` stands still at 50" in done.stderr
    assert count(land, "crm.status.list") == 2


def test_a_list_that_is_cut_short_says_where_to_go_on(land):
    """With the status of its cause."""
    portal = land.active()
    portal.fill("crm.deal", 120)
    cut = land.cloud.faults
    cut.order("slow", times=3, method="crm.deal.list", seconds=0)
    cut.order("error", times=99, method="crm.deal.list", error="ACCESS_DENIED")
    done = call(land, "crm.deal.list", "--all", check=False)
    assert done.returncode == 77 and ids(done) == list(range(1, 101))
    assert done.stderr == (b"bxhook: crm.deal.list: ACCESS_DENIED: Access denied; the last one printed is 100: "
                           b"after it 'filter[>ID]=100' goes on\n")
    cut.clear()
    assert ids(call(land, "crm.deal.list", "--all", "filter[>ID]=100")) == list(range(101, 121))
    failed(call(land, "crm.deal.list", "--all", "start=50", check=False), 2, "leave 'start' out")
    failed(call(land, "crm.deal.list", "--all", "order[TITLE]=ASC", check=False), 2, "leave 'order' out")
    failed(call(land, "crm.deal.list", "--all", "--raw", check=False), 2, "either --all or --raw")
    failed(call(land, "crm.deal.get", "id=7", "--all", check=False), 65, "there is no list in its result")


def test_all_items_leave_half_of_the_burst_to_others(land):
    portal = land.active()
    portal.fill("crm.deal", 60)
    conf = land.cloud.conf(land.app).replace("client_id", "rate 1  burst 8  client_id", 1)
    land.site.configure(worker="start manual", more=conf)
    assert ids(call(land, "crm.deal.list", "--all", "--wait", "0s")) == list(range(1, 61))
    done = call(land, "crm.deal.list", "--all", "--wait", "100ms", check=False)
    assert done.returncode == 75 and b"its turn does not come in time" in done.stderr
    for _ in range(4):
        result(land, "crm.deal.get", "id=7", "--wait", "0s")


# -- Many calls

def batch(land, lines, *options, check=True):
    """What `--batch -` prints for LINES, values or texts, in order."""
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    done = land.site.run("call", "--batch", "-", *options, input=text.encode(), check=check)
    return done, [json.loads(line) for line in done.stdout.splitlines()]


@BOTH_STORES
def test_many_calls_go_fifty_a_request(land):
    portal = land.active()
    portal.fill("crm.deal", 120)
    done, said = batch(land, [{"id": f"n{i}", "method": "crm.deal.get", "params": {"id": i}} for i in range(1, 121)])
    assert done.stderr == b"" and count(land, "batch") == 3
    assert [(one["id"], one["result"]["ID"]) for one in said] == [(f"n{i}", str(i)) for i in range(1, 121)]


def test_what_a_batch_sends_arrives_as_it_is(land):
    portal = land.active()
    fields = {"TITLE": "a & b=c + 100% $result[c0][ID] Ж\n", "N": 1.50, "T": True, "L": ["x", "y"], "D": {"a": {"b": "c"}}}
    lines = [{"id": 1, "method": "crm.deal.add", "params": {"fields": {"TITLE": "first"}}},
             {"id": {"a": [1]}, "method": "crm.deal.add", "params": {"fields": fields}},
             {"method": "crm.deal.fields", "params": []}]
    done, said = batch(land, lines)
    assert [one["id"] for one in said] == [1, {"a": [1]}, None] and said[1]["result"] == 2
    assert portal.rows["crm.deal"][2] == {"ID": "2", "TITLE": fields["TITLE"], "N": "1.5", "T": "1", "L": ["x", "y"],
                                          "D": {"a": {"b": "c"}}}


def test_one_that_fails_leaves_the_others(land):
    """65 when one failed, 75 when it may help to try one again."""
    portal = land.active()
    portal.fill("crm.deal", 3)
    lines = [{"id": i, "method": "crm.deal.get", "params": {"id": i}} for i in (1, 9, 3)]
    done, said = batch(land, lines, check=False)
    assert done.returncode == 65 and done.stderr == b"bxhook: batch: 1 of 3 failed\n"
    assert said[1] == {"id": 9, "error": {"error": "", "error_description": "Not found"}}
    assert said[2]["result"]["ID"] == "3"
    land.cloud.faults.order("error", method="crm.deal.get", error="OPERATION_TIME_LIMIT", inside=True)
    done, said = batch(land, lines, check=False)
    assert done.returncode == 75 and done.stderr == b"bxhook: batch: 2 of 3 failed\n"
    done, said = batch(land, [{"id": 1, "method": "batch"}, {"id": 2, "method": "no.such"}], check=False)
    assert done.returncode == 65 and [one["error"]["error"] for one in said] == [
        "ERROR_BATCH_METHOD_NOT_ALLOWED", "ERROR_METHOD_NOT_FOUND"]


@pytest.mark.parametrize("fault", ["reset", "html", "cut", "empty"])
def test_a_batch_whose_answer_is_lost_is_not_sent_again(land, fault):
    land.active()
    lines = [{"id": i, "method": "crm.deal.add", "params": {"fields": {"TITLE": str(i)}}} for i in range(60)]
    land.cloud.faults.order(fault, method="batch", **({} if fault == "cut" else {"after": True}))
    done, said = batch(land, lines, check=False)
    assert done.returncode == 75 and done.stderr.startswith(b"bxhook: batch: 60 of 60 failed: ")
    assert [one["id"] for one in said] == list(range(60)) and all("error" in one for one in said)
    assert count(land, "batch") == 1
    land.cloud.faults.order("error", method="batch", error="QUERY_LIMIT_EXCEEDED")
    done, said = batch(land, lines[:2])
    assert [one["result"] for one in said] == [51, 52], "that one did not run"


def test_of_a_batch_that_is_wrong_nothing_is_sent(land):
    land.active()
    good = {"id": 1, "method": "crm.deal.add"}
    for bad, why in (("{", "not JSON"), ({"id": 1}, "the name of a method"), ({"method": "a/b"}, "the name of a method"),
                     ({"method": "m", "params": {"x": None}}, "'x' is null"), ({"method": "m", "params": {"x": []}}, "empty"),
                     ({"method": "m", "params": {"auth": "x"}}, "keeps an argument 'auth'")):
        done, said = batch(land, [good, bad], check=False)
        failed(done, 2, "--batch: line 2: ", why)
    for options in (("--idempotent",), ("--all",), ("--raw",), ("--json", "-")):
        done, said = batch(land, [good], *options, check=False)
        failed(done, 2, "either --batch or ")
    failed(call(land, "crm.deal.get", "--batch", "-", check=False), 2, "the file names the methods")
    failed(call(land, check=False), 2, "METHOD")
    assert count(land, "*") == count(land, "oauth/token") + count(land, "app.info") + count(land, "profile") + count(
        land, "event.bind")
    assert batch(land, [])[1] == []


# -- REST 3

def test_a_method_of_rest_3_gets_json_and_a_key(land):
    portal = land.active()
    portal.fill("tasks.task", 3)
    assert result(land, "tasks.task.get", "id=2", "--v3")["item"]["id"] == 2
    shown = result(land, "tasks.task.add", "fields[title]=New", "--v3")
    assert shown["item"]["title"] == "New"
    sent = land.cloud.records.of("tasks.task.add")[0]
    assert json.loads(sent.body) == {"fields": {"title": "New"}} and sent.path.endswith("/rest/api/tasks.task.add")
    assert result(land, "tasks.task.list", "--v3")["items"]
    done = call(land, "tasks.task.get", "id=9", "--v3", check=False)
    failed(done, 65, "tasks.task.get: NOT_FOUND: Element not found")
    keys = [one.headers["idempotency-key"] for one in land.cloud.records.of("tasks.task.*")]
    assert len(set(keys)) == len(keys) == 4 and all(len(key) <= 255 for key in keys)
    failed(call(land, "tasks.task.list", "--v3", "--all", check=False), 2, "either --all or --v3")
    done, said = batch(land, [{"method": "m"}], "--v3", check=False)
    failed(done, 2, "either --batch or --v3")


def test_with_a_key_a_lost_answer_is_asked_for_again(land):
    """What was done is not done twice."""
    portal = land.active()
    for fault in ("reset", "html", "cut"):
        land.cloud.faults.order(fault, method="tasks.task.add", **({} if fault == "cut" else {"after": True}))
        result(land, "tasks.task.add", "fields[title]=New", "--v3", "--wait", "5s")
    assert len(portal.rows["tasks.task"]) == 3


def test_the_next_attempt_of_a_hook_has_the_same_key(named):
    """Also with another token; another hook, or other arguments, have another."""
    portal, site = named.active(), named.site
    named.site.hook("three.disabled", f"""cat > /dev/null
    "$BXHOOK" call tasks.task.add --v3 "fields[title]=of $BX_HOOK" > {site.out}/$BX_HOOK.$BX_ATTEMPT || exit
    [ $BX_ATTEMPT = 2 ]
    """)
    hooks = "".join(f"hook {name} {{ event ONCRMDEALADD run {site.hooks}/three.disabled attempts 2 }}\n" for name in "ab")
    site.configure(portals="", worker="start manual", more=named.cloud.conf(named.app) + hooks)
    portal.send(named.app, "ONCRMDEALADD", {"FIELDS": {"ID": "7"}}, portal.admin()).wait()
    site.run("work", "--once")
    site.change_store("UPDATE %installation SET token_expires_at = 1")
    site.run("retry", "--state", "waiting", "--yes", check=False)
    for line in site.list("--state", "waiting"):
        site.run("retry", line["delivery"])
    site.run("work", "--once")
    assert {line["state"] for line in site.list("--event", "ONCRMDEALADD")} == {"done"}
    assert len(portal.rows["tasks.task"]) == 2 and len(set(
        one.headers["idempotency-key"] for one in named.cloud.records.of("tasks.task.add"))) == 2
    assert (site.out / "a.1").read_text() == (site.out / "a.2").read_text()


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


# -- Installed again

@BOTH_STORES
def test_installed_again_what_waited_for_it_is_due(named):
    """Of that portal; one that waits for its delay goes on to."""
    site, portal, other = named.site, named.active("acme"), named.active("other")
    portal.fill("crm.deal", 7)
    call_it = 'cat > /dev/null; "$BXHOOK" call crm.deal.get id=7 > /dev/null'
    for name in ("now", "later"):
        site.hook(f"{name}.disabled", call_it)
    hooks = (f"hook now {{ event ONCRMDEALADD run {site.hooks}/now.disabled backoff 1h }}\n"
             f"hook later {{ event ONCRMDEALADD run {site.hooks}/later.disabled delay 1h }}\n")
    site.configure(worker="start manual", more=named.cloud.conf(named.app) + hooks)
    for one in (portal, other):
        for id in ("7", "8"):
            one.send(named.app, "ONCRMDEALADD", {"FIELDS": {"ID": id}}).wait()
    for one in (portal, other):
        one.installations[named.app.client_id].gone = True
    named.site.change_store("UPDATE %installation SET token_expires_at = 1")
    site.run("work", "--once")

    def failed_now():
        return {(line["event"], line["portal"]): line for line in site.list("--hook", "now")}
    before = failed_now()
    assert {line["reason"] for line in before.values()} == {"exit 75"} and len(before) == 4
    portal.install(named.app).wait()
    named.sync()
    after = failed_now()
    for key, line in after.items():
        due_soon = line["due_at"] < before[key]["due_at"]
        assert due_soon == (line["member_id"] == portal.member_id), line
    site.run("work", "--once")
    assert {line["state"] for line in failed_now().values() if line["member_id"] == portal.member_id} == {"done"}
    assert {line["attempt"] for line in site.list("--hook", "later")} == {0}
    site.run("cancel", "--all", "--yes")


@BOTH_STORES
def test_a_worker_that_runs_takes_what_became_due(named):
    site, portal = named.site, named.active()
    portal.fill("crm.deal", 7)
    site.hook("ONCRMDEALADD", 'cat > /dev/null; "$BXHOOK" call crm.deal.get id=7 > /dev/null')
    hooks = "hook ONCRMDEALADD { backoff 1h }\n"
    site.configure(worker="start manual", more=named.cloud.conf(named.app) + hooks)
    portal.installations[named.app.client_id].gone = True
    site.change_store("UPDATE %installation SET token_expires_at = 1")
    worker = site.work()
    post = portal.send(named.app, "ONCRMDEALADD", {"FIELDS": {"ID": "7"}}).wait()
    number = json.loads(post.answer)["event"]
    wait_for(lambda: site.list()[0]["reason"] == "exit 75", "the first attempt to fail")
    portal.install(named.app).wait()
    site.delivery(number, "ONCRMDEALADD")
    worker.stop()
