"""Bitrix24's queue: each post goes out once, whatever comes back."""

import heapq
import http.client
import itertools
import json
import random
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Optional

import bitrix

FORM_TYPE = "application/x-www-form-urlencoded"
LIMIT = 15        # seconds an answer may take
TICK = 0.02       # how often the clock, which may be stepped, is looked at


@dataclass
class Post:
    """One post; complete once `ended` is set."""

    what: str         # the event's code, or the kind of another post
    url: str
    tree: object      # as it was before it was encoded
    body: bytes
    type: str = FORM_TYPE
    headers: dict = field(default_factory=dict)
    lost: bool = False            # it never left, by order
    at: Optional[float] = None    # when it left, on the stand-in's clock
    status: Optional[int] = None  # None: no answer
    answer: bytes = b""
    error: str = ""
    seconds: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event, repr=False)

    def wait(self, limit=30):
        """Itself, after its one try."""
        if not self.ended.wait(limit):
            raise AssertionError(f"waited {limit} s for {self.what} to go to {self.url}")
        return self


def make_post(what, url, tree, type=FORM_TYPE, headers=()):
    """TREE as the queue encodes it, or as JSON where TYPE says so."""
    body = bitrix.encode(tree) if type == FORM_TYPE else json.dumps(tree).encode()
    return Post(what, url, tree, body, type, dict(headers))


class Outbox:
    """Posts in order of their time, as many at once as there are SENDERS; `sent` are those that were tried."""

    def __init__(self, clock, senders):
        self.sent = []
        self._clock = clock
        self._waiting = []  # heap of (due, number, post)
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._held, self._closed, self._busy = False, False, 0
        self._loses = None  # (share, random)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(senders)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def close(self):
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(5)

    def put(self, post, delay=0):
        """POST goes out DELAY seconds of the stand-in's clock from now."""
        with self._changed:
            if self._loses and self._loses[1].random() < self._loses[0]:
                post.lost = True
                post.ended.set()
            else:
                heapq.heappush(self._waiting, (self._clock.now() + delay, next(self._numbers), post))
                self._changed.notify_all()
        return post

    def lose(self, share, seed=0):
        """From now on so many of the posts never leave (0.1: a tenth)."""
        self._loses = (share, random.Random(seed)) if share else None

    def hold(self):
        """Nothing leaves until `release`."""
        self._held = True

    def release(self, order=None, seed=0):
        """What waits leaves now, in ORDER `None` (as it came), `reversed` or `shuffled`, one after the other."""
        with self._changed:
            posts = [post for _, _, post in sorted(self._waiting)]
            self._waiting, self._held = [], False
        if order == "reversed":
            posts.reverse()
        elif order == "shuffled":
            random.Random(seed).shuffle(posts)
        for post in posts:
            self.send(post)
        return posts

    def waiting(self):
        """How many have not left."""
        return len(self._waiting)

    def drain(self, limit=60):
        """Until all that is due has been tried."""
        end = time.monotonic() + limit
        while True:
            with self._changed:
                due = self._waiting and self._waiting[0][0] <= self._clock.now()
                if not due and not self._busy:
                    return
            if time.monotonic() > end:
                raise AssertionError(f"waited {limit} s for {len(self._waiting)} posts")
            time.sleep(TICK)

    def _work(self):
        while True:
            with self._changed:
                while not self._closed and not self._due():
                    self._changed.wait(TICK if self._waiting else None)
                if self._closed:
                    return
                post = heapq.heappop(self._waiting)[2]
                self._busy += 1
            try:
                self.send(post)
            finally:
                with self._changed:
                    self._busy -= 1

    def _due(self):
        return self._waiting and not self._held and self._waiting[0][0] <= self._clock.now()

    def send(self, post):
        """POST, which goes out now, past the queue."""
        began = time.monotonic()
        post.at = self._clock.now()
        try:
            post.status, post.answer = deliver(post)
        except (OSError, http.client.HTTPException) as error:
            post.error = f"{type(error).__name__}: {error}"
        post.seconds = time.monotonic() - began
        with self._changed:
            self.sent.append(post)
        post.ended.set()
        return post


def deliver(post):
    """(status, body) of the answer to POST."""
    url = urllib.parse.urlsplit(post.url)
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    connection = kinds[url.scheme](url.hostname, url.port, timeout=LIMIT)
    try:
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("POST", path, post.body,
                           {"Content-Type": post.type, "User-Agent": "Bitrix24 Webhook Engine", **post.headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
