"""kill: SIGKILL before and after every system call of a rotation, and at random moments.

After each kill the independent reader judges what is left, nginx is started on it and serves it, and one run without a
fault has to end with the set that the configuration wants. Every FIRST_EVERY-th point is the first issue
into an empty place. What leafd had reported as published has to be there.
"""
import os
import shutil
import signal
import subprocess
import time

import consumer
from place import ENVIRONMENT, Place
from reader import check_settled, prove_reader, read_set
from tools import KILL, StrikeOrders, missing_for_strike as missing, run_struck  # pylint: disable=unused-import

SLICE, FULL = 250, 20000
FIRST_EVERY, RANDOM_EVERY = 8, 7
CALLS_OF_A_ROTATION = 1000  # more than a rotation has: points beyond its end are drawn anew


class KillSuite:
    """One set that is rotated, killed and repaired over and over."""

    def __init__(self, draw):
        self.draw = draw
        self.place = Place("kill")
        self.orders = StrikeOrders(os.path.join(self.place.folder, "orders"))
        self.consumer = consumer.Nginx(self.place.folder, self.place.directory)
        self.calls = CALLS_OF_A_ROTATION
        self.walk = []
        self.old = None  # the serial before the kill
        self.place.configure()
        self.repair()
        prove_reader(self.place.directory)
        self.calls = self.count_calls()

    def close(self):
        self.place.close()

    def count_calls(self):
        """How many calls a rotation has; threads make it vary a little."""
        self.next_turn()
        self.orders.arm(0, 0)
        assert run_struck(self.orders, self.place.command(), self.place.log) == 0
        return self.orders.get("seen") + 10

    def next_turn(self):
        self.place.turn += 1
        self.place.configure()

    def repair(self):
        """A run without a fault has to end with the set that is wanted; what is wrong."""
        status = self.place.once()
        found = read_set(self.place.directory)
        check_settled(found, previous_allowed=1)
        if status != 0:
            found.wrong.append(f"the run after it ended with status {status}: {open(self.place.log).read()[-500:]}")
        if sorted(found.dns) != sorted(self.place.dns()):
            found.wrong.append(f"the run after it left {found.dns}")
        return found

    def next_point(self):
        """Every call of a rotation, before and after it, in an order drawn from the seed; then all over again."""
        if not self.walk:
            self.walk = [(at, after) for at in range(1, self.calls + 1) for after in (0, 1)]
            self.draw.shuffle(self.walk)
        return self.walk.pop()

    def kill_at_call(self):
        while True:
            at, after = self.next_point()
            self.orders.arm(KILL, at, after=after)
            status = run_struck(self.orders, self.place.command(), self.place.log)
            if status == 128 + signal.SIGKILL:
                return f"{'after' if after else 'before'} call {at}, number {self.orders.get('call')}"
            self.old = read_set(self.place.directory).serial
            self.next_turn()

    def kill_at_moment(self):
        wait_s = self.draw.uniform(0, 0.025)
        with open(self.place.log, "wb") as log, \
                subprocess.Popen(self.place.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                                 env=ENVIRONMENT) as process:
            time.sleep(wait_s)  # the fault itself, not a wait for a condition
            process.kill()
        return f"after {wait_s * 1000:.1f} ms"

    def point(self, number):
        """One kill; (where, what is wrong)."""
        first = number % FIRST_EVERY == FIRST_EVERY - 1
        if first:
            shutil.rmtree(self.place.directory)
        self.old = None if first else read_set(self.place.directory).serial
        self.next_turn()
        where = self.kill_at_moment() if number % RANDOM_EVERY == RANDOM_EVERY - 1 else self.kill_at_call()
        told = self.place.told_published()
        found = read_set(self.place.directory)
        wrong = list(found.wrong)
        if not found.published and (self.old is not None or told is not None):
            wrong.append("nothing is published any more")
        if told is not None and found.serial != told:
            wrong.append(f"{told:x} was reported as published and {found.serial:x} is")
        if found.published and found.serial not in (self.old, told, self.newest()):
            wrong.append("what is published is neither the old nor the new certificate")
        if found.published:
            wrong += self.consumer.load(found.serial)
        wrong += self.repair().wrong
        return ("first issue, " if first else "") + where, wrong

    def newest(self):
        return int(self.place.ca.issued[-1].replace(":", ""), 16)

    def facts(self):
        return f"{self.calls - 10} calls a rotation, nginx loaded {self.consumer.loads} sets"


def suite(draw):
    return KillSuite(draw)
