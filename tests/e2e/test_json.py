"""`--json`: every key always there and of its type, as jq reads it; the manual names the same keys."""

import json
import re
import subprocess

import pytest

import bitrix
import client
from scratch import ROOT, wait_for

TIME = "time"
# What a key's value is, or may be: types as jq names them, TIME, a list of one object, an object.
DELIVERY = {
    "delivery": "string null", "event": "number", "hook": "string null", "code": "string", "portal": "string null",
    "member_id": "string null", "kind": "string null", "id": "string null", "test": "boolean", "origin": "string",
    "received_at": TIME,
    "state": "string", "reason": "string null", "retryable": "boolean null", "attempt": "number null", "max_attempts": "number null",
    "due_at": TIME + " null", "blocked_by": "string null", "merged_into": "string null", "ended_at": TIME + " null"}
ATTEMPT = {
    "attempt": "number", "run": "string", "result": "string", "exit": "number null", "signal": "string null",
    "reason": "string null", "started_at": TIME, "ended_at": TIME + " null", "duration_ms": "number null",
    "stdout": "string", "stderr": "string", "stdout_bytes": "number", "stderr_bytes": "number"}
EVENT = {
    "event": "number", "code": "string", "state": "string", "reason": "string null", "retryable": "boolean",
    "portal": "string null",
    "member_id": "string null", "user_id": "string null", "handler_id": "string null", "ts": "string null",
    "kind": "string null", "id": "string null", "test": "boolean", "origin": "string", "received_at": TIME, "body": "object null",
    "damage": "string null", "secrets": "string", "refused": [{"hook": "string", "reason": "string"}],
    "refused_more": "number",
    "deliveries": [DELIVERY | {"attempts": [ATTEMPT]}]}
# Counts are null only when the store cannot be read.
COUNT = "number null"
STATUS = {
    "ok": "boolean", "level": "string", "problems": "array", "store": {"kind": "string null", "place": "string null"},
    "config": {"path": "string", "error": "string null"},
    "workers": [{"host": "string", "pid": "number", "version": "string", "since": TIME, "running": "number",
                 "config_error": "string null", "trouble": "string null", "once": "boolean",
                 "seen_at": TIME + " null"}],
    "events": {"new": COUNT, "matched": COUNT, "skipped": COUNT},
    "deliveries": {"waiting": COUNT, "running": COUNT, "done": COUNT, "dead": COUNT, "merged": COUNT,
                   "cancelled": COUNT},
    "due": COUNT, "oldest_due_at": TIME + " null", "unfinished": COUNT, "limit": COUNT,
    "blocked": [{"delivery": "string", "portal": "string null", "kind": "string", "id": "string",
                 "reason": "string null",
                 "since": TIME, "behind": "number"}],
    "hooks": [{"hook": "string", "waiting": "number", "running": "number", "done_1h": "number", "failed_1h": "number",
               "dead_1h": "number", "disabled": "string null"}],
    "held": COUNT, "portals": {"pending": COUNT, "active": COUNT, "broken": COUNT, "gone": COUNT}}
PORTALS = [{
    "portal": "string null", "member_id": "string null", "client_id": "string null", "source": "string",
    "state": "string", "user_id": "string null", "scope": "array", "plan_status": "string null", "webhook": "boolean",
    "token_expires_at": TIME + " null", "renewed_at": TIME + " null", "installed_at": TIME + " null",
    "last_event_at": TIME + " null", "catch_up": {"last_at": TIME + " null", "found": "number null", "error": "string null"},
    "peer": "string null", "held": "number", "problem": "string null", "fix": "string null"}]
EVENTS = [{"code": "string", "name": "string", "scope": "string null", "kind": "string null",
           "id_paths": "array", "fields": "array"}]
CHECK = {"ok": "boolean", "answer_ms": "number null",
         "problems": [{"level": "string", "place": "string", "message": "string", "fix": "string null"}]}
VERSION = {"version": "string", "stores": "array", "limits": {
    "body": "number", "fields": "number", "depth": "number", "queue": "number", "output": "number"}}
LOGS = ATTEMPT | {"delivery": "string"}


def jq(text, *arguments):
    done = subprocess.run(["jq", *arguments], input=text, capture_output=True, text=True, timeout=10)
    assert done.returncode in (0, 1, 5), done  # 1: -e and false, 5: an error of the filter on this input
    return done


def condition(form):
    """The filter that is true of a value of FORM."""
    if isinstance(form, list):
        return f'(type == "array" and all(.[]; {condition(form[0])}))'
    if isinstance(form, dict):
        keys = " and ".join(f'has("{key}") and (.["{key}"] | {condition(value)})' for key, value in form.items())
        return f'(type == "object" and {keys})'
    types = form.split()
    if TIME not in types:
        return "(type | IN(" + ",".join(f'"{name}"' for name in types) + "))"
    time = 'type == "string" and test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$")'
    return f"(({time})" + (" or . == null)" if "null" in types else ")")


def has_form(text, form, *options):
    done = jq(text, "-e", *options, condition(form))
    assert done.stdout.strip() == "true", text


def output(site, *arguments):
    """stdout of a command that writes JSON, whatever its exit status; one document, and nothing else."""
    text = site.run(*arguments, "--json", check=False).stdout.decode()
    if arguments[0] != "list":
        assert text.count("\n") == 1 and text.endswith("\n"), text
    return text


def test_a_form_that_is_not_kept_is_seen():
    for wrong in ({}, {"a": "x"}, {"a": 1, "t": "today"}, {"a": 1, "t": None}):
        done = jq(json.dumps(wrong), "-e", condition({"a": "number", "t": TIME}))
        assert done.stdout.strip() == "false", wrong
    has_form('{"a":1,"t":"2026-11-21T01:36:28.123Z"}', {"a": "number", "t": TIME})


def test_of_what_came_and_ran(full):
    rows = output(full, "list")
    has_form(rows, [DELIVERY], "-s")
    states = set(jq(rows, "-r", ".state").stdout.split())
    assert states == {"new", "skipped", "waiting", "done", "dead", "merged"}
    for number in sorted(set(jq(rows, "-r", ".event").stdout.split()), key=int):
        has_form(output(full, "show", number), EVENT)
    for name in jq(rows, "-r", 'select(.attempt > 0) | .delivery').stdout.split():
        has_form(output(full, "logs", name), LOGS)
        one = output(full, "show", name)
        has_form(one, EVENT)
        assert jq(one, "-r", ".deliveries | map(.delivery) | join(\" \")").stdout.split() == [name]
    has_form(output(full, "status"), STATUS)
    assert jq(output(full, "status"), "-c",
              "(.blocked | length > 0), (.hooks | length > 0), .deliveries.merged").stdout.split() == [
        "true", "true", "1"]


def test_of_running_ones_and_a_worker(quiet):
    gate = quiet.gate()
    quiet.hook("any", gate.wait)
    quiet.run("trigger", "ONAPPTEST")
    quiet.work()
    quiet.delivery(1, states=("running",))
    has_form(output(quiet, "list"), [DELIVERY], "-s")
    has_form(output(quiet, "show", "1"), EVENT)
    has_form(output(quiet, "logs", "1"), LOGS)
    status = output(quiet, "status")
    has_form(status, STATUS)
    shown = jq(status, "-c", "(.workers | length), .deliveries.running, .hooks[0].running").stdout.split()
    assert shown == ["1", "1", "1"]
    gate.open()


def test_of_nothing_at_all(site):
    assert output(site, "list") == ""
    has_form(output(site, "status"), STATUS)
    has_form(output(site, "check"), CHECK)
    site.config.unlink()
    has_form(output(site, "status"), STATUS)
    has_form(output(site, "check"), CHECK)


def test_of_the_other_commands(site):
    has_form(output(site, "events"), EVENTS)
    has_form(output(site, "events", "ONTASKADD"), EVENTS)
    assert output(site, "events", "ONNOSUCHEVENT") == "[]\n"
    has_form(output(site, "version"), VERSION)
    site.config.chmod(0o604)
    has_form(output(site, "check"), CHECK)
    has_form(output(site, "check", "--print"), CHECK | {"config": "string"})


def test_of_portals(quiet):
    quiet.configure(worker="start manual", more="app { client_id local.1 client_secret s3cr3t-of-app }\n")
    wait_for(lambda: client.fastcgi(quiet.socket, bitrix.encode({
        "event": "ONAPPINSTALL", "auth": bitrix.auth(token="a-token-of-its-own", member_id="m1")})).status == 200,
        "the app block to count")
    has_form(output(quiet, "portals"), PORTALS)
    shown = jq(output(quiet, "portals"), "-r", ".[] | [.source, .state, .member_id, .held] | @tsv").stdout.splitlines()
    assert shown[-1].split("\t") == ["installed", "pending", "m1", "1"] and shown[0].startswith("config\tactive")
    assert jq(output(quiet, "portals", "m1"), "-r", ".[0].problem").stdout == "it is not verified yet\n"


def keys_of(form):
    """Every key at any depth."""
    if isinstance(form, list):
        return keys_of(form[0])
    if not isinstance(form, dict):
        return set()
    return set(form).union(*(keys_of(value) for value in form.values()))


TOLD = {"list": DELIVERY, "show": EVENT, "attempt": ATTEMPT, "logs": {"delivery": ""}, "status": STATUS,
        "events": EVENTS, "portals": PORTALS,
        "bindings": {"event": "", "handler": "", "type": "", "wanted": True, "own": True},
        "check": CHECK | {"config": ""}, "version": VERSION}


@pytest.fixture(scope="module")
def manual():
    """{item: words} of the manual's list of keys."""
    text = (ROOT / "man" / "bxhook.1").read_text()
    section = text[text.index(".Ss JSON"):]
    section = section[section.index(".Bl -tag"):section.index(".El")]
    items = re.split(r"^\.It (?:Cm )?(\w+)$", section, flags=re.MULTILINE)[1:]
    return dict(zip(items[::2], items[1::2]))


@pytest.mark.parametrize("item", TOLD)
def test_the_manual_names_the_keys(manual, item):
    wanted = keys_of(TOLD[item])
    if item == "show":  # told at `list` and `attempt`
        wanted -= keys_of(DELIVERY | ATTEMPT) - set(EVENT) - set(EVENT["refused"][0])
    told = set(re.findall(r"(?<!\w)[a-z_]\w*", " ".join(re.findall(r"\bLi (.*)", manual[item]))))
    assert wanted - told == set(), "not in the manual"
    assert told - wanted - VALUES == set(), "not in the program"


VALUES = {"kept", "erased", "or", "each", "with", "oldest", "first", "_bytes", "config", "installed", "online", "offline"}  # among the keys
