"""The suites' tools in C, built when they are wanted, and the page of orders that each reads (orders.h, starve.h)."""
import mmap
import os
import platform
import shutil
import struct
import subprocess

LEAFD = os.environ.get("LEAFD", os.path.join(os.path.dirname(__file__), "..", "..", "leafd"))
BUILD = os.path.dirname(os.path.abspath(LEAFD))
SOURCE = os.path.dirname(os.path.abspath(__file__))
STRIKE = os.path.join(BUILD, "tests", "torture", "strike")
STARVE = os.path.join(BUILD, "tests", "torture", "starve.so")
COMPILE = ["-std=gnu17", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]

COUNT, KILL, CUT, FAIL, SHORTEN, HOLD = range(6)
WORK, SET = range(2)


def missing_for_strike():
    """Why strike cannot be used here, or None."""
    if platform.machine() != "x86_64":
        return "strike forges the results of system calls on x86-64 only"
    return None if shutil.which("cc") else "there is no C compiler"


def build(made, source, headers, *flags):
    """Compiles one of the tools if it is older than its sources."""
    sources = [os.path.join(SOURCE, name) for name in (source, *headers)]
    if os.path.exists(made) and os.path.getmtime(made) > max(map(os.path.getmtime, sources)):
        return made
    os.makedirs(os.path.dirname(made), exist_ok=True)
    subprocess.run(["cc", *COMPILE, *flags, "-o", made, sources[0]], check=True)
    return made


def build_strike():
    return build(STRIKE, "strike.c", ["orders.h"])


def build_starve():
    return build(STARVE, "starve.c", ["starve.h"], "-shared", "-fPIC")


class Orders:
    """A page that is mapped here and in the tool."""
    FIELDS = ()  # names of 32 bit words, in order

    def __init__(self, path, size):
        self.path = str(path)
        with open(self.path, "wb") as file:
            file.truncate(size)
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), size)

    def get(self, name):
        return struct.unpack_from("<i", self.page, 4 * self.FIELDS.index(name))[0]

    def put(self, **values):
        """In the order given: what sets the tool going comes last."""
        for name, value in values.items():
            struct.pack_into("<i", self.page, 4 * self.FIELDS.index(name), value)


class StrikeOrders(Orders):
    """What strike is to do."""
    FIELDS = ("action", "scope", "at", "after", "errnum", "sync_at", "seen", "struck", "call", "until", "socket", "spare")
    TEXTS = {"mount": 48, "directory": 304, "what": 560}

    def __init__(self, path):
        super().__init__(path, 816)
        build_strike()

    def put_text(self, name, text):
        struct.pack_into("256s", self.page, self.TEXTS[name], str(text).encode())

    def what(self):
        return struct.unpack_from("256s", self.page, self.TEXTS["what"])[0].split(b"\0")[0].decode(errors="replace")

    def arm(self, action, at, *, after=0, errnum=0, sync_at=0, until=0, scope=WORK):
        self.put(action=COUNT, at=0, seen=0, struck=0, call=0, after=after, errnum=errnum, sync_at=sync_at, until=until,
                 scope=scope)
        self.put_text("what", "")
        self.put(at=at, action=action)


def run_struck(orders, arguments, log):
    """The command's status under strike; its standard error goes to `log`."""
    with open(log, "wb") as file:
        return subprocess.run([STRIKE, orders.path, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=file, check=False, close_fds=False).returncode
