"""Workers that are lost while they run hooks, for the tests of what becomes of their runs."""

import bitrix
import client
from hosts import FarHost, Hosts
from scratch import wait_for

HOLD_THE_LANE = """
exec 9> $BX_ID.lock
flock -n 9 || echo "$BX_EVENT_NUMBER $BX_ATTEMPT overlaps" >> overlaps
echo "$BX_EVENT_NUMBER $BX_ATTEMPT" >> runs
[ "$BX_ATTEMPT" -ge 2 ] || [ "$BX_EVENT" = ONCRMDEALADD ] || sleep 600
"""


class Lost:
    """Three workers that are lost in a run each, and a fourth.  Of one the machine dies, one loses its
    database, of one the worker alone is killed."""

    NAMES = ("dead", "cut", "bare")

    def __init__(self, scratch, database, proxy):
        self.proxy = proxy
        self.hosts = Hosts(FarHost(scratch, database, name, url=database.url(ports=[proxy.port]) if name == "cut" else None)
                           for name in (*self.NAMES, "rescue"))
        self.rescue, self.heads, self.followers = self.hosts[-1], [], []
        program = self.rescue.hook("hold.disabled", HOLD_THE_LANE)
        for host in self.hosts:
            host.configure(worker=f"start manual concurrency {4 if host is self.rescue else 1}",
                           more=f"hook hold {{ event * run {program} dir {self.rescue.out} }}\n")
        self.rescue.serve()
        self.workers = {name: self._busy(host, name) for host, name in zip(self.hosts, self.NAMES)}
        self.rescue.work()
        wait_for(lambda: {worker["host"]: worker["running"] for worker in self.rescue.status()["workers"]}
                 == {"dead": 1, "cut": 1, "bare": 1, "rescue": 0}, "all workers to be shown with what they run")
        self.workers["dead"].kill()
        self.workers["bare"].kill_program()
        proxy.hold()

    def _busy(self, host, name):
        """Its worker, in a run; another event waits behind it."""
        worker = host.work()
        self.heads.append(client.fastcgi(self.rescue.socket, bitrix.body(id=name)).event)
        self.followers.append(client.fastcgi(self.rescue.socket, bitrix.body("ONCRMDEALADD", id=name)).event)
        runs = self.rescue.out / "runs"
        wait_for(lambda: runs.exists() and f"{self.heads[-1]} 1\n" in runs.read_text(), "the run")
        return worker
