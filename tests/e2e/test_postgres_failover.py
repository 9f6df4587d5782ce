"""A primary dies, and its synchronous standby takes over: what was answered 200 is there."""

import pytest

import postgres
from hosts import Cluster, make_store
from pairs import Sender
from scratch import wait_for
from storm import Storm

EVENTS, KILLS, SEED = 300, 7, 7


@pytest.fixture
def storm(scratch):
    made = Storm(scratch, SEED, wait_for_leases=False)
    yield made
    made.stop()


def test_kills_of_every_part_lose_nothing(storm):
    storm.run(EVENTS, KILLS)
    print(dict(storm.counts))
    assert storm.counts["kills of the primary"] == 1 and storm.counts["kills of the standby"] == 1


@pytest.fixture
def replicas(scratch, request):
    """With more settings as its parameter."""
    made = postgres.Replicas(scratch, getattr(request, "param", ""))
    yield made
    made.remove()


@pytest.fixture
def cluster(scratch, replicas):
    """One host before both servers; its gateway runs."""
    database = postgres.Database(replicas.primary)
    make_store(scratch, database)
    made = Cluster(scratch, database, ["one", "two"], url=database.url(ports=replicas.ports,
                                                                    target_session_attrs="read-write"))
    made.database = database
    made.first.serve()
    yield made
    for host in made.hosts:
        host.stop()


def lose_primary(cluster, replicas):
    replicas.primary.kill()
    replicas.fail_over()
    cluster.database.server = replicas.primary
    replicas.rebuild()


def waiting_commit(host, primary, id):
    """The sender of an event whose commit waits for the standby; None when the gateway did not try."""
    sender = Sender(host, id)
    while not sender.ended():
        if primary.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"):
            return sender
    return None


def test_what_the_standby_does_not_have_is_not_answered_200(cluster, replicas):
    """Not by a wait that was given up, nor by looking for a row that the primary alone has."""
    host = cluster.first
    assert cluster.send(host, id="before").status == 200
    replicas.standby.kill()
    for _ in range(3):
        waiting = [Sender(host, "waiting") for number in range(5)]
        wait_for(lambda: all(sender.ended() for sender in waiting), "answers")
        assert {sender.answer.status for sender in waiting} == {503}
        assert max(sender.took for sender in waiting) < 5
    # None of the tries left a session behind that waits for ever.
    sessions = replicas.primary.sql("SELECT state, wait_event, query FROM pg_stat_activity WHERE usename = %s",
                                    postgres.WORKER)
    assert len(sessions) <= 3, sessions
    # A crash cuts off all that waits for the standby, committed here as it is: now everybody sees it.
    for number in range(4):
        pending = wait_for(lambda: waiting_commit(host, replicas.primary, f"crashed-{number}"), "a commit that waits")
        replicas.primary.crash()
        wait_for(pending.ended, "an answer")
        assert pending.answer is None or pending.answer.status == 503
    # Now the primary is lost, and with it what it alone had.
    replicas.standby.start()
    lose_primary(cluster, replicas)
    host.work()
    cluster.recovers()
    assert cluster.database.sql("SELECT count(*) FROM bxhook.event WHERE position('before'::bytea IN facts) > 0") == [(1,)]


HOLD = """
exec 9> lane.lock
flock -n 9 || echo "$BX_EVENT_NUMBER $BX_ATTEMPT overlaps" >> overlaps
touch begun
until [ -e go ]; do sleep 0.05; done
"""


def heartbeats(cluster):
    return cluster.database.sql("SELECT min(seen_at) FROM bxhook.worker")[0][0] if cluster.database.server.running() else 0


# The WAL writer writes what nobody waits for: here it is lost with the primary.
@pytest.mark.parametrize("replicas", ["wal_writer_delay = 10s"], indirect=True)
def test_a_run_whose_start_the_new_primary_does_not_know_is_not_repeated_beside_it(cluster, replicas):
    host = cluster.first
    program = host.hook("hold.disabled", HOLD)
    for each in cluster.hosts:
        each.configure(worker="start manual concurrency 4",
                       more=f"hook hold {{ event * run {program} dir {host.out} concurrency 4 }}\n")
        each.work()
    number = cluster.send(host).event
    wait_for((host.out / "begun").exists, "the run")
    lose_primary(cluster, replicas)
    # Both workers have come back, and looked for what dead ones left.
    for _ in range(3):
        since = heartbeats(cluster)
        wait_for(lambda: heartbeats(cluster) > since, "both workers' next heartbeat", 30)
    (host.out / "go").touch()
    delivery = host.delivery(number, "hold", limit=30)
    assert not (host.out / "overlaps").exists(), (host.out / "overlaps").read_text()
    assert [attempt["result"] for attempt in delivery["attempts"]] == ["done"]
