"""How much a portal takes: the leaky bucket of requests, and the operating time of methods."""

import time
from collections import defaultdict

from .errors import Refusal

MINUTES = 10          # buckets of operating time, one a minute
MOST_SECONDS = 480    # of operating time in all of them
TOO_SHORT = 0.1       # seconds: shorter ones are not counted


class Bucket:
    """DEPTH requests at once, RATE a second flow out; in real time, whatever the wall clock does."""

    def __init__(self, depth, rate):
        self._depth, self._rate = depth, rate
        self._level, self._at = 0.0, time.monotonic()

    def take(self):
        now = time.monotonic()
        self._level = max(0.0, self._level - (now - self._at) * self._rate)
        self._at = now
        if self._level + 1 > self._depth:
            return False
        self._level += 1
        return True


class Operating:
    """Seconds that a portal's methods ran, by who called which, on the stand-in's clock."""

    def __init__(self, clock):
        self._clock = clock
        self._spent = defaultdict(dict)  # (key, method): {minute: seconds}
        self.costs = {}                  # method: seconds that a call of it is said to take
        self.most = MOST_SECONDS         # by plan

    def count(self, key, method):
        cost = self.costs.get(method, 0)
        if cost >= TOO_SHORT:
            minutes = self._recent(key, method)
            now = int(self._clock.now() // 60)
            minutes[now] = minutes.get(now, 0) + cost

    def check(self, key, method):
        """Throws when METHOD used up what KEY has of it."""
        if sum(self._recent(key, method).values()) >= self.most:
            raise Refusal("OPERATION_TIME_LIMIT")

    def state(self, key, method):
        """(seconds used, when the oldest of them is forgotten or a minute's first would be)."""
        minutes = self._recent(key, method)
        oldest = min(minutes, default=int(self._clock.now() // 60))
        return sum(minutes.values()), (oldest + MINUTES) * 60

    def _recent(self, key, method):
        minutes = self._spent[key, method]
        oldest = self._clock.now() // 60 - MINUTES
        for minute in [minute for minute in minutes if minute <= oldest]:
            del minutes[minute]
        return minutes
