"""The crash tests for as long as one likes: kills, failing calls, power cuts, all at random.

    torture.py MINUTES [SEED]        `make torture MINUTES=n` calls it

A round harms one gateway and one worker under load for a few seconds, mends everything, waits until
nothing is unfinished and asks the model of e2e/lanes.py whether a promise was broken.  Every tenth
round cuts the power instead.  It stops at the first broken promise and leaves the round's directory;
SEED (it is printed) makes the same choices again, though not at the same moments.
"""

import collections
import errno
import os
import random
import signal
import shutil
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import bitrix  # noqa: E402
import client  # noqa: E402
import test_powercut  # noqa: E402
from pairs import Pair, preload  # noqa: E402
from scratch import Scratch, Site, wait_for  # noqa: E402

SENDERS, LANES = 8, 40
PAUSE = 0.15           # seconds between two requests of a sender, at most
HARMS = 12             # in a round
RECOVERY = 120         # seconds for all that is unfinished at a round's end
WAL_WRITE_LOCK = 120   # the byte of -shm that a writer locks (sqlite.org/walformat.html, 2.3.1)

FAILURES = {
    "gateway": ["pwrite64 ENOSPC queue.db", "pwrite64 EIO queue.db", "pread64 EIO queue.db", "fdatasync EIO queue.db",
                "ftruncate64 EIO queue.db", "open EMFILE", "open EIO queue.db", "mmap ENOMEM queue.db",
                "unlink EIO queue.db", "accept4 EMFILE", "accept4 EPROTO", "epoll_ctl ENOMEM", "recv EIO",
                "send EIO", "write ENOSPC gateway.log"],
    "worker": ["pwrite64 ENOSPC queue.db", "pwrite64 EIO queue.db", "pread64 EIO queue.db", "fdatasync EIO queue.db",
               "ftruncate64 EIO queue.db", "open EMFILE", "mmap ENOMEM queue.db", "pipe2 EMFILE",
               "posix_spawn EAGAIN", "posix_spawn ENOMEM", "opendir EMFILE", "write ENOSPC worker.log"],
}
POINTS = {"gateway": ["before-commit", "after-commit", "before-answer", "after-answers"],
          "worker": ["before-commit", "after-commit", "after-dispatch", "before-spawn",
                     "after-spawn", "before-end", "after-end", "before-finish", "after-finish"]}


class Load:
    """Posts events on SENDERS connections at a time until told to stop."""

    def __init__(self, site, chance):
        self.accepted, self.refused, self.broken, self.hung, self.in_flight = set(), 0, 0, 0, 0
        self._site, self._going, self._lock = site, True, threading.Lock()
        self._threads = [threading.Thread(target=self._post, args=(random.Random(chance.random()),), daemon=True)
                         for _ in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._going = False
        for thread in self._threads:
            thread.join(2 * client.TIMEOUT)
        assert not self.hung and not any(thread.is_alive() for thread in self._threads), "a request hangs"

    def _post(self, chance):
        while self._going:
            body = bitrix.body(id=chance.randrange(1, LANES + 1))
            with self._lock:
                self.in_flight += 1
            answer = None
            try:
                answer = client.fastcgi(self._site.socket, body)
            except TimeoutError:
                self.hung += 1
            except (EOFError, OSError):
                pass
            with self._lock:
                self.in_flight -= 1
                if answer is None:
                    self.broken += 1
                elif answer.status == 200:
                    self.accepted.add(answer.event)
                else:
                    assert answer.status == 503, answer
                    self.refused += 1
            time.sleep(chance.uniform(0, PAUSE))


def state_of(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def has_hooks(pid):
    try:
        return any(state_of(child) not in "ZX" for child in
                   Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    except OSError:
        return False


def holds_write_lock(site, pid):
    """True while PID is in a transaction that writes."""
    shared = site.home / "state" / "queue.db-shm"
    inode = str(shared.stat().st_ino) if shared.exists() else ""
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if "->" in fields or fields[3] != "WRITE" or int(fields[4]) != pid or fields[5].split(":")[2] != inode:
            continue
        last = WAL_WRITE_LOCK if fields[7] == "EOF" else int(fields[7])
        if int(fields[6]) <= WAL_WRITE_LOCK <= last:
            return True
    return False


class Round:
    """One site, harmed at random."""

    def __init__(self, scratch, fragile, chance, counts):
        self.chance, self.counts = chance, counts
        self.site = Site(scratch, "round")
        self.site.binary = fragile
        self.pair = Pair(self.site, hook_ms=20)
        self.load = Load(self.site, chance)

    def process(self, victim):
        return self.site.gateway if victim == "gateway" else self.pair.worker

    def start(self, victim, **env):
        if victim == "gateway":
            self.pair.serve(**env)
        else:
            self.pair.work(**env)

    def rest(self):
        time.sleep(self.chance.uniform(0, 0.4))

    def kill(self, victims):
        for victim in victims:
            process = self.process(victim)
            if not process.running():
                continue
            process.popen.send_signal(signal.SIGSTOP)
            wait_for(lambda: state_of(process.pid) in "TZX", "the process to stop")
            self.counts[f"kills of the {victim}"] += 1
            self.counts[f"kills of the {victim} in a transaction"] += holds_write_lock(self.site, process.pid)
            if victim == "gateway":
                self.counts["kills of the gateway with requests open"] += self.load.in_flight > 0
            else:
                self.counts["kills of the worker with a hook running"] += has_hooks(process.pid)
            process.kill()
        for victim in victims:
            self.start(victim)

    def die_at_point(self, victim):
        place = f"{self.chance.choice(POINTS[victim])} {self.chance.randrange(1, 40)}"
        process = self.process(victim)
        process.kill()
        self.start(victim, BXHOOK_FAULT=place)
        process = self.process(victim)
        end = time.monotonic() + 3
        while process.running() and time.monotonic() < end:
            time.sleep(0.01)
        if not process.running():
            self.counts[f"deaths at {place.split()[0]}"] += 1
        process.kill()
        self.start(victim)

    def fail_calls(self, victim):
        faults = self.pair.of_gateway if victim == "gateway" else self.pair.of_worker
        lines = self.chance.sample(FAILURES[victim], self.chance.choice((1, 1, 2)))
        words = [line.split() for line in lines]
        if victim == "worker":
            self.pair.wait_for_worker()
        faults.set(*(" ".join([word[0], str(getattr(errno, word[1])), *word[2:]]) for word in words))
        self.rest()
        self.counts[f"failed calls of the {victim}"] += faults.hits.stat().st_size
        faults.clear()
        if victim == "gateway":
            assert self.site.gateway.running(), f"the gateway left when {lines} failed"
        else:
            assert self.pair.worker.running(), f"the worker left when {lines} failed"

    def stop_politely(self, victim):
        # Killed by the signal when it came before the process was ready for it.
        assert self.process(victim).stop(limit=60) in (0, 1, -signal.SIGTERM)
        self.start(victim)

    def run(self):
        harms = [lambda: self.kill(["gateway"]), lambda: self.kill(["worker"]),
                 lambda: self.kill(["worker", "gateway"]),
                 lambda: self.kill(["gateway", "worker"]),
                 lambda: self.die_at_point("gateway"), lambda: self.die_at_point("worker"),
                 lambda: self.fail_calls("gateway"), lambda: self.fail_calls("worker"),
                 lambda: self.stop_politely(self.chance.choice(("gateway", "worker")))]
        for _ in range(HARMS):
            self.rest()
            self.chance.choice(harms)()
        self.load.stop()
        self.pair.accepted |= self.load.accepted
        self.site.wait_idle(RECOVERY)
        self.pair.recovers()
        self.counts["events answered 200"] += len(self.pair.accepted)
        self.counts["requests answered 503"] += self.load.refused
        self.counts["requests broken off"] += self.load.broken
        self.site.stop()
        shutil.rmtree(self.site.path)


def cut_power(scratch, chance, counts):
    site = Site(scratch, "power")
    test_powercut.test_a_power_cut_loses_nothing_that_was_answered_200(
        site, preload(scratch, "powercut"), chance.choice(("wal", "delete")))
    counts["power cuts"] += test_powercut.CUTS
    site.stop()
    shutil.rmtree(site.path)


def main():
    minutes = float(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    chance = random.Random(seed)
    counts = collections.Counter()
    program = ROOT / os.environ.get("BXHOOK", "bxhook")
    fragile = ROOT / os.environ.get("BUILD", "build") / "bxhook-faults"
    scratch = Scratch(program)
    print(f"torture for {minutes:g} minutes, seed {seed}, in {scratch.path}", flush=True)
    end = time.monotonic() + 60 * minutes
    try:
        copy = shutil.copy(fragile, scratch.bin / "bxhook-faults")
        while time.monotonic() < end:
            counts["rounds"] += 1
            if counts["rounds"] % 10 == 5:
                cut_power(scratch, chance, counts)
            else:
                Round(scratch, copy, chance, counts).run()
            print(f"round {counts['rounds']}: {counts['events answered 200']} events", flush=True)
    except BaseException:
        print(f"stopped in round {counts['rounds']}, seed {seed}; its directory stays: {scratch.path}")
        raise
    finally:
        for name in sorted(counts):
            print(f"{counts[name]:9} {name}")
    scratch.remove()
    print("no promise was broken")


if __name__ == "__main__":
    main()
