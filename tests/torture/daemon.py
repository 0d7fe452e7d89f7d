"""A `leafd run` under torture: its log as it grows, and rotations on demand by a changed section and SIGHUP."""
import json
import signal
import subprocess
import time

from place import ENVIRONMENT, PATIENCE_S
from reader import read_set
from tools import LEAFD

POLL_S = 0.002


class Daemon:
    """One process; `prefix` is put before the command, `pid` is leafd's own unless a prefix forwards signals."""

    def __init__(self, place, prefix=(), environment=None):
        self.place = place
        self.read = 0
        self.lines = []
        self.garbled = []  # lines of the log that are no JSON
        with open(place.log, "wb") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [*prefix, LEAFD, "run", "-c", place.file], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=log, env={**ENVIRONMENT, **(environment or {})}, close_fds=False)
        self.wait(("ready",))

    def news(self):
        """The events that were logged since the last time."""
        with open(self.place.log, "rb") as file:
            file.seek(self.read)
            text = file.read()
        text = text[:text.rfind(b"\n") + 1]
        self.read += len(text)
        return [event for event in map(self.parse, text.decode(errors="replace").splitlines()) if event]

    def parse(self, line):
        """The event of a line; a line that is none is kept as a fault."""
        try:
            return json.loads(line)
        except ValueError:
            self.garbled.append(line)
            return None

    def look(self, events):
        """The first event of those names that is not taken yet, or None; what came before it is done with."""
        self.lines += self.news()
        while self.lines:
            line = self.lines.pop(0)
            if line["event"] in events:
                return line
        return None

    def ended(self):
        return self.process.poll()

    def wait(self, events, patience=PATIENCE_S):
        """The first of those events; None if the daemon ended or none came."""
        end = time.monotonic() + patience
        while True:
            ended = self.ended() is not None
            line = self.look(events)
            if line is not None or ended or time.monotonic() > end:
                return line
            time.sleep(POLL_S)

    def forget(self):
        """Events up to now count no more."""
        self.lines += self.news()
        self.lines.clear()

    def rotate(self):
        """Asks for the next rotation."""
        self.place.turn += 1
        self.place.configure()
        self.forget()
        self.process.send_signal(signal.SIGHUP)

    def settle(self):
        """A rotation that nothing disturbs: whether it ended well. The one before it may end first."""
        self.rotate()
        while self.wait(("reloaded",)) is not None:
            if sorted(read_set(self.place.directory).dns) == sorted(self.place.dns()):
                return True
        return False

    def how_it_ended(self):
        with open(self.place.log, encoding="utf-8", errors="replace") as file:
            return f"leafd ended with {self.process.returncode}: {file.read()[-400:]}"

    def field(self, name):
        """A figure of /proc/PID/status in kB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))

    def close(self):
        if self.ended() is None:
            self.process.kill()
        self.process.wait()
