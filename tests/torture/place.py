"""Where a suite tortures: a folder, a stand-in CA, configurations that take turns, and what leafd logged."""
import json
import os
import shutil
import subprocess
import tempfile

from stand_in import StandIn
from tools import LEAFD

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent",
               **{name: value for name, value in os.environ.items() if name.startswith(("ASAN_", "UBSAN_", "LSAN_"))}}
PATIENCE_S = 60


class Place:
    """Ends with close; `directory` may lie on another file system."""

    def __init__(self, suite, directory=None):
        self.folder = tempfile.mkdtemp(prefix=f"torture-{suite}-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.ca = StandIn(self.folder)
        self.directory = directory or os.path.join(self.folder, "set")
        self.log = os.path.join(self.folder, "log")
        self.turn = 0
        self.session = 0  # another number: another session with the CA
        self.more = ""    # further lines of the section
        self.vault = ""   # and of [vault]
        self.agent = ""   # and of [agent]
        self.file = os.path.join(self.folder, "leafd.ini")

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def dns(self):
        """The names that this turn wants."""
        return ("a.example.test", f"turn{self.turn % 1000:03}.example.test")

    def configure(self, reload="exec /bin/true"):
        """Writes the configuration of this turn; the next turn's wants another name, and so a rotation."""
        with open(self.file + ".new", "w", encoding="ascii") as file:
            file.write(f"[vault]\naddress = {self.ca.address}\nca_file = {self.ca.ca_file}\n{self.vault}\n"
                       f"[auth]\nmethod = approle\nrole_id = torture{self.session}\nrevoke_on_exit = no\n"
                       f"[agent]\nlog_format = json\nlog_level = debug\ntemplate_directory = {SOURCE}/templates\nready_when = all\n{self.agent}\n"
                       f"[cert web]\npki_mount = pki\npki_role = leafd\nttl = 24h\ndirectory = {self.directory}\n"
                       f"dns_names = {', '.join(self.dns())}\nfile = tls.crt fullchain\nfile = tls.key key\n"
                       f"file = ca.crt ca\nfile = combined.pem combined\nreload = {reload}\n{self.more}\n")
        os.rename(self.file + ".new", self.file)

    def command(self, *words):
        return [LEAFD, *(words or ("once",)), "-c", self.file]

    def once(self):
        """One run without any fault; its status."""
        with open(self.log, "wb") as log:
            return subprocess.run(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                                  env=ENVIRONMENT, check=False, timeout=PATIENCE_S, close_fds=False).returncode

    def events(self, event):
        return [line for line in read_log(self.log) if line.get("event") == event]

    def told_published(self):
        """The serial that leafd last reported as published, or None."""
        told = self.events("published")
        return int(told[-1]["serial"].replace(":", ""), 16) if told else None


def read_log(path):
    """Every complete line so far."""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    lines = text[:text.rfind("\n") + 1].splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
