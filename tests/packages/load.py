"""load.py URL REPORT: posts events until stdin ends, then writes what became of them."""

import json
import os
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import bitrix  # noqa: E402
import client  # noqa: E402

SENDERS = 8
PAUSE = 0.05  # seconds between two of a sender; the hooks keep up with that


def send(url, ended, accepted, failures, slowest):
    body = bitrix.body()
    while not ended.is_set():
        began = time.monotonic()
        try:
            answer = client.post(url, body)
            if answer.status == 200:
                accepted.append(answer.event)
            else:
                failures.append(repr(answer))
        except OSError as error:
            failures.append(repr(error))
        slowest[0] = max(slowest[0], time.monotonic() - began)
        time.sleep(PAUSE)


def main():
    url, report = sys.argv[1:]
    ended, accepted, failures, slowest = threading.Event(), [], [], [0.0]
    senders = [threading.Thread(target=send, args=(url, ended, accepted, failures, slowest)) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    os.read(0, 1)
    ended.set()
    for sender in senders:
        sender.join()
    Path(report).write_text(json.dumps({"accepted": accepted, "failures": failures, "slowest": slowest[0]}))


main()
