"""Clients: HTTP as Bitrix24 speaks it, and FastCGI as a web server speaks it to the gateway."""

import http.client
import json
import queue
import re
import socket
import struct
import threading
import time

import leaks

FORM = "application/x-www-form-urlencoded"
TIMEOUT = 15  # seconds; an answer that takes longer is a hang


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body
        leaks.refuse(leaks.search({"answer": repr(headers), "body of the answer": body}))

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def event(self):
        """The number of the event that was accepted."""
        assert self.status == 200, self
        assert self.json["status"] == "ok", self
        return self.json["event"]

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:500]!r}>"


def request(url, method="POST", body=None, headers=None, timeout=TIMEOUT):
    """One HTTP request on a connection of its own; URL is http://host:port/path."""
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=timeout)
    try:
        headers = headers or {}
        connection.request(method, "/" + path, body=body, headers=headers,
                           encode_chunked="Transfer-Encoding" in headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


def post(url, body, content_type=FORM, **options):
    return request(url, "POST", body, {"Content-Type": content_type,
                                       "User-Agent": "Bitrix24 Webhook Engine"}, **options)


def post_chunked(url, body):
    """BODY in two chunks, its length unsaid."""
    return request(url, "POST", iter([body[:100], body[100:]]),
                   {"Content-Type": FORM, "Transfer-Encoding": "chunked"})


def get(url, **options):
    return request(url, "GET", **options)


# -- FastCGI (specification 1.0)

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7
KEEP_CONN = 1


def record(kind, content=b"", request_id=1):
    return struct.pack(">BBHHBx", 1, kind, request_id, len(content), 0) + content


def stream(kind, data, size=32768):
    """DATA as records of at most SIZE bytes and the empty one that ends it."""
    parts = [record(kind, data[i:i + size]) for i in range(0, len(data), size)]
    return b"".join(parts) + record(kind)


def begin(keep=False):
    return record(BEGIN, struct.pack(">HB5x", 1, KEEP_CONN if keep else 0))


def name_values(params):
    def length(n):
        return bytes([n]) if n < 128 else struct.pack(">I", n | 0x80000000)
    out = b""
    for name, value in params.items():
        name, value = name.encode(), value.encode()
        out += length(len(name)) + length(len(value)) + name + value
    return out


def cgi_variables(body, method="POST", content_type=FORM, **more):
    """What a web server says about a request; a variable set to None is left out."""
    variables = {"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1",
                 "REQUEST_METHOD": method, "REQUEST_URI": "/bitrix24", "SCRIPT_NAME": "/bitrix24",
                 "QUERY_STRING": "", "REMOTE_ADDR": "192.0.2.7", "CONTENT_TYPE": content_type,
                 "CONTENT_LENGTH": str(len(body))} | more
    return {name: value for name, value in variables.items() if value is not None}


def fastcgi_request(body=b"", keep=False, size=32768, **variables):
    """The bytes of one whole FastCGI request."""
    params = stream(PARAMS, name_values(cgi_variables(body, **variables)))
    return begin(keep) + params + stream(STDIN, body, size)


def parse_cgi(output):
    """An Answer from what a CGI program printed."""
    head, _, body = output.partition(b"\r\n\r\n")
    headers = [tuple(line.decode().split(": ", 1)) for line in head.split(b"\r\n") if line]
    answer = Answer(int(dict((n.lower(), v) for n, v in headers)["status"].split()[0]), headers, body)
    assert answer.headers["cache-control"] == "no-store", answer
    return answer


class FastCgi:
    """One connection to the gateway's socket."""

    def __init__(self, path, timeout=TIMEOUT):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise EOFError(f"the connection ended after {len(data)} of {count} bytes")
            data += part
        return data

    def read(self):
        """The next answer; EOFError when the gateway closed the connection without one."""
        return parse_cgi(self.streams()[STDOUT])

    def streams(self):
        """The same as the bytes of each stream."""
        out = {STDOUT: b"", STDERR: b""}
        while True:
            _, kind, _, length, padding = struct.unpack(">BBHHBx", self.exactly(8))
            content = self.exactly(length)
            self.exactly(padding)
            if kind == END:
                return out
            if kind in out:
                out[kind] += content

    def closed(self):
        """True once the gateway has closed the connection without another byte."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def fastcgi(path, body=b"", **options):
    """One request on a connection of its own."""
    with FastCgi(path) as connection:
        connection.send(fastcgi_request(body, **options))
        return connection.read()


# -- Load

class Load:
    """Posts bodies over CONNECTIONS kept-open HTTP connections at once.

    results: (body's index, status or None when the connection broke, event number, seconds) of each
    that ended; in_flight: requests sent and not answered.
    """

    def __init__(self, port, connections, path="/bitrix24"):
        self.results = []
        self.in_flight = 0
        self._port, self._path = port, path
        self._lock = threading.Lock()
        self._work = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._post_all, daemon=True) for _ in range(connections)]
        for thread in self._threads:
            thread.start()

    def add(self, bodies, first=0):
        for index, body in enumerate(bodies, first):
            self._work.put((index, body))

    def finish(self, limit):
        """Waits until all added bodies were answered (or refused)."""
        for _ in self._threads:
            self._work.put(None)
        end = time.monotonic() + limit
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        assert not any(thread.is_alive() for thread in self._threads), \
            f"requests hang: {self.in_flight} unanswered after {limit} s, {len(self.results)} ended"

    def accepted(self):
        return {event for _, status, event, _ in self.results if status == 200}

    def _post_all(self):
        connection = None
        while (item := self._work.get()) is not None:
            index, body = item
            began = time.monotonic()
            with self._lock:
                self.in_flight += 1
            try:
                connection = connection or socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT)
                connection.sendall(self._head(body) + body)
                status, event, keep = self.answer(connection)
            except ConnectionError:
                status, event, keep = None, None, False
            with self._lock:
                self.in_flight -= 1
                self.results.append((index, status, event, time.monotonic() - began))
            if not keep and connection:
                connection.close()
                connection = None

    def _head(self, body):
        return (f"POST {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {FORM}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()

    @staticmethod
    def answer(connection):
        """(status, event number, whether the connection may be used again)."""
        data = b""
        while True:
            part = connection.recv(65536)
            if not part:
                raise ConnectionError("closed in the middle of an answer")
            data += part
            head, found, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            if found and (len(body) >= int(length[1]) if length else data.endswith(b"\r\n0\r\n\r\n")):
                event = re.search(rb'"event": *(\d+)', body)
                keep = b"connection: close" not in head.lower()
                return int(data[9:12]), int(event[1]) if event else None, keep
