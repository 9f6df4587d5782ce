"""Rows: accepting events of installations, of which the store has 100,000, and beside a flood of forged
ones."""

import contextlib
import hashlib
import itertools
import sqlite3
import threading
import time

import bitrix
import client
from accept_rows import post, rotated
from baselines import Nginx, Ours
from load import Wrk, deal_event
from scratch import Site, wait_for
from stage import ACCEPT_LANES
from table import Goal

INSTALLATIONS = 100_000
TOKEN = "7d1a0c5e93b84f26a1d07c3be95f2846"  # of all of them: each is known by its member_id first
CLIENT = "local.67f0c1a2b3c4d5.01234567"
APP = f"app {{\n client_id {CLIENT}\n client_secret Nq3v7yB1xRk0mWc8ZtLs5uHd2JfPgAe9\n}}\n"
FORGED = 1000  # a second
CONNECTIONS = 64

GOALS = [
    Goal("installations, c64: one of 100,000", "installations, c64: one configured", at_least=0.97),
    Goal("installations, c64: a thousand of 100,000", "installations, c64: one configured", at_least=0.8),
    Goal("p99, installations: beside 1,000 forged a second", "p99, installations: one configured", at_most=2.0),
    Goal("memory, installations: 100,000", "memory, installations: one configured", at_most=1.1),
]


def installed_event(member):
    tree = bitrix.event("ONCRMDEALUPDATE", token=TOKEN)
    tree["auth"] |= {"member_id": member, "domain": f"{member}.bitrix24.com"}
    return bitrix.encode(tree)


def forged(number):
    tree = bitrix.event("ONAPPINSTALL", token=f"{number:032x}")
    tree["auth"] |= {"member_id": f"forged-{number}", "domain": "forged.example", "user_id": "1",
                     "access_token": f"{number:064x}", "refresh_token": f"{number:064d}"}
    return bitrix.encode(tree)


def install(store):
    """Puts INSTALLATIONS active ones into the SQLite file STORE, of which nothing has it open."""
    digest = hashlib.sha256(TOKEN.encode()).digest()
    rows = ((f"installed-{number}", CLIENT, 1, f"installed-{number}.bitrix24.com", "1", digest, 0, 0)
            for number in ["one", *range(1, INSTALLATIONS)])
    with contextlib.closing(sqlite3.connect(store)) as database, database:
        database.executemany("INSERT INTO installation (member_id, client_id, state, domain, user_id, "
                             "application_token, installed_at, renewed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


class Flood:
    """FORGED ONAPPINSTALLs a second, each of another portal, until it is told to stop."""

    def __init__(self, port, path):
        self.sender = client.Load(port, 16, path)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        began = time.monotonic()
        for number in itertools.count():
            if self.ended.wait(max(0.0, began + number / FORGED - time.monotonic())):
                return
            self.sender.add([forged(number)], number)

    def stop(self):
        """How many were answered."""
        self.ended.set()
        self.thread.join()
        self.sender.finish(20)
        return len(self.sender.results)


class Subjects:
    """A site with one configured portal, and one that has installations beside it."""

    def __init__(self, bench, stage):
        self.sites = {"one configured": Ours(stage.scratch, "configured"),
                      "installed": Ours(stage.scratch, "installed")}
        for name, ours in self.sites.items():
            ours.site.configure(worker="start manual", more=APP if name == "installed" else "")
        self.site = Site(stage.scratch, "installations")
        bench.sites += [ours.site for ours in self.sites.values()] + [self.site]
        self.fresh()
        self.nginx = Nginx(self.site, [(name.replace(" ", "-"), f"unix:{ours.site.socket}", "")
                                       for name, ours in self.sites.items()])
        for name in self.sites:
            wait_for(lambda name=name: client.post(self.at(name), deal_event()).status == 200, "an answer")

    def at(self, name):
        return self.nginx.at(name.replace(" ", "-"))

    def fresh(self):
        """Both on new stores, one with installations."""
        for name, ours in self.sites.items():
            ours.stop()
            ours.start(fresh=True)
            if name == "installed":
                ours.stop()
                install(ours.store)
                ours.start()


def installations(bench, stage):
    subjects = Subjects(bench, stage)
    place = stage.scratch.path
    loads = {"one configured": ("one configured", Wrk(place / "configured", deal_event(), ACCEPT_LANES)),
             "one of 100,000": ("installed", Wrk(place / "one", installed_event("installed-one"), ACCEPT_LANES)),
             "a thousand of 100,000": ("installed", Wrk(place / "many", installed_event("installed-1000"),
                                                        ACCEPT_LANES))}
    for turn in range(bench.rounds):
        bench.begin(turn, "installations")
        subjects.fresh()
        for what in rotated(list(loads), turn):
            name, wrk = loads[what]
            load = post(bench, wrk, f"installations, c64: {what}", subjects.at(name), CONNECTIONS, bench.time(1),
                        turn, subjects.sites[name].events)
            bench.figures.add(turn, f"p99, installations: {what}", load.p99_ms, "ms")
        for name, shown in (("one configured", "one configured"), ("installed", "100,000")):
            bench.figures.add(turn, f"memory, installations: {shown}", subjects.sites[name].memory(), "MB")
        beside_flood(bench, subjects, loads["one configured"][1], turn)
    for ours in subjects.sites.values():
        ours.stop()


def beside_flood(bench, subjects, wrk, turn):
    flood = Flood(subjects.nginx.port, "/installed")
    seconds = bench.time(1)
    load = wrk.run(subjects.at("installed"), CONNECTIONS, seconds)
    sent = flood.stop()
    what = "beside 1,000 forged a second"
    bench.figures.add(turn, f"installations, c64: {what}", load.rate)
    bench.figures.add(turn, f"p99, installations: {what}", load.p99_ms, "ms")
    problem = load.problem()
    if not problem and sent < 0.5 * FORGED * seconds:
        problem = f"only {sent} forged ones were answered in {seconds} s"
    if problem:
        bench.problem(f"installations, {what}: {problem}")
