"""A disk that answers no more holds the sets that lie on it, and nothing else."""
import os
import shutil
import signal
import subprocess

import pytest

from preloads import preload
from scene import PATIENCE_S, WEB, serial_of, wait_for

SHORT = WEB.replace("ttl = 1h", "ttl = 30s") + "renew_at = 5%..7%\nkeep_previous = 1s\n"


class Disk:
    """A folder whose file system can be stopped, for one leafd."""

    def __init__(self, site):
        self.folder, self.flag, self.noted = site.folder / "disk", site.folder / "stopped", site.folder / "calls"
        self.folder.mkdir()
        self.environment = {**preload("frozen_disk"), "FROZEN": str(self.folder), "FROZEN_WHILE": str(self.flag),
                            "FROZEN_CALLS": str(self.noted)}

    def freeze(self):
        self.flag.touch()

    def thaw(self):
        self.flag.unlink(missing_ok=True)

    def calls(self):
        """What the loop itself asked of the disk while it was frozen."""
        return sorted(set(self.noted.read_text().split())) if self.noted.exists() else []


class FrozenMount(Disk):
    """The same with a file system of its own and the kernel's freezer."""

    def __init__(self, site):
        super().__init__(site)
        self.environment = {}
        image = site.folder / "image"
        with open(image, "wb") as file:
            file.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
        made = subprocess.run(["mount", "-o", "loop", str(image), str(self.folder)], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            pytest.skip(f"no loop device can be mounted here: {made.stderr.strip()}")

    def freeze(self):
        subprocess.run(["fsfreeze", "-f", str(self.folder)], check=True)

    def thaw(self):
        subprocess.run(["fsfreeze", "-u", str(self.folder)], check=False, capture_output=True)

    def end(self):
        self.thaw()
        subprocess.run(["umount", "-l", str(self.folder)], check=False)


def renewals(site, cert, times):
    """Waits until so many certificates came after one another, none of them ended."""
    path, seen = site.out(cert) / "tls.crt", []

    def enough():
        serial = serial_of(path)
        if serial not in seen:
            seen.append(serial)
        return len(seen) > times
    wait_for(enough, lambda: f"{cert} to be renewed {times} times: {len(seen) - 1}")


def ends(run):
    """Whether it ends in order though the disk stays as it is."""
    run.process.send_signal(signal.SIGTERM)
    return run.process.wait(timeout=PATIENCE_S / 2) == 0


def begin(site, ca, disk):
    """Eight sets on the disk, more than there are threads, and one beside it."""
    frozen = {f"on-{i}": SHORT + f"directory = {disk.folder}/set-{i}\n" for i in range(8)}
    site.configure(ca, {"web": SHORT, **frozen})
    run = site.run(environment=disk.environment)
    run.wait_ready()
    return run, list(frozen)


def test_a_frozen_disk_holds_only_its_own_sets(ca, site):
    disk = Disk(site)
    run, frozen = begin(site, ca, disk)
    disk.freeze()
    renewals(site, "web", 5)
    stuck = run.wait_event("disk-stuck")
    assert all(line["directory"].startswith(str(disk.folder)) for line in stuck), stuck
    assert site.status("web")["web"]["state"] in ("fresh", "due")
    assert site.command("ready").code in (0, 1)
    run.hangup()
    run.wait_event("config-applied")
    assert disk.calls() == [], "the loop itself asked the disk"
    before = {name: len(run.events("published", name)) for name in frozen}
    disk.thaw()
    run.wait_event("disk-back")
    for name in frozen:
        run.wait_event("published", name, count=before[name] + 1)
    disk.freeze()
    renewals(site, "web", 2)
    assert ends(run)
    assert disk.calls() == [], "the loop itself asked the disk"


def test_a_section_that_leaves_a_disk_that_hangs_begins_elsewhere(devca, site):
    """Although the read of the set there, which began before, does not end."""
    disk, new = Disk(site), site.folder / "elsewhere"
    site.configure(devca, {"db": SHORT + f"directory = {disk.folder}/db\n", "web": SHORT})
    disk.freeze()
    run = site.run(environment=disk.environment)
    try:
        run.wait_event("published", "web")
        run.wait_event("disk-stuck")
        site.configure(devca, {"db": SHORT + f"directory = {new}\n", "web": SHORT})
        run.hangup()
        run.wait_event("published", "db", count=2)
        assert (new / "tls.crt").exists()
    finally:
        disk.thaw()
    run.wait_event("disk-back")
    assert run.terminate() == 0


def test_commands_on_a_frozen_disk_hold_only_their_own_sets(devca, site):
    """More of them than may run at once."""
    disk, ran = Disk(site), site.folder / "ran"
    command = disk.folder / "command"
    command.write_text(f"#!/bin/sh\necho $LEAFD_CERT >> {ran}\n")
    command.chmod(0o755)
    frozen = {f"tells-{i}": SHORT + f"reload = exec {command}\ncommand_timeout = 3s\n" for i in range(6)}
    site.configure(devca, {"web": SHORT, **frozen, "checked": SHORT + f"validate = exec {command}\ncommand_timeout = 3s\n",
                           "asked": SHORT + f"prove = exec {command}\n", "well": SHORT + "reload = exec /bin/true\n"})
    run = site.run(environment=disk.environment)
    run.wait_ready()
    wait_for(lambda: len(set(ran.read_text().split())) == 8, lambda: f"all commands to run: {ran.read_text()}")
    disk.freeze()
    renewals(site, "web", 3)
    renewals(site, "well", 3)
    failed = run.wait_event("failed", "checked")
    assert any(f"validate: {command}: its directory has not answered for 3s" in line["message"] for line in failed), failed
    assert disk.calls() == [], "the loop itself asked the disk"
    assert ends(run)
    assert disk.calls() == [], "the loop itself asked the disk"


def test_a_frozen_ca_file_holds_nothing_that_was_read_before(devca, site):
    disk = Disk(site)
    ca_file = disk.folder / "ca.pem"
    shutil.copy(devca.ca_file, ca_file)
    site.configure(devca, {"web": SHORT})
    site.write(site.file.read_text().replace(str(devca.ca_file), str(ca_file)))
    run = site.run(environment=disk.environment)
    run.wait_ready()
    disk.freeze()
    devca.proxy.cut()  # so that the next call connects anew
    devca.proxy.repair()
    renewals(site, "web", 2)
    assert site.status("web")["web"]["state"] in ("fresh", "due")
    assert disk.calls() == [], "the loop itself asked the disk"
    assert ends(run)
    assert disk.calls() == [], "the loop itself asked the disk"


def test_a_frozen_disk_of_the_control_socket_and_of_credentials_does_not_hold_the_end(devca, site):
    disk = Disk(site)
    disk.environment["RUNTIME_DIRECTORY"] = str(disk.folder / "run")
    site.configure(devca, {"web": WEB})
    run = site.run(environment=disk.environment)
    run.wait_ready()
    wait_for(lambda: list((disk.folder / "run").glob("*.sock")), "the control socket")
    disk.freeze()
    run.hangup()
    run.wait_event("config-applied")
    assert ends(run)
    assert disk.calls() == [], "the loop itself asked the disk"

    # The disk with the credentials hangs when the configuration was read.
    disk.thaw()
    token = disk.folder / "token"
    token.write_text(devca.token_file.read_text())
    site.configure(devca, {"web": SHORT, "db": SHORT}, auth=devca.auth.replace(str(devca.token_file), str(token)),
                   vault="timeout = 2s\nconnect_timeout = 2s")
    disk.environment.pop("RUNTIME_DIRECTORY")
    run = site.run(environment={**disk.environment, "FROZEN_FROM_LOOP": "1"})
    run.wait_event("started")
    assert "could not be read within 2s" in run.wait_event("login-failed")[0]["message"]
    assert ends(run)
    assert disk.calls() == [], "the loop itself asked the disk"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts and freezes a file system")
def test_a_file_system_that_the_kernel_froze_holds_only_its_own_sets(devca, site):
    disk = FrozenMount(site)
    try:
        run, frozen = begin(site, devca, disk)
        disk.freeze()
        renewals(site, "web", 3)
        run.process.send_signal(signal.SIGTERM)
        # A thread that waits for the freezer cannot be killed: the process stays as a zombie, without its loop.
        wait_for(lambda: run.process.poll() is not None or open(f"/proc/{run.pid}/stat", encoding="ascii").read().split()[2] == "Z",
                 "the loop to end", patience=PATIENCE_S / 2)
        disk.thaw()
        assert run.process.wait(timeout=PATIENCE_S) == 0
        run = site.run()
        for name in frozen:
            run.wait_event("published", name)
        assert run.terminate() == 0
    finally:
        disk.end()
