"""Two gateways and three workers before a primary and its synchronous standby, under load, while one
after the other is killed: what `make torture-postgresql` does for long and a test for a moment."""

import collections
import contextlib
import random
import signal
import threading
import time

import bitrix
import client
import postgres
from hosts import Cluster, children, make_store
from scratch import alive, wait_for

GATEWAYS, WORKERS = 2, 3
SENDERS, LANES = 6, 100
SLOTS = 8        # of a worker; the hook may take those of all
HOOK_WAIT = 1   # seconds for a hook to run, to kill its worker then
AGAIN = 60      # seconds until an event is accepted again after a kill
RECOVERY = 1200  # for all that is unfinished at the end


class Storm:
    """Posts EVENTS and kills KILLS times.  `counts` says what was hit; `accepted` what was answered 200."""

    def __init__(self, scratch, seed, hook_ms=40, wait_for_leases=True):
        self.chance, self._wait_for_leases = random.Random(seed), wait_for_leases
        self.counts = collections.Counter()
        self.replicas = postgres.Replicas(scratch)
        self.database = postgres.Database(self.replicas.primary)
        make_store(scratch, self.database)
        url = self.database.url(ports=self.replicas.ports, target_session_attrs="read-write")
        self.cluster = Cluster(scratch, self.database, [f"host{i}" for i in range(GATEWAYS + WORKERS)], hook_ms, url,
                         concurrency=SLOTS, at_once=SLOTS * WORKERS)
        self.gates, self.crews = self.cluster.hosts[:GATEWAYS], self.cluster.hosts[GATEWAYS:]
        self._lock = threading.Lock()
        self._going, self._open, self._failed = True, 0, []
        self.workers = {}
        for host in self.gates:
            host.serve()
        for host in self.crews:
            self.workers[host] = host.work()

    def logs(self):
        return {f"{host.path.name} {name}": text for host in self.cluster.hosts for name, text in host.logs().items()}

    def run(self, events, kills):
        senders = [threading.Thread(target=self._post, args=(events, random.Random(self.chance.random())), daemon=True)
                   for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            for number, kill in enumerate(self._choose(kills)):
                goal = int(events * (number + 0.5) / kills)
                wait_for(lambda: len(self.cluster.accepted) >= goal or self._failed, "events", RECOVERY)
                time.sleep(self.chance.uniform(0, 0.3))
                kill()
                before = len(self.cluster.accepted)
                wait_for(lambda: len(self.cluster.accepted) > before or not any(s.is_alive() for s in senders),
                         "an event to be accepted again", AGAIN)
            for sender in senders:
                sender.join(RECOVERY)
        finally:
            self._going = False
        assert not self._failed and not any(sender.is_alive() for sender in senders), self._failed
        self.cluster.recovers(RECOVERY)

    def stop(self):
        self._going = False
        for host in self.cluster.hosts:
            host.stop()
        self.replicas.remove()

    # -- load

    def _post(self, events, chance):
        while self._going and len(self.cluster.accepted) < events:
            body = bitrix.body(id=chance.randrange(1, LANES + 1))
            with self._lock:
                self._open += 1
            try:
                answer = client.fastcgi(chance.choice(self.gates).socket, body)
            except TimeoutError as error:
                self._failed.append(f"a request hangs: {error}")
                return
            except (EOFError, OSError):
                answer = None
            with self._lock:
                self._open -= 1
                if answer is None:
                    self.counts["requests broken off"] += 1
                elif answer.status == 200:
                    self.cluster.accepted.add(answer.event)
                else:
                    self.counts["requests answered 503"] += 1
            if answer is None or answer.status != 200:
                time.sleep(0.05)

    # -- kills

    def _choose(self, kills):
        """Each victim in turn, in an order that changes."""
        victims = [lambda host=host: self._kill_gateway(host) for host in self.gates]
        victims += [lambda host=host: self._kill_worker(host) for host in self.crews]
        victims += [self._kill_primary, self._kill_standby]
        chosen = []
        while len(chosen) < kills:
            self.chance.shuffle(victims)
            chosen += victims
        return chosen[:kills]

    def _pause(self):
        time.sleep(self.chance.uniform(0, 1))

    def _kill_gateway(self, host):
        self.counts["kills of a gateway"] += 1
        self.counts["kills of a gateway with requests open"] += self._open > 0
        host.gateway.kill()
        self._pause()
        host.serve()

    def _kill_worker(self, host):
        worker = self.workers[host]
        with contextlib.suppress(AssertionError):
            wait_for(lambda: any(alive(pid) for pid in children(worker.pid)), "a hook", HOOK_WAIT)
        worker.popen.send_signal(signal.SIGSTOP)
        self.counts["kills of a worker"] += 1
        self.counts["kills of a worker with hooks running"] += any(alive(pid) for pid in children(worker.pid))
        worker.kill()
        self._pause()
        if not self._wait_for_leases:  # as if its time had passed
            self.database.sql("UPDATE bxhook.worker SET lease_until = 0 WHERE pid = %s", worker.pid)
        self.workers[host] = host.work(limit=AGAIN)

    def _kill_primary(self):
        self.counts["kills of the primary"] += 1
        self.counts["kills of the primary with commits under way"] += bool(self.replicas.primary.sql(
            "SELECT 1 FROM pg_stat_activity WHERE usename = %s AND state <> 'idle'", postgres.WORKER))
        self.replicas.primary.kill()
        self._pause()
        self.replicas.fail_over()
        self.database.server = self.replicas.primary
        self._pause()
        self.replicas.rebuild()

    def _kill_standby(self):
        self.counts["kills of the standby"] += 1
        self.replicas.standby.kill()
        self._pause()
        self.replicas.standby.start()
        self.replicas.in_step()
