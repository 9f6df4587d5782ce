"""The clocks of all programs of a site, by faults/clock.c."""

import time

from pairs import preload
from scratch import write

HOUR = 3600
DAY = 24 * HOUR


class Clock:
    def __init__(self, site):
        self._file = write(site.run_dir / "clock", "0", user=site.user)
        self._site = site
        self.offset = 0
        self.asleep = 0
        site.env = {"LD_PRELOAD": str(preload(site.scratch, "clock")), "CLOCK_CONTROL": str(self._file)}

    def set(self, offset):
        """Sets the wall clock: off by so many seconds from now on."""
        self.offset = offset
        draft = write(self._file.with_suffix(".new"), f"{self.offset} {self.asleep}")
        draft.rename(self._file)

    def sleep(self, seconds):
        """So much time passes at once, as in a machine that sleeps."""
        self.asleep += seconds
        self.set(self.offset + seconds)

    def reboot(self, name):
        """Another boot of the machine, an hour and a half ago."""
        self.asleep = 1.5 * HOUR - time.clock_gettime(time.CLOCK_BOOTTIME)
        self.asleep = int(self.asleep)
        write(self._file.with_name("clock.boot"), name + "\n", user=self._site.user)
        self.set(self.offset)

    def now(self):
        return time.time() + self.offset
