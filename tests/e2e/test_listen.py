"""How the gateway comes by its socket, as whom it runs, and how it ends."""

import contextlib
import os
import socket
import stat
import subprocess
import threading

import pytest

import bitrix
import client
from pairs import preload
from scratch import AS_ROOT, CONF, USER, as_user, directory, give, wait_for, write
from servers import group_of

UNITS = ["bxhook.socket", "bxhook.service", "bxhook-worker.service"]


def serve(site, *arguments, **options):
    """`bxhook serve` that should refuse: (exit status, message)."""
    done = subprocess.run([site.binary, "serve", "--config", site.config, *map(str, arguments)],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=10, cwd="/", **options)
    return done.returncode, done.stderr.decode()


def test_the_socket_is_for_user_and_group(site):
    site.serve("--group", group_of(USER))
    mode = site.socket.stat()
    assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o660
    assert client.fastcgi(site.socket, bitrix.body()).event


def test_a_dead_socket_is_replaced(site):
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(site.socket))
    dead.close()
    give(site.socket)
    site.serve()
    assert client.fastcgi(site.socket, bitrix.body()).event


def test_a_live_socket_is_left_alone(site):
    site.serve()
    inode = site.socket.stat().st_ino
    status, message = serve(site, "--listen", f"unix:{site.socket}", **as_user())
    assert status == 1 and str(site.socket) in message
    assert site.socket.stat().st_ino == inode
    assert client.fastcgi(site.socket, bitrix.body()).event


def test_a_file_is_never_replaced(site):
    precious = write(site.run_dir / "precious", "data")
    status, message = serve(site, "--listen", f"unix:{precious}", **as_user())
    assert status == 1 and str(precious) in message
    assert precious.read_text() == "data"


@pytest.mark.parametrize("place", ["tcp:9000", "127.0.0.1:9000", "unix:", "", "unix:" + "x" * 200])
def test_refuses_to_listen_on(site, place):
    status, message = serve(site, "--listen", place, **as_user())
    assert status in (1, 2) and message.startswith("bxhook: ") and message.count("\n") <= 2


def test_without_a_socket_says_what_is_missing(site):
    status, message = serve(site, **as_user())
    assert status in (1, 2) and "--listen" in message


def test_no_arguments_on_no_socket_is_usage(site):
    done = subprocess.run([site.binary], stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    assert done.returncode == 2 and done.stderr


@pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")
def test_root_becomes_the_owner_of_the_store(site):
    """Whoever comes first: root's command or root's gateway leave nothing that locks the others out."""
    site.probe()
    environment = {"PATH": "/usr/bin:/bin"}
    subprocess.run([site.binary, "status", "--config", site.config], env=environment, capture_output=True, timeout=10)
    gateway = site.serve("--group", group_of(USER), as_root=True)
    number = client.fastcgi(site.socket, bitrix.body()).event
    uids = open(f"/proc/{gateway.pid}/status").read().split("Uid:\t")[1].splitlines()[0].split()
    assert uids == [str(USER.pw_uid)] * 4
    assert site.run_of(number).status["Uid"].split() == [str(USER.pw_uid)] * 4
    site.delivery(number)
    state = site.home / "state"
    for path in [state, *state.iterdir()]:
        found = path.stat()
        assert found.st_uid == USER.pw_uid, path
        assert stat.S_IMODE(found.st_mode) & 0o077 == 0, path
    assert site.socket.stat().st_gid == USER.pw_gid


@pytest.mark.skipif(not AS_ROOT, reason="only root can make files of root")
def test_a_store_of_roots_is_refused_with_the_chown(site):
    (site.home / "state").mkdir(0o700)
    done = subprocess.run([site.binary, "status", "--config", site.config], capture_output=True, timeout=10)
    assert done.returncode == 1 and b"chown" in done.stderr


@pytest.mark.skipif(not AS_ROOT, reason="only root can be several users")
def test_another_user_is_told_who_to_run_as(site):
    site.path.chmod(0o755)
    site.home.chmod(0o755)
    site.config.chmod(0o644)
    directory(site.home / "state", 0o700)
    done = subprocess.run([site.binary, "status", "--config", site.config], capture_output=True, timeout=10,
                          user=65534, group=65534, extra_groups=[])
    assert done.returncode == 1 and f"run as {USER.pw_name}".encode() in done.stderr


@pytest.mark.parametrize("signal_number", [15, 2])
def test_ends_within_a_second_when_told(site, signal_number):
    gateway = site.serve()
    assert client.fastcgi(site.socket, bitrix.body()).event
    with client.FastCgi(site.socket) as half:
        half.send(client.fastcgi_request(bitrix.body())[:-20])
        assert gateway.stop(signal_number, limit=2) == 0
        assert half.closed()


def test_ends_when_told_while_it_waits_for_the_store(site):
    site.configure(worker="start manual")
    gateway = site.serve()
    assert client.fastcgi(site.socket, bitrix.body()).event
    with site.store_locked(), client.FastCgi(site.socket) as waiting:
        waiting.send(client.fastcgi_request(bitrix.body()))
        assert gateway.stop(limit=1.5) == 0
        try:
            assert waiting.read().status == 503
        except EOFError:
            pass  # refused by the end of the connection: the web server says 502


def test_reload_signals_do_not_end_it(site):
    gateway = site.serve()
    for signal_number in (1, 10):
        gateway.popen.send_signal(signal_number)
        assert client.fastcgi(site.socket, bitrix.body()).event
    assert gateway.running()


def test_sigusr1_reopens_the_log(site):
    log = site.log_dir / "bxhook-own.log"
    site.configure(more=f"log {{ file {log} }}\n")
    gateway = site.serve()
    forged = bitrix.body(token=bitrix.WRONG_TOKEN)
    assert client.fastcgi(site.socket, forged).status == 403
    wait_for(log.exists, "the log file")
    log.rename(log.with_suffix(".1"))
    gateway.popen.send_signal(10)
    wait_for(lambda: client.fastcgi(site.socket, forged).status == 403 and log.exists() and log.read_text(),
             "a new log file")


ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_socket_activation_holds_requests_during_a_restart(site):
    """systemd keeps the socket: a request that comes between two gateways waits and is answered."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(site.socket))
    os.chmod(site.socket, 0o666)
    listener.listen(64)

    def start():
        return site.start(["/usr/bin/python3", "-c", ACTIVATE, listener.fileno(), site.binary, "serve", "--config",
                           site.config], "gateway.log", pass_fds=[listener.fileno()])
    first = start()
    assert client.fastcgi(site.socket, bitrix.body()).event
    assert first.stop() == 0
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(client.fastcgi(site.socket, bitrix.body())))
    waiting.start()
    start()
    waiting.join(client.TIMEOUT)
    listener.close()
    assert answers[0].event


def test_the_units_are_valid(site, need):
    """As systemd itself checks them, with programs and paths that exist here."""
    units = directory(site.run_dir / "units")
    for name in UNITS:
        text = (CONF / name).read_text().replace("/usr/local/bin/bxhook", str(site.binary))
        assert name.endswith(".socket") or str(site.binary) in text
        write(units / name, text)
    done = subprocess.run([need("systemd-analyze"), "verify", "--man=no", *[units / name for name in UNITS]],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "bxhook" not in done.stderr, done.stderr


@pytest.mark.parametrize("unit,arguments", [("bxhook.service", "serve"), ("bxhook-worker.service", "work")])
def test_the_units_commands_exist(site, unit, arguments):
    line, = [line for line in (CONF / unit).read_text().splitlines() if line.startswith("ExecStart=")]
    assert line.split()[1] == arguments
    assert site.run("help", arguments).stdout


def test_a_replaced_gateway_answers_all_that_were_connected_on_a_slow_disk(site):
    """As mod_fcgid starts it, the socket on fd 0: what the leaving process has not answered would be a 500."""
    site.binary = write(site.home / "bxhook", site.binary.read_bytes(), 0o755, site.user)
    site.configure(worker="start manual")
    site.run("trigger", "ONCRMDEALUPDATE")  # which makes the store
    slow = {"LD_PRELOAD": str(preload(site.scratch, "slow_fsync")), "SLOW_FSYNC_MS": "900"}
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(site.socket))
    listener.listen()
    gateway = site.start([site.binary, "serve", "--config", site.config], "gateway.log",
                         stdin=listener, env=slow)
    listener.close()
    statuses, clients = [], []

    def post_until_none_is_there():
        with contextlib.suppress(ConnectionRefusedError):
            while gateway.running():
                with client.FastCgi(site.socket) as connection:
                    try:
                        connection.send(client.fastcgi_request(bitrix.body()))
                        statuses.append(connection.read().status)
                    except (EOFError, ConnectionError) as error:
                        statuses.append(error)

    for _ in range(3):
        clients.append(threading.Thread(target=post_until_none_is_there))
        clients[-1].start()
    wait_for(lambda: 200 in statuses, "the first answer")
    write(site.home / "bxhook.new", site.binary.read_bytes(), 0o755, site.user).rename(site.binary)
    assert gateway.popen.wait(30) == 0
    for one in clients:
        one.join()
    assert statuses == [200] * len(statuses)
    assert site.status()["events"]["new"] == 1 + len(statuses)
