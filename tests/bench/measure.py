"""How the bench measures a process from outside: memory, processor time, sleeps, turns of its event loop."""
import mmap
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))

import preloads  # noqa: E402
import scene  # noqa: E402

PATIENCE_S = 1800


class Failed(Exception):
    """What is measured did not do what it was asked for."""


def wait_until(condition, what, patience=PATIENCE_S, pause=0.0005):
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"waited {patience} s in vain for {what}")
        time.sleep(pause)


def memory_of(pid):
    """RSS and private dirty pages in MB."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return [int(re.search(rf"^{name}: +(\d+)", text, re.M).group(1)) / 1024 for name in ("Rss", "Private_Dirty")]


def cpu_of(pid):
    """Seconds of processor time of all threads, also of those that have ended: the kernel's clock of that process."""
    return time.clock_gettime(((~pid) << 3) | 2)


def sleeps_of(pid):
    """How often any thread gave the processor away."""
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M).group(1))
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def settle(pid, quiet_s=0.5, most_s=30):
    """Waits until the process has used no processor time for so long; the time that it has used until then."""
    used, since = cpu_of(pid), time.monotonic()
    end = since + most_s
    while time.monotonic() - since < quiet_s and time.monotonic() < end:
        time.sleep(0.02)
        now = cpu_of(pid)
        if now - used > 0.001:
            since = time.monotonic()
        used = now
    return used


def run(argv, log, environment=None):
    """Runs to the end: (seconds, processor seconds, the exit status); children that it waited for are in."""
    begin = time.monotonic()
    with open(log, "wb") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=environment)
        try:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            process.kill()
    return time.monotonic() - begin, usage.ru_utime + usage.ru_stime, process.returncode


class Daemon:
    """A `leafd run` whose service manager and event loop we watch."""

    def __init__(self, prefix, config, folder):
        self.log = folder / "daemon.log"
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify = folder / "notify"
        notify.unlink(missing_ok=True)
        self.manager.bind(str(notify))
        turns = folder / "turns"
        turns.write_bytes(bytes(24))
        with open(turns, "r+b") as file:
            self.turns = mmap.mmap(file.fileno(), 24)
        environment = {**os.environ, **preloads.preload("turns", HERE), "BENCH_TURNS": str(turns),
                       "NOTIFY_SOCKET": str(notify)}
        self.ready = threading.Event()
        threading.Thread(target=self.listen, daemon=True).start()
        self.begin = time.monotonic()
        with open(self.log, "wb") as file:
            self.process = subprocess.Popen([*prefix, scene.LEAFD, "run", "-c", str(config)], stdin=subprocess.DEVNULL,
                                            stdout=file, stderr=file, env=environment)
        self.pid = self.process.pid

    def listen(self):
        while True:
            try:
                lines = self.manager.recv(65536).decode().splitlines()
            except OSError:
                return
            if "READY=1" in lines:
                self.ready_at = time.monotonic()
                self.ready.set()

    def await_ready(self):
        """Seconds since it was started or told to reload."""
        if not self.ready.wait(PATIENCE_S):
            raise Failed(f"leafd run is not ready: {self.log.read_text()[-1000:]}")
        self.ready.clear()
        return self.ready_at - self.begin

    def longest_turn(self):
        """The longest turn of the loop since the last call, in seconds, and the longest by processor time."""
        longest, cpu, _ = struct.unpack("QQQ", self.turns[:24])
        self.turns[:24] = bytes(24)
        return longest / 1e9, cpu / 1e9

    def ask_reload(self):
        self.begin = time.monotonic()
        self.process.send_signal(1)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()
            self.manager.close()
