"""When the machine fails under gateway and worker: refused or tried again, never lost, never hung,
and back to normal when the fault goes.

faults/errors.c makes system calls fail, faults/clock.c steps the clock; limits are set from outside
by prlimit.  The same processes must live through all of it.
"""

import calendar
import contextlib
import errno
import os
import resource
import subprocess
import time

import pytest

import bitrix
import client
from clock import DAY, Clock
from pairs import Pair, Sender, preload
from scratch import AS_ROOT, Site, as_user, directory, wait_for, write

STOP_LIMIT = 3        # seconds for SIGTERM: the contract's one, with room for a loaded machine
ANSWER_LIMIT = 5      # the same for an answer: the gateway waits a second for the store's lock


@pytest.fixture(scope="module")
def pair(scratch):
    """One pair for all calls that fail: it has to survive every one of them."""
    made = Site(scratch, "faults")
    try:
        yield Pair(made)
    finally:
        made.stop()


@pytest.fixture
def logs_of(pair):
    """For the report of a failure (conftest.py)."""
    return pair.site


# Faults of the gateway: lines, and whether a request is to be refused (503), dropped without an
# answer, or accepted.  A fault without a store's path hits the connections.
REFUSED, DROPPED, ACCEPTED, HELD = "refused", "dropped", "accepted", "held"

GATEWAY = [
    (REFUSED, "pwrite64 ENOSPC queue.db"),
    (REFUSED, "pwrite64 EIO queue.db"),
    (REFUSED, "fdatasync EIO queue.db"),
    (REFUSED, "fdatasync ENOSPC queue.db"),
    (REFUSED, "pwrite64 EIO queue.db", "open EMFILE queue.db"),      # nor can it be opened again
    (REFUSED, "pwrite64 EIO queue.db", "open ENOMEM queue.db"),
    (REFUSED, "pwrite64 EIO queue.db", "mmap ENOMEM queue.db-shm"),
    (REFUSED, "pwrite64 EIO queue.db", "pread64 EIO queue.db"),
    (ACCEPTED, "open EMFILE queue.db.wake"),                          # the worker looks by itself
    (ACCEPTED, "write ENOSPC gateway.log"),
    (HELD, "accept4 EMFILE"),
    (HELD, "accept4 ENFILE"),
    (HELD, "accept4 ENOBUFS"),
    (HELD, "accept4 ENOMEM"),
    (HELD, "accept4 EPROTO"),
    (DROPPED, "epoll_ctl ENOMEM", "recv EAGAIN"),                     # a request that has yet to come
    (DROPPED, "epoll_ctl ENOSPC", "recv EAGAIN"),
    (DROPPED, "recv EIO"),
    (DROPPED, "recv ENOMEM"),
    (DROPPED, "send EIO"),
]


def lines_of(fault):
    """errno's name as its number."""
    words = [line.split() for line in fault]
    return [" ".join([word[0], str(getattr(errno, word[1])), *word[2:]]) for word in words]


def name_of(fault):
    return "-".join(word for line in fault for word in line.split()[:2]) if isinstance(fault, tuple) else None


@pytest.mark.parametrize("fault", GATEWAY, ids=lambda fault: name_of(fault[1:]) + "-" + fault[0])
def test_a_failing_call_of_the_gateway(pair, logs_of, fault):
    pair.lives()
    outcome, *lines = fault
    pair.of_gateway.set(*lines_of(lines))
    senders = pair.send()
    wait_for(pair.of_gateway.hit, "the fault")
    if outcome == HELD:
        wait_for(lambda: "cannot accept a connection" in pair.site.gateway.text(), "a word about it")
        assert not any(sender.ended() for sender in senders)
    else:
        wait_for(lambda: all(sender.ended() for sender in senders), "answers")
    pair.of_gateway.clear()
    pair.take(senders)
    answers = {sender.answer.status if sender.answer else None for sender in senders}
    assert answers == {REFUSED: {503}, DROPPED: {None}}.get(outcome, {200})
    assert all(sender.took < ANSWER_LIMIT for sender in senders) or outcome == HELD
    pair.recovers()


WORKER = [
    ("pwrite64 ENOSPC queue.db",),
    ("pwrite64 EIO queue.db",),
    ("pread64 EIO queue.db",),
    ("pipe2 EMFILE",),
    ("posix_spawn EAGAIN",),
    ("posix_spawn ENOMEM",),
    ("opendir EMFILE",),
    ("open EMFILE",),
    ("read EIO pipe:",),
    ("write ENOSPC worker.log",),
]


@pytest.mark.parametrize("fault", WORKER, ids=name_of)
def test_a_failing_call_of_the_worker(pair, logs_of, fault):
    pair.lives()
    pair.of_worker.set(*lines_of(fault))
    pair.take(pair.send())
    wait_for(pair.of_worker.hit, "the fault")
    pair.of_worker.clear()
    pair.recovers()


# -- Limits of the process

SET_LIMIT = """
import resource, sys
pid, kind, value = map(int, sys.argv[1:])
soft, hard = resource.prlimit(pid, kind)
resource.prlimit(pid, kind, (value, hard))
print(soft)
"""


def set_limit(process, kind, value):
    """Sets a soft limit of PROCESS (as its user: root may lack the right); gives the old one."""
    return int(subprocess.run(["/usr/bin/python3", "-c", SET_LIMIT, *map(str, (process.pid, kind, value))],
                              capture_output=True, check=True, **as_user()).stdout)


@contextlib.contextmanager
def limited(process, kind, value):
    """A soft limit of PROCESS, as long as it lasts."""
    before = set_limit(process, kind, value)
    try:
        yield
    finally:
        set_limit(process, kind, before)


def open_files(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def memory(process, field):
    """A figure of /proc/PID/status, in bytes."""
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(f"{field}:"))


def test_no_descriptors_left(pair, logs_of):
    pair.lives()
    with limited(pair.site.gateway, resource.RLIMIT_NOFILE, open_files(pair.site.gateway)), \
            limited(pair.worker, resource.RLIMIT_NOFILE, open_files(pair.worker)):
        senders = pair.send()
        wait_for(lambda: pair.site.gateway.text().count("Too many open files"), "a refused connection")
    pair.take(senders)
    with limited(pair.worker, resource.RLIMIT_NOFILE, open_files(pair.worker)):
        pair.take(pair.send())
        wait_for(lambda: "Too many open files" in pair.worker.text(), "a hook that cannot start")
    pair.recovers()


def test_more_runs_than_poll_takes_descriptors(site):
    """poll refuses a set longer than RLIMIT_NOFILE, also of descriptors that are closed."""
    site.hook("any", "exec sleep 600\n")
    site.configure(worker="start manual concurrency 40 shutdown_grace 1s", defaults="concurrency 40")
    site.serve()
    worker = site.work()
    wait_for(lambda: site.worker_pid() == worker.pid, "the worker")
    for number in range(40):
        assert client.fastcgi(site.socket, bitrix.body(id=number)).event
    wait_for(lambda: site.status()["deliveries"]["running"] == 40, "all to run")
    with limited(worker, resource.RLIMIT_NOFILE, open_files(worker) + 4):
        worker.popen.terminate()
        wait_for(lambda: "stopping" in worker.text(), "the signal to be taken")
    assert worker.stop(limit=30) == 0


def large_body(number):
    return bitrix.body(id=number, fields={"COMMENTS": "x" * 900_000})


def test_no_memory_left_for_the_gateway(not_sanitized, pair, logs_of):
    pair.lives()
    gateway = pair.site.gateway
    with limited(gateway, resource.RLIMIT_AS, memory(gateway, "VmSize") + (1 << 20)):
        senders = [Sender(pair.site, number, large_body(number)) for number in range(6)]
        wait_for(lambda: all(sender.ended() for sender in senders), "answers")
    pair.take(senders)
    assert any(sender.answer is None or sender.answer.status == 503 for sender in senders)
    pair.recovers()


def test_no_memory_left_for_the_worker(not_sanitized, pair, logs_of):
    pair.lives()
    with limited(pair.worker, resource.RLIMIT_AS, memory(pair.worker, "VmSize") + (1 << 20)):
        pair.take([Sender(pair.site, number, large_body(number)) for number in range(6)])
        wait_for(lambda: "bad_alloc" in pair.worker.text() or "out of memory" in pair.worker.text(),
                 "a word about it")
    pair.recovers()


# -- The disk

@pytest.fixture
def small_disk(site):
    """The state directory on a disk of 4 MB."""
    if not AS_ROOT:
        pytest.skip("mounting a small disk needs root")
    state = directory(site.home / "state", 0o700, site.user)
    owner = f"uid={site.user.pw_uid},gid={site.user.pw_gid},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=4m,{owner}", "bxhook-test", state], check=True)
    yield state
    site.stop()
    subprocess.run(["umount", state], check=True)


def fill(path):
    with open(path, "wb") as filler, contextlib.suppress(OSError):
        for size in (65536, 1):
            with contextlib.suppress(OSError):
                while True:
                    os.write(filler.fileno(), b"x" * size)


def test_a_full_disk(site, small_disk):
    pair = Pair(site)
    pair.take(pair.send(20))
    filler = small_disk / "filler"
    fill(filler)
    senders = [Sender(site, number, large_body(number)) for number in range(3)]
    wait_for(lambda: all(sender.ended() for sender in senders), "answers")
    assert {sender.answer.status for sender in senders} == {503}
    fill(filler)
    wait_for(lambda: client.fastcgi(site.socket, REQUEST_METHOD="GET").body == b"bxhook: not ready, see its log\n",
             "the gateway to say so")
    pair.take(pair.send())
    filler.unlink()
    pair.recovers()


def test_a_directory_that_cannot_be_written(site):
    pair = Pair(site)
    pair.take(pair.send())
    site.wait_idle()
    pair.worker.stop()
    site.gateway.stop()
    state = site.home / "state"
    if AS_ROOT:
        assert site.user.pw_uid != 0, "for root no permission holds"
    state.chmod(0o500)
    site.serve()
    senders = pair.send()
    pair.take(senders)
    assert {sender.answer.status for sender in senders} == {503}
    assert site.run("list", check=False).returncode == 1
    assert site.work().popen.wait(STOP_LIMIT) == 1
    state.chmod(0o700)
    pair.work()
    pair.recovers()


# -- The store

def test_a_store_held_by_another_for_long(site):
    pair = Pair(site)
    pair.take(pair.send())
    site.wait_idle()
    with site.store_locked():
        for _ in range(2):
            senders = pair.send()
            pair.take(senders)
            assert {sender.answer.status for sender in senders} == {503}
            assert max(sender.took for sender in senders) < ANSWER_LIMIT
        other = site.work()  # cannot get to the store either
        wait_for(lambda: "waiting for the store" in other.text() or not other.running(), "a second worker")
        assert other.stop(limit=STOP_LIMIT) == 0
        assert pair.worker.stop(limit=STOP_LIMIT) == 0
        last = pair.send()
        assert site.gateway.stop(limit=STOP_LIMIT) == 0
        pair.take(last)
    pair.serve()
    pair.work()
    pair.recovers()


SET_VERSION = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute(f'PRAGMA user_version = {sys.argv[2]}')"


def set_version(site, version):
    subprocess.run(["/usr/bin/python3", "-c", SET_VERSION, site.home / "state" / "queue.db", str(version)],
                   check=True, **as_user(site.user))


def test_a_store_of_a_newer_version(site):
    pair = Pair(site)
    pair.take(pair.send())
    site.wait_idle()
    pair.worker.stop()
    site.gateway.stop()
    set_version(site, 2000)  # the next major one
    site.serve()
    senders = pair.send()
    pair.take(senders)
    assert {sender.answer.status for sender in senders} == {503}
    assert site.work().popen.wait(STOP_LIMIT) == 1
    refused = site.run("list", check=False)
    assert refused.returncode == 1 and b"a newer bxhook made it (schema 2.0" in refused.stderr
    set_version(site, 1999)  # a minor one
    pair.work()
    pair.recovers()


# -- The clock

def seconds_of(moment):
    return calendar.timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S"))


def test_a_clock_that_steps(site):
    clock = Clock(site)
    site.hook("any", 'echo "$BX_EVENT_NUMBER $BX_ATTEMPT" >> ../out/runs\n[ "$BX_ATTEMPT" -ge 2 ]\n')
    site.configure(worker="start manual", defaults="backoff_max 1h", backoff="1h")
    site.serve()
    worker = site.work()

    def failed_once():
        number = client.fastcgi(site.socket, bitrix.body(id="7")).event
        wait_for(lambda: site.show(number)["deliveries"][:1] and
                 site.show(number)["deliveries"][0]["state"] == "waiting" and
                 site.show(number)["deliveries"][0]["attempt"] == 1, "the first attempt")
        return number

    first = failed_once()
    clock.set(2 * 3600)
    site.delivery(first)                              # forward: what is due by it runs
    second = failed_once()
    clock.set(-30 * DAY)                              # back: what waits for its time must not wait a month
    wait_for(lambda: seconds_of(site.show(second)["deliveries"][0]["due_at"]) < clock.now() + 1.2 * 3600,
             "a due time by the new clock")
    clock.set(-30 * DAY + 2 * 3600)
    site.delivery(second)
    third = failed_once()
    clock.set(0)
    site.delivery(third)
    assert site.status()["unfinished"] == 0
    assert worker.running() and site.gateway.running()
    assert (site.out / "runs").read_text().split("\n")[:-1] == [
        f"{number} {attempt}" for number in (first, second, third) for attempt in (1, 2)]
