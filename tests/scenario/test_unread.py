"""Nobody reads the log, or the service manager's socket: leafd goes on, ends when it is told to, and says what was lost."""
import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
import time

import pytest

from scene import LEAFD, Manager, PATIENCE_S, WEB, serial_of, wait_for

SHORT = WEB.replace("ttl = 1h", "ttl = 15s") + "renew_at = 5%\n"
BROKEN = 1300


def fill_pipe():
    """A pipe without room; (end to read, end to write)."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b"\n" * 4096)
    except BlockingIOError:
        os.set_blocking(write, True)
    return read, write


def start(site, stderr, **environment):
    return subprocess.Popen([LEAFD, "run", "-c", str(site.file)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=stderr, env=site.given(environment))


def renewed(site, cert, times):
    """Waits until so many certificates came after one another."""
    path, seen = site.out(cert) / "tls.crt", set()

    def enough():
        if path.exists():
            seen.add(serial_of(path))
        return len(seen) > times
    wait_for(enough, f"{cert} to be renewed {times} times: {len(seen)}")


def ends(process):
    """Ends of itself: what waits for a reader that never comes would wait for ever."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE_S / 2) == 0


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_log_that_nobody_reads_keeps_no_certificate_from_being_renewed(ca, site, form):
    site.configure(ca, {"web": SHORT, "other": SHORT}, agent="log_level = debug")
    site.write(site.file.read_text().replace("log_format = json", f"log_format = {form}"))
    read, write = fill_pipe()
    process = start(site, write)
    try:
        for cert in ("web", "other"):
            renewed(site, cert, 3)
        ends(process)
    finally:
        process.kill()
        process.wait()
        os.close(read)
        os.close(write)


def lost_in(line):
    return int(re.match(r"(\d+) lines were lost here", line["message"]).group(1)) if line["event"] == "log-lost" else 0


def test_lines_that_nobody_read_are_counted_when_somebody_reads_again(devca, site):
    """More than the queue holds: each broken configuration is a line, and its path makes it a long one."""
    text = site.configure(devca, {"web": WEB}).read_text()
    site.file = site.folder / ("d" * 200) / ("d" * 200) / ("d" * 200) / "leafd.ini"
    site.file.parent.mkdir(parents=True)
    site.write(text)
    manager = Manager(site.folder / "notify")
    read, write = fill_pipe()
    process = start(site, write, NOTIFY_SOCKET=manager.path)
    os.close(write)
    try:
        wait_for(lambda: manager.has("READY=1"), "READY=1")
        site.write(text + "unknown = 1\n")
        for asked in range(1, BROKEN + 1):
            process.send_signal(signal.SIGHUP)
            while manager.lines.count("READY=1") <= asked:
                time.sleep(0.001)
                assert process.poll() is None
        text, lines = b"", []

        def accounted():
            nonlocal text
            while select.select([read], [], [], 0)[0]:
                text += os.read(read, 1 << 16)
            lines[:] = [json.loads(line) for line in text[:text.rfind(b"\n")].split(b"\n") if line]
            return sum(lost_in(line) + (line["event"] == "config-broken") for line in lines) == BROKEN
        wait_for(accounted, lambda: f"{BROKEN} lines, read or told to be lost, not {len(lines)}")
        lost, = [line for line in lines if line["event"] == "log-lost"]
        assert lost["level"] == "warning"
        ends(process)
    finally:
        process.kill()
        process.wait()
        os.close(read)


@pytest.fixture
def deaf_manager(site):
    """A service manager that has stopped reading, its queue full."""
    path = str(site.folder / "deaf")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            while True:
                sender.sendto(b"FILLER=1", path)
        except BlockingIOError:
            pass
    manager.setblocking(False)
    yield path, manager
    manager.close()


def test_a_service_manager_that_does_not_read_holds_up_nothing_and_is_told_later(ca, site, deaf_manager):
    path, manager = deaf_manager
    site.configure(ca, {"web": SHORT})
    process = start(site, subprocess.DEVNULL, NOTIFY_SOCKET=path, WATCHDOG_USEC="1000000")
    told = []

    def heard(line):
        try:
            while True:
                told.extend(manager.recv(4096).decode().splitlines())
        except BlockingIOError:
            return line in told
    try:
        renewed(site, "web", 3)
        wait_for(lambda: heard("READY=1"), "READY=1")
        wait_for(lambda: heard("WATCHDOG=1"), "a ping")
        wait_for(lambda: heard("") or [x for x in told if x.startswith("STATUS=1 of 1 certificates usable")], "the status")
        ends(process)
    finally:
        process.kill()
        process.wait()
