#!/usr/bin/python3
"""Rows: one pass of chores over 5,000 portals whose tokens are due, of which 50 hang.

    make bench-chores PORTALS=5000        these rows alone

The authorization server of tests/portal takes 200 ms for an answer.  A renewal is a process of its own, and curl is
one: most of what this takes of a small machine's processors is theirs, and a part the server's.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from alone import measure_alone  # noqa: E402
from clouds import Cloud  # noqa: E402
from portal.faults import Reply  # noqa: E402
from scratch import Site, as_user, wait_for  # noqa: E402
from stage import on_postgresql  # noqa: E402
from table import Goal  # noqa: E402

PORTALS = 5000
HANGS = 100           # one of so many
ANSWER = 0.2          # seconds
WITHIN = 300          # seconds
PATIENCE = 3 * WITHIN
STORES = ("SQLite", "PostgreSQL")

GOALS = [goal for store in STORES for goal in (
    Goal(f"chores, {store}: a pass, of {WITHIN} s", at_most=1.0),
    Goal(f"chores, {store}: spent twice", at_most=0))]


class Slow(Cloud):
    """Takes its time to renew; one of HANGS portals it never answers."""

    def __init__(self, count):
        super().__init__()
        self.app_of_all = self.app("https://bxhook.example/")
        self.tried, self.refused = set(), 0
        self.all = [self.portal(f"p{number}") for number in range(count)]
        self.hanging = {portal.name for portal in self.all[::HANGS]}
        self.lines = "".join(f"{portal.member_id} {self.client_endpoint(portal)} {self.first(portal)}\n"
                             for portal in self.all)

    def first(self, portal):
        """The refresh token that it begins with."""
        return self.tokens.issue(portal.add(self.app_of_all), portal.admin()).refresh

    def answer(self, request):
        pair = self.tokens.of_refresh(request.params.get("refresh_token"))
        name = pair.installation.portal.name if pair else None
        if name in self.hanging:
            self.tried.add(name)
            return Reply(0, b"", ending="hang")
        time.sleep(ANSWER)
        reply = super().answer(request)
        if reply.status == 200:
            self.tried.add(name)
        else:
            self.refused += 1
        return reply


def put(bench, site, place, cloud):
    """The installations of CLOUD into SITE's store."""
    program = shutil.copy(bench.build / "bench-installed", site.scratch.bin / "bench-installed")  # beside the module
    done = subprocess.run([program, place, cloud.app_of_all.client_id], input=cloud.lines,
                          stdout=subprocess.PIPE, text=True, check=True, timeout=600, **as_user(site.user))
    assert int(done.stdout) == len(cloud.all), done.stdout


UNDER_WAY = "SELECT count(*) FROM %chore WHERE what = 1 AND tries = 0 AND due_at < "


def a_pass(bench, site, store, place, count):
    """One, as a worker has it done, until each portal's tokens were renewed, or tried to."""
    with Slow(count) as cloud:
        site.configure(worker="start manual", more=cloud.conf(cloud.app_of_all) + "log { level warning }\n")
        site.run("status", check=False)  # makes the store
        put(bench, site, place, cloud)
        soon = int(1000 * (time.time() + PATIENCE))
        began = time.monotonic()
        worker = site.work()
        wait_for(lambda: len(cloud.tried) == count or not worker.running(),
                 lambda: f"{count} portals to be asked: {len(cloud.tried)}", PATIENCE)
        wait_for(lambda: site.query(f"{UNDER_WAY}{soon}") in ([[0]], [(0,)]), "those that hang to be given up", 60)
        took = time.monotonic() - began
        worker.stop(limit=60)
        record(bench, cloud, store, took)


def record(bench, cloud, store, took):
    done = len(cloud.tried) - len(cloud.hanging & cloud.tried)
    spent = len(cloud.records.spent_twice())
    for what, value, unit in (("a pass", took, "s"), (f"a pass, of {WITHIN} s", took / WITHIN, ""),
                              ("renewals", len(cloud.records), ""), ("portals renewed", done, ""),
                              ("renewals a second", done / took, ""),
                              ("spent twice", spent, "")):
        bench.figures.add(0, f"chores, {store}: {what}", value, unit)
    if len(cloud.tried) < len(cloud.all) or cloud.refused:
        bench.problem(f"chores, {store}: {len(cloud.tried)} of {len(cloud.all)} portals were asked for, "
                      f"{cloud.refused} refused")


def chores(bench, stage, count=PORTALS):
    """One round."""
    bench.begin(0, "chores")
    site = Site(stage.scratch, "chores")
    bench.sites.append(site)
    a_pass(bench, site, "SQLite", str(site.home / site.store), count)
    site.stop()
    with on_postgresql(bench, stage.scratch, "chores") as (host, database):
        a_pass(bench, host, "PostgreSQL", database.url(), count)
        host.stop()


# -- Alone

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--portals", type=int, default=PORTALS)
    parser.set_defaults(rounds=1, seconds=1, events=0)
    options = parser.parse_args()
    return measure_alone(options, lambda bench: chores(bench, bench, options.portals), GOALS)


if __name__ == "__main__":
    sys.exit(main())
