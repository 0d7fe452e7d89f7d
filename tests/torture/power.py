"""power: the power fails before and after every system call of a rotation, on a file system of the suite's own.

$TORTURE_FS is ext4 (without it) or xfs. It is told to stop (the ioctl SHUTDOWN of both, without a log flush), as a disk without power does: what was not
synced is lost, as far as no journal commit wrote it, and commits are forced at moments drawn from the seed. Then it is
mounted again, which replays its journal, and read. The old or the new set has to be there, the new one if leafd had
reported it as published; one run without a fault has to end with the set that is wanted. Needs root and a loop device.
"""
import ctypes
import fcntl
import os
import shutil
import signal
import struct
import subprocess

from place import Place
from reader import check_settled, read_set
from situations import enter_namespace
from tools import CUT, StrikeOrders, missing_for_strike, run_struck

SLICE, FULL = 200, 4000
FIRST_EVERY = 8
SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
FILE_SYSTEM = os.environ.get("TORTURE_FS", "ext4")
# ext4 syncs a file that replaces another unless told not to: leafd must not lean on that
KINDS = {"ext4": (24 << 20, ["mkfs.ext4", "-q", "-F"], ("noauto_da_alloc,data=ordered", "noauto_da_alloc,data=writeback")),
         "xfs": (320 << 20, ["mkfs.xfs", "-q", "-f"], ("", "wsync"))}
IMAGE_BYTES, MAKE, OPTIONS = KINDS[FILE_SYSTEM]


def missing():
    """Why this machine cannot run the suite, or None."""
    if os.geteuid() != 0:
        return "a loop device needs root"
    for tool in ("losetup", MAKE[0]):
        if shutil.which(tool, path=os.environ["PATH"] + ":/sbin:/usr/sbin") is None:
            return f"there is no {tool}"
    if subprocess.run(["losetup", "-f"], capture_output=True, check=False).returncode != 0:
        return "there is no loop device"
    return missing_for_strike()


class Disk:
    """A file system on a loop device, in mounts that nobody else sees."""

    def __init__(self, folder):
        self.image, self.path = os.path.join(folder, "image"), os.path.join(folder, "disk")
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.options = OPTIONS[0]
        self.device = None
        os.mkdir(self.path)
        assert enter_namespace(), "no mount namespace"
        with open(self.image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        subprocess.run([*MAKE, self.image], check=True)
        self.device = subprocess.run(["losetup", "-f", "--show", self.image], check=True, capture_output=True,
                                     text=True).stdout.strip()
        self.mount()

    def check(self, result, what):
        if result != 0:
            raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")

    def mount(self):
        self.check(self.libc.mount(self.device.encode(), self.path.encode(), FILE_SYSTEM.encode(), 0, self.options.encode()), "mount")

    def unmount(self):
        self.check(self.libc.umount2(self.path.encode(), 0), "umount")

    def cut(self):
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(fd)

    def sync(self):
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        self.check(self.libc.syncfs(fd), "syncfs")
        os.close(fd)

    def restart(self):
        """The machine has power again."""
        self.unmount()
        self.mount()

    def close(self):
        self.libc.umount2(self.path.encode(), 2)
        if self.device:
            subprocess.run(["losetup", "-d", self.device], check=True)

    def prove(self):
        """A cut that loses nothing proves nothing: a synced file has to survive it, another one must not."""
        for name, synced in (("synced", True), ("unsynced", False)):
            fd = os.open(os.path.join(self.path, name), os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(fd, b"text")
            if synced:
                os.fsync(fd)
            os.close(fd)
        self.cut()
        self.restart()
        assert os.path.getsize(os.path.join(self.path, "synced")) == 4, "a synced file did not survive"
        assert not os.path.exists(os.path.join(self.path, "unsynced")), "the cut lost nothing"
        os.unlink(os.path.join(self.path, "synced"))


class PowerSuite:
    """One set that is rotated, cut off and repaired over and over."""

    def __init__(self, draw):
        self.draw = draw
        self.place = Place("power")
        self.disk = Disk(self.place.folder)
        self.disk.prove()
        self.place.directory = os.path.join(self.disk.path, "set")
        self.orders = StrikeOrders(os.path.join(self.place.folder, "orders"))
        self.orders.put_text("mount", self.disk.path)
        self.walk, self.old, self.reported, self.calls = [], None, 0, 0
        self.place.configure()
        assert self.place.once() == 0
        self.calls = self.count_calls()

    def close(self):
        self.disk.close()
        self.place.close()

    def count_calls(self):
        self.next_turn()
        self.orders.arm(0, 0)
        assert run_struck(self.orders, self.place.command(), self.place.log) == 0
        return self.orders.get("seen")

    def next_turn(self):
        self.place.turn += 1
        self.place.configure()
        found = read_set(self.place.directory)
        self.old = found.serial

    def next_point(self):
        if not self.walk:
            self.walk = [(at, after) for at in range(1, self.calls + 11) for after in (0, 1)]
            self.draw.shuffle(self.walk)
        return self.walk.pop()

    def cut_somewhere(self):
        """Cuts the power in a rotation; where."""
        while True:
            at, after = self.next_point()
            sync_at = self.draw.randrange(1, at + 1) if self.draw.random() < 0.5 else 0
            self.orders.arm(CUT, at, after=after, sync_at=sync_at)
            status = run_struck(self.orders, self.place.command(), self.place.log)
            if status == 128 + signal.SIGKILL:
                return f"{'after' if after else 'before'} call {at}, number {self.orders.get('call')}, " \
                       f"commit before call {sync_at}, {self.disk.options}"
            assert status == 0, f"strike ended with {status}: {open(self.place.log).read()[-500:]}"
            self.next_turn()

    def repair(self):
        status = self.place.once()
        found = read_set(self.place.directory)
        check_settled(found, previous_allowed=1)
        if status != 0:
            found.wrong.append(f"the run after it ended with status {status}: {open(self.place.log).read()[-500:]}")
        if sorted(found.dns) != sorted(self.place.dns()):
            found.wrong.append(f"the run after it left {found.dns}")
        return found.wrong

    def point(self, number):
        first = number % FIRST_EVERY == FIRST_EVERY - 1
        if first:
            shutil.rmtree(self.place.directory)
            self.disk.sync()
        self.next_turn()
        where = self.cut_somewhere()
        told = self.place.told_published()
        self.reported += told is not None
        self.disk.options = self.draw.choice(OPTIONS)
        self.disk.restart()
        found = read_set(self.place.directory)
        wrong = list(found.wrong)
        if not found.published and (self.old is not None or told is not None):
            wrong.append("nothing is published any more")
        if told is not None and found.serial != told:
            wrong.append("what was reported as published is lost")
        if found.published and found.serial not in (self.old, told, self.newest()):
            wrong.append("what is published is neither the old nor the new certificate")
        return ("first issue, " if first else "") + where, wrong + self.repair()

    def newest(self):
        return int(self.place.ca.issued[-1].replace(":", ""), 16)

    def facts(self):
        return f"{self.calls} calls a rotation, {self.reported} cuts after it was reported as published; {FILE_SYSTEM}, " \
               f"Linux {os.uname().release}"


def suite(draw):
    return PowerSuite(draw)
