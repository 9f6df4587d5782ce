"""The commands a person types, against a store that real events filled."""

import json
import re
import subprocess

import pytest

import bitrix
import client
from hosts import BOTH_STORES
from scratch import AS_ROOT, as_user, wait_for

DELIVERY = ["delivery", "event", "hook", "code", "portal", "member_id", "kind", "id", "test", "origin", "received_at", "state",
            "reason", "attempt", "max_attempts", "due_at", "blocked_by", "merged_into", "ended_at"]
ATTEMPT = ["attempt", "run", "result", "exit", "signal", "reason", "started_at", "ended_at", "duration_ms", "stdout",
           "stderr", "stdout_bytes", "stderr_bytes"]
EVENT = ["event", "code", "state", "reason", "portal", "member_id", "user_id", "handler_id", "ts", "kind", "id", "test", "origin",
         "received_at", "body", "secrets", "refused", "deliveries"]
STATUS = {
    "ok": bool, "level": str, "problems": list, "store": ["kind", "place"], "config": ["path", "error"], "workers": list,
    "events": ["new", "matched", "skipped"],
    "deliveries": ["waiting", "running", "done", "dead", "merged", "cancelled"],
    "due": int, "oldest_due_at": None, "unfinished": int, "limit": int, "blocked": list, "hooks": list}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
OPTIONS_OF_ALL = {"--config", "--help"}


def has_keys(document, wanted):
    assert set(wanted) <= set(document), sorted(set(wanted) - set(document))


def text_of(done):
    return done.stdout.decode()


def reason_of(done, status):
    """The one line on stderr of a command that failed with STATUS."""
    assert done.returncode == status, done
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1 and lines[0].startswith("bxhook: "), lines
    return lines[0].removeprefix("bxhook: ")


def post(site, *args, **options):
    return client.fastcgi(site.socket, bitrix.encode(bitrix.event(*args, **options))).event


def work(site):
    site.run("work", "--once")


# -- list

@BOTH_STORES
def test_list_has_every_key_for_every_state(quiet):
    quiet.hook("ONCRMDEALUPDATE", "exit 65")
    skipped = post(quiet, "ONCRMLEADADD")
    dead = post(quiet)
    work(quiet)
    new = post(quiet, id="6676")
    lines = quiet.list()
    assert [(line["event"], line["hook"], line["state"]) for line in lines] == [
        (new, None, "new"), (dead, "ONCRMDEALUPDATE", "dead"), (skipped, None, "skipped")]
    for line in lines:
        has_keys(line, DELIVERY)
        assert TIME.fullmatch(line["received_at"])
        assert line["portal"] == bitrix.DOMAIN and line["member_id"] == bitrix.MEMBER_ID
    assert lines[0]["delivery"] is None and lines[2]["delivery"] is None
    assert lines[1]["delivery"] == f"{dead}/ONCRMDEALUPDATE"
    assert (lines[1]["attempt"], lines[1]["max_attempts"]) == (1, 12)
    assert lines[1]["kind"] == "ONCRMDEAL" and lines[1]["id"] == "6675"
    assert TIME.fullmatch(lines[1]["ended_at"]) and lines[1]["due_at"] is None


@BOTH_STORES
def test_list_filters(quiet):
    quiet.hook("any", "exit 0")
    deal, lead = post(quiet), post(quiet, "ONCRMLEADADD", id="9")
    work(quiet)

    def events(*options):
        return [line["event"] for line in quiet.list(*options)]
    assert events() == [lead, deal]
    assert events("--limit", "1") == [lead]
    assert events("--event", "oncrmdeal*") == [deal]
    assert events("--state", "done", "--hook", "any") == [lead, deal]
    assert events("--state", "dead") == []
    assert events("--hook", "other") == []
    assert events("--portal", bitrix.DOMAIN.upper()) == [lead, deal]
    assert events("--portal", bitrix.MEMBER_ID) == [lead, deal]
    assert events("--portal", "other.bitrix24.com") == []
    assert events("--since", "1h") == [lead, deal]
    assert events("--since", "0s") == []
    assert events("--since", "2001-01-01 03:00") == events("--since", "1h ago") == [lead, deal]
    assert events("--since", "2101-01-01T00:00:00Z") == []


def test_list_for_people_is_aligned_and_plain(quiet):
    quiet.hook("any", "exit 65")
    number = post(quiet)
    work(quiet)
    text = text_of(quiet.run("list"))
    head, row = text.splitlines()
    assert head.split()[:3] == ["DELIVERY", "STATE", "TRY"]
    assert row.split()[:3] == [f"{number}/any", "dead", "1/12"]
    assert head.index("STATE") == row.index("dead")
    assert "\x1b" not in text


def test_list_names_portals_when_there_are_several(quiet):
    post(quiet)
    assert "PORTAL" not in text_of(quiet.run("list"))
    for portals in ("portal {\n token " + bitrix.TOKEN + "\n}\n", quiet.portals + "app { }\n"):
        quiet.configure(worker="start manual", portals=portals)
        assert "PORTAL" in text_of(quiet.run("list")) and bitrix.DOMAIN in text_of(quiet.run("list"))


def test_list_shows_no_control_character_of_a_sender(quiet):
    quiet.configure(worker="start manual", portals="portal {\n token " + bitrix.TOKEN + "\n}\n")
    tree = bitrix.event(fields={"ID": "\x1b[2J\nevil"})
    assert client.fastcgi(quiet.socket, bitrix.encode(tree)).event
    text = text_of(quiet.run("list"))
    assert "\x1b" not in text and "\\x1b[2J\\nevil" in text and len(text.splitlines()) == 2


@BOTH_STORES
def test_list_follows(quiet):
    quiet.hook("any", "exit 0")
    first = post(quiet)
    process = quiet.start([quiet.binary, "list", "--follow", "--json", "--config", quiet.config], "follow.log")

    def states():
        return [(line["event"], line["state"]) for line in map(json.loads, process.text().splitlines())]
    wait_for(lambda: states() == [(first, "new")], lambda: f"the first event: {states()}")
    work(quiet)
    wait_for(lambda: states()[-1:] == [(first, "done")], lambda: f"its end: {states()}")
    second = post(quiet)
    wait_for(lambda: states()[-1:] == [(second, "new")], lambda: f"the second event: {states()}")


# -- show

@BOTH_STORES
def test_show_tells_the_story(quiet):
    quiet.hook("any", "echo out-line; echo err-line >&2; exit 1")
    quiet.configure(worker="start manual", defaults="attempts 2",
                    more="hook other {\n event ONCRM*\n run /bin/true\n unless { data.FIELDS.ID 6675 }\n}\n")
    number = post(quiet)
    quiet.work()
    quiet.delivery(number, states=("dead",))
    story = quiet.show(number)
    has_keys(story, EVENT)
    assert (story["state"], story["code"], story["id"]) == ("matched", "ONCRMDEALUPDATE", "6675")
    assert story["refused"] == [{"hook": "other", "reason": "unless data.FIELDS.ID 6675"}]
    assert story["body"]["data"]["FIELDS"]["ID"] == "6675"
    (delivery,) = story["deliveries"]
    has_keys(delivery, [*DELIVERY, "attempts"])
    assert delivery["state"] == "dead"
    assert [a["attempt"] for a in delivery["attempts"]] == [1, 2]
    for attempt in delivery["attempts"]:
        has_keys(attempt, ATTEMPT)
        assert (attempt["result"], attempt["exit"], attempt["signal"]) == ("failed", 1, None)
        assert (attempt["stdout"], attempt["stderr"]) == ("out-line\n", "err-line\n")
        assert (attempt["stdout_bytes"], attempt["stderr_bytes"]) == (9, 9)
    text = text_of(quiet.run("show", f"{number}/any"))
    for part in ("ONCRMDEALUPDATE", "data.FIELDS.ID", "any: matched", "other: unless data.FIELDS.ID 6675", "| out-line",
                 "| err-line", "exit 1", "attempt 2"):
        assert part in text, part


def test_show_hides_secrets_unless_asked(quiet):
    quiet.hook("any", "exit 65")
    number = post(quiet)
    work(quiet)
    for options in ((), ("--json",)):
        assert bitrix.TOKEN not in text_of(quiet.run("show", number, *options))
        assert "***" in text_of(quiet.run("show", number, *options))
        assert bitrix.TOKEN in text_of(quiet.run("show", number, "--secrets", *options))
    page = text_of(quiet.run("show", number))
    assert page.count("\nwhat came (secrets masked, --secrets shows them)\n") == page.count("masked") == 1
    assert "\nwhat came\n" in text_of(quiet.run("show", number, "--secrets"))
    assert quiet.show(number)["body"]["auth"]["application_token"] == "***"
    assert quiet.show(number)["secrets"] == "kept"


@BOTH_STORES
def test_show_says_that_secrets_were_erased(quiet):
    quiet.hook("any", "exit 0")
    number = post(quiet)
    work(quiet)
    story = quiet.show(number, "--secrets")
    assert story["secrets"] == "erased" and "application_token" not in story["body"]["auth"]
    assert "secrets were erased" in text_of(quiet.run("show", number))


def test_show_of_what_is_not_there(quiet):
    number = post(quiet)
    assert "no event 999" in reason_of(quiet.run("show", "999", check=False), 1)
    assert f"{number}/other" in reason_of(quiet.run("show", f"{number}/other", check=False), 1)


# -- logs

@BOTH_STORES
def test_logs_are_the_last_attempt_s(quiet):
    quiet.hook("any", 'echo "try $BX_ATTEMPT"; echo oops >&2; exit 1')
    quiet.configure(worker="start manual", defaults="attempts 2")
    number = post(quiet)
    quiet.work()
    quiet.delivery(number, states=("dead",))
    assert text_of(quiet.run("logs", f"{number}/any")) == "try 2\n--- stderr ---\noops\n"
    assert text_of(quiet.run("logs", number)) == "try 2\n--- stderr ---\noops\n"
    document = json.loads(quiet.run("logs", f"{number}/any", "--json").stdout)
    has_keys(document, ATTEMPT)
    assert (document["delivery"], document["attempt"]) == (f"{number}/any", 2)


def test_logs_of_what_has_not_run(quiet):
    quiet.hook("any", "exit 0")
    number = post(quiet)
    for command, name in (("logs", f"{number}/any"), ("logs", number), ("show", f"{number}/any"),
                          ("retry", f"{number}/any")):
        assert "no worker has matched event" in reason_of(quiet.run(command, name, check=False), 1)
    assert "no event" in reason_of(quiet.run("logs", "999/any", check=False), 1)


@BOTH_STORES
def test_logs_say_why_a_delivery_has_not_run(quiet):
    quiet.hook("any", "exit 0")
    quiet.configure(worker="start manual", more="hook any { coalesce yes delay 1h }\nhook ONCRMLEADADD { delay 1h }\n")
    quiet.hook("ONCRMLEADADD", "exit 0")
    merged, newer = post(quiet), post(quiet)
    waiting = post(quiet, "ONCRMLEADADD")
    work(quiet)
    assert quiet.show(merged)["deliveries"][0]["state"] == "merged"
    assert reason_of(quiet.run("logs", merged, check=False), 1) == (
        f"{merged}/any never ran: it was merged into a newer event (see 'bxhook logs {newer}/any')")
    assert reason_of(quiet.run("logs", merged, "--follow", check=False), 1).startswith(f"{merged}/any never ran: it was merged")
    assert f"{newer}/any has not run yet: it is waiting, in " in reason_of(quiet.run("logs", newer, check=False), 1)
    quiet.run("cancel", f"{waiting}/ONCRMLEADADD")
    assert reason_of(quiet.run("logs", f"{waiting}/ONCRMLEADADD", check=False), 1) == (
        f"{waiting}/ONCRMLEADADD never ran: it is cancelled")


@BOTH_STORES
def test_show_says_what_a_permanent_exit_status_means(quiet):
    quiet.hook("any", "exit 65")
    quiet.hook("ONCRMDEALADD", "exit 1")
    quiet.configure(worker="start manual", more="hook ONCRMDEALADD { attempts 1 }\n")
    number, other = post(quiet), post(quiet, "ONCRMDEALADD")
    work(quiet)
    assert f"{number}/any: dead, attempt 1 of 12, exit 65 (which means: do not try again)" in text_of(quiet.run("show", number))
    assert f"{other}/ONCRMDEALADD: dead, attempt 1 of 1, exit 1\n" in text_of(quiet.run("show", f"{other}/ONCRMDEALADD"))


@BOTH_STORES
def test_logs_follow_a_running_hook_to_its_end(quiet):
    gate = quiet.gate()
    quiet.hook("any", f"echo before; {gate.wait}; echo after")
    number = post(quiet)
    quiet.work()
    quiet.delivery(number, states=("running",))
    follower = quiet.start([quiet.binary, "logs", f"{number}/any", "--follow", "--config", quiet.config], "follow.log")
    wait_for(lambda: follower.text() == "before\n", lambda: f"the output so far: {follower.text()!r}")
    gate.open()
    assert follower.popen.wait(15) == 0
    assert follower.text() == "before\nafter\n"


# -- retry and cancel

@BOTH_STORES
def test_retry_runs_dead_and_named_done_ones_again(quiet):
    quiet.hook("any", "exit 65")
    number = post(quiet)
    work(quiet)
    quiet.hook("any", "exit 0")
    assert text_of(quiet.run("retry", number)).startswith(f"retried {number}")
    delivery = quiet.delivery(number, states=("waiting",))
    assert (delivery["attempt"], delivery["max_attempts"]) == (1, 13)
    work(quiet)
    assert quiet.delivery(number)["attempt"] == 2
    assert f"{number} has no dead" in reason_of(quiet.run("retry", number, check=False), 1)
    assert "erased" in text_of(quiet.run("retry", f"{number}/any"))
    work(quiet)
    assert quiet.delivery(number)["attempt"] == 3


@BOTH_STORES
def test_retry_gives_the_attempts_of_the_hook(quiet):
    quiet.hook("any", "exit 65")
    quiet.configure(worker="start manual", more="hook any { attempts 4 }\n")
    number = post(quiet)
    work(quiet)
    quiet.run("retry", number)
    assert quiet.delivery(number, states=("waiting",))["max_attempts"] == 5


@BOTH_STORES
def test_retry_matches_a_skipped_event_anew(quiet):
    number = post(quiet)
    work(quiet)
    assert quiet.show(number)["state"] == "skipped"
    quiet.hook("any", "exit 0")
    quiet.run("retry", number)
    work(quiet)
    assert quiet.delivery(number)["state"] == "done"


@BOTH_STORES
def test_others_are_done_when_one_of_several_cannot(quiet):
    quiet.hook("any", "exit 65")
    numbers = [post(quiet, id=str(i)) for i in range(2)]
    work(quiet)
    done = quiet.run("retry", numbers[0], "999", numbers[1], check=False)
    assert "999" in reason_of(done, 1)
    assert [line["state"] for line in quiet.list()] == ["waiting", "waiting"]


@BOTH_STORES
def test_bulk_needs_a_filter_and_a_yes(quiet):
    quiet.hook("any", "exit 65")
    for i in range(3):
        post(quiet, id=str(i))
    work(quiet)
    assert "filter" in reason_of(quiet.run("retry", check=False), 2)
    assert "3 dead deliveries" in reason_of(quiet.run("retry", "--state", "dead", check=False), 2)
    reason_of(quiet.run("retry", "1", "--state", "dead", check=False), 2)
    reason_of(quiet.run("retry", "--state", "running", "--yes", check=False), 2)
    assert "nothing to retry" in text_of(quiet.run("retry", "--hook", "other", "--yes"))
    assert {line["state"] for line in quiet.list()} == {"dead"}
    quiet.run("retry", "--event", "ONCRMDEAL*", "--yes")
    assert {line["state"] for line in quiet.list()} == {"waiting"}
    quiet.run("cancel", "--all", "--yes")
    assert {line["state"] for line in quiet.list()} == {"cancelled"}
    quiet.run("retry", "--state", "cancelled", "--yes")
    assert {line["state"] for line in quiet.list()} == {"waiting"}


@BOTH_STORES
def test_cancel_new_and_waiting(quiet):
    quiet.hook("any", "exit 1")
    quiet.configure(worker="start manual", backoff="1h")
    first = post(quiet)
    work(quiet)
    second = post(quiet)
    quiet.run("cancel", f"{first}/any", second)
    assert quiet.show(first)["deliveries"][0]["state"] == "cancelled"
    assert (quiet.show(second)["state"], quiet.show(second)["reason"]) == ("skipped", "cancelled")
    reason_of(quiet.run("cancel", first, check=False), 1)


@BOTH_STORES
def test_cancel_ends_a_running_one_only_with_kill(quiet):
    gate = quiet.gate()
    quiet.hook("any", gate.wait)
    number = post(quiet)
    quiet.work()
    quiet.delivery(number, states=("running",))
    assert "running" in reason_of(quiet.run("cancel", number, check=False), 1)
    quiet.run("cancel", number, "--kill")
    delivery = quiet.delivery(number, states=("cancelled",))
    assert delivery["attempts"][-1]["result"] == "cancelled"


@BOTH_STORES
def test_retry_starts_a_worker(site):
    site.configure(worker="start manual")
    site.serve()
    site.hook("any", "exit 65")
    number = post(site)
    work(site)
    site.gateway.stop()
    site.configure(worker="start auto")
    site.hook("any", "exit 0")
    site.run("retry", number)
    assert site.delivery(number)["attempt"] == 2


# -- status

def test_status_has_every_key_and_counts(quiet):
    quiet.hook("any", "exit 1")
    quiet.configure(worker="start manual", backoff="1h")
    first, second = post(quiet), post(quiet)
    work(quiet)
    post(quiet, "ONCRMLEADADD", id="1")
    status = quiet.status()
    for key, kind in STATUS.items():
        assert key in status, key
        if isinstance(kind, list):
            has_keys(status[key], kind)
        elif kind is not None:
            assert isinstance(status[key], kind), key
    assert status["ok"] and status["level"] == "attention"
    (problem,) = status["problems"]
    assert problem.startswith(f"{first}/any: has failed since ") and problem.endswith(f" retry {first}/any --config {quiet.config})")
    assert status["store"] == {"kind": "sqlite", "place": str(quiet.home / "state" / "queue.db")}
    assert status["config"] == {"path": str(quiet.config), "error": None}
    assert status["events"] == {"new": 1, "matched": 2, "skipped": 0}
    assert status["deliveries"]["waiting"] == 2 and status["unfinished"] == 3 and status["limit"] == 1000000
    (lane,) = status["blocked"]
    assert lane["delivery"] == f"{first}/any" and lane["behind"] == 1 and lane["reason"] == "exit 1"
    assert (lane["portal"], lane["kind"], lane["id"]) == (bitrix.DOMAIN, "ONCRMDEAL", "6675")
    assert TIME.fullmatch(lane["since"])
    assert [hook["hook"] for hook in status["hooks"]] == ["any"]
    has_keys(status["hooks"][0], ["waiting", "running", "done_1h", "failed_1h", "dead_1h"])
    assert status["hooks"][0]["waiting"] == 2 and status["hooks"][0]["failed_1h"] == 1
    text = text_of(quiet.run("status"))
    assert text.startswith("attention\n") and f"{first}/any" in text and second > first
    assert quiet.run("status", "--strict", check=False).returncode == 1


def test_status_of_a_fresh_installation_is_fine(site):
    status = site.status()
    assert status["ok"] and status["level"] == "attention" and "no hook is enabled" in status["problems"][0]
    assert status["events"] == {"new": 0, "matched": 0, "skipped": 0} and status["workers"] == []


@BOTH_STORES
def test_status_shows_the_worker(quiet):
    process = quiet.work()
    (worker,) = wait_for(lambda: quiet.status()["workers"], "the worker in status")
    has_keys(worker, ["host", "pid", "version", "since", "running", "config_error", "seen_at"])
    assert worker["pid"] == process.pid and worker["running"] == 0 and worker["config_error"] is None


def test_status_fails_when_work_waits_and_no_worker_runs(quiet):
    post(quiet)
    assert quiet.run("status").returncode == 0
    done = wait_for(lambda: (lambda d: d if d.returncode else None)(quiet.run("status", "--json", check=False)),
                    "exit status 1 after 10 s", 20)
    assert "worker: none is running" in reason_of(done, 1)
    status = json.loads(done.stdout)
    assert not status["ok"] and status["level"] == "failing"
    assert [problem for problem in status["problems"] if "none is running" in problem] == [reason_of(done, 1)]
    first, error, fix, *_ = text_of(quiet.run("status", check=False)).splitlines()
    assert (first, fix) == ("failing", f"    fix: {quiet.binary} work --once --config {quiet.config}")
    assert error.startswith("error: worker: none is running, and work has been due since 20")
    work(quiet)
    assert quiet.status()["ok"]


def test_status_of_a_bad_config_tells_of_the_store_too(quiet):
    post(quiet)
    quiet.configure(worker="start manual", more="hook x { tiemout 5s }\n")
    done = quiet.run("status", "--json", check=False)
    status = json.loads(done.stdout)
    assert "timeout" in reason_of(done, 1) and "timeout" in status["config"]["error"]
    assert status["ok"] is False and status["events"]["new"] == 1


def test_status_without_a_config_keeps_its_form(site):
    done = site.run("status", "--json", check=False)
    site.config.unlink()
    gone = site.run("status", "--json", check=False)
    reason_of(gone, 1)
    before, after = json.loads(done.stdout), json.loads(gone.stdout)
    assert list(before) == list(after) and list(before["events"]) == list(after["events"])
    assert after["ok"] is False and after["store"] == {"kind": None, "place": None}


# -- prune, decode, version, store, help

@BOTH_STORES
def test_prune_deletes_finished_events_and_dead_ones_only_when_asked(quiet):
    quiet.hook("ONCRMDEALUPDATE", "exit 0")
    quiet.hook("ONCRMDEALADD", "exit 65")
    done, dead = post(quiet), post(quiet, "ONCRMDEALADD", id="2")
    work(quiet)
    waiting = post(quiet)
    assert text_of(quiet.run("prune", "--trust-clock")) == "deleted 0 events\n"
    assert text_of(quiet.run("prune", "--trust-clock", "--older-than", "1h")) == "deleted 0 events\n"
    assert text_of(quiet.run("prune", "--yes", "--trust-clock", "--older-than", "0s")) == "deleted 1 event\n"
    assert {line["event"] for line in quiet.list()} == {dead, waiting}
    quiet.run("prune", "--yes", "--trust-clock", "--older-than", "0s", "--dead")
    assert {line["event"] for line in quiet.list()} == {waiting}
    assert done < dead


@BOTH_STORES
def test_prune_deletes_the_files_of_outputs_too(quiet):
    quiet.configure(worker="start manual", more="log { outputs yes }\n")
    quiet.hook("any", "exit 0")
    post(quiet)
    work(quiet)
    kept = post(quiet)
    outputs, = quiet.path.rglob("outputs")
    assert [path.name for path in outputs.iterdir()] == ["1-any-1.txt"]
    quiet.run("prune", "--yes", "--trust-clock", "--older-than", "0s")
    assert list(outputs.iterdir()) == [] and [line["event"] for line in quiet.list()] == [kept]
    outputs.rmdir()
    outputs.symlink_to("/etc")
    told = quiet.run("prune", "--yes", "--trust-clock", "--older-than", "0s").stderr
    assert b"it is a symbolic link, which is not followed: make it a directory" in told


DECODED = [
    ("application/x-www-form-urlencoded", b"a[]=1&a[]=2&b[x]=%D1%8F/", {"a": ["1", "2"], "b": {"x": "\u044f/"}}),
    ("application/json; charset=utf-8", b'{"n":1.50,"t":true,"z":null}', {"n": "1.50", "t": "1"}),
    ("multipart/form-data; boundary=B", b'--B\r\nContent-Disposition: form-data; name="a[b]"\r\n\r\nv\r\n--B--\r\n',
     {"a": {"b": "v"}}),
]


@pytest.mark.parametrize("content_type, body, tree", DECODED, ids=lambda value: str(value)[:16])
def test_decode(site, content_type, body, tree):
    done = site.run("decode", "--content-type", content_type, input=body)
    assert json.loads(done.stdout) == tree and done.stdout.endswith(b"}\n") and done.stdout.count(b"\n") == 1


def test_decode_takes_a_form_and_the_config_s_limits(site):
    assert site.run("decode", input=b"a=%2F").stdout == b'{"a":"/"}\n'
    site.configure(more="limits { body 64  fields 3  depth 2 }\n")
    assert site.run("decode", input=b"a=1&b=2&c=3").returncode == 0
    assert "64" in reason_of(site.run("decode", input=b"a=" + b"x" * 63, check=False), 1)
    assert "3" in reason_of(site.run("decode", input=b"a=1&b=2&c=3&d=4", check=False), 1)
    assert "2" in reason_of(site.run("decode", input=b"a[b][c][d]=1", check=False), 1)
    reason_of(site.run("decode", "--content-type", "application/json", input=b"{", check=False), 1)
    reason_of(site.run("decode", "--content-type", "text/plain", input=b"x", check=False), 1)


def test_decode_needs_no_config(site):
    done = subprocess.run([site.binary, "decode"], input=b"a=1", capture_output=True, timeout=10, env={}, cwd="/")
    assert done.stdout == b'{"a":"1"}\n'


def test_version_names_stores_and_limits(site):
    document = json.loads(site.run("version", "--json").stdout)
    assert document["stores"] in (["sqlite"], ["sqlite", "postgresql"]) and document["limits"]["body"] == 1048576
    assert text_of(site.run("version")).startswith(f"bxhook {document['version']}\n")
    assert site.run("--version").stdout == site.run("version").stdout


@pytest.mark.parametrize("action", ["init", "upgrade", "status"])
def test_a_sqlite_store_needs_no_store_command(site, action):
    assert "needs no such command" in reason_of(site.run("store", action, check=False), 1)


def test_help_and_its_option_say_the_same(site):
    table = text_of(site.run("help"))
    commands = re.findall(r"^  ([a-z]+) ", table, re.MULTILINE)
    assert {"serve", "work", "list", "store", "version"} <= set(commands)
    for command in commands:
        text = text_of(site.run("help", command))
        assert text.startswith(f"usage: bxhook {command}") and OPTIONS_OF_ALL <= set(re.findall(r"--[a-z-]+", text))
        assert text == text_of(site.run(command, "--help"))
    assert text_of(site.run("--help")) == table


def test_options_stand_before_the_command_too(site):
    site.run("trigger", "ONAPPTEST")
    for words in [("--json", "list"), ("--limit", "5", "--json", "list"), ("--limit=5", "list", "--json")]:
        assert json.loads(site.run(*words).stdout)["event"] == 1
    done = subprocess.run([site.binary, "--config", site.config, "status", "--json"], capture_output=True,
                          timeout=30, cwd="/", **as_user(site.user))
    assert json.loads(done.stdout)["config"]["path"] == str(site.config)
    assert text_of(site.run("--config", "/no/such", "--help")) == text_of(site.run("help"))


WRONG = [("--config", "x"), ("--json",), ("--config", "x", "lst"), ("--nonsense", "list"), ("tail",), ("ls",), ("lst",), ("list", "--stat", "dead"), ("list", "--state", "fresh"), ("list", "--limit", "0"),
         ("list", "--since", "soon"), ("list", "--from", "1h", "--since", "2h"), ("list", "--id", "1", "--id", "2"),
         ("list", "--from", "1h", "--to", "2h"), ("list", "--hook", ""), ("list", "--state", "dead,"), ("list", "extra"), ("show",), ("show", "1/"), ("show", "../1"), ("logs",),
         ("logs", "1/a", "--follow", "--json"), ("run",), ("run", "x"),
         ("run", "1/a", "--file"), ("trigger", "A", "--follow", "--dry-run"), ("prune", "--older-than", "5"), ("store",), ("store", "drop"),
         ("help", "nothing"), ("serve", "--listen", "127.0.0.1:9000"), ("retry", "x"), ("cancel", "1", "2/")]


def test_no_command_at_all_shows_all_of_them(site):
    done = subprocess.run([site.binary], stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    assert done.returncode == 2 and done.stdout == b""
    assert done.stderr == site.run("help").stdout and b"\n  trigger " in done.stderr


@pytest.mark.parametrize("command", ["list", "status", "trigger ONAPPTEST", "run 1/any"])
def test_without_a_configuration_the_way_to_one_is_shown(site, command):
    site.config.unlink()
    done = site.run(*command.split(), check=False)
    if command != "status":  # which says it in its own form
        reason = reason_of(done, 1)
        assert f"there is no configuration file '{site.config}'" in reason
        assert "--config FILE" in reason and "bxhook init DIR" in reason
    assert not (site.home / "state").exists()


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
def test_another_user_is_sent_to_sudo(site):
    """As a person who is logged in beside the user that bxhook runs as."""
    done = subprocess.run([site.binary, "list", "--config", site.config], capture_output=True, timeout=30, cwd="/",
                          user="nobody", group="nogroup", extra_groups=[])
    assert "run the command with sudo" in reason_of(done, 1) and "Permission denied" in done.stderr.decode()


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_usage_is_exit_2_and_one_line(site, words):
    environment = {"BXHOOK_CONFIG": str(site.config)}
    done = subprocess.run([site.binary, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=10,
                          env=environment, **as_user(site.user))
    assert reason_of(done, 2) and done.stdout == b""
    assert not (site.home / "state").exists()


def test_a_full_disk_is_no_success(site):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([site.binary, "help"], stdout=full, stderr=subprocess.PIPE, timeout=10)
    assert done.returncode == 1 and b"cannot write to stdout" in done.stderr


@pytest.mark.parametrize("command", ["list", "events", "status", "help", "list --json"])
def test_a_reader_that_leaves_early_is_no_trouble(quiet, command):
    """`bxhook list | head -1`, with SIGPIPE as a shell has it."""
    quiet.hook("any", "exit 0")
    for _ in range(3):
        post(quiet)
    done = subprocess.run(["bash", "-c",
                           'set -o pipefail; "$0" "${@:2}" --config "$1" | head -1; echo "${PIPESTATUS[0]}"',
                           quiet.binary, quiet.config, *command.split()], capture_output=True, timeout=30,
                           **as_user(quiet.user))
    line, status = done.stdout.decode().splitlines()
    assert line and status in ("0", "141") and done.stderr == b"", done


@pytest.mark.parametrize("command", ["list", "status", "version", "events", "help"])
def test_a_stdout_that_is_closed_is_a_failure(quiet, command):
    done = subprocess.run(["sh", "-c", f'exec "$0" {command} --config "$1" >&-', quiet.binary, quiet.config],
                          capture_output=True, timeout=30, **as_user(quiet.user))
    if command != "list":  # which has nothing to write
        assert "stdout" in reason_of(done, 1)
    begin = (quiet.home / "state" / "queue.db").read_bytes()[:15]
    assert begin in (b"SQLite format 3", b""), "it went into no file of ours"
