"""memory: an allocation fails, at every allocation of a rotation in a running daemon, once or until it is relieved.

The daemon has to live, the set has to stay whole, the next rotation has to succeed, and what is allocated then has to
be what was allocated before. A daemon that ended is started anew for the next point, and the point is bad.
"""
import os
import struct
import subprocess
import time

from daemon import Daemon
from place import Place
from reader import read_set
from tools import Orders, build_starve

FRAMES = 24
SLICE, FULL = 500, 30000
WARM_UP, WARM_UP_MOST = 8, 80  # rotations in a row after which no more is allocated than before, and in all
QUIET_S, PATIENCE_S = 0.03, 2
FOR_GOOD = 2**31 - 1
# Leaks on error paths of libraries, by the function that the failed allocation was made for.
KNOWN_LEAKS = {"OSSL_DECODER_CTX_new_for_pkey": "openssl#21723"}
REPEATS = 24       # a point after which more is allocated is repeated: a leak grows each time, what is kept for reuse does not
LEVEL_S = 1        # what is on its way to be freed at the end of a rotation is freed within, on a busy machine, too


class StarveOrders(Orders):
    """What starve.so is to do."""
    FIELDS = ("armed", "at", "times", "seen", "failed", "spare")

    def __init__(self, path):
        super().__init__(path, 40 + 8 * FRAMES)

    def arm(self, at, times):
        self.put(armed=0, at=at, times=times, seen=0, failed=0)
        self.put(armed=1)

    def live(self):
        """Blocks that are allocated."""
        return struct.unpack_from("<q", self.page, 24)[0]


    def callers(self, pid):
        """Who asked for the allocation that failed first, innermost first, as far as symbols tell."""
        frames = [frame for frame in struct.unpack_from(f"<{FRAMES}Q", self.page, 40) if frame]
        maps = []
        with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
            for line in file:
                words = line.split()
                if len(words) > 5 and words[5].startswith("/"):
                    low, high = (int(end, 16) for end in words[0].split("-"))
                    maps.append((low, high, int(words[2], 16), words[5]))
        names = []
        for frame in frames[2:]:
            for low, high, offset, path in maps:
                if low <= frame < high:
                    told = subprocess.run(["addr2line", "-sfe", path, hex(frame - low + offset - 1)],
                                          capture_output=True, text=True, check=False).stdout.splitlines()
                    names.append(told[0] if told and told[0] != "??" else os.path.basename(path))
        return " < ".join(name for i, name in enumerate(names) if i == 0 or names[i - 1] != name)


class MemorySuite:
    """A daemon that starves now and then."""

    def __init__(self, draw):
        self.draw = draw
        self.place = Place("memory")
        self.place.configure()
        self.orders = StarveOrders(os.path.join(self.place.folder, "orders"))
        self.walk, self.daemon, self.first_live = [], None, None
        self.hit, self.repeated = 0, 0  # points whose order was obeyed, and those that were looked at for a leak
        self.known = {}  # leaks of libraries, by where they are known
        self.start()
        self.allocations = self.count()

    def start(self):
        self.orders.put(armed=0)
        self.daemon = Daemon(self.place, environment={"LD_PRELOAD": build_starve(), "STARVE_ORDERS": self.orders.path})
        level, calm = self.orders.live(), 0
        for _ in range(WARM_UP_MOST):
            assert self.daemon.settle(), self.daemon.how_it_ended()
            calm = 0 if self.is_above(level) else calm + 1
            level = max(level, self.orders.live())
            if calm == WARM_UP:
                break
        self.first_live = self.orders.live()

    def count(self):
        self.orders.arm(FOR_GOOD, 0)
        assert self.daemon.settle()
        return self.orders.get("seen")

    def close(self):
        self.daemon.close()
        self.place.close()

    def next_point(self):
        if not self.walk:
            self.walk = [(at, times) for at in range(1, self.allocations + 1) for times in (1, FOR_GOOD)]
            self.draw.shuffle(self.walk)
        return self.walk.pop()

    def wait_for_outcome(self):
        """Until it is told how the rotation ended, or nothing moves any more."""
        end = time.monotonic() + PATIENCE_S
        seen, since = -1, time.monotonic()
        while time.monotonic() < end and self.daemon.ended() is None:
            if self.daemon.wait(("reloaded", "failed", "reload-failed", "config-broken"), 0) is not None:
                return
            if self.orders.get("seen") != seen:
                seen, since = self.orders.get("seen"), time.monotonic()
            elif time.monotonic() > since + QUIET_S and (self.orders.get("failed") or seen > 0):
                return
            time.sleep(0.001)

    def recover(self, wrong):
        """The next rotation, with enough memory again."""
        self.orders.put(armed=0)
        if not self.daemon.settle():
            wrong.append(self.daemon.how_it_ended() if self.daemon.ended() is not None else "the next try did not succeed: "
                         + open(self.place.log, encoding="utf-8").read()[-400:])
        found = read_set(self.place.directory)
        wrong += found.wrong
        if sorted(found.dns) != sorted(self.place.dns()):
            wrong.append(f"the next try left {found.dns}")

    def is_above(self, level):
        """Whether more blocks than that stay allocated."""
        end = time.monotonic() + LEVEL_S
        while self.orders.live() > level and time.monotonic() < end:
            time.sleep(0.001)
        return self.orders.live() > level

    def starve(self, at, times):
        """One starved rotation and one that is not; what is wrong."""
        wrong = []
        self.orders.arm(at, times)
        self.daemon.rotate()
        self.wait_for_outcome()
        self.hit += self.orders.get("failed") > 0
        found = read_set(self.place.directory)
        wrong += found.wrong if found.published else ["nothing is published any more"]
        self.recover(wrong)
        wrong += [f"a line of the log is garbled: {line}" for line in self.daemon.garbled]
        self.daemon.garbled.clear()
        return wrong

    def leaks(self, at, times):
        """Whether each repetition of a point leaves more allocated than the one before, in either half of them: another
        thread or connection is kept for reuse, and is more than a leak of as many tries."""
        for _ in range(2):
            start = self.orders.live()
            for repeat in range(1, REPEATS // 2 + 1):
                if self.starve(at, times) or not self.is_above(start + repeat - 1):
                    return False
        return True

    def judge_leak(self, wrong, what):
        """A leak is bad unless it is a library's own and known."""
        callers = self.orders.callers(self.daemon.process.pid)
        for function, where in KNOWN_LEAKS.items():
            if function in callers:
                self.known[where] = self.known.get(where, 0) + 1
                return
        wrong.append(what)

    def point(self, _number):
        at, times = self.next_point()
        before = self.orders.live()
        wrong = self.starve(at, times)
        if not wrong and self.is_above(before):
            self.repeated += 1
            if self.leaks(at, times):
                self.judge_leak(wrong, f"{self.orders.live() - before} blocks leaked in {REPEATS + 1} tries")
        if wrong:
            if self.daemon.ended() is None:
                wrong.append("the allocation was of " + self.orders.callers(self.daemon.process.pid))
            self.daemon.close()
            self.start()
        return f"allocation {at}, {'once' if times == 1 else 'and all after it'}", wrong

    def facts(self):
        self.is_above(self.first_live)
        known = "".join(f"{number} times {where}, " for where, number in self.known.items())
        return f"{self.allocations} allocations a rotation, {self.hit} points hit, {self.repeated} repeated, {known}" \
               f"{self.orders.live() - self.first_live:+d} blocks of {self.first_live} at the end"


def suite(draw):
    return MemorySuite(draw)
