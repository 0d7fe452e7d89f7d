"""A machine with a kernel of its own, whose clock may really be set: User-Mode Linux, an ordinary process here.

It sees the files of this machine, all read-only, and writes to memory in /run. What it runs is pytest, so that a
scenario inside is written as any other.
"""
import os
import shlex
import shutil
import subprocess
import sys

from scene import SANITIZED, SOURCE

INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm
ip link set lo up
echo "machine: up"
cd {source}
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run PYTHONDONTWRITEBYTECODE=1 {settings} \\
    {python} -m pytest -q --color=no -p no:cacheprovider --basetemp=/run/in {test} 2>&1
echo "machine: ended with $?"
exec {python} -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)'
"""


def missing():
    """Why there can be no such machine here, or None."""
    if shutil.which("linux.uml") is None:
        return "linux.uml is not installed (package user-mode-linux)"
    if SANITIZED:
        return "AddressSanitizer wants more address space than such a machine gives"
    return None if os.geteuid() == 0 else "the files of the machine belong to root"


def run_inside(folder, test):
    """Boots, runs the tests of that file inside, and halts; what the console said."""
    settings = " ".join(f"{name}={shlex.quote(os.path.abspath(os.environ[name]))}" for name in ("LEAFD", "DEVCA")
                        if name in os.environ)
    init = folder / "init"
    init.write_text(INIT.format(source=SOURCE, settings=settings, python=shlex.quote(sys.executable), test=test))
    init.chmod(0o755)
    with open(folder / "console", "wb") as console:
        subprocess.run(["linux.uml", "mem=384M", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", "con=null",
                        "con0=fd:0,fd:1", "quiet"], stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                       env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}, check=False,
                       timeout=300)
    return (folder / "console").read_text(errors="replace")
