"""What was asked of the stand-in, and what was answered."""

import fnmatch
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Optional


@dataclass
class Request:
    """One request, complete once `status` is not None (0: without an answer)."""

    number: int
    at: float               # on the stand-in's clock
    peer: tuple             # (address, port)
    verb: str
    host: str               # as the client named it, without the port 443
    path: str
    query: str
    headers: dict           # lower-case names
    body: bytes
    params: dict            # query and body merged, as the method gets them
    proxied: bool = False   # it came by CONNECT, to `host`
    portal: Optional[str] = None   # whose portal was asked
    method: Optional[str] = None   # "crm.deal.get", "oauth/token"
    ran: bool = False       # the method did what it does, whatever the client learned of it
    fault: Optional[str] = None    # the kind that was ordered for it
    status: Optional[int] = None
    answer: bytes = field(default=b"", repr=False)

    @property
    def json(self):
        return json.loads(self.answer)

    @property
    def sent(self):
        """All that the client sent, for a look at what it gave away."""
        headers = "\n".join(f"{name}: {value}" for name, value in self.headers.items())
        return f"{self.verb} {self.path}?{self.query}\n{headers}\n\n".encode() + self.body


class Records:
    """Every request in order of arrival; for any thread.  `connected`: what was asked of the proxy, "name:port"."""

    def __init__(self):
        self._all, self.connected = [], []
        self._changed = threading.Condition()

    def add(self, **values):
        with self._changed:
            self._all.append(Request(number=len(self._all) + 1, **values))
            self._changed.notify_all()
            return self._all[-1]

    def done(self, request, status, answer):
        with self._changed:
            request.answer, request.status = answer, status
            self._changed.notify_all()

    def __iter__(self):
        with self._changed:
            return iter(list(self._all))

    def __len__(self):
        return len(self._all)

    def of(self, method="*", portal=None, host=None, done=True):
        """Those of METHOD (a glob, in any case), answered ones only when DONE."""
        return [one for one in self
                if fnmatch.fnmatch((one.method or "").lower(), method.lower())
                and portal in (None, one.portal) and host in (None, one.host)
                and (one.status is not None or not done)]

    def wait(self, method="*", count=1, limit=15, **filters):
        """At least COUNT requests as `of` finds them; fails after LIMIT seconds."""
        end = time.monotonic() + limit
        with self._changed:
            while len(self.of(method, **filters)) < count:
                left = end - time.monotonic()
                if left < 0:
                    raise AssertionError(f"waited {limit} s for {count} requests of {method}, there are "
                                         f"{len(self.of(method, **filters))}")
                self._changed.wait(left)
        return self.of(method, **filters)

    def answered(self, number):
        """The request of that NUMBER, once it is there and answered."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._all) >= number and self._all[number - 1].status is not None)
            return self._all[number - 1]

    def spent_twice(self):
        """Refresh tokens that were presented again after they had been used."""
        spent, again = set(), set()
        for one in self.of("oauth/token", done=False):
            token = one.params.get("refresh_token")
            if token in spent:
                again.add(token)
            if one.ran:
                spent.add(token)
        return sorted(again)

    def with_secret(self, secret, *hosts):
        """Requests that carried SECRET to another host than HOSTS."""
        return [one for one in self if secret.encode() in one.sent and one.host not in hosts]
