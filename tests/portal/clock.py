"""The wall clock of the stand-in: real, and stepped by a test."""

import time
from pathlib import Path

HOUR = 3600
DAY = 24 * HOUR


class Clock:
    """Seconds since 1970, off by the number that stands first in FILE and by what `step` added.

    FILE is that of the programs' clocks (tests/faults/clock.c), so that theirs and this one go together.
    """

    def __init__(self, file=None):
        self._file = Path(file) if file else None
        self._stepped = 0

    def now(self):
        return time.time() + self.offset

    @property
    def offset(self):
        words = self._file.read_text().split() if self._file else ()
        return self._stepped + (float(words[0]) if words else 0)

    def step(self, seconds):
        """So much later at once, without the file."""
        self._stepped += seconds
