"""One event, one row or one backlog that is impossible, and all the others that go on beside it."""

import re
import subprocess
import threading

import pytest

import bitrix
import client
from hosts import BOTH_STORES
from scratch import as_user, wait_for
from test_queue import order, post


EXECUTE = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=30).executescript(sys.argv[2])"


def change(site, sql):
    """Changes the store as no program of ours would; {t} is what stands before the names of its tables."""
    if site.database:
        site.database.sql(sql.format(t="bxhook."))
    else:
        subprocess.run(["/usr/bin/python3", "-c", EXECUTE, site.home / "state" / "queue.db", sql.format(t="")],
                       check=True, **as_user(site.user))


def notes(site):
    """A hook that writes down what it got."""
    return f'echo "$BX_EVENT_NUMBER" >> {site.out}/order; cat >> {site.out}/bodies'


# A table that does not take the deliveries of event 2.
FAILING = {
    "sqlite": "CREATE TRIGGER failing BEFORE INSERT ON open WHEN NEW.d >> 16 = 2 "
              "BEGIN SELECT RAISE(ABORT, 'no place for it'); END",
    "postgresql": "ALTER TABLE bxhook.open ADD CONSTRAINT failing CHECK (d >> 16 <> 2) NOT VALID"}
MENDED = {"sqlite": "DROP TRIGGER failing", "postgresql": "ALTER TABLE bxhook.open DROP CONSTRAINT failing"}


@BOTH_STORES
def test_an_event_that_cannot_be_matched_is_set_aside_and_the_others_go_on(quiet, store):
    quiet.hook("any", notes(quiet))
    for i in range(40):  # more than are matched at once
        post(quiet, id=i)
    change(quiet, FAILING[store])
    log = quiet.run("work", "--once").stderr.decode()
    assert sorted(order(quiet)) == [n for n in range(1, 41) if n != 2]
    event = quiet.show(2)
    assert (event["state"], event["retryable"], event["secrets"]) == ("skipped", True, "kept")
    assert event["reason"].startswith("cannot be matched: ")
    row, = [line for line in quiet.list() if line["event"] == 2]
    assert (row["state"], row["retryable"]) == ("skipped", True)
    assert {line["retryable"] for line in quiet.list() if line["event"] != 2} == {None}
    assert "'bxhook retry 2' does it now" in quiet.run("show", "2").stdout.decode()
    told, = [line for line in log.splitlines() if "set aside" in line]
    assert "event=2" in told and re.search('fix="[^ "]*bxhook retry 2"', told)

    change(quiet, MENDED[store])
    quiet.run("retry", "2")
    (quiet.out / "bodies").unlink()
    quiet.run("work", "--once")
    assert quiet.show(2)["deliveries"][0]["state"] == "done"
    assert bitrix.TOKEN in (quiet.out / "bodies").read_text()
    assert not quiet.show(2)["retryable"] and quiet.show(2)["secrets"] == "erased"


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_an_event_that_takes_too_long_is_set_aside(quiet):
    quiet.hook("any", notes(quiet))
    for i in range(6):
        post(quiet, id=i)
    quiet.database.sql("CREATE FUNCTION bxhook.slow() RETURNS trigger LANGUAGE plpgsql AS "
                       "$$BEGIN PERFORM pg_sleep(30); RETURN NEW; END$$")
    quiet.database.sql("CREATE TRIGGER slow BEFORE INSERT ON bxhook.open FOR EACH ROW "
                       "WHEN (NEW.d >> 16 = 4) EXECUTE FUNCTION bxhook.slow()")
    quiet.run("work", "--once")
    assert sorted(order(quiet)) == [1, 2, 3, 5, 6]
    assert quiet.show(4)["retryable"] and "timeout" in quiet.show(4)["reason"]


# Of SQLite's and of PostgreSQL's.
DAMAGE = {
    "body missing": ("UPDATE event SET body = x'' WHERE n = 2", "UPDATE {t}event SET body = '' WHERE n = 2"),
    "body garbage": ("UPDATE event SET body = x'ffffff00' WHERE n = 2",
                     "UPDATE {t}event SET body = '\\xffffff00' WHERE n = 2"),
    "secrets garbage": ("UPDATE slot SET data = x'ffffff00' WHERE id = (SELECT slot FROM event WHERE n = 2)",
                        "UPDATE {t}secret SET data = '\\xffffff00' WHERE n = 2")}


def damage(site, kind):
    change(site, DAMAGE[kind][1 if site.database else 0])


@BOTH_STORES
@pytest.mark.parametrize("kind", DAMAGE)
def test_an_event_that_cannot_be_read_is_set_aside(quiet, kind):
    quiet.hook("any", notes(quiet))
    for i in range(3):
        post(quiet, id=i)
    damage(quiet, kind)
    quiet.run("work", "--once")
    assert sorted(order(quiet)) == [1, 3]
    event = quiet.show(2)
    assert (event["state"], event["retryable"]) == ("skipped", True)
    assert event["reason"].startswith("cannot be read: ") and "optional" not in event["reason"]
    assert (event["body"] is None) == kind.startswith("body")
    text = quiet.run("show", "2").stdout.decode()
    assert ("it cannot be read" in text) == kind.startswith("body") or kind == "secrets garbage"
    assert len(quiet.list()) == 3
    assert quiet.run("show", "2", "--secrets").returncode == 0


@BOTH_STORES
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_delivery_whose_event_cannot_be_read_is_dead_and_frees_its_lane(quiet, kind):
    quiet.hook("any", notes(quiet))
    quiet.configure(worker="start manual", defaults="delay 1h")
    for id in (1, 7, 7, 3):
        post(quiet, id=id)
    quiet.run("work", "--once")
    damage(quiet, kind)
    change(quiet, "UPDATE {t}open SET due_at = 0; UPDATE {t}due SET at = 0")
    quiet.work()
    quiet.wait_idle()
    assert sorted(order(quiet)) == [1, 3, 4]
    dead, = quiet.show(2)["deliveries"]
    assert dead["state"] == "dead" and dead["attempt"] == 1
    assert dead["reason"].startswith("the event cannot be read: ") and "optional" not in dead["reason"]
    assert [line["state"] for line in quiet.list("--state", "dead")] == ["dead"]


# 30,000 like event 1, which waits: whoever posted them would wait for minutes.
BACKLOG = 30_000
CLONE = {
    "sqlite": [
        "WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {n}) "
        "INSERT INTO event (received_at, portal, ts, facts, body) SELECT received_at, portal, ts, facts, body "
        "FROM event, s WHERE n = 1",
        "INSERT INTO open (d, lane, portal, due_at, attempt, max_attempts, fellows) "
        "SELECT (e.n << 16) + (o.d & 65535), o.lane, o.portal, o.due_at, 0, o.max_attempts, 1 FROM event AS e, open AS o "
        "WHERE o.d >> 16 = 1 AND e.n > 1",
        "UPDATE world SET matched = matched + {n}",
        "UPDATE hook SET open = open + {n} WHERE name = 'any'"],
    "postgresql": [
        "INSERT INTO {t}event (n, received_at, lane, ts, portal, origin, secret, facts, body) "
        "SELECT nextval('bxhook.event_number'), received_at, lane, ts, portal, origin, false, facts, body "
        "FROM {t}event, generate_series(1, {n}) WHERE n = 1",
        "INSERT INTO {t}open (d, lane, portal, due_at, attempt, max_attempts, fellows) "
        "SELECT (e.n << 16) + (o.d & 65535), o.lane, o.portal, o.due_at, 0, o.max_attempts, 1 FROM {t}event AS e, {t}open AS o "
        "WHERE o.d >> 16 = 1 AND e.n > 1",
        "UPDATE {t}open AS o SET next = f.next FROM (SELECT d, lead(d) OVER (ORDER BY d) AS next FROM {t}open) AS f "
        "WHERE f.d = o.d",
        "UPDATE {t}world SET matched = (SELECT max(n) FROM {t}event)",
        "UPDATE {t}received SET last = (SELECT max(n) FROM {t}event)",
        "UPDATE {t}event_tally SET matched = matched + {n}",
        "UPDATE {t}hook_tally SET open = open + {n}"]}


def clone(site, store):
    """Event 1 and what waits of it, BACKLOG times more."""
    for statement in CLONE[store]:
        change(site, statement.format(t="{t}", n=BACKLOG))


@BOTH_STORES
def test_a_backlog_is_merged_while_events_are_accepted_and_others_run(site, store):
    """`coalesce yes` set on a hook with a long backlog of one entity."""
    site.hook("any", notes(site))
    site.configure(worker="start manual", defaults="delay 1h")
    site.serve()
    post(site, id=7)
    site.run("work", "--once")
    clone(site, store)
    site.configure(worker="start manual", defaults="delay 1h coalesce yes", more="hook any.d.now { delay 0s coalesce no }\n")
    site.hook("any.d/now", f'echo "$BX_EVENT_NUMBER" >> {site.out}/now')
    over, statuses = threading.Event(), []

    def press():
        while not over.is_set():
            statuses.append(client.fastcgi(site.socket, bitrix.body(id="other")).status)
            over.wait(0.02)
    presser = threading.Thread(target=press)
    last = post(site, id=7)
    presser.start()
    try:
        site.work()
        wait_for(lambda: site.status()["deliveries"]["merged"] > BACKLOG, "the merge", 60)
        wait_for(lambda: last in order(site, "now"), "the event itself", 60)
    finally:
        over.set()
        presser.join()
    assert set(statuses) == {200} and len(statuses) > 5
    waiting = site.list("--state", "waiting", "--hook", "any", "--limit", "100000")
    assert [line["event"] for line in waiting if line["id"] == "7"] == [last]
    assert site.show(last)["deliveries"][0]["state"] == "waiting"
    assert site.show(1)["deliveries"][0]["state"] == "merged"


@BOTH_STORES
def test_a_thousand_hooks_of_other_portals_make_no_rows(quiet):
    quiet.configure(worker="start manual", more="".join(
        f"hook h{i} {{ event * run /bin/true when {{ auth.member_id {i:032} }} }}\n" for i in range(1000))
        + "hook mine { event ONCRMDEAL* run /bin/true }\n")
    matched, skipped = post(quiet), post(quiet, "ONTASKADD")
    quiet.run("work", "--once")
    event = quiet.show(matched)
    assert [d["state"] for d in event["deliveries"]] == ["done"]
    assert (len(event["refused"]), event["refused_more"]) == (20, 980)
    event = quiet.show(skipped)
    assert (len(event["refused"]), event["refused_more"]) == (100, 901)
    assert "901 more hooks did not match" in quiet.run("show", skipped).stdout.decode()


# A table that does not let go of event 2.
KEEPING = {
    "sqlite": "CREATE TRIGGER keeping BEFORE DELETE ON event WHEN OLD.n = 2 BEGIN SELECT RAISE(ABORT, 'it stays'); END",
    "postgresql": "CREATE FUNCTION bxhook.keep() RETURNS trigger LANGUAGE plpgsql AS "
                  "$$BEGIN RAISE EXCEPTION 'it stays' USING ERRCODE = 'check_violation'; END$$; "
                  "CREATE TRIGGER keeping BEFORE DELETE ON bxhook.event FOR EACH ROW WHEN (OLD.n = 2) "
                  "EXECUTE FUNCTION bxhook.keep()"}


@BOTH_STORES
def test_an_event_that_cannot_be_deleted_keeps_no_other(quiet, store):
    for i in range(5):
        post(quiet, id=i)
    quiet.run("work", "--once")
    change(quiet, KEEPING[store])
    pruned = quiet.run("prune", "--older-than", "0s", "--trust-clock", "--yes", check=False)
    assert pruned.returncode == 1 and pruned.stdout == b"deleted 4 events\n"
    told, = pruned.stderr.decode().splitlines()
    assert told.startswith("bxhook: cannot delete event 2: ") and "it stays" in told
    assert [line["event"] for line in quiet.list()] == [2]


WRONG_COUNT = {"sqlite": "INSERT INTO hook (name, open) VALUES ('any', 1000)",
               "postgresql": "INSERT INTO bxhook.hook (id, name) VALUES (1, 'any'); "
                             "INSERT INTO bxhook.hook_tally (hook, shard, open) VALUES (1, 0, 1000)"}


@BOTH_STORES
def test_a_wrong_count_of_running_hooks_holds_up_none(quiet, store):
    quiet.hook("any", notes(quiet))
    change(quiet, WRONG_COUNT[store])
    post(quiet, id=1)
    quiet.run("work", "--once")
    assert order(quiet) == [1]
