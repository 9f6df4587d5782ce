"""What goes wrong on the way, when a test orders it."""

import fnmatch
import inspect
import json
import threading
from dataclasses import dataclass, field
from typing import Optional

from .errors import Refusal

HTML = b"<!DOCTYPE html><html><head><title>Bitrix24</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
HTML_TYPE = "text/html; charset=utf-8"
JSON_TYPE = "application/json; charset=utf-8"


@dataclass
class Reply:
    """An answer, and how the connection ends: `keep`, `cut` (in the body), `reset`, `hang`."""

    status: int
    body: bytes
    type: str = JSON_TYPE
    headers: dict = field(default_factory=dict)
    ending: str = "keep"
    sent: Optional[int] = None  # bytes of the body that go out, of one that is cut
    released: Optional[threading.Event] = None  # ends what hangs

    @property
    def json(self):
        return json.loads(self.body)


def of_json(value, status=200, headers=()):
    return Reply(status, json.dumps(value, ensure_ascii=False).encode(), headers=dict(headers))


class Fault:
    """One order: KIND for the next TIMES requests that match; `left` is what is left of them.

    With `after` the method runs before it.  `release` ends what hangs or is slow."""

    def __init__(self, kind, times, matches, after, inside, options):
        self.kind, self.left, self.after, self.inside, self.options = kind, times, after, inside, options
        self.hit = 0
        self._matches = matches
        self.released = threading.Event()

    def matches(self, method, portal, host, inside):
        wanted = self._matches
        return (self.left > 0 and self.inside == inside
                and (wanted["method"] is None or fnmatch.fnmatch((method or "").lower(), wanted["method"].lower()))
                and wanted["host"] in (None, host)
                and (wanted["portal"] is None or fnmatch.fnmatch(portal or "", wanted["portal"])))

    def play(self, run):
        """The Reply; RUN() does what was asked, and replies as if nothing were wrong."""
        if self.after and self.kind not in RUNS_BEFORE:
            run()
        return KINDS[self.kind](self, run, **self.options)

    def release(self):
        self.left = 0
        self.released.set()

    def wait(self, seconds):
        """True once it was released."""
        return self.released.wait(seconds)


def html(fault, run, status=200, body=HTML):
    return Reply(status, body, HTML_TYPE)


def empty(fault, run, status=200):
    return Reply(status, b"")


def status(fault, run, status=500, body=b"", type=JSON_TYPE, headers=()):
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    return Reply(status, body.encode() if isinstance(body, str) else body, type, dict(headers))


def error(fault, run, error="INTERNAL_SERVER_ERROR", text=None, status=None):
    refusal = Refusal(error, text, status)
    return of_json(refusal.body(), refusal.status())


def cut(fault, run, at=None):
    reply = run()
    reply.ending, reply.sent = "cut", len(reply.body) // 2 if at is None else at
    return reply


def reset(fault, run):
    return Reply(0, b"", ending="reset")


def hang(fault, run):
    return Reply(0, b"", ending="hang", released=fault.released)


def slow(fault, run, seconds=1.0):
    reply = run() if fault.after else None
    fault.wait(seconds)
    return reply or run()


def redirect(fault, run, to, status=302):
    return Reply(status, HTML, HTML_TYPE, {"Location": to})


def edit(fault, run, change):
    """CHANGE: {key or path "result.install.member_id": value}; None takes the key away."""
    reply = run()
    tree = json.loads(reply.body)
    for path, value in change.items():
        put(tree, path.split("."), value)
    reply.body = json.dumps(tree).encode()
    return reply


def put(tree, path, value):
    for name in path[:-1]:
        tree = tree[name]
    if value is None:
        tree.pop(path[-1], None)
    else:
        tree[path[-1]] = value


def big(fault, run, size):
    return Reply(200, b'{"result":"' + b"x" * size + b'"}')


KINDS = {kind.__name__: kind for kind in (html, empty, status, error, cut, reset, hang, slow, redirect, edit, big)}
RUNS_BEFORE = {"cut", "slow", "edit"}  # these run the method themselves


class Faults:
    """The orders, oldest first: a request takes the first that matches."""

    def __init__(self):
        self._orders = []
        self._lock = threading.Lock()

    def order(self, kind, times=1, method=None, host=None, portal=None, after=False, inside=False, **options):
        """KIND (a name of KINDS) for the next TIMES requests of METHOD (a glob) at HOST or PORTAL (a glob).

        With `inside`, of commands in a batch, where only `error` makes sense."""
        if kind not in KINDS or (inside and kind != "error"):
            raise ValueError(f"no fault {kind!r}: there are {' '.join(sorted(KINDS))}")
        try:
            inspect.signature(KINDS[kind]).bind(None, None, **options)
        except TypeError as error:
            raise ValueError(f"{kind}: {error}") from None
        made = Fault(kind, times, {"method": method, "host": host, "portal": portal}, after, inside, options)
        with self._lock:
            self._orders = [*(order for order in self._orders if order.left), made]
        return made

    def take(self, request):
        order = self._take(request.method, request.portal, request.host, False)
        request.fault = order.kind if order else None
        return order

    def take_inner(self, method, portal):
        return self._take(method, portal, None, True)

    def _take(self, *asked):
        with self._lock:
            for order in self._orders:
                if order.matches(*asked):
                    order.left -= 1
                    order.hit += 1
                    return order
        return None

    def clear(self):
        """Nothing is wrong any more; what hangs ends."""
        with self._lock:
            orders, self._orders = self._orders, []
        for order in orders:
            order.release()
