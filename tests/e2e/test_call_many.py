"""bxhook call: lists, batches, and methods of REST 3."""

import contextlib
import json
import os
import pty
import subprocess

import pytest

from calls import asked, batch, call, count, failed, land, named, result
from hosts import BOTH_STORES
from scratch import as_user


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
    if quirk == "ignores_order":
        portal.rows["crm.deal"] = dict(reversed(portal.rows["crm.deal"].items()))
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
    assert done.returncode == 65 and b"a page came twice" in done.stderr
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


def test_on_a_terminal_it_says_how_far_it_is(land):
    portal = land.active()
    portal.fill("crm.deal", 120)
    land.cloud.faults.order("slow", times=5, method="crm.deal.list", seconds=0.3)
    main, side = pty.openpty()
    asking = subprocess.Popen([land.site.binary, "call", "crm.deal.list", "--all", "--config", land.site.config],
                              stdout=subprocess.PIPE, stderr=side, cwd="/", **as_user(land.site.user))
    os.close(side)
    said, _ = asking.communicate(timeout=60)
    shown = b""
    with contextlib.suppress(OSError):  # the other side is closed
        while part := os.read(main, 4096):
            shown += part
    os.close(main)
    assert asking.returncode == 0 and len(said.splitlines()) == 120
    assert b"reading crm.deal.list: 50 of 120" in shown and shown.endswith(b"\r\x1b[K")


def test_all_items_leave_half_of_the_burst_to_others(land):
    portal = land.active()
    portal.fill("crm.deal", 60)
    conf = land.cloud.conf(land.app).replace("client_id", "rate 1  burst 8  client_id", 1)
    land.site.configure(worker="start manual", more=conf)
    land.site.change_store("DELETE FROM %limiter")  # what sync has asked
    assert ids(call(land, "crm.deal.list", "--all", "--wait", "0s")) == list(range(1, 61))
    done = call(land, "crm.deal.list", "--all", "--wait", "100ms", check=False)
    assert done.returncode == 75 and b"its turn does not come in time" in done.stderr
    for _ in range(3):  # one is kept for calls that arrive late
        result(land, "crm.deal.get", "id=7", "--wait", "0s")


# -- Many calls

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


@BOTH_STORES
def test_the_operating_time_of_what_a_batch_calls_counts(land):
    """As if it were called alone."""
    portal = land.active()
    portal.fill("crm.deal", 3)
    land.cloud.rest.operating(portal).costs = {"crm.deal.get": 200}
    lines = [{"id": i, "method": "crm.deal.get", "params": {"id": i}} for i in (1, 2, 3)]
    done, said = batch(land, lines)
    assert land.site.query("SELECT count(*) FROM %operating")[0][0] == 1
    done, said = batch(land, lines[:1], check=False)
    assert done.returncode == 75 and said[0]["error"]["error"] == "OPERATION_TIME_LIMIT"
    failed(call(land, "crm.deal.get", "id=1", "--wait", "0s", check=False), 75, "its turn does not come in time")
    assert count(land, "crm.deal.get") == 0, "nobody asks in vain"
    result(land, "crm.deal.list")


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
    asked_by_sync = ("oauth/token", "app.info", "profile", "event.get", "event.bind")
    assert count(land, "*") == sum(count(land, method) for method in asked_by_sync)
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
