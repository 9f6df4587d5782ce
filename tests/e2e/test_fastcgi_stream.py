"""The FastCGI stream, spoken raw: what a broken, slow or hostile peer of the gateway can send.

Every test ends with the gateway serving others as if nothing had happened.
"""

import contextlib
import fcntl
import os
import re
import socket
import sqlite3
import struct
import termios
import threading
import time

import pytest

import bitrix
import client
from client import ABORT, BEGIN, END, PARAMS, STDIN, FastCgi, begin, fastcgi_request, name_values, record, stream
from scratch import wait_for

GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = 9, 10, 11
DATA = 8
MB = 1 << 20
REQUEST_LIMIT = 30  # seconds a request may be on its way


@pytest.fixture(scope="module")
def gateway(scratch):
    """One gateway for all tests here; no worker, so that only its own doings show."""
    from scratch import Site
    made = Site(scratch, "stream")
    made.configure(worker="start manual")
    made.serve()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def still_serving(gateway):
    """The same process as before answers afterwards, quickly."""
    yield
    assert gateway.gateway.running()
    began = time.monotonic()
    assert post(gateway) > 0
    assert time.monotonic() - began < 2


def post(gateway, **fields):
    return client.fastcgi(gateway.socket, bitrix.body(**fields)).event


def connect(gateway, timeout=client.TIMEOUT):
    return FastCgi(gateway.socket, timeout)


def status_of(gateway, data):
    """The status of the one answer to DATA, or "closed"."""
    with connect(gateway) as peer:
        peer.send(data)
        try:
            return peer.read().status
        except (EOFError, ConnectionResetError):
            return "closed"


def open_fds(gateway):
    return len(os.listdir(f"/proc/{gateway.gateway.pid}/fd"))


def rss_kb(gateway):
    with open(f"/proc/{gateway.gateway.pid}/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def cpu_seconds(gateway):
    with open(f"/proc/{gateway.gateway.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stored(gateway):
    return sum(gateway.status()["events"].values())


# -- What is no proper request

def good_params():
    return name_values(client.cgi_variables(b""))


MALFORMED = {
    "HTTP": b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "zeros": bytes(64),
    "version 2": b"\2" + begin()[1:],
    "no BEGIN's size": record(BEGIN, b"\0\1\0"),
    "request id 0": record(BEGIN, struct.pack(">HB5x", 1, 0), 0),
    "BEGIN twice": begin() + begin(),
    "STDIN before PARAMS": begin() + record(STDIN, b"x"),
    "STDIN between PARAMS": begin() + record(PARAMS, good_params()) + record(STDIN, b"x"),
    "PARAMS after their end": begin() + record(PARAMS) + record(PARAMS, good_params()),
    "PARAMS cut in a name": begin() + stream(PARAMS, good_params() + b"\x05\x01ab") + record(STDIN),
    "PARAMS cut in a length": begin() + stream(PARAMS, good_params() + b"\x80\x00") + record(STDIN),
    "PARAMS cut before a length": begin() + stream(PARAMS, good_params() + b"\x05") + record(STDIN),
    "lengths of INT_MAX": begin() + stream(PARAMS, b"\xff\xff\xff\xff" * 2) + record(STDIN),
    "lengths near INT_MAX": begin() + stream(PARAMS, b"\xff\xff\xff\xfe" * 2) + record(STDIN),
    "a length near INT_MAX": begin() + stream(PARAMS, b"\xff\xff\xff\xfe\x01") + record(STDIN),
    "DATA": begin() + stream(PARAMS, good_params()) + record(DATA, b"x"),
    "endless PARAMS": begin() + record(PARAMS, b"\x01\x01ab" * 8000) * 40,
    "one long parameter": begin() + stream(PARAMS, name_values({"HTTP_X": "x" * 300_000})) + record(STDIN),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_drops(gateway, name):
    before = stored(gateway)
    with connect(gateway) as peer:
        # It may be dropped before all of it was sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.send(MALFORMED[name])
        assert peer.closed()
    assert stored(gateway) == before


REQUEST_COMPLETE, UNKNOWN_ROLE = 0, 3  # protocolStatus
HALF = fastcgi_request(bitrix.body())[16:-8]  # without BEGIN and the end of STDIN

ENDED = {
    "ABORT": (1, HALF + record(ABORT), REQUEST_COMPLETE),
    "ABORT at once": (1, record(ABORT), REQUEST_COMPLETE),
    "ABORT with content": (1, record(ABORT, b"abc"), REQUEST_COMPLETE),
    "authorizer": (2, b"", UNKNOWN_ROLE),
    "authorizer, a whole request": (2, HALF + record(STDIN), UNKNOWN_ROLE),
    "filter": (3, HALF + record(STDIN) + record(DATA, b"x") + record(DATA), UNKNOWN_ROLE),
    "unknown role": (77, b"", UNKNOWN_ROLE),
}


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("name", ENDED)
def test_ends(gateway, name, keep):
    """With END_REQUEST and no answer; a kept connection goes on."""
    role, rest, status = ENDED[name]
    before = stored(gateway)
    with connect(gateway) as peer:
        peer.send(record(BEGIN, struct.pack(">HB5x", role, keep)) + rest)
        assert peer.exactly(16) == record(END, struct.pack(">IB3x", 0, status))
        assert stored(gateway) == before
        if keep:
            peer.send(fastcgi_request(bitrix.body()))
            assert peer.read().event
        assert peer.closed()


def test_a_peer_that_ends_in_the_middle_is_dropped(gateway):
    before = stored(gateway)
    whole = fastcgi_request(bitrix.body())
    params_end = whole.index(record(PARAMS))
    for size in (1, 7, 8, 20, params_end - 3, params_end, len(whole) - 8, len(whole) - 1):
        with connect(gateway) as peer:
            peer.send(whole[:size])
            peer.socket.shutdown(socket.SHUT_WR)
            assert peer.closed(), size
    assert stored(gateway) == before


def test_a_half_closed_peer_gets_its_answer(gateway):
    with connect(gateway) as peer:
        peer.send(fastcgi_request(bitrix.body()))
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.read().event


# -- What is unusual and right

def test_five_thousand_parameters(gateway):
    more = {f"P{n}": "v" for n in range(5000)}
    body = bitrix.body()
    data = begin() + stream(PARAMS, name_values(more | client.cgi_variables(body))) + stream(STDIN, body)
    assert status_of(gateway, data) == 200


@pytest.mark.parametrize("size", [1, 7, 200, 65535])
def test_records_of_any_size(gateway, size):
    body = bitrix.body(fields={"TITLE": "x" * 3000})
    variables = name_values(client.cgi_variables(body))
    data = begin() + stream(PARAMS, variables, size) + stream(STDIN, body, size)
    assert status_of(gateway, data) == 200


def test_padding(gateway):
    body = bitrix.body()

    def padded(kind, content, padding):
        return struct.pack(">BBHHBx", 1, kind, 1, len(content), padding) + content + b"\xff" * padding
    data = begin() + padded(PARAMS, name_values(client.cgi_variables(body)), 255) + padded(PARAMS, b"", 7)
    data += padded(STDIN, body, 1) + padded(STDIN, b"", 255)
    assert status_of(gateway, data) == 200


def test_byte_by_byte(gateway):
    with connect(gateway) as peer:
        for byte in fastcgi_request(bitrix.body()):
            peer.send(bytes([byte]))
        assert peer.read().event


@pytest.mark.parametrize("length,status", [
    (None, 200), ("", 200), ("{}", 200), ("0", 400), ("1", 400), ("999", 400), ("99999999999999999999", 400),
    ("4294967296", 400), ("-1", 200), ("-2", 400), ("-{}", 400), ("-01", 400), ("abc", 400), ("{} ", 400), ("+{}", 400), ("0x10", 400),
])
def test_content_length(gateway, length, status):
    body = bitrix.body()
    value = length.format(len(body)) if length else length
    assert client.fastcgi(gateway.socket, body, CONTENT_LENGTH=value).status == status


def test_management_records_are_answered(gateway):
    with connect(gateway) as peer:
        peer.send(record(GET_VALUES, name_values({"FCGI_MPXS_CONNS": "", "FCGI_MAX_CONNS": "", "OTHER": ""}), 0))
        limit = re.search(r" serving connections=(\d+)", gateway.log())[1]
        told = record(GET_VALUES_RESULT, name_values({"FCGI_MPXS_CONNS": "0", "FCGI_MAX_CONNS": limit}), 0)
        assert peer.exactly(len(told)) == told
        peer.send(record(99, b"abc", 0))
        assert peer.exactly(16) == record(UNKNOWN_TYPE, b"\x63" + bytes(7), 0)
        peer.send(fastcgi_request(bitrix.body()))
        assert peer.read().event


def test_records_of_others_are_skipped(gateway):
    noise = record(STDIN, b"x", 9) + record(ABORT, b"", 9) + record(77, b"abc", 9)
    body = bitrix.body()
    data = noise + begin() + noise + stream(PARAMS, name_values(client.cgi_variables(body))) + noise
    assert status_of(gateway, data + record(77, b"abc") + stream(STDIN, body)) == 200


def test_a_second_request_on_a_busy_connection_is_refused_alone(gateway):
    whole = fastcgi_request(bitrix.body())
    with connect(gateway) as peer:
        peer.send(whole[:16] + record(BEGIN, struct.pack(">HB5x", 1, 1), 2))
        assert peer.exactly(16) == record(END, struct.pack(">IB3x", 0, 1), 2)
        peer.send(whole[16:])
        assert peer.read().event


def test_an_answer_arrives_although_the_peer_sends_on(gateway):
    """Some clients end STDIN twice: a connection closed at once would break under the answer."""
    for _ in range(50):
        with connect(gateway) as peer:
            peer.send(fastcgi_request(bitrix.body(token=bitrix.WRONG_TOKEN)))
            assert peer.socket.recv(1, socket.MSG_PEEK)
            for _ in range(3):
                peer.send(record(STDIN))
            assert peer.read().status == 403
            assert peer.closed()


# -- Kept connections

def test_a_kept_connection_serves_many(gateway):
    with connect(gateway) as peer:
        numbers = []
        for _ in range(50):
            peer.send(fastcgi_request(bitrix.body(), keep=True))
            numbers.append(peer.read().event)
        peer.send(fastcgi_request(bitrix.body()))
        numbers.append(peer.read().event)
        assert peer.closed()
    assert numbers == sorted(set(numbers))


def test_requests_sent_ahead_are_answered_in_turn(gateway):
    count = 200
    with connect(gateway) as peer:
        sender = threading.Thread(target=lambda: [
            peer.send(fastcgi_request(bitrix.body(id=n), keep=True)) for n in range(count)])
        sender.start()
        numbers = [peer.read().event for _ in range(count)]
        sender.join()
    assert numbers == sorted(set(numbers))


FORGED = bitrix.body(code="ONFORGED")


@pytest.mark.parametrize("case", ["GET", "DELETE", "wrong type", "too large", "wrong token"])
def test_a_forged_request_in_a_body_never_runs(gateway, case):
    """The body of a request that is refused unread holds a whole request of its own."""
    body = fastcgi_request(FORGED, keep=True) * 3
    options = {"method": case} if case in ("GET", "DELETE") else {}
    if case == "wrong type":
        options["content_type"] = "text/plain"
    if case == "too large":
        body = body * (MB // len(body) + 2)
    expected = {"GET": 200, "DELETE": 405, "wrong type": 415, "too large": 413}.get(case, 400)
    for size in (32768, 8, 200):
        with connect(gateway) as peer:
            peer.send(fastcgi_request(body, keep=True, size=size, **options))
            assert peer.read().status == expected
            # The next answer is that of the next request, not of one from inside the body.
            peer.send(fastcgi_request(bitrix.body(code="ONGENUINE"), keep=True))
            assert gateway.show(peer.read().event)["code"] == "ONGENUINE"
        if case == "too large":
            break
    assert gateway.list("--event", "ONFORGED") == []


# -- Slow, stuck and many peers

def latencies(gateway, count=100):
    times = []
    for _ in range(count):
        began = time.monotonic()
        assert post(gateway)
        times.append(time.monotonic() - began)
    return sorted(times)


def test_others_are_served_beside_a_peer_that_does_not_read(gateway):
    """It sends requests and takes no answers: its own connection fills up and is dropped."""
    whole = fastcgi_request(bitrix.body(), keep=True)
    with connect(gateway, timeout=0.2) as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
            for _ in range(3000):
                peer.send(whole)
        assert latencies(gateway)[-1] < 2


def test_a_peer_that_stays_open_costs_nothing(gateway):
    with contextlib.ExitStack() as peers:
        for _ in range(20):
            peer = peers.enter_context(connect(gateway))
            peer.send(fastcgi_request(bitrix.body()))
            assert peer.read().event  # and it is not closed from this side
        assert latencies(gateway)[-1] < 1


class Drip(threading.Thread):
    """Sends DATA in pieces, one each PAUSE seconds, and notes when the gateway hung up."""

    def __init__(self, gateway, data, size, pause):
        super().__init__(daemon=True)
        self.peer = connect(gateway, timeout=2 * REQUEST_LIMIT)
        self.pieces = [data[i:i + size] for i in range(0, len(data), size)]
        self.pause = pause
        self.dropped = self.answer = None
        self.began = time.monotonic()
        self.start()

    def run(self):
        try:
            for piece in self.pieces:
                self.peer.send(piece)
                time.sleep(self.pause)
            self.answer = self.peer.read().status
        except (OSError, EOFError):
            self.dropped = time.monotonic() - self.began


def test_slow_peers_are_dropped_in_time_and_hold_up_nobody(gateway):
    whole = fastcgi_request(bitrix.body())
    large = fastcgi_request(bitrix.body(fields={"TEXT": "x" * (MB // 2)}), size=200)
    quiet = latencies(gateway)
    before = open_fds(gateway)
    cpu = cpu_seconds(gateway)
    drips = [Drip(gateway, whole, 1, 1) for _ in range(3)]          # a byte a second
    drips += [Drip(gateway, whole[:4], 4, 40) for _ in range(3)]    # half a header
    drips += [Drip(gateway, large, 2000, 0.3) for _ in range(40)]   # large bodies over minutes
    idle = [connect(gateway) for _ in range(5)]                     # not a byte
    busy = latencies(gateway, 300)
    assert busy[297] < max(0.1, 2 * quiet[97]), (quiet[97], busy[297])
    # A large body that is not slow gets through while others drip.
    in_time = Drip(gateway, fastcgi_request(bitrix.body(fields={"TEXT": "x" * 20_000}), size=200), 2000, 0.01)
    in_time.join(5)
    assert in_time.answer == 200
    # So does one that has to wait for the place of those that hold a large body and are slow.
    in_turn = Drip(gateway, fastcgi_request(bitrix.body(fields={"TEXT": "x" * (MB // 2)})), MB, 0)
    in_turn.join(REQUEST_LIMIT - 8)
    assert in_turn.answer == 200 and not drips[0].dropped
    for drip in drips[:3] + drips[6:]:
        drip.join(REQUEST_LIMIT + 5)
        assert drip.dropped and drip.dropped < REQUEST_LIMIT + 4
    assert all(drip.dropped > REQUEST_LIMIT - 1 for drip in drips[:3])
    for peer in [drip.peer for drip in drips[3:6]] + idle:
        assert peer.closed()
    assert time.monotonic() - drips[0].began < REQUEST_LIMIT + 5
    wait_for(lambda: open_fds(gateway) <= before, "the dropped connections' descriptors")
    assert cpu_seconds(gateway) - cpu < 10


def test_a_large_body_in_small_records(gateway):
    """More than a socket holds of them: it has to be read as it comes."""
    body = bitrix.body(fields={"TEXT": "x" * (MB - 2000)})
    assert len(body) < MB
    assert client.fastcgi(gateway.socket, body, size=200).event


@pytest.mark.parametrize("size", [30_000, 150_000])
def test_an_event_is_taken_beside_unfinished_large_bodies(gateway, size):
    """200 uploads that stop: what they hold is little, or all there is, and then they have to go."""
    large = fastcgi_request(bitrix.body(fields={"TEXT": "x" * 400_000}))
    with contextlib.ExitStack() as peers:
        for _ in range(200):
            peer = peers.enter_context(connect(gateway))
            peer.send(large[:size])
        began = time.monotonic()
        with connect(gateway) as peer:
            peer.send(large)
            assert peer.read().event
        assert time.monotonic() - began < 10


def test_many_large_bodies_at_once(gateway):
    """More than may grow at a time: they wait for each other, and all are answered."""
    data = fastcgi_request(bitrix.body(fields={"TEXT": "x" * (MB // 2)}), size=8000)
    drips = [Drip(gateway, data, 64 * 1024, 0.01) for _ in range(50)]
    for drip in drips:
        drip.join(client.TIMEOUT)
    assert [drip.answer for drip in drips] == [200] * 50


def test_five_hundred_idle_kept_connections_starve_nobody(gateway):
    with contextlib.ExitStack() as peers:
        kept = [peers.enter_context(connect(gateway)) for _ in range(500)]
        for peer in kept:
            peer.send(fastcgi_request(bitrix.body(), keep=True))
        for peer in kept:
            assert peer.read().event
        cpu = cpu_seconds(gateway)
        assert latencies(gateway)[-1] < 1
        assert cpu_seconds(gateway) - cpu < 2
        for peer in kept[::50]:
            peer.send(fastcgi_request(bitrix.body(), keep=True))
            assert peer.read().event


def test_ten_thousand_connections_leave_nothing_behind(gateway, slack):
    for _ in range(200):
        with connect(gateway):
            pass
    post(gateway)
    fds, rss = open_fds(gateway), rss_kb(gateway)
    half = fastcgi_request(bitrix.body())[:100]
    for n in range(10_000):
        with connect(gateway) as peer:
            if n % 2:
                peer.send(half)
        if n % 100 == 99:
            post(gateway)  # it has taken all before: none is turned away
    wait_for(lambda: open_fds(gateway) <= fds, lambda: f"{open_fds(gateway)} descriptors to become {fds}")
    assert rss_kb(gateway) < rss + 2048 + slack


@contextlib.contextmanager
def locked_store(gateway):
    """Another process's write lock, for as long as this lasts."""
    with contextlib.closing(sqlite3.connect(gateway.home / "state" / "queue.db", timeout=5,
                                            isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_burst_while_the_store_stalls_is_answered(gateway):
    """2,000 connections within a stall of 0.8 s: each waits, none is turned away."""
    whole = fastcgi_request(bitrix.body())
    with contextlib.ExitStack() as peers:
        with locked_store(gateway):
            end = time.monotonic() + 0.8
            burst = [peers.enter_context(connect(gateway)) for _ in range(2000)]
            for peer in burst:
                peer.send(whole)
            time.sleep(max(0.0, end - time.monotonic()))
        statuses = [peer.read().status for peer in burst]
    assert set(statuses) <= {200, 503} and statuses.count(200) > 1000, statuses.count(200)


def test_a_store_locked_for_longer_is_503_within_seconds(gateway):
    with locked_store(gateway):
        began = time.monotonic()
        answer = client.fastcgi(gateway.socket, bitrix.body())
        assert answer.status == 503 and "retry-after" in answer.headers
        assert 0.5 < time.monotonic() - began < 3
        # What is refused waits for no store.
        assert client.fastcgi(gateway.socket, bitrix.body(token=bitrix.WRONG_TOKEN)).status == 403


def test_a_stop_does_not_wait_for_the_store(site):
    site.configure(worker="start manual")
    process = site.serve()
    assert post(site)
    with locked_store(site), connect(site) as peer:
        peer.send(fastcgi_request(bitrix.body()))
        peer.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            peer.read()  # by now it waits for the lock
        peer.socket.settimeout(client.TIMEOUT)
        began = time.monotonic()
        assert process.stop(limit=3) == 0
        assert time.monotonic() - began < 2  # a second of its own, and what a busy machine takes
        assert peer.read().status == 503


def serve_with_descriptors(site, count):
    site.configure(worker="start manual")
    site.gateway = site.start(
        ["/bin/sh", "-c", f"ulimit -n {count}; exec {site.binary} serve --config {site.config} "
         f"--listen unix:{site.socket}"], "gateway.log")
    wait_for(site.socket.exists, "the gateway's socket")


def test_without_descriptors_left_it_waits_and_goes_on(site):
    serve_with_descriptors(site, 30)
    assert post(site)
    with contextlib.ExitStack() as peers:
        held = [peers.enter_context(connect(site)) for _ in range(50)]
        wait_for(lambda: open_fds(site) == 30, "all descriptors to be taken")
        cpu = cpu_seconds(site)
        late = peers.enter_context(connect(site, timeout=0.5))
        late.send(fastcgi_request(bitrix.body()))
        with pytest.raises(TimeoutError):
            late.read()
        assert cpu_seconds(site) - cpu < 0.2  # it does not spin
        for peer in held:
            peer.socket.close()
        late.socket.settimeout(client.TIMEOUT)
        assert late.read().event


def test_more_connections_than_it_may_have_wait_in_the_backlog(site):
    """Those that come last are served in turn, at the expense of the idle ones first."""
    serve_with_descriptors(site, 200)
    with contextlib.ExitStack() as peers:
        kept = []
        for _ in range(300):
            peer = peers.enter_context(connect(site))
            peer.send(fastcgi_request(bitrix.body(), keep=True))
            assert peer.read().event
            kept.append(peer)
        assert open_fds(site) < 200
        assert kept[0].closed()
        kept[-1].send(fastcgi_request(bitrix.body()))
        assert kept[-1].read().event


def unread(peer):
    """How many bytes of what was sent the gateway has yet to read."""
    count = fcntl.ioctl(peer.socket, termios.TIOCOUTQ, struct.pack("i", 0))
    return struct.unpack("i", count)[0]


def test_no_request_is_dropped_to_make_room(site):
    """Kept connections take all places; while the store stalls each gets a request, and more come.

    Closing one of them for its idleness would lose what it was just sent, or what is being decided.
    """
    serve_with_descriptors(site, 128)  # of which 64 are for connections
    whole = fastcgi_request(bitrix.body(), keep=True)
    with contextlib.ExitStack() as peers:
        kept = [peers.enter_context(connect(site)) for _ in range(60)]
        for peer in kept:
            peer.send(whole)
            assert peer.read().event
        with locked_store(site):
            kept[0].send(whole)
            wait_for(lambda: unread(kept[0]) == 0, "the gateway to take it")
            new = [peers.enter_context(connect(site)) for _ in range(20)]
            for peer in kept[1:] + new:
                peer.send(whole)
        assert {peer.read().status for peer in kept + new} <= {200, 503}
