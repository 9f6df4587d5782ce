"""Several hosts on one PostgreSQL store: each a site with its own config, gateway and worker.

All are on this machine; a FarHost has its own host name and processes of its own, so that nobody else
there can see or end them, as on another machine.
"""

import contextlib
import itertools
import os
import signal
import threading
from pathlib import Path

import pytest

import bitrix
import client
import postgres
from lanes import broken_promises
from scratch import AS_ROOT, Process, Site, alive, in_namespaces, kill, wait_for

BOTH_STORES = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)


class Host(Site):
    """A host that uses DATABASE, by URL when that is another than the database's own."""

    worker_files = "worker"

    def __init__(self, scratch, database, name="host", url=None, **options):
        self.database = database
        self.store = f'"{url or database.url()}"'
        super().__init__(scratch, name, **options)

    def work(self, *arguments, limit=15):
        """Starts a worker; returns when the store knows it."""
        worker = super().work(*arguments)
        if not arguments:
            wait_for(lambda: self.shows(worker) or not worker.running(), "the worker to be shown", limit)
        return worker

    def shows(self, worker):
        return any(shown["pid"] == worker.pid for shown in self.status()["workers"])


class FarProcess(Process):
    """A program in namespaces of its own: `popen` is the machine it runs on, `pid` the program."""

    def __init__(self, hostname, arguments, log, user, env=None, **options):
        become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        machine = [*in_namespaces("--pid", "--uts", "--fork", "--kill-child"),
                   "sh", "-c", 'hostname "$0"; "$@" & while :; do sleep 1000; done', hostname]
        super().__init__([*machine, *become, *arguments], log, user=False, env=env, **options)
        self.pid = wait_for(lambda: self._program(arguments[0]), f"{arguments[0]} to start")

    def _program(self, program):
        """The child of the shell, which is the child of unshare."""
        assert self.running(), self.text()
        for shell in children(self.popen.pid):
            for pid in children(shell):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{pid}/exe") == str(program):
                        return pid
        return None

    def stop(self, signal_number=signal.SIGTERM, limit=10):
        """As Process.stop, but for the exit status; then the machine is gone too."""
        try:
            kill(self.pid, signal_number)
            wait_for(lambda: not alive(self.pid), f"{self.arguments[-3:]} to obey signal {signal_number}", limit)
        finally:
            self.kill()

    def kill_program(self):
        """Kills the program alone; what it started lives on."""
        kill(self.pid)
        wait_for(lambda: not alive(self.pid), "the program to die")


def children(pid):
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


class FarHost(Host):
    """A host of its own name and processes; needs root."""

    def __init__(self, scratch, database, name, **options):
        if not AS_ROOT:
            pytest.skip("a host of its own needs root")
        self.hostname = name
        super().__init__(scratch, database, name, **options)

    def start(self, arguments, log, **options):
        process = FarProcess(self.hostname, [str(word) for word in arguments], self.log_dir / log,
                             options.pop("user", None) or self.user, env=self.env | options.pop("env", {}), **options)
        self._processes.append(process)
        return process

    def stop(self):
        """Its machines are switched off: a hook that holds on would take its grace."""
        for process in self._processes:
            process.kill()
        super().stop()

    def shows(self, worker):
        return any(shown["host"] == self.hostname for shown in self.status()["workers"])


def make_store(scratch, database):
    """`bxhook store init` as its owner would, and the rights of those who work with it."""
    owner = Host(scratch, database, "owner", url=database.url(postgres.OWNER))
    owner.run("store", "init")
    database.grant()
    return owner


class Hosts(list):
    """Several, for the report of a failure (conftest.py)."""

    def logs(self):
        return {f"{host.path.name} {name}": text for host in self for name, text in host.logs().items()}

    def stop(self):
        for host in self:
            host.stop()


class Cluster:
    """Hosts whose one hook is that of hooks/lane.c, and what was answered 200."""

    def __init__(self, scratch, database, names, hook_ms=5, url=None, kind=Host, concurrency=4, at_once=None):
        """CONCURRENCY of each worker, and unless AT_ONCE says otherwise of the hook."""
        self.hosts = [kind(scratch, database, name, url=url) for name in names]
        self.first = self.hosts[0]
        self.accepted = set()
        program = self.first.hook("lane.disabled", scratch.compiled("lane").read_bytes())
        for host in self.hosts:
            host.configure(worker=f"start manual concurrency {concurrency}",
                           defaults=f"attempts 1000 backoff_max 200ms concurrency {at_once or concurrency}",
                           more=f"hook lane {{ event * run {program} arg {hook_ms} dir {self.first.out} }}\n")

    def send(self, host, id="7", **options):
        """One event through HOST's gateway; gives the answer, None when there was none."""
        try:
            answer = client.fastcgi(host.socket, bitrix.body(id=id), **options)
        except (EOFError, ConnectionError):
            return None
        assert answer.status in (200, 503), answer
        if answer.status == 200:
            self.accepted.add(answer.event)
        return answer

    @contextlib.contextmanager
    def pressed(self, lanes=9):
        """As long as it lasts events come in through every gateway."""
        over, failed = threading.Event(), []

        def press(host):
            for number in itertools.count():
                if over.is_set():
                    return
                try:
                    self.send(host, id=1 + number % lanes)
                except (AssertionError, TimeoutError) as error:
                    failed.append(error)
                    return
        threads = [threading.Thread(target=press, args=(host,), daemon=True) for host in self.hosts if host.gateway]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join(2 * client.TIMEOUT)
        assert not failed, failed

    def recovers(self, limit=30):
        """Every gateway takes events again, all of them run, and no promise was broken."""
        for host in self.hosts:
            if host.gateway:
                wait_for(lambda: (answer := self.send(host)) and answer.status == 200, "an accepted event", limit)
        self.first.wait_idle(limit)
        assert broken_promises(self.first, self.accepted) == []
