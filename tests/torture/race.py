"""race: another user of the machine exchanges, links and renames at a system call of leafd's, and takes it back later.

The attacker is a process of its own (attacker.py) with the rights of a directory on leafd's way: it owns it, shares it,
or is given it at that very call, when every check has been passed. leafd is held at the call meanwhile, so nothing is left
to luck: each call that touches the attacked tree (yard.py) is a point of each situation. After it nothing of anybody
else's is changed, removed or added to, the attacker has read no key and had no program run, and leafd has worked on or has
ended with a message. One run without the attacker has to end well then. What leafd has to refuse it refuses at every point.
"""
import os
import shutil
import socket
import subprocess
import sys
import threading

import attacker
import situations
from daemon import Daemon
from place import ENVIRONMENT, Place
from reader import read_set
from tools import COUNT, HOLD, LEAFD, SET, STRIKE, StrikeOrders, missing_for_strike
from yard import Yard, make_folder, prove_judges

SLICE, FULL = 150, 5000
USER = 4300            # whom leafd runs as in the variants where it is not root
HANG_S = 60
OUTCOME_S = 3          # for a daemon, which may go on watching without a word
BLOCK, DAEMON_BLOCK = 6, 15  # points in a row of one combination
ENOUGH_TRIES = 10      # of which one has to succeed
BEYOND = 4             # calls after the last that an undisturbed run makes: an attacked one may make more
UNTIL = (1, 2, 3, 5, 8, 15, 40, 0)  # calls until the attacker takes it back; 0: when leafd has ended
OUTCOMES = ("failed", "reload-failed", "reloaded", "config-broken", "rolled-back")
PR_SET_PDEATHSIG = 1   # no process stays behind, however the suite ends
ONCE = ("start", "publish", "repair", "rollback")
WATCHED = ("watched publish", "watched repair")

# target, how, whom leafd runs as, situations
COMBINATIONS = (
    ("set", "mine", 0, ONCE), ("set", "group", 0, ("start", "publish")), ("set", "sticky", 0, ONCE),
    ("set", "volume", 0, ONCE + WATCHED), ("set", "taken", 0, ONCE + WATCHED),
    ("set", "mine", USER, ("start", "publish")), ("set", "volume", USER, ONCE), ("set", "taken", USER, ONCE),
    ("parent", "mine", 0, ("start", "publish")), ("parent", "volume", 0, ("start", "publish")),
    ("parent", "taken", 0, ONCE + WATCHED),
    ("link", "mine", 0, ("start", "publish")), ("link", "sticky", 0, ("start", "publish")),
    ("link", "volume", 0, ("start", "publish")), ("link", "taken", 0, ("start", "publish")),
    ("include", "mine", 0, ("publish",)), ("include", "sticky", 0, ("publish",)), ("include", "volume", 0, ("publish",)),
    ("program", "mine", 0, ("publish",)), ("program", "sticky", 0, ("publish",)), ("program", "volume", 0, ("publish",)),
    ("pidfile", "mine", 0, ("publish",)), ("pidfile", "sticky", 0, ("publish",)), ("pidfile", "volume", 0, ("publish",)),
    ("socket", "mine", 0, ("publish",)), ("socket", "sticky", 0, ("publish",)), ("socket", "volume", 0, ("publish",)),
)


def missing():
    """Why this machine cannot run it, or None."""
    if os.geteuid() != 0:
        return "an attacker of another user needs root"
    return missing_for_strike()


def heed(what):
    """A process that catches SIGHUP, as leafd wants of a consumer, and does that then."""
    process = subprocess.Popen(  # pylint: disable=consider-using-with
        [sys.executable, "-c", f"import ctypes, os, signal\nctypes.CDLL(None).prctl({PR_SET_PDEATHSIG}, signal.SIGKILL)\n"
         f"signal.signal(signal.SIGHUP, lambda *_: {what})\n"
         "print(flush=True)\nwhile True: signal.pause()"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.readline()
    return process


# -- the suite ----------------------------------------------------------------------------------------


class Combination:
    """One situation in one yard, with how many calls it has there."""

    def __init__(self, yard, situation):
        self.yard, self.situation = yard, situation
        self.is_watched = situation in WATCHED
        self.name = f"{situation}, {yard.name}"


class RaceSuite:  # pylint: disable=too-many-instance-attributes
    """All combinations, in blocks that are shuffled."""

    def __init__(self, draw):
        self.draw = draw
        situations.enter_namespace()
        self.place = Place("race")
        os.chmod(self.place.folder, 0o755)
        self.leafd = os.path.join(self.place.folder, "leafd")  # where a user of another number may run it
        shutil.copy2(LEAFD, self.leafd)
        self.proofs = os.path.join(self.place.folder, "proofs")
        make_folder(self.proofs, 0o1777)
        self.orders = StrikeOrders(os.path.join(self.place.folder, "orders"))
        self.consumer, self.victim = heed("None"), heed("os._exit(1)")
        self.socket_path = os.path.join(self.place.folder, "consumer.sock")
        self.listen()
        self.attacker = attacker.Helper()
        lair = os.path.join(self.place.folder, "lair")
        make_folder(lair, 0o755, attacker.USER)
        self.evil_socket_path = os.path.join(lair, "sock")
        self.attacker.order("listen", path=self.evil_socket_path)
        self.daemon, self.daemon_of, self.yard = None, None, None
        self.trouble, self.struck, self.acted = [], 0, 0
        self.turn, self.is_armed = threading.Lock(), False
        self.reached = set()
        self.acts = {}  # how often each was tried, and how often the kernel let the attacker do any of it
        ours, theirs = socket.socketpair()
        os.set_inheritable(theirs.fileno(), True)
        self.ours, self.theirs = ours, theirs
        threading.Thread(target=self.serve_holds, daemon=True).start()
        self.templates = {}
        self.make_templates()
        yards = [Yard(self, number, *words[:3]) for number, words in enumerate(COMBINATIONS)]
        self.combinations = [Combination(yard, situation) for yard, words in zip(yards, COMBINATIONS) for situation in words[3]]
        self.counts = {}
        self.walk = []
        prove_judges(yards[0], self.attacker)

    def close(self):
        self.end_daemon()
        self.attacker.close()
        for process in (self.consumer, self.victim):
            process.kill()
            process.wait()
            process.stdout.close()
        for combination in self.combinations:
            combination.yard.close()
        self.place.close()

    def listen(self):
        """The consumer that is told of new sets by its socket."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.socket_path)
        listener.listen(16)

        def serve():
            while True:
                connection = listener.accept()[0]
                with connection:
                    connection.settimeout(HANG_S)
                    try:
                        connection.recv(65536)
                        connection.sendall(b"done\n")
                    except OSError:
                        pass
        threading.Thread(target=serve, daemon=True).start()

    # -- the sets that points begin with --------------------------------------------------------------

    def make_templates(self):
        """A set of the turn before, one of this turn, and one whose successor the consumer has refused twice."""
        place = self.place
        place.directory = os.path.join(place.folder, "plain")
        place.more = "file = shared.key key 0640"
        place.configure()
        self.keep_template("publish")
        place.turn = 1
        wanted = os.path.join(place.folder, "wanted.crt")
        shutil.copy2(os.path.join(place.directory, "tls.crt"), wanted)
        self.refusing = "exec /usr/bin/cmp -s {directory}/tls.crt " + wanted
        place.configure(reload=self.refusing.format(directory=place.directory))
        place.once()
        self.keep_template("rollback", 1)
        place.configure()
        self.keep_template("repair")

    def keep_template(self, situation, expected=0):
        status = self.place.once()
        assert status == expected, open(self.place.log, encoding="utf-8").read()
        self.templates[situation] = os.path.join(self.place.folder, f"template-{situation}")
        shutil.copytree(self.place.directory, self.templates[situation], symlinks=True)

    def template(self, situation):
        return self.templates.get(situation.removeprefix("watched "))

    # -- the held calls -------------------------------------------------------------------------------

    def serve_holds(self):
        """strike says that leafd is held; the first time the attacker acts, the second time it takes it back."""
        while self.ours.recv(1):
            try:
                with self.turn:
                    self.take_turn()
            except Exception as failure:  # pylint: disable=broad-exception-caught
                self.trouble.append(f"the suite: {failure!r}")
            self.ours.sendall(b"g")

    def take_turn(self):
        if not self.is_armed:
            return  # a daemon has told its outcome, and comes to the call only now
        if self.acted:
            self.attacker.order("undo")
            return
        self.acted = 1
        if self.yard.how == "taken":
            self.yard.give(True)
        self.attacker.order("act")

    def disarm(self):
        with self.turn:
            self.is_armed = False
        self.orders.arm(COUNT, 0, scope=SET)

    def arm(self, combination, at, until, action=HOLD):
        self.acted, self.trouble, self.is_armed = 0, [], action == HOLD
        self.orders.put_text("directory", combination.yard.root)
        self.orders.put(socket=self.theirs.fileno())
        self.orders.arm(action, at, until=at + until if until else 0, scope=SET)

    # -- one run --------------------------------------------------------------------------------------

    def configure(self, combination, reload=None):
        yard, target = combination.yard, combination.yard.target
        self.place.directory = yard.directory
        self.place.more = "file = shared.key key 0640\n" + target.more.format(yard=yard.root)
        self.place.agent = target.agent.format(yard=yard.root)
        if reload is None:
            reload = self.refusing if combination.situation == "rollback" else target.reload
        self.place.configure(reload=reload.format(yard=yard.root, directory=yard.directory))

    def command(self, yard, word="once"):
        change = ["/usr/bin/setpriv", f"--reuid={yard.user}", f"--regid={yard.user}", "--clear-groups"] if yard.user else []
        return [*change, self.leafd, word, "-c", self.place.file]

    def run(self, arguments):
        """The status of one run, or None if it hangs."""
        with open(self.place.log, "wb") as log:
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,  # pylint: disable=consider-using-with
                                       stderr=log, env=ENVIRONMENT, close_fds=False)
            try:
                return process.wait(HANG_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return None

    def told(self):
        with open(self.place.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def race_once(self, combination, wrong):
        status = self.run([STRIKE, self.orders.path, *self.command(combination.yard)])
        if status is None:
            wrong.append(f"leafd hung for {HANG_S} s")
        elif status not in (0, 1, 2, 3):
            wrong.append(f"leafd ended with {status}: {self.told()[-300:]}")
        elif status != 0 and not self.told().strip():
            wrong.append(f"leafd ended with {status} and without a word")
        return status

    def recover(self, combination, wrong):
        """The attacker has stopped and root has repaired the place: one run has to end well."""
        self.configure(combination, reload="exec /bin/true")
        status = self.run(self.command(combination.yard))
        self.judge_set(combination, wrong)
        if status != 0:
            wrong.append(f"the run after it ended with {status}: {self.told()[-500:]}")

    def judge_set(self, combination, wrong):
        found = read_set(combination.yard.directory)
        wrong += found.wrong if found.published else ["nothing is published after it"]
        if found.published and sorted(found.dns) != sorted(self.place.dns()):
            wrong.append(f"the run after it left {found.dns}")

    # -- one point ------------------------------------------------------------------------------------

    def prepare(self, combination):
        self.yard = combination.yard
        if not combination.is_watched:
            self.end_daemon()
            self.place.turn = 1
            combination.yard.build(combination.situation)
            self.configure(combination)
        elif self.daemon_of is not combination or self.daemon.ended() is not None or "repair" in combination.situation:
            # What has just looked at its files looks again a second later, so each repair has a daemon of its own.
            self.end_daemon()
            self.place.turn = 1
            combination.yard.build("watched repair")
            self.configure(combination)
            self.arm(combination, 0, 0, COUNT)
            self.daemon = Daemon(self.place, prefix=(STRIKE, self.orders.path))
            self.daemon_of = combination
            assert "repair" in combination.situation or self.daemon.settle(), self.daemon.how_it_ended()

    def end_daemon(self):
        if self.daemon is not None:
            self.daemon.close()
            self.daemon = self.daemon_of = None

    def count(self, combination):
        """How many calls an undisturbed run makes; threads make it vary a little."""
        self.prepare(combination)
        self.arm(combination, 0, 0, COUNT)
        if combination.is_watched:
            self.provoke(combination)
        else:
            self.race_once(combination, [])
        return self.orders.get("seen") + BEYOND

    def provoke(self, combination):
        """Gives a watching daemon something to do, and waits until it is done."""
        self.daemon.forget()
        if combination.situation == "watched publish":
            self.daemon.rotate()
        else:
            os.truncate(os.path.join(combination.yard.directory, "tls.crt"), 100)
            os.unlink(os.path.join(combination.yard.directory, "tls.key"))  # which the watch sees
        self.daemon.wait(OUTCOMES, OUTCOME_S)

    def next_point(self):
        """Every call of every combination, each with an act; then all over again with others."""
        if not self.walk:
            if not self.counts:
                self.counts = {combination: self.count(combination) for combination in self.combinations}
            for combination, calls in self.counts.items():
                order = list(range(1, calls + 1))
                self.draw.shuffle(order)
                size = DAEMON_BLOCK if combination.is_watched else BLOCK
                self.walk += [(combination, order[i:i + size]) for i in range(0, len(order), size)]
            self.draw.shuffle(self.walk)
        combination, block = self.walk[-1]
        at = block.pop()
        if not block:
            self.walk.pop()
        return combination, at

    def point(self, _number):
        combination, at = self.next_point()
        yard, wrong = combination.yard, []
        act, until = self.draw.choice(yard.target.acts), self.draw.choice(UNTIL)
        self.prepare(combination)
        if combination.is_watched:
            for belonging in yard.belongings:
                belonging.before = belonging.facts()
        self.attacker.order("begin", act=act, target=yard.entry, search=yard.root)
        self.arm(combination, at, until)
        status = None
        if combination.is_watched:
            self.provoke(combination)
        else:
            status = self.race_once(combination, wrong)
        where = f"{combination.name}: {act} before call {at} ({self.orders.get('call')} of {self.orders.what()}), " + \
            (f"for {until} calls" if until else "for good")
        self.disarm()
        struck = self.acted
        self.struck += struck
        self.judge(combination, act, wrong)
        self.judge_refusal(combination, status, wrong)
        yard.repair()
        if combination.is_watched:
            self.settle(combination, wrong)
        else:
            self.recover(combination, wrong)
        if struck:
            self.reached.add((combination.name, at))
        return where, wrong

    def judge(self, combination, act, wrong):
        """What there is to be said before the place is repaired."""
        told = self.attacker.order("end")
        if self.acted:
            tried, done = self.acts.get(act, (0, 0))
            self.acts[act] = (tried + 1, done + bool(told["done"]))
        wrong += self.trouble
        wrong += [f"the attacker has read the key in {where}" for where in told["keys"]]
        combination.yard.judge(wrong)
        for name in os.listdir(self.proofs):
            path = os.path.join(self.proofs, name)
            if os.stat(path).st_uid != attacker.USER:
                wrong.append("leafd has run the attacker's program")
            os.unlink(path)
        if self.victim.poll() is not None:
            wrong.append("leafd has signalled somebody else's process")
            self.victim = heed("os._exit(1)")

    def judge_refusal(self, combination, status, wrong):
        """A place that is not safe is refused from the first, whatever is done meanwhile. Without a link a set is still of use."""
        yard = combination.yard
        if not yard.is_refused:
            return
        if yard.folder not in self.told() or (status == 0 and not yard.is_link):
            wrong.append(f"leafd ended with {status} and has not refused {yard.folder}: {self.told()[-300:]}")
        if yard.is_link and os.path.lexists(yard.entry) and os.lstat(yard.entry).st_uid == yard.user:
            wrong.append(f"leafd has made {yard.entry}")

    def settle(self, combination, wrong):
        if self.daemon.ended() is not None:
            wrong.append(self.daemon.how_it_ended())
        elif not self.daemon.settle():
            wrong.append("the next try did not succeed: " + self.told()[-500:])
        self.judge_set(combination, wrong)
        if wrong:
            self.end_daemon()

    def verdict(self):
        """An attacker that can do nothing proves nothing."""
        return [f"in {tried} tries the attacker never managed {act}" for act, (tried, done) in self.acts.items()
                if tried >= ENOUGH_TRIES and done == 0]

    def facts(self):
        calls = sum(self.counts.values()) - BEYOND * len(self.counts)
        done = sum(done for _, done in self.acts.values())
        return f"{len(self.combinations)} combinations of situation and place with {calls} calls, {len(self.reached)} of these " \
               f"attacked in {self.struck} points with {len(self.acts)} kinds of act, which took effect in {done}"


def suite(draw):
    return RaceSuite(draw)
