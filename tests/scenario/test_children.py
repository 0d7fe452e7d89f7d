"""Commands of many certificates run a few at a time, and whoever is left to leafd as process 1 does not stay a zombie."""
import os
import signal
import subprocess

import pytest

from scene import LEAFD, PATIENCE_S, WEB, wait_for

MOST = min(max(2 * os.cpu_count(), 4), 32)


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_commands_of_many_certificates_wait_for_one_another(devca, site):
    noted = site.folder / "noted"
    works = script(site.folder / "works", f"echo + >> {noted}\nsleep 0.2\necho - >> {noted}")
    hangs = script(site.folder / "hangs", f"trap 'echo - >> {noted}; exit 1' TERM\necho + >> {noted}\nsleep 1000 & wait")
    certs = {f"hung-{i}": f"{WEB}validate = exec {hangs}\ncommand_timeout = 3s\n" for i in range(MOST)}
    certs.update({f"web-{i}": f"{WEB}validate = exec {works}\n" for i in range(40 - MOST)})
    site.configure(devca, certs)
    run = site.run()
    for name in certs:
        run.wait_event("failed" if name.startswith("hung") else "published", name)
    assert run.terminate() == 0
    running = most = 0
    for line in noted.read_text().splitlines():
        running += 1 if line == "+" else -1
        most = max(most, running)
    assert 1 < most <= MOST


def children(pid):
    """Host process numbers and states of the children of a process."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        numbers = file.read().split()
    found = {}
    for number in numbers:
        try:
            with open(f"/proc/{number}/stat", encoding="ascii") as file:
                found[number] = file.read().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            pass
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes a namespace of processes")
def test_orphans_of_process_1_are_fetched_and_signals_heeded(devca, site):
    begun, ended = site.folder / "begun", site.folder / "ended"
    leaves = script(site.folder / "leaves", f"echo x >> {begun}\nsetsid sh -c 'sleep 0.3; echo x >> {ended}' &")
    certs = {f"web-{i}": f"{WEB}reload = exec {leaves} {i}\n" for i in range(10)}
    site.configure(devca, certs)
    with open(site.folder / "log", "wb") as log, \
            subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", LEAFD, "run", "-c", str(site.file)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                             env={**site.given(), "ASAN_OPTIONS": "detect_leaks=0"}) as outer:  # which needs a reaper of its own
        try:
            def count(path):
                return len(path.read_text().split()) if path.exists() else 0
            wait_for(lambda: count(ended) == len(certs), lambda: f"orphans to end: {(site.folder / 'log').read_text()[-2000:]}")
            assert count(begun) == len(certs)
            leafd = next(iter(children(outer.pid)))
            wait_for(lambda: "Z" not in children(leafd).values(), lambda: f"no zombie: {children(leafd)}")
            os.kill(int(leafd), signal.SIGTERM)
            assert outer.wait(timeout=PATIENCE_S) == 0
        finally:
            outer.kill()
