"""Gateway and worker of one site with the quick hook of hooks/lane.c, for tests that harm them."""

import os
import subprocess
import threading
import time

import bitrix
import client
from lanes import broken_promises
from scratch import ROOT, can_connect, wait_for, write


def preload(scratch, name):
    """The library of faults/NAME.c."""
    library = scratch.bin / f"{name}.so"
    if not library.exists():
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", library,
                        ROOT / "tests" / "faults" / f"{name}.c", "-ldl"], check=True)
    return library


class Faults:
    """The system calls of one process that fail: LINES as errors.c takes them."""

    def __init__(self, site, name):
        self.control = write(site.run_dir / name, "", user=site.user)
        self.hits = write(site.run_dir / f"{name}.hits", "", user=site.user)
        self.env = {"LD_PRELOAD": str(preload(site.scratch, "errors")), "ERRORS_CONTROL": str(self.control)}

    def set(self, *lines):
        """Replaces the file at once: half of a line must not be read."""
        draft = write(self.control.with_suffix(".new"), "".join(f"{line}\n" for line in lines))
        self.hits.write_bytes(b"")
        draft.rename(self.control)

    def clear(self):
        self.set()

    def hit(self):
        return self.hits.stat().st_size > 0


class Sender:
    """Posts one event in the background; answer: what came, None when the connection broke."""

    def __init__(self, site, id, body=None):
        self.answer = None
        self.hung = False
        self._thread = threading.Thread(target=self._post, args=(site.socket, body or bitrix.body(id=id)),
                                        daemon=True)
        self.began = time.monotonic()
        self._thread.start()

    def _post(self, path, body):
        try:
            self.answer = client.fastcgi(path, body)
        except TimeoutError:
            self.hung = True
        except (EOFError, OSError):  # it broke, or nobody listens
            pass
        self.took = time.monotonic() - self.began

    def ended(self):
        return not self._thread.is_alive()


class Pair:
    """Gateway and worker of a site whose only hook is lane.c, and what was answered 200."""

    def __init__(self, site, hook_ms=5):
        program = site.hook("lane.disabled", site.scratch.compiled("lane").read_bytes())
        site.configure(worker="start manual concurrency 4", defaults="attempts 1000 backoff_max 200ms",
                       more=f"hook lane {{ event * run {program} arg {hook_ms} dir {site.out} }}\n")
        self.site = site
        self.accepted = set()
        self.of_gateway, self.of_worker = Faults(site, "gateway"), Faults(site, "worker")
        self.serve()
        self.work()
        self.wait_for_worker()

    def serve(self, **env):
        """Starts the gateway; with more environment it may be gone when this returns."""
        site = self.site
        site.gateway = site.start([site.binary, "serve", "--config", site.config, "--listen", f"unix:{site.socket}"],
                                  "gateway.log", env=self.of_gateway.env | env)
        wait_for(lambda: can_connect(site.socket) or not site.gateway.running(), "the gateway's socket")
        assert env or site.gateway.running(), site.gateway.text()

    def work(self, **env):
        self.worker = self.site.start([self.site.binary, "work", "--config", self.site.config], "worker.log",
                                      env=self.of_worker.env | env)

    def wait_for_worker(self):
        """Until it has opened its store: one that cannot leaves, and its supervisor starts it again."""
        wait_for(lambda: self.site.worker_pid() == self.worker.pid, "the worker")

    def send(self, count=3, lanes=3):
        """Posts COUNT events at once; gives the senders."""
        return [Sender(self.site, 1 + number % lanes) for number in range(count)]

    def take(self, senders):
        """Waits for their ends; each was accepted, refused with 503 in time, or its connection broken."""
        wait_for(lambda: all(sender.ended() for sender in senders), "answers")
        for sender in senders:
            assert not sender.hung, "a request hangs"
            if sender.answer is None:
                continue
            assert sender.answer.status in (200, 503), sender.answer
            if sender.answer.status == 200:
                self.accepted.add(sender.answer.event)

    def lives(self):
        assert self.site.gateway.running(), "the gateway is gone"
        assert self.worker.running(), "the worker is gone"

    def recovers(self):
        """Events are accepted and run again, by the processes that there were."""
        def one_more():
            sender = Sender(self.site, 1)
            self.take([sender])
            return sender.answer is not None and sender.answer.status == 200
        wait_for(one_more, "an accepted event")
        self.site.wait_idle()
        self.lives()
        assert broken_promises(self.site, self.accepted) == []
