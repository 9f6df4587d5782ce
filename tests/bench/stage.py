"""Everything that is measured through nginx, started once; it idles until it is its turn."""

import contextlib
import os
import shutil
import signal

import client
import hosts
import postgres
from baselines import Fcgiwrap, Floor, Nginx, OnStdin, Ours, Php, Webhook
from load import deal_event
from scratch import Site, wait_for

PROGRAMS = ("bare_fcgi", "floor", "append_cgi", "spawn_loop")
ACCEPT_LANES = 1000
# One of the ACCEPT_LANES deals: its events have a hook, so that a worker gets through the millions.
WATCHED = "1042"


class Stage:
    def __init__(self, scratch, programs):
        """PROGRAMS: the directory that `make` put the baselines into."""
        self.scratch = scratch
        for name in PROGRAMS:
            shutil.copy(programs / name, scratch.bin / name)
        self.site = Site(scratch, "peers")
        self.ours = Ours(scratch)
        self.ours.site.configure(worker="start manual", more=self.ours.hook(
            f"event * when {{ data.FIELDS.ID {WATCHED} }} order none"))
        self.ours.stop()
        # Without its log a copy would be empty: the last one to close has moved it into the file.
        empty_store = self.site.path / "empty.db"
        shutil.copy(self.ours.store, empty_store)
        self.floor = Floor(self.site, empty_store)
        self.bare = OnStdin(self.site, "bare_fcgi")
        self.php, self.webhook, self.fcgiwrap = Php(self.site), Webhook(self.site), Fcgiwrap(self.site)
        self.busy = Ours(scratch, "busy")  # of which hooks run
        self.busy.site.configure(worker="start manual\n    concurrency 2",
                                 more=self.busy.hook("event ONCRMDEALUPDATE"))
        self.ours.start()
        self.floor.start()
        self.bare.start()
        self.nginx = Nginx(self.site, [
            ("ours", f"unix:{self.ours.site.socket}", ""), ("floor", f"unix:{self.floor.socket}", ""),
            ("bare", f"unix:{self.bare.socket}", ""), ("busy", f"unix:{self.busy.site.socket}", ""),
            *self.php.backends(), *self.webhook.backends(), *self.fcgiwrap.backends()])

        for name, *_ in self.nginx.backends:
            wait_for(lambda name=name: self.answers(name), lambda name=name: f"an answer of {name}")

    def at(self, name):
        return self.nginx.at(name)

    def answers(self, name):
        return client.post(self.at(name), deal_event()).status == 200

    def fresh(self):
        """Ours and floor on empty stores: their files do not pile up, and no round inherits another's.  B
        without the connections that nginx kept to it: each holds one of its threads."""
        self.ours.stop()
        self.ours.start(fresh=True)
        for program in (self.floor, self.bare):
            program.stop()
            program.start()


def end_all(sites):
    """Ends what runs, also what only a parent knew of; says nothing of those that do not obey."""
    for site in sites:
        for process in reversed(site.running()):
            with contextlib.suppress(AssertionError):
                process.stop(limit=5)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def on_postgresql(bench, scratch, name):
    """(a site, its database) on a server of its own."""
    server = postgres.Server(scratch, f"{name}-postgres").create().start()
    try:
        database = postgres.Database(server)
        hosts.make_store(scratch, database)
        host = hosts.Host(scratch, database, f"{name}-host")
        bench.sites.append(host)
        yield host, database
    finally:
        server.remove()
