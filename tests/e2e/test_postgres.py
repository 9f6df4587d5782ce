"""The PostgreSQL store as a person sets it up: made, with the least rights, filled from a SQLite store,
upgraded while it is used."""

import contextlib
import json
import re
import subprocess
import threading

import psycopg2
import pytest

import bitrix
import client
import postgres
from clock import Clock
from hosts import Cluster, Host, make_store
from lanes import broken_promises, lane_log
from scratch import wait_for


@pytest.fixture
def bare(server):
    """A database nobody made a store in."""
    return postgres.Database(server)


def failed(done):
    """The one line on stderr of a command that failed."""
    assert done.returncode == 1, done
    (line,) = done.stderr.decode().splitlines()
    return line


def host_of(scratch, database, name="host", **options):
    return contextlib.closing(Closing(scratch, database, name, **options))


class Closing(Host):
    def close(self):
        self.stop()


def test_a_lost_worker_keeps_what_it_runs_for_its_lease(lost):
    assert {lost.rescue.show(number)["deliveries"][0]["state"] for number in lost.heads} == {"running"}
    assert {lost.rescue.show(number)["deliveries"][0]["state"] for number in lost.followers} == {"waiting"}


# -- Made, and by whom it may be used

def test_init_makes_it_once_and_the_least_rights_suffice(scratch, bare):
    with host_of(scratch, bare) as host:
        host.configure(worker="start manual")
        host.hook("any", "exit 0")
        host.serve()
        assert client.fastcgi(host.socket, bitrix.body()).status == 503
        for command in ("status", "list", "check", "work"):
            assert "bxhook store init" in (done := host.run(command, check=False)).stderr.decode() + done.stdout.decode()
            assert done.returncode == 1
        # The role of the workers may not make it: the owner does.
        assert "permission denied" in failed(host.run("store", "init", check=False))
        owner = make_store(scratch, bare)
        again = owner.run("store", "init")
        assert b"up to date" in again.stdout
        with pytest.raises(psycopg2.Error, match="permission denied"):
            with contextlib.closing(psycopg2.connect(bare.url())) as connection:
                connection.cursor().execute("CREATE TABLE bxhook.mine (a integer)")
        # The gateway finds it by itself; then everything works with it.
        number = wait_for(lambda: (a := client.fastcgi(host.socket, bitrix.body())).status == 200 and a.event, "a 200")
        host.run("work", "--once")
        assert host.show(number)["deliveries"][0]["state"] == "done"
        host.run("retry", f"{number}/any")
        host.run("work", "--once")
        host.run("trigger", "ONCRMDEALADD")
        host.run("cancel", number + 1)
        for command in (["prune", "--older-than", "1ms", "--trust-clock", "--yes"], ["store", "status"], ["check"], ["status"], ["list"]):
            host.run(*command)


def test_the_store_is_said_without_its_password(scratch, database):
    with host_of(scratch, database) as host:
        host.configure(worker="start manual")
        status = host.status()["store"]
        assert status["kind"] == "postgresql" and f"bxhook:***@127.0.0.1:{database.server.port}" in status["place"]
        said = host.run("store", "status").stdout.decode()
        assert "2.0" in said and "***" in said


def test_a_build_says_whether_it_has_the_module(scratch, database):
    """The module lies beside the program; without it only such a store cannot be opened."""
    with host_of(scratch, database) as host:
        assert json.loads(host.run("version", "--json").stdout)["stores"] == ["sqlite", "postgresql"]
        alone = host.run_dir / "bxhook"
        subprocess.run(["cp", scratch.binary, alone], check=True)
        host.binary = alone
        assert json.loads(host.run("version", "--json").stdout)["stores"] == ["sqlite"]
        assert "bxhook-postgresql" in failed(host.run("list", check=False))
        host.binary = scratch.binary


# -- Versions

@contextlib.contextmanager
def as_version(database, major, minor):
    (before,) = database.sql("SELECT major, minor FROM bxhook.version")
    database.sql("UPDATE bxhook.version SET major = %s, minor = %s", major, minor)
    yield
    database.sql("UPDATE bxhook.version SET major = %s, minor = %s", *before)


NEXT_MINOR = """
BEGIN;
ALTER TABLE bxhook.event ADD COLUMN added integer NOT NULL DEFAULT 7;
ALTER TABLE bxhook.open ADD COLUMN added integer NOT NULL DEFAULT 7;
ALTER TABLE bxhook.attempt ADD COLUMN added text;
CREATE FUNCTION bxhook.added() RETURNS integer LANGUAGE sql AS 'SELECT 7';
UPDATE bxhook.version SET minor = minor + 1;
COMMIT;
"""


def upgraded(database):
    """False when the server gave way to a session that worked."""
    try:
        database.sql(NEXT_MINOR)
        return True
    except psycopg2.errors.DeadlockDetected:
        return False


def test_processes_go_on_while_the_schema_is_upgraded(scratch, database):
    """As the next minor version would: it adds.  The next major one is for newer programs."""
    cluster = Cluster(scratch, database, ["one"])
    host = cluster.first
    try:
        host.serve()
        worker = host.work()
        with cluster.pressed():
            before = len(cluster.accepted)
            wait_for(lambda: len(cluster.accepted) > before + 5, "events")
            wait_for(lambda: upgraded(database), "a moment without a deadlock")
            after = len(cluster.accepted)
            wait_for(lambda: len(cluster.accepted) > after + 5, "events with sessions from before")
            database.disconnect()
            after = len(cluster.accepted)
            wait_for(lambda: len(cluster.accepted) > after + 5, "events with sessions from after")
        cluster.recovers()
        assert host.gateway.running() and worker.running()
        assert b"up to date" in Host(scratch, database, "owner", url=database.url(postgres.OWNER)).run("store", "upgrade").stdout
        with as_version(database, 3, 0):
            database.disconnect()
            assert cluster.send(host).status == 503
            refused = failed(host.run("list", check=False))
            assert "a newer bxhook made" in refused and "3.0" in refused
        cluster.recovers()
    finally:
        host.stop()


# -- Moved from SQLite

def copied(mover, site):
    """How many events a copy found new."""
    said = mover.run("store", "copy", "--from", site.home / "state" / "queue.db").stdout.decode()
    return int(re.match(r"copied (\d+) of \d+ events", said)[1])


def test_copy_moves_a_live_store_without_loss_or_repeat(scratch, database, site):
    """As bxhook(1) says: the worker stops, gateways go on all the time."""
    program = site.hook("lane.disabled", scratch.compiled("lane").read_bytes())
    hook = f"hook lane {{ event * run {program} arg 5 dir {site.out} }}\n"
    site.configure(worker="start manual", more=hook)
    site.serve()
    worker, over, accepted = site.work(), threading.Event(), set()

    def press():
        while not over.is_set():
            answer = client.fastcgi(site.socket, bitrix.body(id=1 + len(accepted) % 9))
            if answer.status == 200:
                accepted.add(answer.event)
    presser = threading.Thread(target=press)
    presser.start()
    try:
        wait_for(lambda: (site.out / "runs.log").exists() and len(lane_log(site)) > 40, "runs before")
        worker.stop()
        with host_of(scratch, database, "mover") as mover:
            mover.configure(worker="start manual")
            assert copied(mover, site) > 0
            site.store, site.database, site.worker_files = mover.store, database, "worker"
            site.configure(worker="start manual", more=hook)
            newest = database.sql("SELECT max(n) FROM bxhook.event")[0][0]
            wait_for(lambda: database.sql("SELECT count(*) > 5 FROM bxhook.event WHERE n > %s", newest)[0][0],
                     "events in the new store")
            over.set()
            presser.join()
            while copied(mover, site):
                pass
    finally:
        over.set()
        presser.join()
    site.work()
    site.wait_idle(60)
    assert len({note.number for note in lane_log(site)}) == len(accepted)
    assert broken_promises(site, accepted) == []


def test_copy_brings_all_moments_into_the_servers_time(scratch, database, site):
    clocks = [Clock(site)]
    clocks[0].set(3600)
    site.configure(worker="start manual", backoff="30s")
    for name, status in {"done": 0, "dead": 65, "waits": 1}.items():
        site.hook(f"any.d/{name}", f"exit {status}")
    site.serve()
    assert client.fastcgi(site.socket, bitrix.body()).status == 200
    site.run("work", "--once")
    assert [d["state"] for d in site.show(1)["deliveries"]] == ["dead", "done", "waiting"]
    with host_of(scratch, database, "mover") as mover:
        clocks.append(Clock(mover))
        clocks[1].set(3600)
        mover.configure(worker="start manual")
        assert copied(mover, site) == 1
    for table, columns in {"ended": ("at", "started_at"), "open": ("due_at", "failed_at"),
                           "attempt": ("started_at", "ended_at"), "event": ("received_at",)}.items():
        for column in columns:
            off = [row[0] for row in database.sql(f"SELECT abs({column} - bxhook.now_ms()) FROM bxhook.{table}")]
            assert off and max(off) < 120_000, (table, column, off)
