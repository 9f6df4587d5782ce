"""kill -9 of gateway and worker at random moments: what was answered 200 is done in the end."""

import random
import signal

import pytest

import bitrix
import client
from lanes import broken_promises
from scratch import wait_for
from servers import Nginx

EVENTS, ROUNDS, LANES = 5_000, 50, 200
HELD = 4  # events of a round that are sent while its gateway stands still
VICTIMS = [("gateway",), ("worker",), ("gateway", "worker"), ("worker", "gateway")]


def has_children(pid):
    """True while a hook of that worker runs (a zombie does not)."""
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return any(state_of(child) not in "ZX" for child in children.read().split())


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


class Killer:
    """Stops a process, looks at what it was doing, kills it, starts the next."""

    def __init__(self, site, load):
        self.site, self.load = site, load
        self.worker = site.work()
        self.requests_hit = self.hooks_hit = 0

    def strike(self, victims, post_more):
        """POST_MORE sends what makes sure that requests are open when a gateway goes."""
        for name in victims:
            process = self.site.gateway if name == "gateway" else self.worker
            process.popen.send_signal(signal.SIGSTOP)
            wait_for(lambda: state_of(process.pid) == "T", "the process to stop")
            if name == "gateway":
                post_more()
                wait_for(lambda: self.load.in_flight > 0, "an open request")
                self.requests_hit += 1
            else:
                self.hooks_hit += has_children(process.pid)
            process.kill()
        for name in victims:
            if name == "gateway":
                self.site.serve()
            else:
                self.worker = self.site.work()


@pytest.fixture
def served(site):
    program = site.hook("lane.disabled", site.scratch.compiled("lane").read_bytes())
    site.configure(worker="start manual concurrency 8", defaults="concurrency 8 attempts 100", backoff="200ms",
                   more=f"hook lane {{ event * run {program} arg 20 dir {site.out} }}\n")
    site.serve()
    return Nginx(site)


def bodies(chance, count):
    return [bitrix.body(id=chance.randrange(1, LANES + 1)) for _ in range(count)]


def test_fifty_kills_lose_nothing(site, served):
    chance = random.Random(2)
    load = client.Load(served.port, 16)
    killer = Killer(site, load)
    half = EVENTS // ROUNDS // 2
    for number in range(ROUNDS):
        posted = number * 2 * half
        load.add(bodies(chance, half))
        wait_for(lambda: len(load.results) == posted + half and has_children(killer.worker.pid), "hooks to run")
        load.add(bodies(chance, half - HELD))
        goal = posted + half + chance.randrange(half // 2)
        wait_for(lambda: len(load.results) >= goal, "the moment")
        victims = VICTIMS[number % len(VICTIMS)]
        killer.strike(victims, lambda: load.add(bodies(chance, HELD)))
        if "gateway" not in victims:
            load.add(bodies(chance, HELD))
        wait_for(lambda: len(load.results) == posted + 2 * half, "the round's answers")
    load.finish(30)
    last = client.post(served.url, bitrix.body(id="last")).event
    site.wait_idle(60)

    print(f"{ROUNDS} kills: {killer.requests_hit} with requests open, {killer.hooks_hit} with a hook running; "
          f"{len(load.accepted())} of {EVENTS} events accepted")
    assert killer.requests_hit >= 20 and killer.hooks_hit >= 20
    assert broken_promises(site, load.accepted() | {last}) == []
