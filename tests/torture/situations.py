"""Whole situations for the errors suite: each makes one, has leafd meet it, judges, and puts all back as it was.

A situation takes the place and the running daemon and gives what was wrong. Mounts are made in a mount namespace that
the suite alone is in.
"""
import ctypes
import fcntl
import os
import shutil
import subprocess
import tempfile
import time

from place import ENVIRONMENT, PATIENCE_S
from reader import read_set
from tools import LEAFD

OUTCOME_S = 60
OUTCOMES = ("failed", "reload-failed", "reloaded")
CLONE_NEWNS = 0x20000
TINY = "size=256k,nr_inodes=64,mode=0755"


def meet(daemon, wrong, expected="failed"):
    """One try in the situation, which has to end as expected."""
    daemon.rotate()
    told = daemon.wait(OUTCOMES, OUTCOME_S)
    if told is None or told["event"] != expected:
        wrong.append(f"{expected} was expected and came: {told}")
    if daemon.ended() is not None:
        wrong.append(daemon.how_it_ended())


def same_set(place, before, wrong):
    found = read_set(place.directory)
    wrong += found.wrong
    if found.serial != before.serial:
        wrong.append("the published set changed")


def foreign_files(place, daemon):
    """Names that look like leafd's own and others that do not: none of them is of its making."""
    wrong = []
    names = ("notes.txt", "..notes", "tls.crt.bak", "..2026_01_01_00_00_00.zzzzzz", "..data_old", ".hidden", "subdirectory/x")
    for name in names:
        path = os.path.join(place.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(name)
    meet(daemon, wrong, "reloaded")
    for name in names:
        path = os.path.join(place.directory, name)
        if not os.path.exists(path) or open(path, encoding="ascii").read() != name:
            wrong.append(f"{name} was touched")
        else:
            os.unlink(path)
    os.rmdir(os.path.join(place.directory, "subdirectory"))
    return wrong


def a_file_in_a_names_place(place, daemon):
    """A file where a name of the set belongs is neither replaced nor followed."""
    wrong, path = [], os.path.join(place.directory, "tls.crt")
    link = os.readlink(path)
    os.unlink(path)
    with open(path, "w", encoding="ascii") as file:
        file.write("mine")
    meet(daemon, wrong)
    if open(path, encoding="ascii").read() != "mine":
        wrong.append("the file was replaced")
    os.unlink(path)
    os.symlink(link, path)
    return wrong


def directory_becomes_a_link(place, daemon):
    """A link in the directory's place is not followed: it could lead anywhere."""
    wrong, before = [], read_set(place.directory)
    aside, elsewhere = place.directory + ".aside", place.directory + ".elsewhere"
    os.rename(place.directory, aside)
    os.mkdir(elsewhere)
    os.symlink(elsewhere, place.directory)
    meet(daemon, wrong)
    if os.listdir(elsewhere):
        wrong.append(f"written where the link leads: {os.listdir(elsewhere)}")
    os.unlink(place.directory)
    os.rmdir(elsewhere)
    os.rename(aside, place.directory)
    same_set(place, before, wrong)
    return wrong


def directory_is_replaced(place, daemon):
    """Another directory of the same name is a new place: what belongs there is made anew."""
    wrong, aside = [], place.directory + ".aside"
    os.rename(place.directory, aside)
    meet(daemon, wrong, "reloaded")
    found = read_set(place.directory)
    wrong += found.wrong
    shutil.rmtree(aside)
    return wrong


def second_agent(place, daemon):
    """Two agents on one directory: the second one says that another keeps it and touches nothing, the first goes on."""
    wrong, before = [], read_set(place.directory)
    done = subprocess.run([LEAFD, "once", "-c", place.file], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env=ENVIRONMENT, check=False, timeout=OUTCOME_S)
    if done.returncode not in (0, 1) or '"event":"kept"' not in done.stderr:
        wrong.append(f"the second agent ended with {done.returncode}: {done.stderr[-300:]}")
    same_set(place, before, wrong)
    meet(daemon, wrong, "reloaded")
    return wrong


def lock_is_held_elsewhere(place, daemon):
    """Another process asks for the lock of the set while leafd rests: leafd holds it, though no descriptor is open."""
    wrong = []
    fd = os.open(os.path.join(place.directory, "..lock"), os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        wrong.append("the lock was free while leafd works there")
    except BlockingIOError:
        meet(daemon, wrong, "reloaded")
    finally:
        os.close(fd)
    return wrong


def on_tiny_mount(situation):
    """The set on a file system of its own for the situation; the old directory comes back with its set afterwards."""
    def run(place, daemon):
        wrong = []
        subprocess.run(["mount", "-t", "tmpfs", "-o", TINY, "tmpfs", place.directory], check=True)
        try:
            meet(daemon, wrong, "reloaded")
            before = read_set(place.directory)
            situation(place, daemon, wrong)
            same_set(place, before, wrong)
        finally:
            subprocess.run(["umount", "-l", place.directory], check=True)
        return wrong
    run.__name__ = situation.__name__
    return run


@on_tiny_mount
def full_disk(place, daemon, wrong):
    with open(os.path.join(place.directory, "filler"), "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    meet(daemon, wrong)
    os.unlink(os.path.join(place.directory, "filler"))


@on_tiny_mount
def no_inodes(place, daemon, wrong):
    folder = tempfile.mkdtemp(dir=place.directory)
    try:
        for number in range(1000):
            os.mkdir(os.path.join(folder, str(number)))
    except OSError:
        pass
    meet(daemon, wrong)
    shutil.rmtree(folder)


@on_tiny_mount
def read_only_mount(place, daemon, wrong):
    # As long as leafd has a file open for writing, such as its state, the mount is busy.
    end = time.monotonic() + PATIENCE_S
    while subprocess.run(["mount", "-o", "remount,ro", place.directory], stderr=subprocess.DEVNULL,
                         check=False).returncode != 0:
        assert time.monotonic() < end, "the mount stays busy"
        time.sleep(0.01)
    meet(daemon, wrong)
    subprocess.run(["mount", "-o", "remount,rw", place.directory], check=True)


def enter_namespace():
    """Whether this thread, and what it starts from now on, has mounts of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.unshare(CLONE_NEWNS) == 0 and \
        subprocess.run(["mount", "--make-rprivate", "/"], check=False).returncode == 0


def all_of(place):
    """Those that this machine can make; the others are named."""
    found = [foreign_files, a_file_in_a_names_place, directory_becomes_a_link, directory_is_replaced, second_agent,
             lock_is_held_elsewhere]
    if not enter_namespace():
        print("MOUNTS LEFT OUT: full disk, no inodes and a read-only mount need root and a mount namespace", flush=True)
        return found
    os.makedirs(place.directory, exist_ok=True)
    return found + [full_disk, no_inodes, read_only_mount]


def end(place):
    """No mount is left where the place is to be removed."""
    while os.path.ismount(place.directory):
        subprocess.run(["umount", "-l", place.directory], check=True)
