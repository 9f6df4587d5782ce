"""Nothing answered 200 is lost when the power goes, whatever part of the unsynced writes the disk kept.

faults/powercut.c records what gateway and worker write and sync; each cut below is one state the
disk could have been in, and is opened by the real program.
"""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading

import pytest

import bitrix
import client
from scratch import ROOT, as_user, directory, give, wait_for

sys.path.insert(0, str(ROOT / "tests" / "faults"))
import powercut  # noqa: E402

EVENTS = 300
CUTS = int(os.environ.get("POWERCUTS", "60"))
SENDERS = 8


@pytest.fixture(scope="module")
def witness(scratch):
    library = scratch.bin / "powercut.so"
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", library,
                    ROOT / "tests" / "faults" / "powercut.c", "-ldl"], check=True)
    return library


def send_all(site, journal, count):
    """Posts COUNT events; (number, size of the journal when the 200 was there) of each."""
    accepted, lock, numbers = [], threading.Lock(), iter(range(1, count + 1))

    def sender():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            answer = client.fastcgi(site.socket, bitrix.body(id=1 + number % 7))
            size = os.stat(journal).st_size
            with lock:
                accepted.append((answer.event, size))

    threads = [threading.Thread(target=sender) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "a sender hangs"
    return accepted


def check_disk(site, files, expected, target):
    """The store as that disk holds it: whole, and with every event of EXPECTED."""
    powercut.write_disk(files, site.home / "state", target)
    database = target / "queue.db"
    if not database.exists():
        assert not expected, f"no store at all, but {len(expected)} events were answered 200"
        return
    for path in [target, *target.iterdir()]:
        give(path, site.user)
        path.chmod(0o700 if path.is_dir() else 0o600)
    config = target.parent / "bxhook.conf"
    listed = subprocess.run([site.binary, "list", "--limit", "1000000", "--json", "--config", config],
                            capture_output=True, text=True, **as_user(site.user))
    assert listed.returncode == 0, listed.stderr
    found = {json.loads(line)["event"] for line in listed.stdout.splitlines()}
    missing = expected - found
    assert not missing, f"answered 200 and lost: {sorted(missing)[:10]} ({len(missing)} of {len(expected)})"
    damage = damage_of(database)
    assert not damage, f"a damaged store: {damage}"


def damage_of(database):
    """What SQLite finds wrong with it; empty: nothing."""
    connection = sqlite3.connect(database)
    try:
        found, = connection.execute("PRAGMA integrity_check").fetchone()
        return "" if found == "ok" else found
    except sqlite3.DatabaseError as error:  # so badly that it cannot even be looked through
        return str(error)
    finally:
        connection.close()


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
def test_a_power_cut_loses_nothing_that_was_answered_200(site, witness, journal_mode):
    journal = site.run_dir / "journal"
    site.env = {"LD_PRELOAD": str(witness), "POWERCUT_DIR": str(site.home / "state"),
                "POWERCUT_JOURNAL": str(journal)}
    if journal_mode == "delete":
        site.env["POWERCUT_NFS"] = "1"
    site.hook("any", "exit 0\n")
    site.configure(worker="start manual")
    site.serve()
    worker = site.work()
    wait_for(lambda: site.worker_pid() == worker.pid, "the worker")
    accepted = send_all(site, journal, EVENTS)
    assert len(accepted) == EVENTS
    site.wait_idle(60)
    connection = sqlite3.connect(site.home / "state" / "queue.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == (journal_mode,)
    connection.close()
    worker.stop()
    site.gateway.stop()

    history = powercut.Journal(journal)
    done_at = [(number, history.cuts_after(size)) for number, size in accepted]
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    print(f"{len(history.records)} records, {CUTS} cuts, seed {seed}")
    for _ in range(CUTS):
        cut_once(site, history, done_at, rng)

    # The same history on a disk that never synced must lose something, or this test sees nothing.
    history.records = [record for record in history.records if record[1] != powercut.SYNC]
    with pytest.raises(AssertionError):
        for _ in range(CUTS):
            cut_once(site, history, done_at, rng)


def cut_once(site, history, done_at, rng):
    cut = rng.randrange(len(history.records) + 1)
    expected = {number for number, index in done_at if index < cut}
    place = directory(site.path / "cut", 0o700, site.user)
    give(shutil.copy(site.config, place), site.user)
    try:
        check_disk(site, history.disk(cut, rng, str(site.home / "state")), expected,
                   directory(place / "state", 0o700, site.user))
    finally:
        shutil.rmtree(place)
