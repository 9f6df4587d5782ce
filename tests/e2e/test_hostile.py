"""Strangers at the door, through web servers: crowds, slow clients, forged tokens."""

import contextlib
import os
import signal
import socket
import time

import pytest

import bitrix
import client
import modes
from scratch import PORTAL, wait_for
from servers import Nginx
from test_fastcgi_stream import cpu_seconds, latencies, locked_store, open_fds, rss_kb, serve_with_descriptors

FORM = client.FORM
DESCRIPTORS = 1024  # what a service is usually given


# -- Crowds

class Crowd:
    """COUNT connections to a web server, each for one request after the other."""

    def __init__(self, port, count):
        self.sockets = [socket.create_connection(("127.0.0.1", port), timeout=2 * client.TIMEOUT)
                        for _ in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in self.sockets:
            each.close()

    def send(self, body):
        head = (f"POST /bitrix24 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {FORM}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()
        for each in self.sockets:
            each.sendall(head + body)

    def statuses(self):
        return [client.Load.answer(each)[0] for each in self.sockets]


@contextlib.contextmanager
def stopped(gateway):
    """As long as it lasts the gateway gets no time."""
    os.kill(gateway.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(gateway.pid, signal.SIGCONT)


def connections_to(path):
    """Server's ends of the unix socket PATH, accepted or not, and the listening one."""
    with open("/proc/net/unix") as lines:
        return sum(line.rstrip().endswith(f" {path}") for line in lines)


def keep(site, nginx, count):
    """Makes nginx's workers keep COUNT connections to the gateway between them."""
    with Crowd(nginx.port, count) as crowd:
        with stopped(site.gateway):
            crowd.send(bitrix.body())
            wait_for(lambda: connections_to(site.socket) > count, f"{count} connections to the gateway")
        assert crowd.statuses() == [200] * count
    wait_for(lambda: open_fds(site) > count, f"{count} kept connections")


def test_two_nginx_workers_with_five_hundred_kept_connections_starve_nobody(site):
    serve_with_descriptors(site, DESCRIPTORS)
    nginx = Nginx(site, workers=2, kept=500)
    keep(site, nginx, 500)
    cpu = cpu_seconds(site)
    assert latencies(site)[-1] < 1  # of a third peer
    for _ in range(20):
        assert nginx.post(bitrix.body()).event
    assert cpu_seconds(site) - cpu < 2
    assert open_fds(site) > 500  # and they are kept on


def test_a_burst_through_nginx_while_the_store_stalls_is_no_502(site, slack):
    """2,000 clients within a stall of 0.8 s; the gateway may have half as many connections."""
    serve_with_descriptors(site, DESCRIPTORS)
    assert client.fastcgi(site.socket, bitrix.body()).event
    fds = open_fds(site)
    nginx = Nginx(site, workers=2, kept=500)
    keep(site, nginx, 500)
    rss = rss_kb(site)
    for _ in range(2):
        with Crowd(nginx.port, 2000) as crowd:
            with locked_store(site):
                end = time.monotonic() + 0.8
                crowd.send(bitrix.body())
                time.sleep(max(0.0, end - time.monotonic()))
            statuses = crowd.statuses()
        assert set(statuses) <= {200, 503} and statuses.count(200) > 1000, statuses.count(200)
    # What a batch needs at its largest, once; it does not grow with their number.
    assert rss_kb(site) < rss + 8192 + slack
    assert nginx.process.stop() == 0
    wait_for(lambda: open_fds(site) <= fds, "the connections' descriptors")


# -- Slow clients, where the web server does not wait for the whole body

@contextlib.contextmanager
def slow_clients(port, count):
    """COUNT clients that begin a POST and send no more."""
    body = bitrix.body(fields={"TEXT": "x" * 100_000})
    head = (f"POST /bitrix24 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {FORM}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    with contextlib.ExitStack() as open_ones:
        for _ in range(count):
            each = open_ones.enter_context(socket.create_connection(("127.0.0.1", port)))
            each.sendall(head + body[:70_000])
        yield


def unbuffered_nginx(scratch):
    hosted = modes.nginx_listen(scratch)
    hosted.server = Nginx(hosted.site, more="fastcgi_request_buffering off;")
    hosted.url = hosted.server.url
    return hosted


@pytest.mark.parametrize("mode", [unbuffered_nginx, modes.proxy_fcgi], ids=lambda mode: mode.__name__)
def test_slow_clients_hold_up_nobody(scratch, mode):
    with contextlib.closing(mode(scratch)) as hosted:
        with slow_clients(hosted.server.port, 20):
            for _ in range(30):
                began = time.monotonic()
                assert client.post(hosted.url, bitrix.body()).event
                assert time.monotonic() - began < 2
            assert client.post(hosted.url, bitrix.body(fields={"TEXT": "x" * 20_000})).event
        assert client.post(hosted.url, bitrix.body(fields={"TEXT": "x" * 500_000})).event


# -- The gate

OTHER_MEMBER, OTHER_TOKEN = "b" * 32, "another-portals-own-token"
ENTRY = f"auth[member_id]={bitrix.MEMBER_ID}&auth[domain]={bitrix.DOMAIN}&event=ONCRMDEALADD"
RIGHT = f"auth[application_token]={bitrix.TOKEN}"
WRONG = f"auth[application_token]={bitrix.WRONG_TOKEN}"


def as_json(text):
    return "application/json", text.replace("TOKEN", bitrix.TOKEN).replace("MEMBER", bitrix.MEMBER_ID)


def as_multipart(*pairs):
    parts = "".join(f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                    for name, value in [part.split("=", 1) for part in ENTRY.split("&")] + list(pairs))
    return "multipart/form-data; boundary=XX", f"{parts}--XX--\r\n"


TOKEN_NAME = "auth[application_token]"
FORGED = {
    "no token": (FORM, ENTRY),
    "a token that is a list": (FORM, f"{ENTRY}&auth[application_token][]={bitrix.TOKEN}"),
    "a token that is a map": (FORM, f"{ENTRY}&auth[application_token][x]={bitrix.TOKEN}"),
    "an empty token": (FORM, f"{ENTRY}&auth[application_token]="),
    "a token without =": (FORM, f"{ENTRY}&auth[application_token]"),
    "NUL alone": (FORM, f"{ENTRY}&auth[application_token]=%00"),
    "NUL before the token": (FORM, f"{ENTRY}&auth[application_token]=%00{bitrix.TOKEN}"),
    "NUL in the token": (FORM, f"{ENTRY}&{RIGHT[:-3]}%00{RIGHT[-3:]}"),
    "NUL after the token": (FORM, f"{ENTRY}&{RIGHT}%00"),
    "a blank after the token": (FORM, f"{ENTRY}&{RIGHT}+"),
    "a line feed after the token": (FORM, f"{ENTRY}&{RIGHT}%0A"),
    "the token twice over": (FORM, f"{ENTRY}&{RIGHT}{bitrix.TOKEN}"),
    "almost a megabyte": (FORM, f"{ENTRY}&auth[application_token]={'x' * 1_000_000}"),
    "the token and almost a megabyte": (FORM, f"{ENTRY}&{RIGHT}{'0' * 1_000_000}"),
    "the token, then auth=1": (FORM, f"{ENTRY}&{RIGHT}&auth=1"),
    "auth=1, then the token": (FORM, f"auth=1&{ENTRY}&{RIGHT}"),
    "right, then wrong": (FORM, f"{ENTRY}&{RIGHT}&{WRONG}"),
    "wrong, then right": (FORM, f"{ENTRY}&{WRONG}&{RIGHT}"),
    "right, then right": (FORM, f"{ENTRY}&{RIGHT}&{RIGHT}"),
    "a list, then right": (FORM, f"{ENTRY}&auth[application_token][]=x&{RIGHT}"),
    "right, then a list": (FORM, f"{ENTRY}&{RIGHT}&auth[application_token][]=x"),
    "the name in other letters": (FORM, f"{ENTRY}&AUTH[APPLICATION_TOKEN]={bitrix.TOKEN}"),
    "a name like it": (FORM, f"{ENTRY}&auth[application.token]={bitrix.TOKEN}"),
    "auth%00 in place of auth": (FORM, f"{ENTRY}&auth%00[application_token]={bitrix.TOKEN}"),
    "auth%00 besides": (FORM, f"{ENTRY}&{RIGHT}&auth%00x={bitrix.TOKEN}"),
    "%00 in the key": (FORM, f"{ENTRY}&auth[application_token%00]={bitrix.TOKEN}&{WRONG}"),
    "the token below data": (FORM, f"{ENTRY}&data[auth][application_token]={bitrix.TOKEN}"),
    "the token below data, and a wrong one": (FORM, f"{ENTRY}&data[{RIGHT.replace('[', '][', 1)}&{WRONG}"),
    "the token beside auth": (FORM, f"{ENTRY}&application_token={bitrix.TOKEN}"),
    "the token below auth's auth": (FORM, f"{ENTRY}&auth[auth][application_token]={bitrix.TOKEN}"),
    "the token of another portal": (FORM, f"{ENTRY}&auth[application_token]={OTHER_TOKEN}"),
    "another portal's member_id": (FORM, f"{ENTRY}&{RIGHT}&auth[member_id]={OTHER_MEMBER}"),
    "an unknown member_id": (FORM, f"{ENTRY}&{RIGHT}&auth[member_id]={'0' * 32}"),
    "an empty member_id": (FORM, f"{ENTRY}&{RIGHT}&auth[member_id]="),
    "a member_id in upper case": (FORM, f"{ENTRY}&{RIGHT}&auth[member_id]={bitrix.MEMBER_ID.upper()}"),
    "a member_id of 255 bytes": (FORM, f"{ENTRY}&{RIGHT}&auth[member_id]={'a' * 255}"),
    "JSON: no auth": as_json('{"event":"E"}'),
    "JSON: auth is text": as_json('{"event":"E","auth":"TOKEN"}'),
    "JSON: auth is a list": as_json('{"event":"E","auth":["TOKEN"]}'),
    "JSON: the token twice": as_json(
        '{"event":"E","auth":{"member_id":"MEMBER","application_token":"x","application_token":"TOKEN"}}'),
    "JSON: auth twice": as_json(
        '{"event":"E","auth":1,"auth":{"member_id":"MEMBER","application_token":"TOKEN"}}'),
    "JSON: a list for the token": as_json('{"event":"E","auth":{"member_id":"MEMBER","application_token":["TOKEN"]}}'),
    "JSON: null for the token": as_json('{"event":"E","auth":{"member_id":"MEMBER","application_token":null}}'),
    "JSON: true for the token": as_json('{"event":"E","auth":{"member_id":"MEMBER","application_token":true}}'),
    "JSON: the name of a form's field": as_json(
        '{"event":"E","auth[member_id]":"MEMBER","auth[application_token]":"TOKEN"}'),
    "multipart: no token": as_multipart(),
    "multipart: the token twice": as_multipart((TOKEN_NAME, bitrix.TOKEN), (TOKEN_NAME, bitrix.TOKEN)),
    "multipart: wrong, then right": as_multipart((TOKEN_NAME, bitrix.WRONG_TOKEN), (TOKEN_NAME, bitrix.TOKEN)),
    "multipart: a line feed after it": as_multipart((TOKEN_NAME, bitrix.TOKEN + "\n")),
}
ALLOWED = {
    "the token": (FORM, f"{ENTRY}&{RIGHT}"),
    "its bytes escaped": (FORM, ENTRY + "&auth[application_token]=" + "".join(f"%{ord(c):02x}" for c in bitrix.TOKEN)),
    "a renamed portal": (FORM, f"{ENTRY}&{RIGHT}&auth[domain]=renamed.example"),
    "the domain of another portal": (FORM, f"{ENTRY}&{RIGHT}&auth[domain]=other.example"),
    "the other portal": (FORM, f"{ENTRY}&auth[application_token]={OTHER_TOKEN}&auth[member_id]={OTHER_MEMBER}"),
    "data beside it": (FORM, f"{ENTRY}&{RIGHT}&data[auth][application_token]=x"),
    "JSON": as_json('{"event":"E","auth":{"member_id":"MEMBER","application_token":"TOKEN"}}'),
    "multipart": as_multipart((TOKEN_NAME, bitrix.TOKEN)),
}


@pytest.fixture(scope="module")
def gate(scratch):
    """Two portals behind nginx, and no worker."""
    with contextlib.closing(modes.nginx_listen(scratch)) as hosted:
        hosted.site.configure(worker="start manual", portals=PORTAL + (
            f"portal {{\n    member_id {OTHER_MEMBER}\n    domain other.example\n    token {OTHER_TOKEN}\n}}\n"))
        other = f"{ENTRY}&auth[application_token]={OTHER_TOKEN}&auth[member_id]={OTHER_MEMBER}".encode()
        wait_for(lambda: client.post(hosted.url, other).status == 200, "the second portal")
        yield hosted


@pytest.mark.parametrize("what", FORGED)
def test_does_not_let_in(gate, what):
    content_type, text = FORGED[what]
    before = gate.site.status()["events"]
    answer = client.post(gate.url, text.encode(), content_type)
    assert (answer.status, answer.json["error"]) == (403, "invalid_application_token"), answer
    assert gate.site.status()["events"] == before


@pytest.mark.parametrize("what", ALLOWED)
def test_lets_in(gate, what):
    content_type, text = ALLOWED[what]
    assert client.post(gate.url, text.encode(), content_type).event


# -- What a refusal costs

REFUSED = {
    "another method": (405, {"method": "PUT"}, bitrix.body()),
    "another type": (415, {"content_type": "text/plain"}, bitrix.body()),
    "too large": (413, {}, b"x" * (1 << 21)),
    "too many fields": (413, {}, bitrix.body() + b"&" * 2000),
    "malformed": (400, {}, bitrix.body() + b"&event[]="),
    "cut short": (400, {"CONTENT_LENGTH": "100000"}, bitrix.body()),
    "no token": (403, {}, ENTRY.encode()),
    "a wrong token": (403, {}, bitrix.body(token=bitrix.WRONG_TOKEN)),
    "an unknown portal": (403, {}, bitrix.body(member_id="0" * 32)),
}


def fds_below(gateway, directory):
    found = []
    for fd in os.listdir(f"/proc/{gateway.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{gateway.pid}/fd/{fd}"))
    return [path for path in found if path.startswith(str(directory))]


def refuse_each(ask):
    for status, options, body in REFUSED.values():
        assert ask(body, **options).status == status


def test_a_refused_request_touches_no_store(site):
    """Its files are gone and the gateway has let go of them: whoever used the store would make them anew."""
    site.configure(worker="start manual")
    site.serve()
    state = site.home / "state"
    assert client.fastcgi(site.socket, bitrix.body()).event
    for path in state.iterdir():
        path.unlink()

    def ask(body, **options):
        return client.fastcgi(site.socket, body, **options)

    def let_go():
        refuse_each(ask)
        return not fds_below(site.gateway, state)
    wait_for(let_go, "the gateway to miss its store")
    for _ in range(20):
        refuse_each(ask)
    assert list(state.iterdir()) == []
    assert ask(bitrix.body()).event
    assert (state / "queue.db").exists()


def by_cgi(site, body, **options):
    env = client.cgi_variables(body, **options) | {"BXHOOK_CONFIG": str(site.config)}
    return client.parse_cgi(site.run(input=body, env=env).stdout)


@pytest.mark.parametrize("length,status", [
    (None, 200), ("", 200), ("-1", 200), ("-2", 400), ("-01", 400), ("x", 400), ("1", 400)])
def test_a_cgi_request_of_that_length(site, length, status):
    site.configure(worker="start manual")
    assert by_cgi(site, bitrix.body(), CONTENT_LENGTH=length).status == status


def test_a_refused_cgi_request_touches_no_store(site):
    def ask(body, **options):
        return by_cgi(site, body, **options)
    refuse_each(ask)
    state = site.home / "state"
    assert not state.exists() or list(state.iterdir()) == []


# System calls on the store, counted.  To look at a name (is it still that file, whose is it) is none:
# the gateway does so once a second, whatever comes.
LOOKS = ("stat(", "lstat(", "newfstatat(", "statx(", "access(")


class Trace:
    """The system calls of a program that is run `under` it."""

    def __init__(self, site):
        self.path = site.run_dir / "trace"
        self.under = ["strace", "-D", "-y", "-s", "0", "-o", self.path]
        self.state = f"{site.home / 'state'}/"

    def calls(self):
        return self.path.read_text().splitlines()

    def is_waiting(self):
        """True when the gateway has done with what came, also what follows an answer."""
        return self.calls()[-1].startswith(("epoll_wait(", "epoll_pwait("))

    def on_store(self, since=0):
        return [call for call in self.calls()[since:] if self.state in call and not call.startswith(LOOKS)]


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refused_request_makes_no_call_on_the_store(site, kind):
    trace = Trace(site)
    site.configure(worker="start manual")
    site.serve(under=trace.under)
    status, options, body = REFUSED[kind]
    assert client.fastcgi(site.socket, bitrix.body()).event  # the store is open
    wait_for(trace.is_waiting, "the gateway to wait")
    assert trace.on_store()
    before = len(trace.calls())
    for _ in range(20):
        assert client.fastcgi(site.socket, body, **options).status == status
    wait_for(trace.is_waiting, "the gateway to wait")
    between = len(trace.calls())
    assert between >= before + 20 and trace.on_store(before) == []
    assert client.fastcgi(site.socket, bitrix.body()).event
    wait_for(lambda: trace.on_store(between), "the calls of an event")


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refused_cgi_request_makes_no_call_on_the_store(site, kind):
    site.configure(worker="start manual")

    def ask(body, **options):
        trace = Trace(site)
        env = client.cgi_variables(body, **options) | {"BXHOOK_CONFIG": str(site.config)}
        answer = client.parse_cgi(site.run(input=body, env=env, under=trace.under).stdout)
        wait_for(lambda: "exited with 0" in trace.calls()[-1], "the end of the trace")
        return answer.status, trace.on_store()
    status, options, body = REFUSED[kind]
    answered, calls = ask(bitrix.body())  # makes the store
    assert answered == 200 and any("fdatasync" in call for call in calls)
    assert ask(body, **options) == (status, [])
