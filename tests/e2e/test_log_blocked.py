"""A log that nobody reads, that is full or gone: gateway and worker work on, stop when told, and say
afterwards how many lines were lost."""

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import bitrix
import client
from scratch import AS_ROOT, USER, as_user, can_connect, give, wait_for, write
from servers import fcgi_script

BODY = bitrix.encode(bitrix.event())
LOST = re.compile(r"lines were lost: the log did not take them lines=(\d+) cause=(.*)")
needs_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")


class Pipe:
    """A pipe as stderr.  Of another user it cannot be opened anew: nobody may change its flags."""

    def __init__(self, ours):
        self.reader, self.writer = os.pipe()
        if ours and AS_ROOT:
            os.fchown(self.writer, USER.pw_uid, USER.pw_gid)
        os.set_blocking(self.reader, False)

    def fill(self):
        """Takes all the room there is, through a description of its own."""
        own = os.open(f"/proc/self/fd/{self.writer}", os.O_WRONLY | os.O_NONBLOCK)
        self._write_all(own, b"x" * 4096)
        self._write_all(own, b"x")
        os.close(own)

    @staticmethod
    def _write_all(fd, data):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(fd, data)

    def read(self):
        text = b""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.reader, 1 << 16):
                text += data
        return text.lstrip(b"x").decode()

    def close(self):
        for fd in (self.reader, self.writer):
            os.close(fd)


class Socket(Pipe):
    """As systemd's journal."""

    def __init__(self, _ours):
        ends = socket.socketpair()
        self.reader, self.writer = (end.detach() for end in ends)
        os.set_blocking(self.reader, False)

    def fill(self):
        with socket.socket(fileno=os.dup(self.writer)) as end, contextlib.suppress(BlockingIOError):
            while True:
                end.send(b"x" * 1000, socket.MSG_DONTWAIT)


@pytest.fixture(params=["pipe", "pipe of another user", "socket"])
def stderr(request):
    kind = Socket if request.param == "socket" else Pipe
    pipe = kind(request.param == "pipe")
    yield pipe
    pipe.close()


def start(site, stderr, *arguments):
    process = subprocess.Popen([site.binary, *map(str, arguments), "--config", site.config], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=getattr(stderr, "writer", stderr), cwd="/",
                               env={"PATH": "/usr/bin:/bin"}, start_new_session=True, **as_user(site.user))
    site._processes.append(Started(process))
    return site._processes[-1]


class Started:
    """As scratch.Process, which has its output in a file."""

    def __init__(self, popen):
        self.popen, self.pid = popen, popen.pid

    def running(self):
        return self.popen.poll() is None

    def stop(self):
        if self.running():
            self.popen.kill()
        self.popen.wait()

    def stop_in_a_second(self):
        begun = time.monotonic()
        self.popen.send_signal(signal.SIGTERM)
        status = self.popen.wait(10)
        assert status == 0 and time.monotonic() - begun < 2, "it waits for its log"


def serve(site, stderr):
    gateway = start(site, stderr, "serve", "--listen", f"unix:{site.socket}")
    wait_for(lambda: can_connect(site.socket), "the gateway's socket")
    return gateway


def post_many(site, count):
    with client.FastCgi(site.socket) as kept:
        for _ in range(count):
            kept.send(client.fastcgi_request(BODY, keep=True))
            assert kept.read().status == 200


def lost_in(text):
    """How many lines were lost, as it was told; every line is whole."""
    for line in text.splitlines():
        assert re.match(r"\d{4}-\d\d-\d\dT\S+Z (debug|info|warning|error) (gateway|worker): ", line), line
    return sum(int(count) for count, _ in LOST.findall(text))


def test_a_gateway_whose_stderr_nobody_reads_answers_and_stops(site, stderr):
    site.configure(worker="start manual")
    gateway = serve(site, stderr)
    stderr.fill()
    post_many(site, 2000)
    assert not fcntl.fcntl(stderr.writer, fcntl.F_GETFL) & os.O_NONBLOCK, "others share it"
    gateway.stop_in_a_second()
    assert len(site.list("--limit", "5000")) == 2000


def test_a_gateway_tells_what_was_lost_when_it_is_read_again(site, stderr):
    site.configure(worker="start manual")
    gateway = serve(site, stderr)
    wait_for(lambda: "serving" in stderr.read(), "its first lines")
    stderr.fill()
    post_many(site, 50)
    text = stderr.read()
    text += wait_for(stderr.read, "the count, without another event")
    assert lost_in(text) + text.count("accepted event=") == 50, text
    assert "nobody reads it" in text
    post_many(site, 1)
    assert wait_for(stderr.read, "a line").count("accepted event=51 ") == 1
    gateway.stop_in_a_second()


def test_a_worker_whose_stderr_nobody_reads_runs_hooks_and_stops(site, stderr):
    site.configure(worker="start manual")
    site.hook("any", "exit 0\n")
    stderr.fill()
    worker = start(site, stderr, "work")
    for _ in range(20):
        site.run("trigger", "ONCRMDEALADD")
    site.wait_idle()
    text = stderr.read()
    text += wait_for(stderr.read, "the count")
    # started, config loaded or not, 20 times done: none of them can have been written in time.
    assert lost_in(text) + len(text.splitlines()) - 1 >= 21, text
    stderr.fill()
    site.run("trigger", "ONCRMDEALADD")
    site.wait_idle()
    worker.stop_in_a_second()


def test_a_worker_of_cron_whose_stderr_nobody_reads_ends(site, stderr):
    site.configure(worker="start manual")
    site.hook("any", "exit 0\n")
    numbers = [int(re.search(r"\d+", site.run("trigger", "ONCRMDEALADD").stdout.decode())[0]) for _ in range(5)]
    stderr.fill()
    assert start(site, stderr, "work", "--once").popen.wait(20) == 0
    assert {site.delivery(number)["state"] for number in numbers} == {"done"}


def test_an_error_at_the_start_waits_for_nobody(site, stderr):
    stderr.fill()
    write(site.config, "nonsense {\n", 0o600, site.user)
    for arguments in (["work"], ["work", "--once"]):
        assert start(site, stderr, *arguments).popen.wait(10) == 1


def test_a_pipe_whose_reader_is_gone_ends_nobody(site):
    site.configure(worker="start manual")
    site.hook("any", "exit 0\n")
    reader, writer = os.pipe()
    gateway, worker = serve(site, writer), start(site, writer, "work")
    wait_for(lambda: b"started" in os.read(reader, 65536), "the worker's line")
    os.close(reader)
    os.close(writer)
    post_many(site, 20)
    site.wait_idle()
    gateway.stop_in_a_second()
    worker.stop_in_a_second()


def test_a_log_file_that_is_a_fifo(site):
    """Without reader at the open, full, without reader later: never waited for, and used when it can be."""
    fifo = site.home / "log.fifo"
    os.mkfifo(fifo, 0o600)
    give(fifo, site.user)
    site.configure(worker="start manual", more=f"log {{ file {fifo} }}\n")
    site.hook("any", "exit 0\n")
    gateway = site.serve()
    worker = site.work()
    post_many(site, 3)
    site.wait_idle()
    assert "cannot open the log file, logging to stderr" in gateway.text()
    assert "cannot open the log file, logging to stderr" in worker.text()
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    def is_used():
        post_many(site, 1)
        with contextlib.suppress(BlockingIOError):
            return b"accepted" in os.read(reader, 65536)
    wait_for(is_used, "a line in the FIFO")
    post_many(site, 600)  # over 64 KB
    os.close(reader)
    post_many(site, 20)
    site.wait_idle()
    gateway.stop(limit=2)
    worker.stop(limit=2)


def test_a_device_that_is_full(site):
    site.configure(worker="start manual", more="log { file /dev/full }\n")
    site.hook("any", "exit 0\n")
    gateway, worker = site.serve(), site.work()
    post_many(site, 20)
    site.wait_idle()
    gateway.stop(limit=2)
    worker.stop(limit=2)


@needs_root
def test_a_full_disk_below_the_log_is_told_when_there_is_room(site):
    place = site.home / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=64k,uid={USER.pw_uid}", "none", place], check=True)
    log, fill = place / "log", place / "fill"

    def fill_up():
        with contextlib.suppress(OSError), open(fill, "wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass

    try:
        site.configure(worker="start manual", more=f"log {{ file {log} }}\n")
        site.hook("any", "exit 0\n")
        gateway = site.serve()
        wait_for(lambda: log.exists() and "serving" in log.read_text(), "its first lines")
        fill_up()
        post_many(site, 100)
        fill.unlink()
        text = wait_for(lambda: (text := log.read_text()).count("lines were lost") and text, "the count")
        assert lost_in(text) + text.count("accepted event=") == 100
        assert "No space left on device" in text
        fill_up()
        assert site.work("--once").popen.wait(30) == 0
        assert {site.delivery(number)["state"] for number in range(1, 101)} == {"done"}
        gateway.stop(limit=2)
    finally:
        for process in site.running():
            process.stop()
        subprocess.run(["umount", place], check=True)


# -- Processes that share a file, and whoever rotates it

def test_a_log_renamed_away_is_followed_by_itself(site):
    """By another process, without a signal: to where it belongs within a second, and nothing is lost."""
    site.hook("any", "exit 0\n")
    log, old = site.home / "both.log", site.home / "both.log.1"
    site.configure(worker="start manual", more=f"log {{ file {log} }}\n")
    gateway = site.serve()
    site.work()
    post_many(site, 1)
    site.wait_idle()
    log.rename(old)
    post_many(site, 1)

    def both_there():
        post_many(site, 1)
        site.wait_idle()
        return log.exists() and "accepted" in log.read_text() and "done" in log.read_text()
    wait_for(both_there, "both in the new file")
    count = len(site.list("--limit", "1000"))
    text = old.read_text() + log.read_text()
    assert text.count("accepted event=") == text.count(" done delivery=") == count
    log.unlink()
    wait_for(both_there, "both in a file made anew")
    assert "(deleted)" not in "".join(os.readlink(f"/proc/{gateway.pid}/fd/{fd}")
                                      for fd in os.listdir(f"/proc/{gateway.pid}/fd"))


def started_by_script(site):
    """As a web server does: a socket on fd 0."""
    script = write(site.docroot / "bxhook.fcgi", fcgi_script(site), 0o755, site.user)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(site.socket))
        give(site.socket, site.user)
        listener.listen(100)
        site.gateway = site.start([script], "gateway.log", stdin=listener, cwd=site.docroot)
    return site.gateway


def test_the_log_of_the_script_is_rotated_by_the_gateway_alone(site):
    """With `start manual` no worker of the gateway's does it."""
    site.configure(worker="start manual")
    gateway = started_by_script(site)
    post_many(site, 1)
    log, old = site.home / "state" / "bxhook.log", site.home / "state" / "bxhook.log.1"
    wait_for(lambda: "accepted event=1 " in log.read_text(), log.read_text)  # it follows the answer
    with open(log, "ab") as file:
        file.write(b"x" * (10 << 20) + b"\n")

    def rotated():
        post_many(site, 1)
        return old.exists()
    wait_for(rotated, "the rotation")
    post_many(site, 1)
    count = len(site.list("--limit", "1000"))
    assert old.stat().st_size > 10 << 20 and log.stat().st_size < 10000
    wait_for(lambda: (old.read_text() + log.read_text()).count("accepted event=") == count, "all lines")
    assert os.readlink(f"/proc/{gateway.pid}/fd/2") == str(log), "stderr is there too"
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_log_of_the_script_is_followed_when_the_worker_rotated_it(site):
    site.hook("any", "exit 0\n")
    gateway = started_by_script(site)
    post_many(site, 1)
    site.wait_idle()
    log, old = site.home / "state" / "bxhook.log", site.home / "state" / "bxhook.log.1"
    for _ in range(2):  # after the second it was in a deleted file
        with open(log, "ab") as file:
            file.write(b"x" * (10 << 20) + b"\n")

        def rotated():
            post_many(site, 1)
            site.wait_idle()
            text = log.read_text()
            return len(text) < 10 << 20 and "accepted" in text and "done" in text
        wait_for(rotated, "both in the new file")
        assert old.stat().st_size > 10 << 20
    files = [os.readlink(f"/proc/{gateway.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{gateway.pid}/fd")]
    assert str(log) in files and not [name for name in files if "bxhook.log.1" in name], files


def test_the_script_logs_where_the_config_says(site):
    site.configure(worker="start manual", more="log { file state/own.log }\n")
    started_by_script(site)
    post_many(site, 1)
    own = site.home / "state" / "own.log"
    wait_for(lambda: "accepted event=1 " in own.read_text(), "the line of what was answered")
    assert "accepted" not in (site.home / "state" / "bxhook.log").read_text()
