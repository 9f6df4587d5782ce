"""When PostgreSQL fails under gateway and worker: 503 within the second and a word about it, never a
hang, a loss or a double; back to work without help once it is mended."""

import contextlib
import os
import subprocess
import time

import psycopg2
import pytest

import bitrix
import client
import postgres
from hosts import Cluster, Host, make_store
from pairs import Sender
from proxy import Proxy
from scratch import AS_ROOT, directory, wait_for
from test_faults import fill

ANSWER_LIMIT = 5  # seconds: the contract's one, with room for a loaded machine
STOP_LIMIT = 3
MARK = "mark-of-the-request"
UNKNOWN = f"{MARK}-unknown"


@pytest.fixture(scope="module")
def relay(server):
    made = Proxy(server.port)
    yield made
    made.stop()


@pytest.fixture
def proxy(relay):
    """The way to the database, in order again when the test has ended."""
    yield relay
    relay.mend()
    relay.release()


@pytest.fixture(scope="module")
def database(server, fresh_store):
    return postgres.Database(server, fresh_store)


@pytest.fixture(scope="module")
def cluster(scratch, database, relay):
    """One host whose way to the database is the proxy; its gateway and its worker have to live through
    all that these tests do to it."""
    made = Cluster(scratch, database, ["one"], url=database.url(ports=[relay.port]))
    start(made)
    yield made
    relay.mend()
    relay.release()
    made.first.stop()


@pytest.fixture
def logs_of(cluster, proxy):
    return cluster.first


def start(cluster):
    host = cluster.first
    host.serve()
    cluster.worker = host.work()
    assert cluster.send(host).status == 200
    host.wait_idle()


def refused(cluster, limit=ANSWER_LIMIT):
    """An event is answered 503, in time."""
    began = time.monotonic()
    answer = cluster.send(cluster.first)
    took = time.monotonic() - began
    assert answer and answer.status == 503 and answer.json["error"] == "unavailable"
    assert took < limit, f"503 after {took:.1f} s"
    return answer


class News:
    """What processes log from now on."""

    def __init__(self, *processes):
        self._processes = [(process, len(process.text())) for process in processes]

    def all_say(self, *words):
        """True when each has said one of WORDS."""
        return all(any(word in process.text()[since:] for word in words) for process, since in self._processes)


def lives(cluster):
    assert cluster.first.gateway.running() and cluster.worker.running()


def stored(database, id):
    return database.sql("SELECT count(*) FROM bxhook.event WHERE position(%s::bytea IN facts) > 0", id)[0][0]


# -- The way to the database

@pytest.mark.parametrize("way", ["cut", "hold"])
def test_a_database_away_is_503_at_once_and_recovered_from(cluster, logs_of, proxy, way):
    getattr(proxy, way)()
    for _ in range(3):
        refused(cluster)
    wait_for(lambda: client.fastcgi(cluster.first.socket, REQUEST_METHOD="GET").body
             == b"bxhook: not ready, see its log\n", "the gateway to say so")
    assert "postgresql" in cluster.first.gateway.text()
    proxy.mend()
    proxy.release()
    cluster.recovers()
    lives(cluster)


@pytest.mark.parametrize("way", ["cut", "hold"])
def test_a_database_away_at_the_start(scratch, server, fresh_store, proxy, way):
    database = postgres.Database(server, fresh_store)
    cluster = Cluster(scratch, database, ["one"], url=database.url(ports=[proxy.port]))
    host = cluster.first
    getattr(proxy, way)()
    try:
        host.serve()
        cluster.worker = super(Host, host).work()
        for _ in range(2):
            refused(cluster)
        if way == "cut":  # a person's command waits ten seconds for an answer
            status = host.run("status", check=False)
            assert status.returncode == 1 and b"cannot open store" in status.stderr
        proxy.mend()
        proxy.release()
        cluster.recovers()
        lives(cluster)
    finally:
        proxy.release()
        host.stop()


@pytest.mark.parametrize("way", ["cut", "hold"])
def test_sigterm_is_obeyed_while_the_database_is_away(cluster, logs_of, proxy, way):
    getattr(proxy, way)()
    pending = Sender(cluster.first, "7")
    refused(cluster)
    assert cluster.first.gateway.stop(limit=STOP_LIMIT) == 0
    assert cluster.worker.stop(limit=2 * STOP_LIMIT) == 0
    wait_for(pending.ended, "an answer or an end")
    proxy.mend()
    proxy.release()
    start(cluster)
    cluster.recovers()


# -- A commit whose outcome is not known

def test_a_commit_whose_answer_is_lost_is_resolved_before_it_is_answered(cluster, logs_of, proxy, database):
    for number in range(3):
        id = f"{MARK}-answer-{number}"
        proxy.lose_answer(id)
        answer = cluster.send(cluster.first, id=id)
        assert proxy.lost.is_set()
        assert answer.status == 200 and stored(database, id) == 1
    cluster.recovers()


def test_a_request_that_did_not_arrive_is_not_accepted_twice(cluster, logs_of, proxy, database):
    for number in range(3):
        id = f"{MARK}-request-{number}"
        proxy.lose_request(id)
        answer = cluster.send(cluster.first, id=id)
        assert proxy.lost.is_set()
        assert stored(database, id) == (1 if answer.status == 200 else 0)
    cluster.recovers()


def test_a_commit_that_stays_unknown_is_503_and_no_double(cluster, logs_of, proxy, database):
    proxy.lose_answer(UNKNOWN)
    sender = Sender(cluster.first, UNKNOWN)
    wait_for(proxy.lost.is_set, "the lost answer")
    proxy.cut()
    wait_for(sender.ended, "an answer")
    assert sender.took < ANSWER_LIMIT
    assert (sender.answer.status == 503) or stored(database, UNKNOWN) == 1
    proxy.mend()
    cluster.recovers()
    assert stored(database, UNKNOWN) == 1


def test_an_end_whose_record_is_lost_is_recorded_once(cluster, logs_of, proxy, database):
    """The marker is in the output of the hook: the worker's report is what gets lost."""
    host = cluster.first
    speaker = host.hook("speaker.disabled", f'echo "{MARK}$BX_ID"\n')
    host.config.write_text(host.config.read_text() + f"hook speaker {{ event ONCRMLEAD* run {speaker} }}\n")
    for number, lose in enumerate([proxy.lose_answer, proxy.lose_request], start=1):
        lose(f"{MARK}{number}")
        event = wait_for(lambda: client.fastcgi(host.socket, bitrix.body("ONCRMLEADUPDATE", id=number)).event, "an event")
        delivery = host.delivery(event, "speaker")
        assert proxy.lost.is_set()
        assert [attempt["result"] for attempt in delivery["attempts"]] == ["done"]
    lives(cluster)


def test_a_start_whose_answer_is_lost_costs_no_attempt(cluster, logs_of, proxy, database):
    host = cluster.first
    marker = host.hook("once.disabled", 'echo "$BX_ID $BX_ATTEMPT" >> once\n')
    host.config.write_text(host.config.read_text() + f"hook once {{ event ONCRMQUOTE* run {marker} dir {host.out} attempts 1 }}\n")
    wait_for(lambda: client.fastcgi(host.socket, bitrix.body("ONCRMQUOTEUPDATE", id="first")).event, "an event")
    wait_for((host.out / "once").exists, "the first run")
    proxy.lose_answer("bxhook.start(")
    event = wait_for(lambda: client.fastcgi(host.socket, bitrix.body("ONCRMQUOTEUPDATE", id="second")).event, "an event")
    delivery = host.delivery(event, "once")
    assert proxy.lost.is_set()
    assert [attempt["result"] for attempt in delivery["attempts"]] == ["done"]
    assert (host.out / "once").read_text() == "first 1\nsecond 1\n"
    lives(cluster)


# -- The server

def test_a_lost_session_is_replaced(cluster, logs_of, database):
    for number in range(20):
        database.disconnect()
        answer = cluster.send(cluster.first, id=number)
        assert answer.status in (200, 503)
    cluster.recovers()
    lives(cluster)


@contextlib.contextmanager
def locked(database):
    """As long as it lasts nobody else can use the events."""
    with contextlib.closing(database.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE bxhook.event IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_table_held_by_another_is_a_clear_503_in_time(cluster, logs_of, database):
    news = News(cluster.first.gateway)
    with locked(database):
        for _ in range(2):
            refused(cluster)
        assert news.all_say("statement timeout", "lock timeout", "answer in time")
        lives(cluster)
    cluster.recovers()


TROUBLE = {  # what breaks it, what mends it, and what the log says
    "read-only": ("ALTER DATABASE {db} SET default_transaction_read_only = on",
                  "ALTER DATABASE {db} RESET default_transaction_read_only", "read-only"),
    "rights": ("REVOKE INSERT ON ALL TABLES IN SCHEMA bxhook FROM {role}; REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA "
               "bxhook FROM {role}", None, "permission denied"),
    "password": ("ALTER ROLE {role} PASSWORD 'another'", "ALTER ROLE {role} PASSWORD '{password}'",
                 "password authentication failed"),
    "connections": ("ALTER ROLE {role} CONNECTION LIMIT 0", "ALTER ROLE {role} CONNECTION LIMIT -1",
                    "too many connections"),
    "renamed": ("ALTER SCHEMA bxhook RENAME TO away", "ALTER SCHEMA away RENAME TO bxhook", "store init"),
}


def administer(database, statement):
    """In its database if it must be: there may be no other than read-only sessions."""
    run = database.sql if "SCHEMA" in statement else database.server.sql
    run(statement)


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_is_a_clear_503_and_passes(cluster, logs_of, database, trouble):
    breaks, mends, words = TROUBLE[trouble]
    names = {"db": database.name, "role": postgres.WORKER, "password": database.passwords[postgres.WORKER]}
    news = News(cluster.first.gateway, cluster.worker)
    administer(database, breaks.format(**names))
    try:
        database.disconnect()
        refused(cluster)
        wait_for(lambda: refused(cluster) and news.all_say(words), "the reason in both logs")
        failed = cluster.first.run("trigger", "ONCRMDEALADD", check=False)
        assert failed.returncode == 1 and words in failed.stderr.decode()
    finally:
        if mends:
            administer(database, mends.format(**names))
        else:
            database.grant()
        database.disconnect()
    cluster.recovers()
    lives(cluster)


FAIL_SOME = """
DROP SEQUENCE IF EXISTS public.failures;
CREATE SEQUENCE public.failures;
GRANT USAGE ON SEQUENCE public.failures TO PUBLIC;
CREATE OR REPLACE FUNCTION public.fail_some() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('public.failures') % 41 = 40 THEN
        RAISE EXCEPTION 'planted' USING ERRCODE = TG_ARGV[0];
    END IF;
    RETURN NULL;
END $$;
"""


@pytest.mark.parametrize("code", ["40001", "40P01"], ids=["serialization", "deadlock"])
def test_deadlocks_and_serialization_failures_are_tried_again(cluster, logs_of, database, code):
    """One of 41 changes of a table fails so: a sequence is not rolled back."""
    database.sql(FAIL_SOME)
    tables = [name for name, in database.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'bxhook'")]
    for table in tables:
        database.sql(f"CREATE TRIGGER fail_some AFTER INSERT OR UPDATE OR DELETE ON bxhook.{table} "
                     f"FOR EACH STATEMENT EXECUTE FUNCTION public.fail_some('{code}')")
    for number in range(40):
        assert cluster.send(cluster.first, id=1 + number % 3).status == 200
    cluster.first.wait_idle(60)
    for table in tables:
        database.sql(f"DROP TRIGGER fail_some ON bxhook.{table}")
    assert database.sql("SELECT last_value FROM public.failures")[0][0] > 5 * 41
    cluster.recovers()
    lives(cluster)


# -- Disks

@pytest.fixture
def small_disk(scratch):
    """A directory on a disk of 24 MB."""
    if not AS_ROOT:
        pytest.skip("mounting a small disk needs root")
    place = directory(scratch.new("disk") / "disk", 0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "bxhook-test", place], check=True)
    yield directory(place / "tables", 0o700)
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_503_and_loses_nothing(scratch, server, small_disk):
    server.sql(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    database = postgres.Database(server, options="TABLESPACE small")
    make_store(scratch, database)
    cluster = Cluster(scratch, database, ["one"])
    filler = small_disk.parent / "filler"
    try:
        start(cluster)
        fill(filler)
        # Of bytes that cannot be compressed: what can might fit into pages that the tables have.
        large = [Sender(cluster.first, i, bitrix.body(id=i, fields={"COMMENTS": os.urandom(450_000).hex()}))
                 for i in range(3)]
        wait_for(lambda: all(sender.ended() for sender in large), "answers")
        assert {sender.answer.status for sender in large} == {503}
        assert "No space left on device" in cluster.first.gateway.text()
        filler.unlink()
        cluster.recovers()
        lives(cluster)
    finally:
        filler.unlink(missing_ok=True)  # else no session can begin
        cluster.first.stop()
        database.drop()
        server.sql("DROP TABLESPACE small")
