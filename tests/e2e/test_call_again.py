"""bxhook call: what is repeated and when, how fast a portal is called."""

import json
import subprocess
import time


from calls import call, count, failed, land, named, result, run_hooks, together
from hosts import BOTH_STORES
from scratch import as_user, directory, wait_for, write


def renewals(land):
    return len(land.renewals())


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
    land.site.change_store("DELETE FROM %limiter")  # full, after so many refusals
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
    """None is refused, since all know of each other, and one of the burst is kept for those that arrive late."""
    portal = land.active()
    portal.fill("crm.deal", 7)
    land.site.configure(worker="start manual",
                        more=land.cloud.conf(land.app).replace("client_id", "rate 4  burst 5  client_id", 1))
    land.cloud.rest.limit(portal, burst=5, rate=4.0)
    statuses, said = together(land, ["crm.deal.get", "id=7"], 20)
    assert statuses == 20 * [0], said
    assert len(land.cloud.records.of("crm.deal.get")) == 20, "none was asked twice"


def test_a_turn_that_does_not_come_in_time_is_not_waited_for(land):
    portal = land.active()
    portal.fill("crm.deal", 7)
    land.site.configure(worker="start manual",
                        more=land.cloud.conf(land.app).replace("client_id", "rate 1  burst 1  client_id", 1))
    land.site.change_store("DELETE FROM %limiter")  # what sync has asked
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


def test_sync_waits_for_its_turn_too(land):
    """And leaves half of the burst to calls."""
    conf = land.cloud.conf(land.app).replace("client_id", "rate 1  burst 2  client_id", 1)
    land.site.configure(worker="start manual", more=conf)
    portal = land.install("acme")
    land.cloud.rest.limit(portal, burst=2, rate=1.0)
    land.sync()
    asked_by_sync = [one.at for one in land.cloud.records.of("*", portal="acme") if one.method in ("profile", "event.bind")]
    assert len(asked_by_sync) == 2 and asked_by_sync[1] - asked_by_sync[0] > 0.7
    assert land.site.query("SELECT count(*) FROM %limiter") == [[1]]


@BOTH_STORES
def test_the_operating_time_of_what_sync_asks_counts(land):
    portal = land.install("acme")
    land.cloud.rest.operating(portal).costs = {"profile": 100}
    land.sync()
    assert land.state(portal) == "active"
    assert land.site.query("SELECT count(*) FROM %operating")[0][0] == 1


# -- A store that cannot be read

def test_without_a_store_that_can_be_read_it_is_not_now(site):
    write(directory(site.home / "state", 0o700, site.user) / "queue.db", "this is no database", 0o600, site.user)
    done = site.run("call", "crm.deal.get", "id=7", check=False)
    assert done.returncode == 75 and done.stderr.startswith(b"bxhook: crm.deal.get: cannot use store"), done


def test_a_disk_that_takes_no_more_is_not_now(land):
    """It is said, and printed half is not success."""
    portal = land.active()
    portal.fill("crm.deal", 7)
    done = subprocess.run(["sh", "-c", f"{land.site.binary} call crm.deal.get id=7 --config {land.site.config} > /dev/full"],
                          capture_output=True, timeout=60, **as_user(land.site.user))
    assert done.returncode == 75 and b"crm.deal.get: cannot write" in done.stderr, done
