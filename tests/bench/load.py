"""Load: the events that are posted, wrk, and a sender that keeps to a pace."""

import json
import subprocess
import time
from pathlib import Path

import bitrix
import client

HERE = Path(__file__).resolve().parent
SIZE = 647  # bytes of the event, encoded as PHP does
SCOPE = "crm,disk,user_brief,log,tasks"
PATIENCE = 20  # seconds that wrk may take longer than it should
PACED_CONNECTIONS = 640  # more than are open while a second of requests waits


def deal_event(token=bitrix.TOKEN, code="ONCRMDEALUPDATE"):
    """The body of CODE for deal 6675."""
    tree = bitrix.event(code, token=token)
    tree["auth"] |= {"expires": "1736427782", "scope": SCOPE}
    body = bitrix.encode(tree)
    assert code != "ONCRMDEALUPDATE" or len(body) == SIZE, len(body)
    return body


class Load:
    """What one run of wrk saw."""

    def __init__(self, line):
        found = json.loads(line)
        self.requests = found["requests"]
        self.refused = found["refused"]    # answers of 400 and more
        self.broken = found["broken"]      # no answer, or none in time
        self.timeouts = found["timeouts"]
        self.seconds = found["seconds"]
        self.p99_ms = found["p99_ms"]
        self.longest_ms = found["longest_ms"]

    @property
    def accepted(self):
        return self.requests - self.refused

    @property
    def rate(self):
        """Of requests that were answered, whatever with."""
        return self.requests / self.seconds

    def problem(self, refusals=False):
        """Why its rate is not what it should be, or None; all are to be refused with REFUSALS."""
        if self.broken or self.timeouts:
            return f"{self.broken} requests broke, {self.timeouts} timed out"
        if refusals and self.accepted:
            return f"{self.accepted} were accepted"
        if not refusals and self.refused:
            return f"{self.refused} were refused"
        return None if self.requests else "nothing was answered"


class Wrk:
    """Posts one body, of the file PATH, as fast as it is answered."""

    def __init__(self, path, body, variants=1):
        self.path = Path(path)
        self.path.write_bytes(body)
        self.variants = variants  # of the deal's number: as many lanes

    def run(self, url, connections, seconds):
        return self.start(url, connections, seconds)()

    def start(self, url, connections, seconds):
        """Begins it; gives a function that waits for its end and gives the Load."""
        threads = subprocess.Popen(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", HERE / "post.lua",
             url, "--", self.path, str(self.variants)], stdout=subprocess.PIPE, text=True)

        def finish():
            try:
                said, _ = threads.communicate(timeout=seconds + PATIENCE)
            except subprocess.TimeoutExpired:
                threads.kill()
                threads.communicate()
                raise
            assert threads.returncode == 0, f"wrk failed: {said}"
            return Load(said.splitlines()[-1])
        return finish


def paced(port, path, body, rate, seconds, meanwhile):
    """RATE requests a second, whatever becomes of them, for SECONDS; calls MEANWHILE() after a third.
    Gives [(status or None, milliseconds)]."""
    sender = client.Load(port, PACED_CONNECTIONS, path)
    began = time.monotonic()
    total = int(rate * seconds)
    for i in range(total):
        time.sleep(max(0.0, began + i / rate - time.monotonic()))
        sender.add([body], i)
        if i == total // 3:
            meanwhile()
    sender.finish(PATIENCE)
    return [(status, 1000 * took) for _, status, _, took in sender.results]
