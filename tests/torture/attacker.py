"""attacker: another user of the machine, in a process of its own that gave root's rights away before it reads an order.

Orders come as lines of JSON: `begin` names the act, the entry that is attacked and where to search; `act` does it, `undo`
takes it back, `end` tells what was done and which private keys could be read, by path or through what was held open.
What the kernel refuses is refused: an act is a try, and the suite sees to it that some succeed.
"""
import contextlib
import ctypes
import errno
import json
import os
import socket
import stat
import struct
import subprocess
import sys
import threading

USER = 4242
EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
KEY = b"PRIVATE KEY"
FILE_MOST_BYTES = 1 << 16
HELD_MOST = 256
ACL = "system.posix_acl_default"
ACL_ENTRIES = ((0x01, 7, -1), (0x02, 7, USER), (0x04, 5, -1), (0x10, 7, -1), (0x20, 5, -1))  # acl(5): u, u:USER, g, mask, o
PROPS = ("dir", "link", "closed", "file", "hard", "fifo")
LATE = (".leafd-new", ".new")  # what leafd writes before it renames it
libc = ctypes.CDLL(None, use_errno=True)


def prop(folder, name):
    """Where the suite put what an act puts in the entry's place."""
    return os.path.join(folder, f".evil-{name}")


def acl():
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in ACL_ENTRIES)


class Attacker:
    """What one point of the suite has it do."""

    def __init__(self):
        self.held = []   # descriptors of files and directories that could be opened once
        self.done, self.refused, self.keys = [], [], set()
        self.act_name, self.target, self.search = "gone", "/nonexistent", "/nonexistent"
        self.acted = self.undone = False
        self.listener = None

    @property
    def folder(self):
        return os.path.dirname(self.target)

    def attempt(self, what, call, *arguments):
        try:
            call(*arguments)
        except OSError as failure:
            self.refused.append(f"{what}: {errno.errorcode.get(failure.errno)}")
            return False
        self.done.append(what)
        return True

    def exchange(self, one, other):
        """In one call; where one of the two is not there, the other is moved."""
        def call():
            if libc.renameat2(-100, one.encode(), -100, other.encode(), EXCHANGE) != 0:
                raise OSError(ctypes.get_errno(), one)
        if not os.path.lexists(one):
            self.attempt("move", os.rename, other, one)
        elif not os.path.lexists(other):
            self.attempt("move", os.rename, one, other)
        else:
            self.attempt("exchange", call)

    # -- the acts -------------------------------------------------------------------------------------

    def put(self):
        self.exchange(self.target, prop(self.folder, self.act_name))

    def take_away(self):
        self.attempt("move", os.rename, self.target, prop(self.folder, "aside"))

    def two_steps(self):
        """As link, with a moment in between in which nothing is there."""
        self.take_away()
        self.attempt("move", os.rename, prop(self.folder, "link"), self.target)

    def plant(self):
        """Names that leafd may be about to write."""
        for name, late in zip(("link", "hard"), LATE):
            self.attempt("plant", os.rename, prop(self.folder, name), self.target + late)
        for name in ("file", "fifo"):
            self.attempt("plant", os.rename, prop(self.folder, name), os.path.join(self.folder, f"zz-{name}.ini"))

    def inherit(self):
        """Whatever is made here from now on is to let us in."""
        self.attempt("acl", os.setxattr, self.folder, ACL, acl())

    def share(self):
        """Whatever is made here from now on is to be our group's."""
        self.attempt("group", os.chown, self.folder, -1, USER)
        self.attempt("group", os.chmod, self.folder, 0o2777)

    def act(self):
        self.acted = True
        self.look()
        {"gone": self.take_away, "two": self.two_steps, "plant": self.plant, "acl": self.inherit, "group": self.share,
         "nothing": lambda: None}.get(self.act_name, self.put)()

    def undo(self):
        if not self.acted or self.undone:
            self.look()
            return
        self.undone = True
        if self.act_name == "plant":
            for name, late in zip(("link", "hard"), LATE):
                self.attempt("pick up", os.rename, self.target + late, prop(self.folder, name))
            for name in ("file", "fifo"):
                self.attempt("pick up", os.rename, os.path.join(self.folder, f"zz-{name}.ini"), prop(self.folder, name))
        elif self.act_name == "two":
            self.exchange(self.target, prop(self.folder, "link"))
            self.exchange(self.target, prop(self.folder, "aside"))
        elif self.act_name == "acl":
            self.attempt("acl", os.removexattr, self.folder, ACL)
        elif self.act_name == "group":
            self.attempt("group", os.chmod, self.folder, 0o755)
        elif self.act_name != "nothing":
            self.exchange(self.target, prop(self.folder, "aside" if self.act_name == "gone" else self.act_name))
        self.look()

    # -- what can be read -----------------------------------------------------------------------------

    def read(self, fd, where):
        with contextlib.suppress(OSError):
            text = os.pread(fd, FILE_MOST_BYTES, 0)
            if KEY in text:
                self.keys.add(where)

    def look(self):
        """Opens whatever can be opened, and keeps it."""
        for folder, _, names in os.walk(self.search):
            for name in [".", *names]:
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    if stat.S_ISSOCK(os.lstat(path).st_mode):
                        continue
                    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
                    self.held.append((fd, path))
                    self.read(fd, path)
                    if stat.S_ISFIFO(os.fstat(fd).st_mode):
                        self.drain(fd, path)

    def drain(self, fd, where):
        with contextlib.suppress(OSError):
            if KEY in os.read(fd, FILE_MOST_BYTES):
                self.keys.add(f"{where}, a FIFO")

    def look_through_held(self):
        """What was opened before its mode or its place changed."""
        for fd, where in self.held:
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                for name in os.listdir(fd):
                    with contextlib.suppress(OSError):
                        inside = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=fd)
                        self.read(inside, f"{where}/{name}, through its directory")
                        os.close(inside)
            else:
                self.read(fd, where)
        while self.held and (self.keys or len(self.held) > HELD_MOST):  # what was told is not told again
            os.close(self.held.pop(0)[0])

    def serve(self):
        """A consumer as the configuration wants one, but for who it is."""
        while True:
            connection = self.listener.accept()[0]
            connection.settimeout(1)
            with connection, contextlib.suppress(OSError):
                if KEY in connection.recv(FILE_MOST_BYTES):
                    self.keys.add("our socket")
                connection.sendall(b"done\n")

    # -- orders ---------------------------------------------------------------------------------------

    def begin(self, order):
        self.done, self.refused, self.keys = [], [], set()
        self.act_name, self.target, self.search = order["act"], order["target"], order["search"]
        self.acted = self.undone = False

    def listen(self, order):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(order["path"])
        os.chmod(order["path"], 0o777)
        self.listener.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def end(self):
        self.undo()
        self.look_through_held()

    def obey(self, order):
        {"begin": lambda: self.begin(order), "act": self.act, "undo": self.undo, "end": self.end,
         "listen": lambda: self.listen(order)}[order["do"]]()
        return {"done": self.done, "refused": self.refused, "keys": sorted(self.keys)}


class Helper:
    """The suite's side: starts the other user and gives it orders."""

    def __init__(self):
        self.lock = threading.Lock()
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__)],  # pylint: disable=consider-using-with
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def order(self, do, **more):
        """Has it done, and gives what it tells."""
        with self.lock:
            self.process.stdin.write(json.dumps({"do": do, **more}) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    os.chdir("/")
    os.umask(0)
    attacker = Attacker()
    for line in sys.stdin:
        print(json.dumps(attacker.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
