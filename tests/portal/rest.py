"""A portal's /rest/: who calls, may he, and the envelope around what the method says."""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Callable, Optional

from .errors import Refusal
from .faults import of_json
from .limits import Bucket, Operating

# Names the server takes for itself: a method never sees them at top level.
TAKEN = ("auth", "access_token", "ap", "aplogin", "auth_connector", "start", "state", "token")

METHODS = {}  # name in lower case: Method


@dataclass
class Method:
    name: str
    run: Callable
    scope: str
    exact: bool      # a controller's: its case counts
    app_only: bool   # not by webhook


def method(name, scope="", exact=False, app_only=False):
    """Makes a function of a Call the METHOD of that name: it returns the result or an Answer, or throws Refusal."""
    def add(function):
        METHODS[name.lower()] = Method(name, function, scope, exact, app_only)
        return function
    return add


@dataclass
class Answer:
    """A result with what stands beside it; `status` of an error that comes with 200."""

    result: object
    total: Optional[int] = None
    next: Optional[int] = None
    error: Optional[Refusal] = None


@dataclass
class Call:
    """One call of a method, by a user through an installation's token or a webhook."""

    cloud: object
    portal: object
    user: object
    installation: object = None
    webhook: object = None
    params: dict = field(default_factory=dict)
    start: int = 0
    connector: str = ""
    method: str = ""

    def get(self, name, default=None):
        """The parameter NAME, however its letters are written."""
        return next((value for key, value in self.params.items() if key.lower() == name.lower()), default)

    def need(self, *names):
        """Their values; ERROR_ARGUMENT when one is missing or empty."""
        values = [self.get(name) for name in names]
        for name, value in zip(names, values):
            if value in (None, "", []):
                raise Refusal("ERROR_ARGUMENT", f"Argument '{name}' is null or empty")
        return values[0] if len(values) == 1 else values

    @property
    def scope(self):
        return self.installation.granted if self.installation else self.webhook.scope

    @property
    def key(self):
        """Of the operating time: whose right, and which."""
        return self.installation.app.client_id if self.installation else self.webhook.code


class Rest:
    def __init__(self, cloud):
        self.cloud = cloud
        self._limits = {}     # member_id: (burst, rate)
        self._buckets = {}    # (member_id, caller's address): Bucket
        self._operating = {}  # member_id: Operating

    def operating(self, portal):
        return self._operating.setdefault(portal.member_id, Operating(self.cloud.clock))

    def limit(self, portal, burst=50, rate=2.0):
        """From now on PORTAL takes so many requests at once, and so many a second; without `burst` any number."""
        self._limits[portal.member_id] = burst, rate
        self._buckets.clear()

    def answer(self, request, portal, name, webhook):
        """The Reply to the call of NAME; throws Refusal.  WEBHOOK: (user, code) of the path, or None."""
        self._count(request, portal)
        call = self.caller(request, portal, webhook)
        try:
            start = int(request.params.get("start") or 0)
        except ValueError:
            start = 0
        call.start, call.connector = start, request.params.get("auth_connector", "")
        began = time.time()
        answer = self.run(call, name, {key: value for key, value in request.params.items() if key not in TAKEN})
        return self._reply(call, answer, began)

    def run(self, call, name, params):
        """What the method NAME answers with PARAMS: an Answer."""
        method = METHODS.get(name.lower())
        if not method or (method.exact and method.name != name):
            raise Refusal("ERROR_METHOD_NOT_FOUND")
        if method.app_only and not call.installation:
            raise Refusal("WRONG_AUTH_TYPE")
        if method.scope and method.scope not in call.scope:
            raise Refusal("insufficient_scope")
        operating = self.operating(call.portal)
        operating.check(call.key, method.name)
        call.params, call.method = params, method.name
        result = method.run(call)
        if method.name != "batch":
            operating.count(call.key, method.name)
        return result if isinstance(result, Answer) else Answer(result)

    def _count(self, request, portal):
        burst, rate = self._limits.get(portal.member_id, (0, 0))
        if burst:
            bucket = self._buckets.setdefault((portal.member_id, request.peer[0]), Bucket(burst, rate))
            if not bucket.take():
                raise Refusal("QUERY_LIMIT_EXCEEDED")

    def caller(self, request, portal, webhook):
        """A Call without a method: whose right the token or WEBHOOK is; throws Refusal."""
        if portal.deleted:
            raise Refusal("PORTAL_DELETED")
        if webhook:
            found = [hook for hook in portal.webhooks if not hook.url and webhook == (str(hook.user.id), hook.code)]
            if not found:
                raise Refusal("INVALID_CREDENTIALS")
            return Call(self.cloud, portal, found[0].user, webhook=found[0])
        token = token_of(request)
        if not token:
            raise Refusal("NO_AUTH_FOUND")
        pair = self._pair(portal, token)
        return Call(self.cloud, portal, pair.user, pair.installation)

    def _pair(self, portal, token):
        pair = self.cloud.tokens.of_access(token)
        if not pair or pair.installation.portal is not portal:
            raise Refusal("invalid_token")
        if pair.installation.gone or not pair.installation.active:
            raise Refusal("APPLICATION_NOT_FOUND")
        if self.cloud.tokens.expired(pair):
            raise Refusal("expired_token")
        if pair.spent and self.cloud.killed_token:
            raise Refusal(self.cloud.killed_token)
        if not portal.paid:
            raise Refusal("PAYMENT_REQUIRED")
        if not pair.installation.serves(pair.user):
            raise Refusal("authorization_error")
        if not pair.user.access:
            raise Refusal("user_access_error")
        return pair

    def _reply(self, call, answer, began):
        if answer.error:
            return of_json(answer.error.body(), 200)
        body = {"result": answer.result}
        body.update({name: value for name, value in (("next", answer.next), ("total", answer.total))
                     if value is not None})
        body["time"] = self.time(call, began)
        return of_json(body)

    def time(self, call, began):
        finish, shift = time.time(), self.cloud.clock.offset
        operating, reset_at = self.operating(call.portal).state(call.key, call.method)
        return {"start": began + shift, "finish": finish + shift, "duration": finish - began,
                "processing": finish - began, "date_start": iso(began + shift, call.portal),
                "date_finish": iso(finish + shift, call.portal),
                "operating_reset_at": reset_at, "operating": operating}


def iso(moment, portal):
    """As PORTAL writes it, in its own zone."""
    return datetime.fromtimestamp(moment, timezone(timedelta(hours=portal.zone))).isoformat(timespec="seconds")


def token_of(request):
    """The access token of REQUEST: `auth`, `access_token`, or the header."""
    bearer = request.headers.get("authorization", "")
    token = request.params.get("auth") or request.params.get("access_token")
    if not token and bearer.lower().startswith("bearer "):
        token = bearer[7:].strip()
    return token if isinstance(token, str) else None
