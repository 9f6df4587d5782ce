"""PostgreSQL servers of the tests' own, never the machine's: data in the scratch directory, a unix
socket there, a free port of 127.0.0.1, the tests' user.

Over the socket everybody is let in (the tests themselves, as the superuser `postgres`), over TCP by
password.  Every commit is on disk before it is answered, as where it matters.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import urllib.parse
from pathlib import Path

import psycopg2

import bitrix
from scratch import ROOT, Process, alive, as_user, directory, kill, processes_below, wait_for, write
from servers import free_port

START_LIMIT = 60  # seconds: recovery after a crash, on a loaded machine
SYNC = "synchronous_standby_names"
SECRETS = {"secret", "token", "held_post"}  # the tables that may hold some

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_permissions = 0777
max_connections = 400
shared_buffers = 32MB
min_wal_size = 32MB
max_wal_size = 256MB
wal_keep_size = 64MB
hot_standby = on
recovery_init_sync_method = syncfs
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
log_line_prefix = '%m [%p] %q%u '
log_statement = none
timezone = UTC
"""

ACCESS = """
local all all trust
local replication all trust
host replication all 127.0.0.1/32 trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


def program(name):
    """The path of a program of the newest PostgreSQL there is."""
    homes = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    assert homes, f"PostgreSQL's {name} is not installed: run make deps"
    return homes[-1]


def run(name, *arguments):
    done = subprocess.run([program(name), *map(str, arguments)], cwd="/", capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, **as_user())
    assert done.returncode == 0, f"{name}: {done.stderr}"


def pristine(scratch):
    """A cluster nobody started yet, made once: others are copies of it."""
    made = scratch.path / "cluster"
    if not made.exists():
        place = directory(scratch.path / "initdb", 0o700)
        run("initdb", "-D", place / "data", "-N", "-U", "postgres", "-A", "trust", "-E", "UTF8",
            "--locale=C", "--wal-segsize=4")
        place.rename(made)
    return made / "data"


class Server:
    """One server.  `data` may be made by initdb (`create`) or from another one (`follow`)."""

    def __init__(self, scratch, name="postgres", place=None):
        self.scratch, self.name = scratch, name
        self.path = place or directory(scratch.new(name) / "home", 0o711)
        self.data = self.path / "data"
        self.port = free_port()
        self.log = self.path.parent / f"{name}.log"
        self.process = None

    def create(self, settings=""):
        subprocess.run(["cp", "-a", pristine(self.scratch), self.data], check=True)
        self._configure(settings)
        return self

    def follow(self, primary, settings=""):
        """Its data become a copy of PRIMARY's, which it follows under its own name."""
        shutil.rmtree(self.data, ignore_errors=True)
        run("pg_basebackup", "-D", self.data, "-h", primary.path, "-p", primary.port, "-U", "postgres",
            "-X", "stream", "-c", "fast", "-N")
        self._configure(f"primary_conninfo = 'host=127.0.0.1 port={primary.port} user=postgres "
                        f"application_name={self.name}'\n{settings}")
        write(self.data / "standby.signal", "", 0o600)
        return self

    def _configure(self, settings):
        write(self.data / "postgresql.auto.conf", "", 0o600)
        write(self.data / "postgresql.conf",
              f"port = {self.port}\nunix_socket_directories = '{self.path}'\n{SETTINGS}{settings}\n", 0o600)
        write(self.data / "pg_hba.conf", ACCESS, 0o600)

    # -- its life

    def start(self, wait=True, env=None):
        self.process = Process([program("postgres"), "-D", self.data], self.log, cwd=self.data, env=env)
        if wait:
            wait_for(self.ready, lambda: f"{self.name} to start: {self.log.read_text()[-2000:]}", START_LIMIT)
        return self

    def ready(self):
        assert self.process.running(), f"{self.name} ended: {self.log.read_text()[-2000:]}"
        with contextlib.suppress(psycopg2.OperationalError):
            return self.sql("SELECT true")
        return False

    def running(self):
        return self.process is not None and self.process.running()

    def stop(self, signal_number=signal.SIGINT):
        """SIGINT: its fast shutdown; SIGQUIT: at once, as after a crash."""
        if self.running():
            self.process.stop(signal_number, START_LIMIT)

    def kill(self):
        """As when its host dies: no process of it is left."""
        if not self.running():
            return
        pids = [self.process.pid, *processes_below(self.data)]
        for pid in pids:
            kill(pid, signal.SIGKILL)
        self.process.kill()
        wait_for(lambda: not any(alive(pid) for pid in [*pids, *processes_below(self.data)]), "the server to die")

    def crash(self):
        """One process of it is killed: all sessions end, and it starts again by itself, from its log."""
        def writer():
            with contextlib.suppress(psycopg2.OperationalError):
                return self.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")
        before = writer()
        kill(before[0][0])
        wait_for(lambda: (now := writer()) and now != before, f"{self.name} to start again", START_LIMIT)

    def remove(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.path.parent)

    # -- SQL

    def connect(self, database="postgres", user="postgres"):
        """A connection in autocommit mode."""
        made = psycopg2.connect(host=str(self.path), port=self.port, dbname=database, user=user, connect_timeout=10)
        made.autocommit = True
        return made

    def sql(self, text, *values, database="postgres", user="postgres"):
        """The rows of one statement (none when it gives none)."""
        with contextlib.closing(self.connect(database, user)) as connection, connection.cursor() as cursor:
            cursor.execute(text, values or None)
            return cursor.fetchall() if cursor.description else []

    def promote(self):
        self.sql("SELECT pg_promote()")
        wait_for(lambda: self.sql("SELECT NOT pg_is_in_recovery()")[0][0], f"{self.name} to be promoted")


class Replicas:
    """A primary, and a standby without which it answers no commit; each takes the other's place."""

    def __init__(self, scratch, settings=""):
        self._settings = f"{SYNC} = '*'\n{settings}"
        self.primary = Server(scratch, "pg-a").create(self._settings).start()
        self.standby = Server(scratch, "pg-b").follow(self.primary, self._settings).start()
        self.ports = [self.primary.port, self.standby.port]
        self.in_step()

    def in_step(self):
        wait_for(lambda: self.primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == [(1,)],
                 "the standby to follow in step", START_LIMIT)

    def fail_over(self):
        """The standby becomes the primary of a dead one, alone as yet."""
        assert not self.primary.running()
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def rebuild(self):
        """The standby that is dead becomes one again."""
        self.standby.follow(self.primary, self._settings).start()
        self.in_step()

    def remove(self):
        for server in (self.standby, self.primary):
            server.remove()


OWNER, WORKER = "bxhook_owner", "bxhook"  # roles: may do all in a database; only work


class Database:
    """A database of OWNER's, where WORKER has what docs/scaling.md gives it once `grant` was called.

    TEMPLATE: another one, whose content it begins with.
    """

    _count = 0
    passwords = {role: f"Pw-{role}-{os.urandom(6).hex()}" for role in (OWNER, WORKER)}

    def __init__(self, server, template=None, options=""):
        Database._count += 1
        self.server, self.name = server, f"bx{Database._count}"
        bitrix.sent_secrets.update(self.passwords.values())
        if not server.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", OWNER):
            for role, password in self.passwords.items():
                server.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        begin = f"TEMPLATE {template.name}" if template else ""
        server.sql(f"CREATE DATABASE {self.name} OWNER {OWNER} {begin} {options}")
        server.sql(f"REVOKE ALL ON DATABASE {self.name} FROM PUBLIC")
        server.sql(f"GRANT CONNECT ON DATABASE {self.name} TO {WORKER}")

    def url(self, role=WORKER, ports=None, **options):
        """The store's URL; PORTS of several servers (or of a proxy) in order, else its server's."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports or [self.server.port])
        options = urllib.parse.urlencode({"sslmode": "disable", "gssencmode": "disable"} | options)
        return f"postgresql://{role}:{self.passwords[role]}@{hosts}/{self.name}?{options}"

    def sql(self, text, *values):
        return self.server.sql(text, *values, database=self.name)

    def connect(self):
        return self.server.connect(self.name)

    def disconnect(self):
        """Ends all sessions of its two roles."""
        self.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s "
                        "AND usename LIKE 'bxhook%%'", self.name)

    def grant(self):
        for statement in rights():
            self.sql(statement)

    def stored(self):
        """As leaks.stored; the server's files are not looked into."""
        names = [name for name, in self.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'bxhook'")]
        if not names:
            return {}, None, True
        assert SECRETS <= set(names)
        tables = {f"table {name}": texts(self.sql(f"SELECT * FROM bxhook.{name}")) for name in set(names) - SECRETS}
        return tables, self.sql("SELECT max(n) FROM bxhook.event")[0][0], True

    def drop(self):
        self.server.sql(f"DROP DATABASE {self.name} WITH (FORCE)")


def texts(rows):
    values = [value for row in rows for value in row]
    return b"\n".join([value.encode() for value in values if isinstance(value, str)]
                      + [bytes(value) for value in values if isinstance(value, memoryview)])


def rights():
    """The statements of docs/scaling.md that give WORKER what work needs."""
    text = (ROOT / "docs" / "scaling.md").read_text()
    block = re.search(r"<!-- rights -->\s+```sql\n(.*?)```", text, re.DOTALL)
    assert block and WORKER in block[1], "docs/scaling.md shows no rights"
    return [statement.strip() for statement in block[1].split(";") if statement.strip()]
