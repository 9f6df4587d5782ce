"""A sanitized gateway for as long as one likes, under what the crash tests do not have: thousands of
kept connections that come, stay silent and go, beside events and requests that break off.

    soak.py MINUTES        `make soak MINUTES=n` calls it

Fails when the gateway ends, a sanitizer reports anything, an event that was answered 200 is not in the
store, a silent connection is not closed in time, or the gateway's memory grows without end.
"""

import collections
import contextlib
import os
import random
import resource
import selectors
import socket
import struct
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import bitrix  # noqa: E402
import client  # noqa: E402
import leaks  # noqa: E402
import sanitizers  # noqa: E402
from client import BEGIN, PARAMS, STDIN, fastcgi_request, record, stream  # noqa: E402
from scratch import Scratch, Site  # noqa: E402

KEPT = 4000           # connections; the gateway has room for 4,032
ARRIVALS = 200        # of them a second, at most
IDLE_LIMIT = 120      # seconds after which the gateway closes a silent one
LATE = 30             # seconds it may take longer
ANSWER_LIMIT = 60     # seconds an answer may take: the disk has moments
SENDERS, ABORTERS = 4, 2
PAUSE = 0.2           # seconds between two requests of a sender, at most
WARM_UP = 150         # seconds until the gateway's memory has what it needs
GROWTH = 64 * 1024    # KB it may grow after that


class Kept:
    """One kept connection: asks, and asks again, leaves, or stays silent until it is closed."""

    def __init__(self, path, chance):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.connect(str(path))
        self.chance = chance
        self.ask()

    def ask(self):
        self.socket.sendall(fastcgi_request(method="GET", keep=True))
        self.answered = False
        self.what = self.chance.choices(("leaves", "asks", "silent"), (3, 3, 4))[0]
        self.since = time.monotonic()
        self.due = self.since + (IDLE_LIMIT + LATE if self.what == "silent"
                                 else self.chance.uniform(ANSWER_LIMIT, IDLE_LIMIT - 10))


class Crowd:
    """KEPT connections at a time, in a thread of its own."""

    def __init__(self, site, counts, chance):
        self.site, self.counts, self.chance = site, counts, chance
        self.kept = set()
        self._selector = selectors.EpollSelector()

    def turn(self):
        for _ in range(min(KEPT - len(self.kept), ARRIVALS // 10)):
            self._arrive()
        for key, _ in self._selector.select(0.1):
            self._read(key.data)
        now = time.monotonic()
        for one in [one for one in self.kept if one.due < now]:
            assert one.what != "silent", f"open after {now - one.since:.0f} s of silence"
            assert one.answered, f"no answer after {now - one.since:.0f} s"
            if one.what == "leaves":
                self._leave(one, "kept connections that left")
            elif now - one.since < IDLE_LIMIT - 5:
                one.ask()
            else:  # it is late, and may be closed at any moment
                one.what, one.due = "silent", one.since + IDLE_LIMIT + LATE

    def _arrive(self):
        try:
            one = Kept(self.site.socket, self.chance)
        except BlockingIOError:  # the backlog is full for a moment
            return
        self.kept.add(one)
        self._selector.register(one.socket, selectors.EVENT_READ, one)
        self.counts["kept connections"] += 1

    def _read(self, one):
        data = one.socket.recv(65536)
        if data:
            one.answered = True
            return
        took = time.monotonic() - one.since
        assert one.answered and took > IDLE_LIMIT - 1, f"closed after {took:.0f} s"
        self._leave(one, "kept connections that were closed for their silence")

    def _leave(self, one, why):
        self.counts[why] += 1
        self._selector.unregister(one.socket)
        one.socket.close()
        self.kept.remove(one)


class Threads:
    """Calls WORK again and again in COUNT threads; the first exception is kept."""

    def __init__(self, count, work, chance):
        self.error = None
        self._going, self._work = True, work
        self._threads = [threading.Thread(target=self._run, args=(random.Random(chance.random()),), daemon=True)
                         for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self, chance):
        try:
            while self._going:
                self._work(chance)
                time.sleep(chance.uniform(0, PAUSE))
        except BaseException as error:
            self.error = self.error or error

    def stop(self):
        self._going = False
        for thread in self._threads:
            thread.join(2 * ANSWER_LIMIT)
        assert not any(thread.is_alive() for thread in self._threads), "a request hangs"


class Soak:
    def __init__(self, scratch, chance):
        resource.setrlimit(resource.RLIMIT_NOFILE, (2 * KEPT, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        self.site = Site(scratch, "soak")
        self.site.configure(worker="start manual")
        self.gateway = self.site.serve()
        self.chance, self.counts, self.accepted = chance, collections.Counter(), set()
        self._lock = threading.Lock()

    def post(self, chance):
        fields = {"TEXT": "x" * chance.choices((0, 3000, 300_000), (90, 9, 1))[0]}
        token = chance.choice([bitrix.TOKEN] * 9 + [bitrix.WRONG_TOKEN])
        body = bitrix.body(id=chance.randrange(1000), fields=fields, token=token)
        with client.FastCgi(self.site.socket, ANSWER_LIMIT) as peer:
            peer.send(fastcgi_request(body))
            answer = peer.read()
        with self._lock:
            self.counts[f"events answered {answer.status}"] += 1
            if answer.status == 200:
                self.accepted.add(answer.event)
        assert answer.status in (200, 503) if token == bitrix.TOKEN else answer.status == 403, answer

    def abort(self, chance):
        """A request that is never whole, ended in some way."""
        body = bitrix.body(fields={"TEXT": "x" * chance.choice((0, 3000, 100_000))})
        whole = fastcgi_request(body, keep=chance.random() < 0.5)
        part = whole[:chance.randrange(len(whole))]
        abort = client.begin() + stream(PARAMS, b"") + record(STDIN, b"x") + record(client.ABORT)
        role = record(BEGIN, struct.pack(">HB5x", chance.choice((2, 3, 77)), 0))
        with client.FastCgi(self.site.socket) as peer, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.send(chance.choice((part, part, abort, role, os.urandom(200), whole * 2 + part)))
            with self._lock:
                self.counts["requests broken off"] += 1
            if chance.random() < 0.3:
                peer.socket.shutdown(socket.SHUT_WR)
            time.sleep(chance.uniform(0, 1))

    def memory(self):
        """KB."""
        status = Path(f"/proc/{self.gateway.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def look(self, workers):
        assert self.gateway.running(), f"the gateway ended with {self.gateway.popen.returncode}"
        for worker in workers:
            if worker.error:
                raise worker.error

    def run(self, seconds):
        crowd = Crowd(self.site, self.counts, self.chance)
        workers = [Threads(SENDERS, self.post, self.chance), Threads(ABORTERS, self.abort, self.chance)]
        began = time.monotonic()
        warm, told = None, began
        while (now := time.monotonic()) < began + seconds:
            self.look(workers)
            crowd.turn()
            if warm is None and now > began + WARM_UP:
                warm = self.memory()
            assert warm is None or self.memory() < warm + GROWTH, f"{warm} KB became {self.memory()} KB"
            if now > told + 30:
                told = now
                print(f"{now - began:5.0f} s: {len(crowd.kept)} kept, {self.counts['events answered 200']} events, "
                      f"{self.memory() // 1024} MB", flush=True)
        for worker in workers:
            worker.stop()
        self.look(workers)
        assert self.gateway.stop() == 0, "the gateway's exit status"
        with leaks.opened_copy(self.site.home / "state" / "queue.db") as store:
            stored = {number for number, in store.execute("SELECT n FROM event")}
        missing = self.accepted - stored
        assert not missing, f"answered 200 and not stored: {sorted(missing)[:20]}"


def main():
    minutes = float(sys.argv[1])
    program = ROOT / os.environ["BXHOOK"]
    assert sanitizers.are_in(program), f"{program} is not built with SANITIZE=address,undefined"
    sanitizers.prepare()
    chance = random.Random()
    scratch = Scratch(program)
    print(f"soaking for {minutes:g} minutes in {scratch.path}", flush=True)
    soak = Soak(scratch, chance)
    try:
        soak.run(60 * minutes)
        reports = sanitizers.take()
        assert not reports, "\n".join(reports)
    except BaseException:
        soak.gateway.kill()
        print(f"stopped; its directory stays: {scratch.path}", *sanitizers.take(), sep="\n")
        raise
    finally:
        for name in sorted(soak.counts):
            print(f"{soak.counts[name]:9} {name}")
    scratch.remove()
    print("nothing was reported")


if __name__ == "__main__":
    main()
