"""Fixtures of the stand-in's own tests: it, and a handler that keeps what it is sent."""

import contextlib
import shutil
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from . import Cloud, tls
from .client import Client


class Handler:
    """A web server as a customer has: `bodies` is what came, `status` and `answer` what it says.

    `answer` may be a function of the body."""

    def __init__(self):
        self.bodies, self.requests = [], []
        self.status, self.answer = 200, b'{"status":"ok"}'
        mine = self

        class Take(BaseHTTPRequestHandler):
            def do_POST(self):
                mine.bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                mine.requests.append(self)
                answer = mine.answer(mine.bodies[-1]) if callable(mine.answer) else mine.answer
                self.send_response(mine.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
        self.url = f"http://127.0.0.1:{self.server.server_port}/bitrix24"
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="session")
def folder():
    """Where one certificate is made for all tests."""
    made = Path(tempfile.mkdtemp(prefix="bxhook-portal-"))
    tls.make(made)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def cloud(folder):
    with Cloud(folder=folder) as made:
        yield made


@pytest.fixture
def dawdle(monkeypatch):
    """dawdle(object, name): that method takes so long that all others could come in between."""
    def make(owner, name):
        quick = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args: (time.sleep(0.02), quick(*args))[1])
    return make


@pytest.fixture
def handler():
    with contextlib.closing(Handler()) as made:
        yield made


@pytest.fixture
def portal(cloud):
    return cloud.portal("acme")


@pytest.fixture
def app(cloud, handler):
    return cloud.app(handler.url)


@pytest.fixture
def client(cloud, portal, app):
    """Has installed the app, and a pair of tokens of the admin."""
    return Client(cloud, portal, app)
