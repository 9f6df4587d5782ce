"""Pairs of tokens, in chains: what the authorization server knows of them."""

import itertools
import secrets
from dataclasses import dataclass

from .clock import DAY

ACCESS_SECONDS = 3600
# Bitrix24's sources say 28 days (courses) and 180 (today's pages): the shorter, so that what bears it bears both.
REFRESH_DAYS = 28
TOKEN_LENGTH = 70


def make_token(expires):
    """As real ones look: the first four bytes are the time of expiry, the lowest first."""
    start = int(expires).to_bytes(4, "little").hex()
    return start + secrets.token_hex(TOKEN_LENGTH)[:TOKEN_LENGTH - len(start)]


@dataclass
class Pair:
    installation: "Installation"  # noqa: F821
    user: "User"                  # noqa: F821
    access: str
    refresh: str
    issued: float
    expires: int         # of the access token
    refresh_until: float
    chain: int           # pairs of one chain follow each other by refresh
    spent: bool = False  # the refresh token was used: the access token died with it


class Tokens:
    """Refresh tokens are single use; any number of chains live side by side, and none branches."""

    def __init__(self, clock):
        self._clock = clock
        self._by_access, self._by_refresh = {}, {}
        self._chains = itertools.count(1)
        self.refresh_seconds = REFRESH_DAYS * DAY
        self.access_seconds = ACCESS_SECONDS

    def issue(self, installation, user, chain=None):
        """A new pair, of a new chain without CHAIN."""
        chain = next(self._chains) if chain is None else chain
        now = self._clock.now()
        expires = int(now) + self.access_seconds
        until = now + self.refresh_seconds
        pair = Pair(installation, user, make_token(expires), make_token(until), now, expires, until, chain)
        self._by_access[pair.access] = self._by_refresh[pair.refresh] = pair
        return pair

    def of_access(self, token):
        """The pair of TOKEN, live or not, or None."""
        return self._by_access.get(token)

    def of_refresh(self, token):
        return self._by_refresh.get(token)

    def renew(self, pair):
        """The next pair of the chain; PAIR is spent then."""
        pair.spent = True
        return self.issue(pair.installation, pair.user, pair.chain)

    def expired(self, pair):
        return self._clock.now() >= pair.expires

    def secrets(self):
        return {*self._by_access, *self._by_refresh}
