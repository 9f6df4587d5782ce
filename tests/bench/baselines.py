"""What we are measured against, and ourselves: each behind one and the same nginx.

A backend has a name, which is its path below nginx's root, and on its own socket (webhook: port) a
program or several.  NAME is asked by a connection a request, NAME-kept by connections that stay open.
"""

import contextlib
import glob
import json
import shutil
import socket
import sqlite3
import subprocess
from pathlib import Path

import bitrix
from scratch import AS_ROOT, USER, Site, as_user, can_connect, directory, give, wait_for, write
from servers import SHARED_HOST, Apache, Server, free_port, group_of

HERE = Path(__file__).resolve().parent
KEPT = 128      # connections that nginx keeps open to a backend
BACKLOG = 4096

# The hook of every measurement: one line for each run.  In a loop of its own it would show less of
# what each program adds.
HOOK = """#!/bin/sh
echo "$BX_EVENT_NUMBER" >>{out}/runs
"""


class Nginx(Server):
    """One worker; a location for each backend {name: where, lines}, and one with kept connections."""

    name = "nginx"

    def __init__(self, site, backends):
        super().__init__(site)
        self.backends = backends
        temp = "".join(f"    {kind}_temp_path {self.dir}/{kind};\n"
                       for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        parts = "".join(self._parts(*backend) for backend in backends)
        upstreams = "".join(
            f"    upstream {name} {{ server {where}; }}\n"
            f"    upstream {name}-kept {{ server {where}; keepalive {KEPT}; keepalive_requests 100000000; }}\n"
            for name, where, _ in backends)
        config = write(self.dir / "nginx.conf", f"""
{f"user {site.user.pw_name};" if AS_ROOT else ""}
worker_processes 1;
daemon off;
pid {self.dir}/nginx.pid;
error_log {self.log_path()} error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 100000000;
{temp}{upstreams}
    server {{
        listen 127.0.0.1:{self.port} backlog={BACKLOG};
{parts}
    }}
}}
""")
        self.launch("nginx", "-c", config, "-p", self.dir, "-e", self.log_path())

    @staticmethod
    def _parts(name, where, lines):
        if not where.startswith("unix:"):
            return (f"        location = /{name} {{ proxy_pass http://{name}-kept/hooks/{name}; "
                    'proxy_http_version 1.1; proxy_set_header Connection ""; }\n')
        return "".join(
            f"        location = /{name}{end} {{ include /etc/nginx/fastcgi_params; fastcgi_pass {name}{end}; "
            f"{keep}{lines} }}\n" for end, keep in (("", ""), ("-kept", "fastcgi_keep_conn on; ")))

    def at(self, name):
        return f"{self.root}/{name}"


def listener(path):
    """A listening socket that nginx may connect to."""
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    path.chmod(0o666)
    made.listen(BACKLOG)
    return made


class OnStdin:
    """A program that serves the listening socket at its fd 0."""

    def __init__(self, site, name, arguments=()):
        self.site, self.name, self.arguments = site, name, list(arguments)
        self.socket = site.run_dir / f"{name}.sock"
        self.process = None

    def start(self):
        self.socket.unlink(missing_ok=True)
        with listener(self.socket) as made:
            self.process = self.site.start([self.site.scratch.bin / self.name, *self.arguments],
                                           f"{self.name}.log", stdin=made)

    def stop(self):
        self.process.kill()  # libfcgi with threads does not heed SIGTERM


class Floor(OnStdin):
    """floor.c on a store that bxhook made."""

    def __init__(self, site, empty_store):
        self.dir = directory(site.path / "floor", 0o700, site.user)
        self.store = self.dir / "queue.db"
        self.empty_store = empty_store
        super().__init__(site, "floor", [self.store])

    def start(self):
        empty(self.dir)
        shutil.copy(self.empty_store, self.store)
        give(self.store)
        super().start()


def empty(path):
    for file in path.iterdir():
        file.unlink()


class Ours:
    """bxhook on a site: `bxhook serve`, and a worker when asked for."""

    def __init__(self, scratch, name="ours", worker="start manual", more=""):
        self.site = Site(scratch, name)
        self.out = self.site.out
        self.store = self.site.home / "state" / "queue.db"
        self.site.configure(worker=worker, more=more + 'log { file "" }\n')
        self.worker = None
        self.start()  # makes the store

    def hook(self, conditions=""):
        """The hook of HOOK, as a block with CONDITIONS."""
        program = self.site.hook("line.disabled", HOOK.format(out=self.out))
        return f"hook line {{ run {program} dir {self.out} concurrency 64 {conditions} }}\n"

    def start(self, env=None, fresh=False):
        """The gateway; with FRESH on an empty store."""
        if fresh:
            empty(self.site.home / "state")
        self.site.env = env or {}
        self.site.serve("--group", group_of(self.site.user), as_root=AS_ROOT)
        self.site.env = {}

    def stop(self):
        self.site.gateway.stop()

    def start_worker(self):
        self.worker = self.site.work()

    def stop_worker(self):
        self.worker.stop(limit=60)

    def events(self, fact=""):
        """How many are in the store, with that code or id."""
        return len(self.numbers(fact)) if fact else count(self.store, "SELECT count(*) FROM event")

    def new(self):
        """How many wait to be matched."""
        return count(self.store, "SELECT count(*) FROM event WHERE n > (SELECT matched FROM world)")

    def numbers(self, fact):
        packed = bytes([len(fact)]) + fact.encode()  # src/store/facts.h
        return rows(self.store, f"SELECT n FROM event WHERE instr(facts, x'{packed.hex()}') > 0")

    def memory(self):
        return peak_memory(self.site.gateway.pid)


def rows(database, sql):
    """The first column."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as store:
        return [row[0] for row in store.execute(sql)]


def count(database, sql):
    return rows(database, sql)[0]


def peak_memory(pid):
    """MB resident at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def lines_in(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


class Php:
    """php-fpm with pools of 4 and 16 children, opcache as Debian has it."""

    SIZES = (4, 16)

    def __init__(self, site):
        self.site = site
        self.out = directory(site.path / "php", 0o700, site.user)
        self.script = write(self.out / "accept.php", (HERE / "accept.php").read_text(), 0o644, site.user)
        self.store, self.file, self.runs = self.out / "queue.db", self.out / "events", self.out / "runs"
        self.hook = write(self.out / "hook", HOOK.format(out=self.out), 0o755, site.user)
        database = sqlite3.connect(self.store)
        database.executescript("PRAGMA journal_mode = WAL;"
                               "CREATE TABLE event (n INTEGER PRIMARY KEY, received_at INTEGER, data TEXT);")
        database.close()
        for path in self.out.glob("queue.db*"):
            give(path)
        user = f"user = {USER.pw_name}\ngroup = {group_of(USER)}\n" if AS_ROOT else ""
        pools = "".join(f"[p{size}]\n{user}listen = {self.socket(size)}\nlisten.mode = 0666\n"
                        f"listen.backlog = {BACKLOG}\npm = static\npm.max_children = {size}\n"
                        for size in self.SIZES)
        config = write(self.out / "fpm.conf", f"[global]\nerror_log = {site.log_dir}/fpm.log\ndaemonize = no\n"
                       + pools)
        programs = sorted(glob.glob("/usr/sbin/php-fpm*"))
        assert programs, "php-fpm is missing: make deps-bench"
        site.start([programs[-1], "-F", "-y", config], "fpm-out.log", user=False)
        wait_for(lambda: all(can_connect(self.socket(size)) for size in self.SIZES), "php-fpm")

    def socket(self, size):
        return self.site.run_dir / f"php{size}.sock"

    def backends(self):
        return [(f"php{size}-{mode}", f"unix:{self.socket(size)}",
                 f"fastcgi_param SCRIPT_FILENAME {self.script}; fastcgi_param BENCH_MODE {mode}; "
                 f"fastcgi_param BENCH_DIR {self.out}; fastcgi_param BENCH_HOOK {self.hook};")
                for size in self.SIZES for mode in ("sqlite", "append", "exec")]

    def events(self):
        return count(self.store, "SELECT count(*) FROM event")


class Webhook:
    """adnanh/webhook with two hooks: it waits for the one and not for the other."""

    NAMES = {"webhook-waits": True, "webhook-at-once": False}

    def __init__(self, site):
        self.out = directory(site.path / "webhook", 0o700, site.user)
        self.runs = self.out / "runs"
        self.port = free_port()
        hook = write(self.out / "hook", HOOK.format(out=self.out), 0o755, site.user)
        hooks = [{"id": name, "execute-command": str(hook), "http-methods": ["POST"],
                  "include-command-output-in-response": waits,
                  "trigger-rule-mismatch-http-response-code": 403,
                  "trigger-rule": {"match": {"type": "value", "value": bitrix.TOKEN, "parameter": {
                      "source": "payload", "name": "auth[application_token]"}}}}
                 for name, waits in self.NAMES.items()]
        config = write(self.out / "hooks.json", json.dumps(hooks), 0o644, site.user)
        site.start(["webhook", "-hooks", config, "-ip", "127.0.0.1", "-port", self.port], "webhook.log")

        def up():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        wait_for(up, "webhook")

    def backends(self):
        return [(name, f"127.0.0.1:{self.port}", "") for name in self.NAMES]


class Fcgiwrap:
    """cgi.bash behind fcgiwrap with 16 children."""

    def __init__(self, site):
        self.out = directory(site.path / "fcgiwrap", 0o700, site.user)
        self.runs = self.out / "runs"
        self.hook = write(self.out / "hook", HOOK.format(out=self.out), 0o755, site.user)
        self.script = write(self.out / "cgi.bash", (HERE / "cgi.bash").read_text(), 0o755, site.user)
        self.socket = site.run_dir / "fcgiwrap.sock"
        with listener(self.socket) as made:
            site.start(["fcgiwrap", "-c", "16"], "fcgiwrap.log", stdin=made)

    def backends(self):
        return [("fcgiwrap", f"unix:{self.socket}", f"fastcgi_param SCRIPT_FILENAME {self.script}; "
                 f"fastcgi_param BENCH_HOOK {self.hook};")]


class Cgi:
    """Apache that starts PROGRAMS, {name in its docroot: path}: .cgi by mod_cgid, .fcgi by mod_fcgid."""

    def __init__(self, scratch, programs):
        self.site = Site(scratch, "apache", inside=True)
        self.site.configure(worker="start manual")
        self.store = self.site.home / "state" / "queue.db"
        for name, program in programs.items():
            write(self.site.docroot / name, program.read_bytes(), 0o755, self.site.user)
        write(self.site.docroot / ".htaccess", f"Options +ExecCGI\nAddHandler fcgid-script .fcgi\n"
              f"AddHandler cgi-script .cgi\nSetEnv BENCH_OUT {self.site.out}\n", 0o644, self.site.user)
        self.server = Apache(self.site, ["fcgid", "cgid"], SHARED_HOST, path="/bxhook.fcgi")

    def appended(self):
        path = self.site.out / "appended"
        return path.stat().st_size // 1024 if path.exists() else 0

    def events(self):
        return count(self.store, "SELECT count(*) FROM event")

    def at(self, name):
        return f"{self.server.root}/{name}"


def spawn_rate(site, runs, hook, *options):
    """Runs of HOOK a second by spawn_loop.c, two at a time."""
    done = subprocess.run([site.scratch.bin / "spawn_loop", "2", str(runs), hook, *options],
                          stdout=subprocess.PIPE, text=True, check=True, timeout=120, cwd="/", **as_user())
    return float(done.stdout)
