"""Which handlers hear of what happens on a portal, at once and offline."""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from . import posts
from .errors import Refusal
from .outbox import make_post

TABLE = Path(__file__).resolve().parents[1] / "bitrix24" / "events.tsv"


def read_catalog():
    """{code: scope, "" for those of every application} of the documented events."""
    rows = [line.split("\t") for line in TABLE.read_text().splitlines()[1:]]
    return {code.upper(): "" if scope == "basic" or code == "ONOFFLINEEVENT" else scope
            for code, _, scope, *_ in rows if re.fullmatch(r"[\w.]+", code) and scope[0] != "("}


CATALOG = read_catalog()


def scope_of(code):
    """Of the event CODE, or None when there is no such one; `..._31` is as the one without a number."""
    return CATALOG.get(code, CATALOG.get(re.sub(r"_\d+$", "", code)))


@dataclass
class Binding:
    installation: object
    event: str
    handler: str = ""
    user: int = 0           # whose token the event carries; 0: of who caused it
    offline: bool = False
    connector: str = ""
    min_timeout: float = 1  # seconds between two ONOFFLINEEVENT
    id: int = 0             # event_handler_id; another one at each bind
    woken: float = 0        # when the last ONOFFLINEEVENT went out

    @property
    def key(self):
        return self.installation.app.client_id, self.event, self.handler, self.user, self.offline, self.connector


class Subscriptions:
    def __init__(self, cloud):
        self.cloud = cloud
        self._bindings = defaultdict(list)  # portal: Bindings
        self._last_id = 10

    def add(self, binding):
        mine = self.of(binding.installation)
        if any(one.key == binding.key for one in mine):
            raise Refusal("ERROR_CORE", "Handler already binded")
        binding.id = self.next_id()
        self._bindings[binding.installation.portal].append(binding)
        return binding

    def next_id(self):
        self._last_id += 1
        return self._last_id

    def remove(self, binding):
        self._bindings[binding.installation.portal].remove(binding)

    def of(self, installation):
        return [one for one in self._bindings[installation.portal] if one.installation is installation]

    def happens(self, portal, code, data, user=None, by=None, connector="", delay=0):
        """CODE with DATA happened, caused by USER, through the installation BY.  The posts that go out."""
        gone = []
        for one in self._bindings[portal]:
            if one.event != code.upper() or not one.installation.works or not portal.paid or portal.deleted:
                continue
            if one.offline:
                self._keep(one, code.upper(), data, user, by, connector)
            else:
                gone.append(self._send(one, code.upper(), data, user, delay=delay))
        for hook in portal.webhooks:
            if hook.url and code.upper() in hook.events:
                block = {**posts.ends(self.cloud, portal), "application_token": hook.code}
                tree = posts.event(self.cloud, code.upper(), hook.id, data, block)
                gone.append(self.cloud.outbox.put(make_post(code.upper(), hook.url, tree), delay))
        return gone

    def notify(self, installation, code, data, user=None, refresh=False):
        """CODE to the handlers of INSTALLATION alone."""
        return [self._send(one, code, data, user, refresh) for one in self.of(installation)
                if one.event == code and not one.offline]

    def _send(self, binding, code, data, user, refresh=False, delay=0):
        who = binding.installation.portal.users.get(binding.user, user)
        block = posts.auth(self.cloud, binding.installation, who, refresh)
        tree = posts.event(self.cloud, code, binding.id, data, block)
        return self.cloud.outbox.put(make_post(code, binding.handler, tree), delay)

    def _keep(self, binding, code, data, user, by, connector):
        own = by is binding.installation and connector == binding.connector
        if own and self.cloud.own_changes == "skipped":
            return
        self.cloud.offline.add(binding, code, data, user)
        now = self.cloud.clock.now()
        for one in self.of(binding.installation):
            if one.event == "ONOFFLINEEVENT" and not one.offline and now - one.woken >= one.min_timeout:
                one.woken = now
                self._send(one, "ONOFFLINEEVENT", {}, user or one.installation.user, refresh=True)
