"""errors: a system call of a running daemon fails, once, with each errno of the list, or takes one byte of many.

Struck are the calls that touch the set's directory and those that start the reload's command. The old pair or
the new one has to be there, whole, the daemon has to live, and its very next try has to succeed without a restart.
Between the calls come whole situations: a full disk, no inodes, a read-only mount, the directory replaced by a link,
somebody else's files in it, the lock taken away, a second agent.
"""
import errno
import os

import situations
from daemon import Daemon
from place import Place
from reader import read_set
from tools import COUNT, FAIL, SET, SHORTEN, STRIKE, StrikeOrders, missing_for_strike as missing  # pylint: disable=unused-import

SLICE, FULL = 250, 4000
SITUATION_EVERY = 12
OUTCOME_S = 60
ERRNOS = ("ENOSPC", "EIO", "EINTR", "EMFILE", "EROFS", "EACCES", "ENOMEM", "EDQUOT", "short")
OUTCOMES = ("failed", "reload-failed", "reloaded", "config-broken")


class ErrorsSuite:
    """A daemon under strike."""

    def __init__(self, draw):
        self.draw = draw
        self.place = Place("errors")
        self.place.configure()
        self.orders = StrikeOrders(os.path.join(self.place.folder, "orders"))
        self.orders.put_text("directory", self.place.directory)
        self.walk, self.struck, self.daemon = [], 0, None
        self.situations = situations.all_of(self.place)
        self.counts = 0
        self.start()
        self.calls = self.count()

    def start(self):
        self.orders.arm(COUNT, 0, scope=SET)
        self.daemon = Daemon(self.place, prefix=(STRIKE, self.orders.path))
        assert self.daemon.settle(), self.daemon.how_it_ended()

    def count(self):
        self.orders.arm(COUNT, 0, scope=SET)
        assert self.daemon.settle()
        return self.orders.get("seen")

    def close(self):
        self.daemon.close()
        situations.end(self.place)
        self.place.close()

    def next_point(self):
        if not self.walk:
            self.walk = [(at, name) for at in range(1, self.calls + 1) for name in ERRNOS]
            self.draw.shuffle(self.walk)
        return self.walk.pop()

    def check(self, wrong):
        if self.daemon.ended() is not None:
            wrong.append(self.daemon.how_it_ended())
        found = read_set(self.place.directory)
        wrong += found.wrong if found.published else ["nothing is published any more"]
        return found

    def recover(self, wrong):
        """The very next try, which a changed section asks for at once."""
        self.orders.arm(COUNT, 0, scope=SET)
        if not self.daemon.settle():
            wrong.append("the next try did not succeed: " + open(self.place.log, encoding="utf-8").read()[-500:])
        found = self.check(wrong)
        if sorted(found.dns) != sorted(self.place.dns()):
            wrong.append(f"the next try left {found.dns}")
        if wrong:
            self.daemon.close()
            self.start()

    def strike(self):
        at, name = self.next_point()
        if name == "short":
            self.orders.arm(SHORTEN, at, scope=SET)
        else:
            self.orders.arm(FAIL, at, errnum=getattr(errno, name), scope=SET)
        self.daemon.rotate()
        told = self.daemon.wait(OUTCOMES, OUTCOME_S)
        struck = self.orders.get("struck")
        self.struck += struck
        where = f"call {at} ({self.orders.get('call')} of {self.orders.what()}) with {name}"
        wrong = [] if told is not None else [f"no outcome within {OUTCOME_S} s"]
        self.check(wrong)
        self.recover(wrong)
        return where, wrong

    def point(self, number):
        if number % SITUATION_EVERY != SITUATION_EVERY - 1 or not self.situations:
            return self.strike()
        situation = self.situations[self.counts % len(self.situations)]
        self.counts += 1
        wrong = situation(self.place, self.daemon)
        self.recover(wrong)
        return situation.__name__, wrong

    def facts(self):
        return f"{self.calls} calls a rotation touch the set, {self.struck} struck with " \
               f"{len(ERRNOS)} kinds of failure; {self.counts} times one of {len(self.situations)} situations"


def suite(draw):
    return ErrorsSuite(draw)
