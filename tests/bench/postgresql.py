#!/usr/bin/python3
"""The table of `make bench-postgresql`: the PostgreSQL store beside what the same server does for a bare
statement, when it has grown, and what a million deliveries leave in its files.

`make bench ROWS=postgresql` gives the same rows.  Commits are durable on both sides
(synchronous_commit and fsync are on), sessions, batches and rows are the same, and loads run by turns.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import bitrix  # noqa: E402
import hosts  # noqa: E402
import postgres  # noqa: E402
from alone import measure_alone  # noqa: E402
from scratch import write  # noqa: E402
from table import Goal  # noqa: E402

GATEWAYS, CONNECTIONS = 2, 32  # connections to each gateway
CLAIMS = 32                    # deliveries a claim
DRAIN = 20_000                 # deliveries a measurement of claim and finish takes
WORK = ["accept-1", "accept-32", "match-32", "claim-finish-4", "claim-finish-1", "next-due"]
# What a machine with 2 GB would be given; commits are durable.
SETTINGS = "shared_buffers = 256MB\nmax_wal_size = 1GB\nwal_keep_size = 0\n"

GOALS = [
    Goal("postgresql, accept: two gateways", "postgresql, accept: bare INSERT", at_least=0.6),
    Goal("postgresql, claim and finish: ours", "postgresql, claim and finish: bare SKIP LOCKED", at_least=0.6),
    *(Goal(f"postgresql, grown store, dearer by: {name}", at_most=10) for name in WORK),
]

# -- The bare statements

# The rows of an event as the gateway writes them: all columns, the same indexes, and secrets.
BARE_TABLES = """
CREATE SCHEMA bare;
CREATE SEQUENCE bare.number;
CREATE TABLE bare.event (LIKE bxhook.event INCLUDING ALL);
CREATE TABLE bare.secret (LIKE bxhook.secret INCLUDING ALL);
CREATE TABLE bare.job (id bigserial PRIMARY KEY, state integer NOT NULL DEFAULT 0, due bigint NOT NULL,
    ended bigint, hook text NOT NULL, body bytea NOT NULL) WITH (fillfactor = 70);
CREATE INDEX ON bare.job (id) WHERE state = 0;
"""

CLAIM_SCRIPT = f"""
WITH taken AS (
    SELECT id FROM bare.job WHERE state = 0 ORDER BY id LIMIT {CLAIMS} FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE bare.job AS j SET state = 1 FROM taken WHERE j.id = taken.id RETURNING j.id, j.hook, j.body
) SELECT array_agg(id) AS ids, sum(length(body)) AS bytes FROM claimed \\gset
UPDATE bare.job SET state = 2, ended = 1 WHERE id = ANY (:ids::bigint[]);
"""


def insert_script(columns, batch):
    """One statement that writes BATCH events: COLUMNS are those of an event of ours, as literals."""
    names = ", ".join(columns)
    row = "(nextval('bare.number'), " + ", ".join(columns.values()) + ")"
    return (f"WITH e AS (INSERT INTO bare.event (n, {names}) VALUES {', '.join([row] * batch)} RETURNING n) "
            f"INSERT INTO bare.secret (n, data) SELECT n, '\\x{(b's' * 130).hex()}' FROM e;\n")


class Subject:
    """A server, a store on it, and what measures both."""

    def __init__(self, scratch, build):
        self.scratch, self.build = scratch, build
        self.server = postgres.Server(scratch).create(SETTINGS).start()
        self.database, self.empty_store, self.full = self._store(), self._store(), self._store()
        self.database.sql(BARE_TABLES)
        self.hosts = [hosts.Host(scratch, self.database, f"gateway{i}") for i in range(GATEWAYS)]
        self.body = write(scratch.path / "deal", bitrix.body())

    def _store(self):
        made = postgres.Database(self.server)
        hosts.make_store(self.scratch, made)
        return made

    @staticmethod
    def store_url(database):
        return database.url(postgres.OWNER)

    def program(self, name, *arguments, patience=600):
        """Its output; as the user of the tests: a store's files of this host are that user's."""
        done = subprocess.run([self.build / name, *map(str, arguments)], stdout=subprocess.PIPE, text=True,
                              timeout=patience, check=True)
        return done.stdout

    def pgbench(self, script, clients, seconds=None, times=None):
        """Transactions a second of SCRIPT on CLIENTS sessions, for SECONDS or TIMES each."""
        path = write(self.scratch.path / "script.sql", script)
        much = ["-T", str(seconds)] if seconds else ["-t", str(times)]
        said = subprocess.run(
            [postgres.program("pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", str(clients), *much,
             "-f", path, "-h", self.server.path, "-p", str(self.server.port), "-U", "postgres", self.database.name],
            capture_output=True, text=True, check=True, cwd="/").stdout
        return float(said.partition("tps = ")[2].split()[0])

    def columns(self):
        """{column: literal} of an event that is there, but for its number."""
        names = [name for name, in self.database.sql(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'bxhook' "
            "AND table_name = 'event' AND column_name <> 'n' ORDER BY ordinal_position")]
        quoted = ", ".join(f"quote_nullable({name}::text)" for name in names)
        values = self.database.sql(f"SELECT {quoted} FROM bxhook.event ORDER BY n DESC LIMIT 1")[0]
        return dict(zip(names, values))

    def commits(self):
        return self.database.sql("SELECT count(*) FROM bxhook.batch")[0][0]

    def events(self):
        return self.database.sql("SELECT count(*) FROM bxhook.event")[0][0]

    def empty(self):
        for table in ("event", "secret", "job"):
            self.database.sql(f"TRUNCATE bare.{table}")

    def stop(self):
        for host in self.hosts:
            host.stop()
        self.server.remove()


def accept(bench, subject, turn):
    """The gateways' batch is what came in during their last commit: theirs is measured, then the same bare."""
    seconds = bench.time(1.0)
    before, commits = subject.events(), subject.commits()
    said = subject.program("fcgi_load", subject.body, seconds, CONNECTIONS,
                           *(host.socket for host in subject.hosts)).split()
    answered, refused, took = int(said[0]), int(said[1]), float(said[2])
    stored = subject.events() - before
    batch = max(1, round(stored / max(1, subject.commits() - commits)))
    if refused or stored < answered:
        bench.problem(f"accept: {refused} refused, {answered} answered 200, {stored} stored")
    bench.figures.add(turn, "postgresql, accept: two gateways", answered / took)
    bench.figures.add(turn, "postgresql, accept: events a commit", batch, "")
    rate = subject.pgbench(insert_script(subject.columns(), batch), GATEWAYS, seconds=seconds)
    bench.figures.add(turn, "postgresql, accept: bare INSERT", rate * batch)
    subject.empty()


def claim(bench, subject, turn):
    """One worker's sessions beside one bare one."""
    jobs = DRAIN
    subject.database.sql("INSERT INTO bare.job (due, hook, body) SELECT 1, 'crm', %s FROM generate_series(1, %s)",
                         b"b" * 630, jobs)
    subject.database.sql("VACUUM ANALYZE bare.job")
    bare = subject.pgbench(CLAIM_SCRIPT, 1, times=jobs // CLAIMS)
    bench.figures.add(turn, "postgresql, claim and finish: bare SKIP LOCKED", bare * CLAIMS)
    assert subject.database.sql("SELECT count(*) FROM bare.job WHERE state <> 2")[0][0] < CLAIMS
    ours = subject.program("bench-drain", subject.store_url(subject.empty_store), jobs, CLAIMS)
    bench.figures.add(turn, "postgresql, claim and finish: ours", float(ours))
    subject.empty()


# -- A store that has grown

SIZES = """
SELECT c.relname, pg_table_size(c.oid), pg_indexes_size(c.oid), s.n_tup_upd, s.n_tup_hot_upd, s.n_dead_tup
FROM pg_class AS c JOIN pg_stat_user_tables AS s ON s.relid = c.oid
WHERE c.relnamespace = 'bxhook'::regnamespace AND c.relkind = 'r' AND pg_total_relation_size(c.oid) > 1000000
ORDER BY pg_total_relation_size(c.oid) DESC
"""


def grow(bench, subject):
    began = time.monotonic()
    subject.program("bench-growth", "fill", subject.store_url(subject.full), bench.events, bench.events // 10,
                    patience=7200)
    bench.say(f"{bench.events:,} events stored and done, {bench.events // 10:,} waiting, "
              f"in {time.monotonic() - began:.0f} s")
    bloat(bench, subject)
    said = subject.program("bench-growth", "measure", subject.store_url(subject.empty_store),
                           subject.store_url(subject.full))
    for line in said.splitlines():
        name, empty, full, *_ = line.split()
        if name not in WORK:
            continue
        bench.figures.add(0, f"postgresql, grown store, dearer by: {name}",
                          100 * (float(full) / float(empty) - 1), "%")
        bench.figures.add(0, f"postgresql, microseconds, empty: {name}", float(empty), "us")
        bench.figures.add(0, f"postgresql, microseconds, grown: {name}", float(full), "us")


def bloat(bench, subject):
    """Sizes as they are, and what they would be without a dead row."""
    time.sleep(1)  # the statistics come with a delay
    before = {row[0]: row[1:] for row in subject.full.sql(SIZES)}
    for name in before:
        subject.full.sql(f"VACUUM FULL bxhook.{name}")
    after = {row[0]: row[1:] for row in subject.full.sql(SIZES)}
    print(f"\n{'table, MB':14}{'rows':>9}{'indexes':>9}{'packed':>9}{'packed ix':>11}{'HOT updates':>13}{'dead rows':>11}")
    for name, (rows, indexes, updates, hot, dead) in before.items():
        packed = after.get(name, (0, 0))
        share = f"{100 * hot / updates:.0f} %" if updates else "-"
        print(f"{name:14}{rows >> 20:>9}{indexes >> 20:>9}{packed[0] >> 20:>9}{packed[1] >> 20:>11}{share:>13}{dead:>11,}")
    whole = sum(row[0] + row[1] for row in before.values())
    least = sum(row[0] + row[1] for row in after.values())
    bench.figures.add(0, "postgresql, size of the grown store, to the least there could be", whole / least, "x")


def postgresql(bench, stage):
    """At most 3 rounds of accept and claim by turns; then once a store of EVENTS events."""
    subject = Subject(stage.scratch, bench.build)
    bench.sites += subject.hosts
    try:
        for host in subject.hosts:
            host.configure(worker="start manual", more="limits { queue 100000000 }\nlog { level warning }\n")
            host.serve()
        for turn in range(min(3, bench.rounds)):
            bench.begin(turn, "postgresql")
            accept(bench, subject, turn)
            claim(bench, subject, turn)
        grow(bench, subject)
    finally:
        subject.stop()


# -- Alone

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--events", type=int, default=1_000_000)
    return measure_alone(parser.parse_args(), lambda bench: postgresql(bench, bench), GOALS)


if __name__ == "__main__":
    sys.exit(main())
