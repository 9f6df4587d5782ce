"""kill -9 of gateway and worker at the places that matter (src/base/fault.h): nothing accepted is
lost, nothing runs out of order, and what was not cut short runs once.
"""

import os
import shutil
import signal

import pytest

from lanes import Note, attempts, breaches, lane_log
from pairs import Pair
from scratch import ROOT, wait_for

PROGRAM = ROOT / os.environ.get("BUILD", "build") / "bxhook-faults"

# At which passings of each place: a gateway's first commit is that of opening the store, the others
# those of its events; a worker's are of opening, matching, claiming, its place in `status`, finishing.
GATEWAY = {"before-commit": (1, 2, 3), "after-commit": (1, 2, 3), "before-answer": (1, 2), "after-answers": (1,)}
WORKER = {"before-commit": (1, 2, 3, 4, 5, 6), "after-commit": (1, 2, 3, 4, 5, 6), "after-dispatch": (1,),
          "before-spawn": (1, 2), "after-spawn": (1, 2), "before-end": (1, 2),
          "after-end": (1, 2), "before-finish": (1, 2), "after-finish": (1,)}


def places(points):
    return [f"{name} {count}" for name, counts in points.items() for count in counts]


@pytest.fixture(scope="module")
def fragile(scratch):
    assert PROGRAM.is_file(), f"no program {PROGRAM}: run make {PROGRAM}"
    return shutil.copy(PROGRAM, scratch.bin / "bxhook-faults")


@pytest.fixture
def pair(site, fragile):
    site.binary = fragile
    return Pair(site)


def dies(process):
    wait_for(lambda: not process.running(), "the end at the fault point")
    assert process.popen.returncode == -signal.SIGKILL


def test_a_gateway_killed_at(pair):
    for place in places(GATEWAY):
        pair.site.gateway.stop()
        pair.serve(BXHOOK_FAULT=place)
        senders = []
        while pair.site.gateway.running():
            senders += pair.send(4)
            pair.take(senders)
        dies(pair.site.gateway)
        unanswered = any(sender.answer is None for sender in senders)
        assert unanswered or place.startswith("after-answers") or not senders, place
        pair.serve()
        pair.recovers()


def test_a_worker_killed_at(pair):
    for place in places(WORKER):
        pair.worker.stop()
        pair.work(BXHOOK_FAULT=place)
        worker = pair.worker
        pair.take(pair.send(6))
        dies(worker)
        pair.work()
        pair.recovers()


def test_a_run_whose_end_is_known_is_not_repeated(pair):
    for place in ("after-end 1", "before-finish 1", "after-finish 1"):
        pair.worker.stop()
        pair.work(BXHOOK_FAULT=place)
        worker = pair.worker
        before = len(lane_log(pair.site)) if pair.accepted else 0
        pair.take(pair.send(1))
        dies(worker)
        pair.work()
        pair.site.wait_idle()
        assert len(lane_log(pair.site)) - before == 2, f"{place}: its start and its end, once"
    assert all(ran == [RAN] for ran in attempts(pair.site).values())


def test_both_killed_at_once(pair):
    for of_gateway, of_worker in (("after-commit 2", "after-spawn 1"), ("before-answer 1", "before-finish 1"),
                                  ("before-commit 3", "after-commit 4")):
        pair.site.gateway.stop()
        pair.worker.stop()
        pair.work(BXHOOK_FAULT=of_worker)
        pair.serve(BXHOOK_FAULT=of_gateway)
        while pair.site.gateway.running():
            pair.take(pair.send(4))
        pair.serve()
        pair.take(pair.send(6))
        dies(pair.worker)
        pair.work()
        pair.recovers()


# -- The model's own test

def notes_of(words):
    """"s1 e1": starts and ends of events of one lane, in order of time."""
    return [Note({"s": "start", "e": "end"}[word[0]], int(word[1:]), "lane", time, time)
            for time, word in enumerate(words.split())]


RAN, CUT, CUT_AFTER_ITS_END = (True, False), (False, True), (True, True)


@pytest.mark.parametrize("words,tried,state,found", [
    ("s1 e1 s2 e2", {1: [RAN], 2: [RAN]}, {1: "done", 2: "done"}, 0),
    ("s1 s1 e1", {1: [CUT, RAN]}, {1: "done"}, 0),
    ("s1 e1 s1 e1", {1: [CUT, RAN]}, {1: "done"}, 0),         # killed between its end and the record of it
    ("s1 e1", {1: [CUT, RAN]}, {1: "done"}, 0),               # killed between claim and start
    ("s1 e1", {1: [RAN]}, {}, 2),                             # lost, and it ran
    ("", {1: []}, {1: "new"}, 2),                             # stuck, and it never ran
    ("s1 e1", {1: [RAN]}, {1: "running"}, 1),
    ("", {1: [RAN]}, {1: "done"}, 1),                         # done without a run
    ("s1 e1 s1 e1", {1: [RAN]}, {1: "done"}, 1),              # twice, and nothing crashed
])
def test_a_broken_promise_is_found(words, tried, state, found):
    notes = [note._replace(pid=1) for note in notes_of(words)]
    assert len(breaches({1}, state, tried, notes)) == found
