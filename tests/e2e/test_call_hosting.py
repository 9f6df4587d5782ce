"""Hooks in several languages call Bitrix24 back, in every way to host it and with both kinds of store."""

import json
import shutil

import bitrix
from clouds import Cloud
from scratch import wait_for

CODE = "ONCRMDEALADD"

SHELL = """
cat > /dev/null
deal=$("$BXHOOK" call crm.deal.get id="$BX_ID") || exit
printf '%s\\n' "$deal"
"""

PHP = """#!/usr/bin/env php
<?php
function call(string ...$words)
{
    $process = proc_open([getenv('BXHOOK'), 'call', ...$words], [1 => ['pipe', 'w']], $pipes);
    $printed = stream_get_contents($pipes[1]);
    $status = proc_close($process);
    if ($status !== 0) {
        exit($status);
    }
    return json_decode($printed, true);
}
$event = json_decode(file_get_contents('php://stdin'), true);
call('crm.deal.update', "id={$event['data']['FIELDS']['ID']}", 'fields[TITLE]=By PHP & "quoted"');
echo json_encode(call('crm.deal.get', 'id=' . getenv('BX_ID'))), "\\n";
"""

# As SDKs do that are given an access token, b24phpsdk among them: JSON by POST, the token in its body as `auth`.
PYTHON = """#!/usr/bin/python3
import json, os, subprocess, sys, urllib.request
event = json.load(sys.stdin)
given = subprocess.run([os.environ["BXHOOK"], "token"], stdout=subprocess.PIPE)
if given.returncode:
    sys.exit(given.returncode)
token = json.loads(given.stdout)
assert token["access_token"] != event["auth"]["access_token"]
body = json.dumps({"id": int(os.environ["BX_ID"]), "auth": token["access_token"]}).encode()
request = urllib.request.Request(token["client_endpoint"] + "crm.deal.get", body, {"Content-Type": "application/json"})
with urllib.request.urlopen(request, timeout=20) as answer:
    print(json.dumps(json.load(answer)["result"]))
"""

HOOKS = {"shell": ("sh", SHELL), "php": ("php", PHP), "python": ("py", PYTHON)}


def put_hooks(site, cacert):
    """The HOOKS into their directory; the lines of bxhook.conf that go with them."""
    for name, (extension, script) in HOOKS.items():
        site.hook(f"{CODE}.d/{name}.{extension}", script)
    return f"hook {CODE}.d.python {{ env {{ SSL_CERT_FILE {cacert} }} }}\n"


def calls_back(hosted, need):
    """The application is installed, an event comes by the web server, and each of its hooks asks for the deal."""
    need("php")
    site = hosted.site
    with Cloud() as cloud:
        app, portal = cloud.app(hosted.url), cloud.portal("acme")
        portal.fill("crm.deal", 7)
        site.configure(worker="start auto", more=cloud.conf(app) + put_hooks(site, cloud.cacert))
        try:
            wait_for(lambda: portal.install(app).wait().status == 200, "the app block to count")
            wait_for(lambda: states(site, portal) == ["active"], lambda: states(site, portal), 30)
            post = portal.send(app, CODE, {"FIELDS": {"ID": "7"}}, portal.admin()).wait()
            said = {name: output(site, json.loads(post.answer)["event"], name) for name in HOOKS}
            assert {name: deal["ID"] for name, deal in said.items()} == dict.fromkeys(HOOKS, "7")
            assert said["php"]["TITLE"] == 'By PHP & "quoted"' == portal.rows["crm.deal"][7]["TITLE"]
            by = [one.headers["user-agent"].partition("/")[0] for one in cloud.records.of("crm.deal.get")]
            assert sorted(by) == ["Python-urllib", "bxhook", "bxhook"]
            assert cloud.records.spent_twice() == []
        finally:
            shutil.rmtree(site.hooks / f"{CODE}.d")
            bitrix.sent_secrets.update(cloud.secrets())


def states(site, portal):
    shown = json.loads(site.run("portals", portal.member_id, "--json", check=False).stdout or "[]")
    return [one["state"] for one in shown]


def output(site, number, name):
    """What the hook NAME printed, a value, once it is done."""
    [attempt] = site.delivery(number, f"{CODE}.d.{name}", ("done", "dead"), 30)["attempts"]
    assert attempt["exit"] == 0 and attempt["stderr"] == "", attempt
    return json.loads(attempt["stdout"])


def test_in_every_way_to_host_it_hooks_call_back(hosted, need):
    calls_back(hosted, need)


def test_in_every_way_to_host_it_on_postgresql_hooks_call_back(hosted_on_postgresql, need):
    calls_back(hosted_on_postgresql, need)
