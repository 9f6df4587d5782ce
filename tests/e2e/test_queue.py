"""The queue's rules by the real worker: what runs when, in which order, and what is merged."""

import itertools
import json
import threading
import time

import pytest

import bitrix
import client
from clock import HOUR, Clock
from hosts import BOTH_STORES
from scratch import PORTAL, alive, wait_for

PORTAL_2 = """portal {
    member_id 00000000000000000000000000000002
    domain    other.bitrix24.com
    token     another-token-of-another-portal
}
"""


@pytest.fixture
def manual(site):
    """A site whose gateway listens and whose worker runs only when the test says so."""
    site.configure(worker="start manual")
    site.serve()
    return site


def post(site, *args, **options):
    return client.fastcgi(site.socket, bitrix.body(*args, **options)).event


def burst(site, bodies, connections=8, ahead=25):
    """Posts BODIES over several kept connections, AHEAD requests at a time; all must be accepted."""
    statuses = []

    def post_all(mine):
        with client.FastCgi(site.socket) as connection:
            for first in range(0, len(mine), ahead):
                some = mine[first:first + ahead]
                connection.send(b"".join(client.fastcgi_request(body, keep=True) for body in some))
                statuses.extend([connection.read().status for _ in some])
    threads = [threading.Thread(target=post_all, args=(bodies[i::connections],)) for i in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * len(bodies)


def order(site, name="order"):
    path = site.out / name
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def note(site, name="order"):
    """A line of a hook: appends the event's number to a file."""
    return f'echo "$BX_EVENT_NUMBER" >> {site.out}/{name}'


def state_of(site, number, hook="any"):
    return next(d for d in site.show(number)["deliveries"] if d["hook"] == hook)["state"]


# -- which hooks, and why not

@BOTH_STORES
def test_each_hook_has_its_fate_and_each_refusal_its_reason(manual):
    program = manual.hook("p.disabled", "exit 0")
    failing = manual.hook("f.disabled", "exit 65")
    manual.hook("ONCRMDEALUPDATE", "exit 0")
    manual.hook("ONCRMDEALUPDATE.d/second", "exit 1")
    manual.hook("any", "exit 0")
    manual.configure(worker="start manual", backoff="1h", more=f"""
hook glob      {{ event oncrm[cd]eal* run {program} }}
hook permanent {{ event ONCRMDEAL*    run {failing} }}
hook when-yes  {{ event * run {program} when {{ data.FIELDS.ID 66?5 data.FIELDS.ID 1 auth.user_id 17 }} }}
hook when-no   {{ event * run {program} when {{ data.FIELDS.NOPE * }} }}
hook loop      {{ event * run {program} unless {{ auth.user_id 17 }} }}
hook off       {{ event * run {program} disabled yes }}
hook other     {{ event ONCRMLEAD* run {program} }}
""")
    number = post(manual)
    manual.run("work", "--once")
    event = manual.show(number)
    assert {d["hook"]: (d["state"], d["reason"]) for d in event["deliveries"]} == {
        "ONCRMDEALUPDATE": ("done", None), "ONCRMDEALUPDATE.d.second": ("waiting", "exit 1"), "any": ("done", None),
        "glob": ("done", None), "permanent": ("dead", "exit 65"), "when-yes": ("done", None)}
    refused = {r["hook"]: r["reason"] for r in event["refused"]}
    assert set(refused) == {"when-no", "loop", "off"}
    assert "data.FIELDS.NOPE" in refused["when-no"] and refused["loop"] == "unless auth.user_id 17"
    assert "disabled" in refused["off"]


# -- order

@BOTH_STORES
def test_without_an_id_or_with_order_none_there_is_no_lane(manual):
    """All four run at once; of the lane one."""
    manual.hook("any", f"{note(manual)}; until [ -e {manual.out}/go ]; do sleep 0.05; done")
    program = manual.hook("free.disabled", f"{note(manual, 'free')}; until [ -e {manual.out}/go ]; do sleep 0.05; done")
    manual.configure(worker="start manual concurrency 20", defaults="concurrency 20",
                     more=f"hook free {{ event * run {program} order none }}\n")
    same = [post(manual) for _ in range(3)]
    no_id = [post(manual, id="") for _ in range(3)]
    manual.work()
    wait_for(lambda: len(order(manual, "free")) == 6 and len(order(manual)) == 4, "all but the lane's")
    assert sorted(order(manual)) == [same[0], *no_id]
    (manual.out / "go").touch()
    manual.wait_idle()
    assert [n for n in order(manual) if n in same] == same


@BOTH_STORES
def test_concurrency_is_kept_per_hook_and_in_all(manual):
    for name in ("a", "b"):
        manual.hook(f"any.d/{name}", f"{note(manual, name)}; until [ -e {manual.out}/go ]; do sleep 0.05; done")
    manual.configure(worker="start manual concurrency 5", more="hook any.d.a { concurrency 2 }\n")
    for i in range(8):
        post(manual, id=i)
    manual.work()
    wait_for(lambda: manual.status()["deliveries"]["running"] == 5, "five runs")
    assert {h["hook"]: h["running"] for h in manual.status()["hooks"]} == {"any.d.a": 2, "any.d.b": 3}
    # Whoever could start a sixth has had the chance once another event was matched.
    post(manual, id="last")
    wait_for(lambda: manual.status()["events"]["new"] == 0, "the last event's match")
    assert len(order(manual, "a")) <= 2 and len(order(manual, "a") + order(manual, "b")) <= 5
    (manual.out / "go").touch()
    manual.wait_idle()


@BOTH_STORES
def test_a_fresh_event_of_an_idle_hook_gets_the_next_slot(manual):
    go = manual.out / "go"
    manual.hook("any", f"{note(manual)}; until [ -e {go} ] || [ -e {go}.$BX_EVENT_NUMBER ]; do sleep 0.05; done")
    manual.configure(worker="start manual concurrency 4", more="hook any { unless { event ONCRMLEADADD } }\n")
    manual.hook("ONCRMLEADADD", note(manual))
    burst(manual, [bitrix.body(id=i) for i in range(300)])
    manual.work()
    wait_for(lambda: len(order(manual)) == 4 and manual.status()["events"]["new"] == 0, "the backlog's first runs")
    fresh = post(manual, "ONCRMLEADADD", id="1")
    wait_for(lambda: manual.show(fresh)["state"] == "matched", "the fresh event's match")
    (manual.out / f"go.{order(manual)[0]}").touch()
    wait_for(lambda: len(order(manual)) >= 5, "the next run")
    assert order(manual)[4] == fresh
    go.touch()
    manual.wait_idle(30)


@BOTH_STORES
def test_within_a_hook_slots_go_round_the_portals(site):
    site.hook("any", note(site))
    site.configure(worker="start manual concurrency 1", portals=PORTAL + PORTAL_2)
    site.serve()
    first = [post(site, id=i) for i in range(6)]
    other = post(site, token="another-token-of-another-portal", domain="other.bitrix24.com",
                 member_id="00000000000000000000000000000002")
    site.run("work", "--once")
    assert order(site).index(other) <= 1 and len(order(site)) == 7 and set(order(site)) == {*first, other}


@BOTH_STORES
def test_slow_hooks_and_their_portals_take_every_slot_in_turn(site):
    """Also where ends come one by one: none goes twice in a row while another has work."""
    codes = ("ONCRMDEALUPDATE", "ONCRMLEADUPDATE")
    for code in codes:
        site.hook(code, f'echo "{code} $BX_MEMBER_ID" >>{site.out}/turns; sleep 0.1')
    site.configure(worker="start manual concurrency 1", portals=PORTAL + PORTAL_2)
    site.serve()
    other = {"token": "another-token-of-another-portal", "domain": "other.bitrix24.com",
             "member_id": "00000000000000000000000000000002"}
    for i in range(8):
        for code in codes:
            post(site, code, id=i)
            post(site, code, id=i, **other)
    site.run("work", "--once")
    turns = [line.split() for line in (site.out / "turns").read_text().splitlines()]
    assert len(turns) == 32
    assert all(one != next for (one, _), (next, _) in itertools.pairwise(turns)), turns
    for code in codes:
        portals = [portal for hook, portal in turns if hook == code]
        assert all(one != next for one, next in itertools.pairwise(portals)), turns


@BOTH_STORES
def test_a_failing_lane_blocks_only_itself_and_says_so(manual):
    manual.hook("any", f'{note(manual)}; [ "$BX_ID" != 1 ]')
    manual.configure(worker="start manual", backoff="1h")
    bad, behind = post(manual, id=1), [post(manual, id=1, code=c) for c in ("ONCRMDEALADD", "ONCRMDEALUPDATE")]
    good = [post(manual, id=2), post(manual, id=3), post(manual, "ONCRMLEADADD", id=1)]
    manual.work()
    for number in good:
        manual.delivery(number, states=("waiting", "done"))
    manual.delivery(good[0])
    manual.delivery(good[1])
    blocked = {lane["delivery"]: lane for lane in manual.status()["blocked"]}
    lane = blocked[f"{bad}/any"]
    assert (lane["kind"], lane["id"], lane["reason"], lane["behind"]) == ("ONCRMDEAL", "1", "exit 1", 2)
    assert lane["since"]
    assert f"{bad}/any" in manual.run("check", check=False).stdout.decode() + \
        manual.run("check", check=False).stderr.decode()
    assert not set(behind) & set(order(manual))
    # While the worker runs: what is given up frees the next of the lane.
    manual.run("cancel", f"{bad}/any")
    wait_for(lambda: behind[0] in order(manual), "the next of the lane")


# -- delay and coalescing

def test_a_delay_comes_before_the_first_attempt(manual):
    manual.hook("any", f"{note(manual)}")
    manual.configure(worker="start manual", defaults="delay 1500ms")
    number = post(manual)
    manual.run("work", "--once")
    assert order(manual) == [] and state_of(manual, number) == "waiting"
    manual.work()
    attempt, = manual.delivery(number)["attempts"]
    received = manual.show(number)["received_at"]
    assert seconds_of(attempt["started_at"]) - seconds_of(received) >= 1.5


def seconds_of(text):
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + float(text[19:-1])


@BOTH_STORES
def test_nothing_overtakes_or_merges_an_add_or_delete(manual):
    """Updates melt into the newest one, which keeps its place; each ADD and DELETE runs."""
    manual.hook("any", note(manual))
    manual.configure(worker="start manual", defaults="coalesce yes")
    codes = ["UPDATE", "DELETE", "UPDATE", "ADD", "UPDATE", "UPDATE", "DELETE", "DELETE", "ADD", "ADD"]
    numbers = [post(manual, f"ONCRMDEAL{verb}", id="7") for verb in codes]
    dynamic = [post(manual, f"ONCRMDYNAMICITEM{verb}_1220", id="7")
               for verb in ("DELETE", "DELETE", "UPDATE", "UPDATE")]
    no_id = [post(manual, id="") for _ in range(2)]
    manual.run("work", "--once")
    ran = order(manual)
    assert [n for n in ran if n in numbers] == [numbers[i] for i in (1, 3, 5, 6, 7, 8, 9)]
    assert [n for n in ran if n in dynamic] == [dynamic[i] for i in (0, 1, 3)]
    assert sorted(n for n in ran if n in no_id) == no_id
    merged = manual.show(numbers[0])["deliveries"][0]
    assert (merged["state"], merged["merged_into"]) == ("merged", f"{numbers[2]}/any")


@BOTH_STORES
def test_a_storm_of_ten_thousand_updates_is_a_handful_of_runs(site):
    storm = 10_000 if site.database is None else 2_000  # where each costs more
    site.configure(defaults="coalesce yes delay 1s")
    site.serve()
    site.hook("any", note(site))
    began = time.monotonic()
    added = post(site, "ONCRMDEALADD", id="7")
    burst(site, [bitrix.body(id="7")] * storm)
    deleted = post(site, "ONCRMDEALDELETE", id="7")
    status = site.wait_idle(120)
    took = time.monotonic() - began
    ran = order(site)
    updates = ran[1:-1]
    print(f"{len(updates)} runs in {took:.1f} s")
    assert (ran[0], ran[-1]) == (added, deleted)
    assert updates == sorted(updates) and updates[-1] == deleted - 1  # the last of them was not lost
    assert 1 <= len(updates) <= took + 2
    assert status["deliveries"]["done"] == len(ran) and status["deliveries"]["merged"] == storm - len(updates)
    assert status["events"]["matched"] == storm + 2


def test_a_steady_stream_runs_once_per_delay(site):
    site.configure(defaults="coalesce yes delay 500ms")
    site.serve()
    site.hook("any", note(site))
    posted = []
    wait_for(lambda: posted.append(post(site, id="7")) or len(order(site)) >= 4, "four runs in the stream")
    site.wait_idle()
    starts = [site.show(number)["deliveries"][0]["attempts"][0]["started_at"] for number in order(site)]
    gaps = [seconds_of(b) - seconds_of(a) for a, b in zip(starts, starts[1:])]
    assert all(gap >= 0.45 for gap in gaps), gaps
    assert order(site)[-1] == posted[-1]


# -- people and a worker that runs

def test_retry_cancel_and_kill_while_the_worker_runs(site):
    site.configure(backoff="1h")
    site.serve()
    site.hook("any", f'case $BX_ID in dead) [ -e {site.out}/mended ] || exit 65;; late) exit 1;; '
                     f'long) trap "" TERM; sleep 300 & echo $! > {site.out}/child; wait; wait; wait;; esac')
    dead, late, long = post(site, id="dead"), post(site, id="late"), post(site, id="long")
    site.delivery(dead, states=("dead",))
    site.delivery(late, states=("waiting",))
    wait_for(lambda: (site.out / "child").exists() and (site.out / "child").read_text().strip(), "the long hook")
    child = int((site.out / "child").read_text())
    worker = site.worker_pid()
    (site.out / "mended").touch()
    site.run("retry", f"{dead}/any")
    assert site.delivery(dead)["attempt"] == 2
    site.run("cancel", f"{late}/any")
    assert state_of(site, late) == "cancelled"
    site.run("retry", late)  # runs now, not in an hour
    wait_for(lambda: site.delivery(late, states=("waiting",))["attempt"] == 2, "its second attempt to fail")
    site.run("cancel", f"{late}/any")
    refused = site.run("cancel", f"{long}/any", check=False)
    assert refused.returncode == 1 and b"running" in refused.stderr
    site.run("cancel", f"{long}/any", "--kill")
    assert site.delivery(long, states=("cancelled",))["attempts"][0]["result"] == "cancelled"
    assert not alive(child) and site.worker_pid() == worker


# -- limits

@BOTH_STORES
def test_a_queue_from_80_percent_on_is_told_everywhere(manual):
    def told():
        checked = manual.run("check", "--json", check=False)
        return ("the queue is nearly full" in manual.log(),
                any("limits.queue" in p for p in manual.status()["problems"]),
                any("limits.queue" in p["place"] for p in json.loads(checked.stdout)["problems"]))
    manual.configure(worker="start manual", more="limits { queue 10 }\n")
    manual.gateway.stop()
    manual.serve()
    for i in range(7):
        post(manual, id=i)
    assert told() == (False, False, False)
    post(manual, id=7)
    assert told() == (True, True, True)
    assert manual.status()["ok"]
    for i in range(2):
        post(manual, id=i)
    assert client.fastcgi(manual.socket, bitrix.body()).status == 503
    manual.hook("any", "exit 0")
    manual.run("work", "--once")
    assert post(manual)


@BOTH_STORES
def test_finished_events_go_when_their_retention_ends(manual):
    manual.hook("any", 'case $BX_ID in dead) exit 65;; late) exit 1;; esac')
    manual.configure(worker="start manual", backoff="9h", more="log { outputs yes }\n")
    clock = Clock(manual)
    manual.gateway.stop()
    manual.serve()
    done, dead, late = post(manual, id="done"), post(manual, id="dead"), post(manual, id="late")
    manual.work()
    manual.delivery(done)
    manual.delivery(dead, states=("dead",))
    manual.delivery(late, states=("waiting",))
    kept = {done, dead, late}

    def numbers():
        return {line["event"] for line in manual.list()}

    def outputs():
        return {int(path.name.partition("-")[0]) for path in manual.path.rglob("outputs/*-any-1.txt")}
    assert numbers() == outputs() == kept
    if manual.database:  # whose clock is the one that counts, and does not sleep
        manual.change_store(f"UPDATE %clock SET wall = wall - {HOUR * 1000}")
    clock.sleep(HOUR)  # it is believed
    manual.configure(worker="start manual", backoff="9h", more="retention { done 1ms dead 2h }\n")
    wait_for(lambda: numbers() == {dead, late}, numbers)
    manual.configure(worker="start manual", backoff="9h", more="retention { done 1ms dead 1ms }\n")
    wait_for(lambda: numbers() == {late}, numbers)
    wait_for(lambda: outputs() == {late}, outputs)
    assert manual.run("show", dead, check=False).returncode == 1


# -- a delivery for a hook that did not take the event

@BOTH_STORES
def test_retry_gives_an_event_to_a_hook_that_did_not_take_it(manual):
    manual.hook("any", "exit 0")
    manual.hook("ONCRMDEALUPDATE", "cat", mode=0o644)
    more = "hook off { event * run /bin/cat disabled yes }\n"
    manual.configure(worker="start manual", more=more)
    number = post(manual)
    manual.work()
    manual.delivery(number)
    (manual.hooks / "ONCRMDEALUPDATE").chmod(0o755)
    manual.hook("any.d/late", "cat")                      # new since
    gone = "a new delivery, without tokens (already erased)"
    said = manual.run("retry", f"{number}/ONCRMDEALUPDATE", f"{number}/any.d.late").stdout.decode().splitlines()
    assert said == [f"retried {number}/ONCRMDEALUPDATE, {gone}", f"retried {number}/any.d.late, {gone}"]
    for hook in ("ONCRMDEALUPDATE", "any.d.late"):
        (attempt,) = manual.delivery(number, hook)["attempts"]
        body = json.loads(attempt["stdout"])
        assert body["event"] == "ONCRMDEALUPDATE" and "application_token" not in body["auth"]
    said = manual.run("retry", f"{number}/off").stdout.decode()
    assert said == f"retried {number}/off, a new delivery, it waits while its hook is disabled, {gone[16:]}\n"
    assert state_of(manual, number, "off") == "waiting"
    manual.configure(worker="start manual", more=more.replace("yes", "no"))
    manual.delivery(number, "off")
    assert [refusal["hook"] for refusal in manual.show(number)["refused"]] == []


@BOTH_STORES
def test_retry_of_a_hook_that_is_none_or_has_it_is_refused(manual):
    gate = manual.gate()
    manual.hook("any", gate.wait)
    manual.hook("any.d/crm-sync", "exit 1")
    manual.configure(worker="start manual", backoff="1h")
    number = post(manual)

    def refused(hook):
        done = manual.run("retry", f"{number}/{hook}", check=False)
        assert done.returncode == 1 and done.stdout == b"", done
        return done.stderr.decode()
    assert "no worker has matched event" in refused("any")
    manual.work()
    manual.delivery(number, states=("running",))
    assert refused("any") == f"bxhook: {number}/any is running\n"
    assert refused("any.d.crm-snyc") == "bxhook: there is no hook 'any.d.crm-snyc', did you mean 'any.d.crm-sync'?\n"
    assert refused("x") == "bxhook: there is no hook 'x'; there are any, any.d.crm-sync\n"
    gate.open()
    manual.delivery(number)


def test_what_cannot_run_yet_is_said_when_it_is_given_an_event(manual):
    manual.hook("ONCRMDEALUPDATE", "exit 0", mode=0o644)
    manual.configure(worker="start manual", backoff="1h")
    number = post(manual)
    manual.run("work", "--once")
    assert manual.list()[0]["state"] == "skipped"
    said = manual.run("retry", f"{number}/ONCRMDEALUPDATE").stdout
    assert said.endswith(b"a new delivery, its hook cannot run: not executable\n")  # its secrets were kept
    manual.run("work", "--once")
    assert state_of(manual, number, "ONCRMDEALUPDATE") == "waiting"
