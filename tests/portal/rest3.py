"""A portal's /rest/api/: REST 3, of which it plays tasks.task."""

import hashlib
import re
import time

from .clock import DAY
from .errors import Refusal
from .faults import of_json

METHODS = re.compile(r"tasks\.task\.(add|get|update|delete|list)")
KEY = re.compile(r"[\x21-\x7e]{1,255}")
KEY_SECONDS = DAY  # how long an answer is kept for its Idempotency-Key


class Rest3:
    """JSON bodies only; an error is an object, a list stands in result.items."""

    def __init__(self, cloud):
        self.cloud = cloud
        self._kept = {}  # (member_id, who, key): (until, fingerprint of the request, Reply)

    def answer(self, request, portal, name, webhook):
        """The Reply to the call of NAME, errors too."""
        try:
            return self._answer(request, portal, name, webhook)
        except Refusal as refusal:
            request.ran = False
            field = re.search(r"'(\w+)'", refusal.text)
            validation = [{"field": field[1], "message": refusal.text}] if field else []
            return of_json({"error": {"code": refusal.error, "message": refusal.text, "validation": validation}},
                           refusal.status(self.cloud.live))

    def _answer(self, request, portal, name, webhook):
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal("INVALID_REQUEST", "The body is not JSON")
        call = self.cloud.rest.caller(request, portal, webhook)
        key = request.headers.get("idempotency-key")
        if key is None:
            return self._run(call, name, request)
        if not KEY.fullmatch(key):
            raise Refusal("INVALID_REQUEST", "The Idempotency-Key is not 1 to 255 printable characters")
        return self._once(call, name, request, key)

    def _once(self, call, name, request, key):
        place, now = (call.portal.member_id, call.key, key), self.cloud.clock.now()
        print_of = hashlib.sha256(name.encode() + b"\0" + request.body).digest()
        until, known, reply = self._kept.get(place, (0, None, None))
        if until <= now:
            reply = self._run(call, name, request)
            self._kept[place] = now + KEY_SECONDS, print_of, reply
            return reply
        if known != print_of:
            raise Refusal("IDEMPOTENCY_KEY_REUSED", "The Idempotency-Key was used with another request", 422)
        request.ran = False
        return of_json(reply.json, headers={"Idempotent-Replayed": "true"})

    def _run(self, call, name, request):
        if not METHODS.fullmatch(name):
            raise Refusal("ERROR_METHOD_NOT_FOUND")
        began = time.time()
        params = {key: value for key, value in request.params.items() if key not in ("auth", "access_token")}
        call.start = int((params.get("pagination") or {}).get("offset", 0))
        result = self.cloud.rest.run(call, name, params).result
        named = {"task": "item", "tasks": "items"}
        if isinstance(result, dict):
            result = {named.get(word, word): value for word, value in result.items()}
        return of_json({"result": result, "time": self.cloud.rest.time(call, began)})
