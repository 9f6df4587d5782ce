"""The offline queue of a portal: what happened, kept until an application fetches it."""

import hashlib
import json
import secrets
from collections import defaultdict
from dataclasses import dataclass

from .rest import iso

KEPT_SECONDS = 2_952_000  # since the last change, also of reserved ones


@dataclass
class Row:
    id: int
    installation: object
    event: str
    data: object
    user_id: int
    message_id: str
    connector: str
    at: float
    process_id: str = ""
    error: int = 0

    def public(self, more=False):
        shown = {"ID": str(self.id), "TIMESTAMP_X": iso(self.at, self.installation.portal), "EVENT_NAME": self.event,
                 "EVENT_DATA": self.data, "EVENT_ADDITIONAL": {"user_id": self.user_id}, "MESSAGE_ID": self.message_id}
        return {**shown, "PROCESS_ID": self.process_id, "ERROR": self.error} if more else shown


class Offline:
    """Rows by installation and connector."""

    def __init__(self, clock):
        self._clock = clock
        self._rows = defaultdict(dict)  # (installation, connector): {id: Row}
        self._free = {}                 # (installation, connector, message_id): the Row that a repeat merges with
        self._last_id = 0

    def add(self, binding, code, data, user):
        """Merges with the row of the same event and data that nobody reserved, or makes one."""
        message = hashlib.md5(f"{code}|{json.dumps(data, separators=(',', ':'))}".encode()).hexdigest()
        now, user_id = self._clock.now(), user.id if user else 0
        place = binding.installation, binding.connector
        known = self._free.get((*place, message))
        if known and not self._old(known):
            known.at, known.user_id = now, user_id
            return
        self._last_id += 1
        row = Row(self._last_id, binding.installation, code, data, user_id, message, binding.connector, now)
        self._rows[place][row.id] = self._free[(*place, message)] = row

    def _old(self, row):
        return row.at < self._clock.now() - KEPT_SECONDS

    def rows(self, installation, connector):
        """Those that are not purged yet, reserved or not, by id."""
        self.delete([row for row in self._rows[installation, connector].values() if self._old(row)])
        return list(self._rows[installation, connector].values())

    def reserve(self, rows):
        """A new process_id on ROWS, or None when there are none."""
        process = secrets.token_hex(16) if rows else None
        for row in rows:
            self._no_longer_free(row)
            row.process_id = process
        return process

    def delete(self, rows):
        for row in rows:
            self._no_longer_free(row)
            del self._rows[row.installation, row.connector][row.id]

    def _no_longer_free(self, row):
        key = row.installation, row.connector, row.message_id
        if self._free.get(key) is row:
            del self._free[key]

    def mark_error(self, rows):
        """ROWS wait with an error; newer ones of the same message go, later changes merge into these."""
        for row in rows:
            key = row.installation, row.connector, row.message_id
            if key in self._free:
                self.delete([self._free[key]])
            row.error, row.process_id = 1, ""
            self._free[key] = row
