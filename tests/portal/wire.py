"""The server: HTTPS on 127.0.0.1, on the same port an HTTP proxy whose every CONNECT ends here."""

import re
import select
import socket
import struct
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import form
from .errors import Refusal
from .faults import of_json

IDLE = 60  # seconds a read may take
HANDSHAKE = 0x16  # the first byte of TLS
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, no time: close is a reset


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, cloud, context, port):
        self.cloud, self.context = cloud, context
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self):
        """Without the look-up of a name that HTTPServer makes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address

    def handle_error(self, request, client_address):
        """Shows what went wrong here; that a client left is not that."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "nginx", ""
    timeout = IDLE
    disable_nagle_algorithm = True
    proxied = None  # "name:port" that the client asked for by CONNECT
    secure = False

    def setup(self):
        self.request.settimeout(IDLE)
        first = self.request.recv(1, socket.MSG_PEEK)
        if first and first[0] == HANDSHAKE:
            self.encrypt(self.request)
        super().setup()

    def encrypt(self, plain):
        self.request = self.server.context.wrap_socket(plain, server_side=True)
        self.secure = True

    def finish(self):
        super().finish()
        self.connection.close()

    def date_time_string(self, timestamp=None):
        return super().date_time_string(timestamp or self.server.cloud.clock.now())

    def log_message(self, *_):
        pass

    def do_CONNECT(self):
        """Whatever name it is, this server is it: so a test sees what was sent to a wrong one."""
        self.send_response_only(200, "Connection established")
        self.end_headers()
        self.proxied = self.path
        self.server.cloud.records.connected.append(self.path)
        self.encrypt(self.connection)
        super().setup()
        self.close_connection = False

    def ask(self):
        if not self.secure:
            refusal = Refusal("INVALID_REQUEST")
            self.send(of_json(refusal.body(), refusal.status()))
            return
        url = urllib.parse.urlsplit(self.path)
        body = self.read_body()
        request = self.server.cloud.records.add(
            at=self.server.cloud.clock.now(), peer=self.client_address, verb=self.command,
            host=re.sub(":443$", "", self.proxied or self.headers.get("Host", "")),
            path=urllib.parse.unquote(url.path), query=url.query,
            headers={name.lower(): value for name, value in self.headers.items()}, body=body,
            params=form.parameters(url.query, body, self.headers.get("Content-Type", "")),
            proxied=self.proxied is not None)
        reply = self.server.cloud.answer(request)
        self.server.cloud.records.done(request, reply.status, reply.body)
        self.deliver(reply)

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = ask

    def read_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while True:
            size = int(self.rfile.readline().partition(b";")[0], 16)
            parts.append(self.rfile.read(size))
            self.rfile.readline()
            if size == 0:
                return b"".join(parts)

    def deliver(self, reply):
        if reply.ending == "hang":
            self.wait_for_end(reply)
        if reply.ending in ("reset", "hang"):
            self.reset()
        else:
            self.send(reply)
        self.close_connection = self.close_connection or reply.ending != "keep"

    def send(self, reply):
        self.send_response(reply.status)
        for name, value in {"Content-Type": reply.type, **reply.headers, "Content-Length": len(reply.body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body[:reply.sent])

    def wait_for_end(self, reply):
        """Until the client leaves or the fault is released."""
        while not (reply.released and reply.released.wait(0.05)):
            if select.select([self.connection], [], [], 0)[0] and not self.connection.recv(1):
                return

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        socket.close(self.connection.detach())
        self.close_connection = True
