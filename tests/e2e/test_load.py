"""Load: nothing lost, nothing twice, lanes kept; a slow disk; and a stop in the middle of it."""

import random
import threading
import time

import pytest

import bitrix
import client
import modes
from lanes import Note, lane_log, problems
from pairs import preload
from scratch import AS_ROOT, wait_for, write
from servers import Nginx, group_of

EVENTS = 10_000
LANES = 300
SHARING_LIMIT = 90  # seconds until two peers have come in time: beside other tests they often do not


@pytest.mark.parametrize("notes,faults", [
    ("s1 e1 s2 e2", 0),
    ("s1 s1 e1 s2 e2", 0),     # a run that was killed and repeated
    ("s2 e2 s1 e1", 1),        # out of order
    ("s1 s2 e2", 1),           # 1 never ended
    ("s1 s2 e1 e2", 3),        # both at a time
])
def test_a_lanes_fault_is_found(notes, faults):
    words = [(word[0], int(word[1])) for word in notes.split()]
    made = [Note({"s": "start", "e": "end"}[kind], number, "lane", number, at)
            for at, (kind, number) in enumerate(words)]
    assert len(problems(made)) == faults


@pytest.fixture
def served(site):
    site.serve("--group", group_of(site.user), as_root=AS_ROOT)
    return Nginx(site)


def test_ten_thousand_events_run_once_each_in_lane_order(site, served):
    program = site.hook("lane.disabled", site.scratch.compiled("lane").read_bytes())
    site.configure(worker="concurrency 8",
                   more=f"hook lane {{ event * run {program} arg 20 concurrency 8 dir {site.out} }}\n")
    chance = random.Random(1)
    load = client.Load(served.port, 64)
    load.add([bitrix.body(id=chance.randrange(1, LANES + 1)) for _ in range(EVENTS)])
    load.finish(120)
    statuses = [status for _, status, _, _ in load.results]
    assert statuses == [200] * EVENTS
    slowest = max(seconds for *_, seconds in load.results)
    status = site.wait_idle(120)
    runs = lane_log(site)
    assert sorted(r.number for r in runs if r.what == "end") == sorted(load.accepted())
    assert problems(runs) == []
    assert status["deliveries"] == {"waiting": 0, "running": 0, "done": EVENTS, "dead": 0, "merged": 0, "cancelled": 0}
    assert status["events"] == {"new": 0, "matched": EVENTS, "skipped": 0}
    assert status["ok"] is True
    print(f"{EVENTS} events, slowest answer {slowest * 1000:.0f} ms")


@pytest.fixture
def slow(site):
    """A site whose disk takes 10 ms for each fsync; gives the file that has a byte for each."""
    syncs = write(site.run_dir / "syncs", "", user=site.user)
    site.env = {"LD_PRELOAD": str(preload(site.scratch, "slow_fsync")), "SLOW_FSYNC_MS": "10",
                "SLOW_FSYNC_COUNT": str(syncs)}
    site.configure(worker="start manual")
    site.serve()
    return syncs


def post_by_turns(site, peers, each):
    """EACH events by each of PEERS at once, one after another's answer; gives the statuses."""
    statuses = []

    def post(peer):
        with client.FastCgi(site.socket) as connection:
            for _ in range(each):
                connection.send(client.fastcgi_request(bitrix.body(id=peer), keep=True))
                statuses.append(connection.read().status)

    threads = [threading.Thread(target=post, args=(peer,)) for peer in range(peers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def test_peers_of_a_slow_disk_share_its_commits(site, slow):
    events, taken, statuses = 80, [], []
    end = time.monotonic() + SHARING_LIMIT
    # By turns each event has a commit of its own; together, half of one.  That the peers come in time is
    # the machine's affair, which has others to serve while tests run beside this one.
    while time.monotonic() < end and not any(count < events * 0.8 for count in taken):
        before = slow.stat().st_size
        statuses += post_by_turns(site, 2, events // 2)
        taken.append(slow.stat().st_size - before)
    assert statuses == [200] * (events * len(taken))
    assert site.status()["events"]["new"] == len(statuses)
    assert taken[-1] < events * 0.8, taken


def test_peers_that_leave_or_hurry_harm_none_on_a_slow_disk(site, slow):
    chance, over = random.Random(3), threading.Event()

    def leave():
        while not over.is_set():
            with client.FastCgi(site.socket) as connection:
                connection.send(client.fastcgi_request(bitrix.body(id="left"), keep=True))
                over.wait(chance.uniform(0, 0.02))

    def hurry():
        while not over.is_set():
            with client.FastCgi(site.socket) as connection:
                for _ in range(2):
                    connection.send(client.fastcgi_request(bitrix.body(id="hurried"), keep=True))
                    over.wait(chance.uniform(0, 0.02))
                hurried.extend(connection.read().status for _ in range(2))

    hurried = []
    others = [threading.Thread(target=what) for what in (leave, leave, hurry, hurry)]
    for thread in others:
        thread.start()
    statuses = post_by_turns(site, 3, 100)
    over.set()
    for thread in others:
        thread.join()
    assert statuses == [200] * 300
    assert hurried and set(hurried) == {200}
    assert site.gateway.running()


def test_a_stop_under_load_answers_or_refuses_every_request(site, served):
    load = client.Load(served.port, 32)
    load.add([bitrix.body(id=i) for i in range(1, 3001)])
    wait_for(lambda: len(load.results) > 500, "load")
    assert site.gateway.stop(limit=5) == 0
    load.finish(30)
    statuses = {status for _, status, _, _ in load.results}
    assert len(load.results) == 3000
    assert 200 in statuses and statuses <= {200, 502, 503}, statuses
    stored = site.status()["events"]
    assert sum(stored.values()) >= len(load.accepted())
    numbers = {line["event"] for line in site.list("--limit", "10000")}
    assert load.accepted() <= numbers


@pytest.mark.parametrize("mode", [modes.fcgid_htaccess_binary, modes.lighttpd], ids=lambda mode: mode.__name__)
def test_other_servers_lose_nothing_under_load(scratch, mode):
    made = mode(scratch)
    try:
        made.site.hook("any", "exit 0")
        load = client.Load(made.server.port, 16, made.url.removeprefix(made.server.root))
        load.add([bitrix.body(id=i) for i in range(1, 301)])
        load.finish(60)
        assert [status for _, status, _, _ in load.results] == [200] * 300
        status = made.site.wait_idle(60)
        assert status["deliveries"]["done"] == 300
    finally:
        made.site.stop()
