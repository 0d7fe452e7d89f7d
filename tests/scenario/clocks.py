"""A clock for one leafd that a scenario sets, while the machine's own stays alone."""
import mmap
import os
import struct
import time

from preloads import preload

HOUR = 3600
DAY = 24 * HOUR
YEAR = 365 * DAY


class Clock:
    """What leafd takes for the wall clock, started with this environment."""

    def __init__(self, folder):
        page, self.notice = folder / "clock-page", folder / "clock-notice"
        page.write_bytes(bytes(mmap.PAGESIZE))
        with open(page, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        os.mkfifo(self.notice)
        self.environment = {**preload("clocks"), "CLOCK_PAGE": str(page), "CLOCK_NOTICE": str(self.notice)}

    def off_by(self, seconds, tell=False):
        """So many seconds ahead of the true time; the kernel tells of it, or does not."""
        struct.pack_into("<q", self.page, 0, seconds * 10**9)
        if tell:
            # Nobody who reads: leafd is not running, and will look for itself.
            notice = os.open(self.notice, os.O_WRONLY | os.O_NONBLOCK)
            os.write(notice, b"!")
            os.close(notice)

    def stand_at(self, moment):
        """So many seconds since 1970, whatever the true time."""
        self.off_by(moment - int(time.time()))

