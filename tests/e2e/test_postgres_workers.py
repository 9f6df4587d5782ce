"""Several gateways and workers on one PostgreSQL store: they share the work, and no rule of the queue is
broken between them."""

import statistics
import time

import pytest

import bitrix
import client
from hosts import Cluster, Hosts
from lanes import broken_promises, lane_log
from pairs import Sender
from scratch import wait_for
from servers import Nginx
from test_faults import Clock

TAKE_OVER = 60  # seconds at most until what a lost worker ran is run by another: lease and margin


@pytest.fixture
def hosts():
    made = Hosts()
    yield made
    made.stop()


@pytest.fixture
def cluster_of(scratch, database, hosts):
    def make(*names, **options):
        made = Cluster(scratch, database, names, **options)
        hosts.extend(made.hosts)
        return made
    return make


def most_at_once(notes):
    """The largest number of runs that were under way at one time."""
    running = most = 0
    for note in notes:
        running += 1 if note.what == "start" else -1
        most = max(most, running)
    return most


def test_gateways_and_workers_share_one_queue(cluster_of):
    cluster = cluster_of("a", "b", "c", hook_ms=40, at_once=12)
    loads = []
    for host in cluster.hosts:
        host.serve()
        loads.append(client.Load(Nginx(host).port, 4))
        host.work()
    for number, load in enumerate(loads):
        load.add([bitrix.body(id=1 + (number + i) % 40) for i in range(150)])
    for load in loads:
        load.finish(60)
    status = cluster.first.wait_idle(60)
    accepted = set().union(*(load.accepted() for load in loads))
    assert len(accepted) == 450
    assert broken_promises(cluster.first, accepted) == []
    assert len(status["workers"]) == 3 and status["store"]["kind"] == "postgresql"
    ran = [host.logs()["worker.log"].count("done") for host in cluster.hosts]
    assert min(ran) > 0, f"not shared: {ran}"


DAWDLE = """
CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(0.4);
    RETURN NULL;
END $$;
CREATE TRIGGER dawdle AFTER INSERT ON bxhook.event FOR EACH ROW WHEN (position('slow'::bytea IN NEW.facts) > 0)
EXECUTE FUNCTION public.dawdle();
"""


def test_an_event_never_overtakes_one_of_a_smaller_number(cluster_of, database):
    """One gateway's commit takes its time after the number was given; another's comes meanwhile."""
    cluster = cluster_of("slow", "quick")
    slow, quick = cluster.hosts
    for host in cluster.hosts:
        host.serve()
    quick.work()
    database.sql(DAWDLE)
    for _ in range(3):
        late = bitrix.event() | {"event_handler_id": "slow"}
        sender = Sender(slow, None, bitrix.encode(late))
        wait_for(lambda: database.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"), "the slow commit")
        cluster.send(quick, id="6675")
        wait_for(sender.ended, "the slow answer")
        assert sender.answer.status == 200
        cluster.accepted.add(sender.answer.event)
    cluster.recovers()


def test_concurrency_is_kept_across_workers(cluster_of):
    cluster = cluster_of("a", "b", "c", hook_ms=30, concurrency=2)
    cluster.first.serve()
    for host in cluster.hosts:
        host.work()
    for number in range(60):
        assert cluster.send(cluster.first, id=number).event
    cluster.recovers()
    assert most_at_once(lane_log(cluster.first)) == 2


def test_an_idle_worker_is_woken_at_once(cluster_of):
    """From another host: there is no FIFO between them."""
    cluster = cluster_of("gate", "worker")
    gate, worker = cluster.hosts
    gate.serve()
    worker.work()
    delays = []
    for _ in range(9):
        number = cluster.send(gate).event
        answered = time.monotonic_ns()
        started = wait_for(lambda: (cluster.first.out / "runs.log").exists() and
                           [note.time for note in lane_log(cluster.first) if note.number == number], "the hook")[0]
        delays.append((started - answered) / 1e9)
        cluster.first.wait_idle()
    assert statistics.median(delays) < 0.25, delays


def test_clocks_a_minute_apart_change_nothing(cluster_of):
    """Neither is a lease taken for ended, nor does a retry wait for the other's clock."""
    cluster = cluster_of("behind", "right", "ahead", hook_ms=20)
    failing = cluster.first.hook("failing.disabled", 'echo $BX_EVENT_NUMBER >> runs\n[ "$BX_ATTEMPT" -ge 3 ]\n')
    for host, offset in zip(cluster.hosts, (-60, 0, 60)):
        text = host.config.read_text()
        host.config.write_text(text + f"hook failing {{ event ONCRMLEAD* run {failing} dir {host.out} backoff 300ms }}\n")
        Clock(host).set(offset)
        host.serve()
        host.work()
    began = time.monotonic()
    leads = [client.fastcgi(host.socket, bitrix.body("ONCRMLEADUPDATE", id=i)).event
             for i, host in enumerate(cluster.hosts * 3)]
    for number in range(60):
        cluster.send(cluster.hosts[number % 3], id=1 + number % 7)
    for lead in leads:
        cluster.first.delivery(lead, "failing", limit=30)
    cluster.first.wait_idle(30)
    assert time.monotonic() - began < 30
    results = [a["result"] for lead in leads for d in cluster.first.show(lead)["deliveries"] if d["hook"] == "failing"
               for a in d["attempts"]]
    assert results == ["failed", "failed", "done"] * len(leads)
    assert not any("lost" in log for host in cluster.hosts for log in host.logs().values())


def test_a_clock_that_is_set_meanwhile_changes_nothing(cluster_of, database):
    """Moments in the store are the server's, also on connections that were made before."""
    cluster = cluster_of("host", hook_ms=20)
    host = cluster.first
    clock = Clock(host)
    host.serve()
    host.work()
    host.delivery(cluster.send(host).event, "lane")
    for offset in (3600, -3600, 0):
        clock.set(offset)
        number = cluster.send(host).event
        host.wait_idle()
        off = database.sql("SELECT abs(bxhook.now_ms() - e.received_at), abs(bxhook.now_ms() - d.at) FROM bxhook.event AS e "
                           "JOIN bxhook.ended AS d ON d.d >> 16 = e.n WHERE e.n = %s", number)[0]
        assert max(off) < 60_000, (offset, off)


def test_what_lost_workers_ran_is_taken_over_and_never_twice_at_once(lost):
    rescue = lost.rescue
    for head, follower in zip(lost.heads, lost.followers):
        rescue.delivery(head, "hold", limit=TAKE_OVER)
        rescue.delivery(follower, "hold", limit=TAKE_OVER)
    assert not (rescue.out / "overlaps").exists(), (rescue.out / "overlaps").read_text()
    for head in lost.heads:
        assert [a["result"] for a in rescue.show(head)["deliveries"][0]["attempts"]] == ["lost", "done"]
    # The one that was cut off had ended its run itself, and works again.
    assert "ending all runs" in lost.hosts[1].log()
    lost.proxy.release()
    wait_for(lambda: {"cut", "rescue"} == {worker["host"] for worker in rescue.status()["workers"]}, "the workers left")
