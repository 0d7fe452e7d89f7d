"""Fixtures of the tests of the image: podman runs what contrib/image/build wrote ($IMAGE names its folder), against tests/devca."""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "scenario"))

from devca import DevCa  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="session")
def image():
    return Path(os.environ["IMAGE"]).resolve()


@pytest.fixture
def devca(tmp_path):
    server = DevCa(tmp_path)
    yield server
    server.stop()


class Podman:
    """podman with a store of its own. Without CAP_SYS_RESOURCE it must not raise limits, and crun knows no hybrid cgroups."""
    RUN = ["--cgroup-manager", "cgroupfs", "--runtime", "runc"]
    CONTAINER = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network", "host", "--read-only",
                 "--cap-drop", "all", "--security-opt", "no-new-privileges"]

    def __init__(self, folder):
        self.store = ["--root", f"{folder}/store", "--runroot", f"{folder}/run", "--tmpdir", f"{folder}/tmp"]

    def call(self, *arguments, check=True):
        done = subprocess.run(["podman", *self.store, *self.RUN, *arguments], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"podman {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    def run(self, image, *arguments, uid=65532, volumes=(), options=(), check=True):
        mounts = [word for volume in volumes for word in ("-v", volume)]
        return self.call("run", *self.CONTAINER, "--user", f"{uid}:{uid}", *mounts, *options, image, *arguments, check=check)


@pytest.fixture(scope="session")
def podman():
    with tempfile.TemporaryDirectory(prefix="pod") as folder:
        podman = Podman(folder)
        yield podman
        podman.call("rm", "-f", "-a", check=False)
        podman.call("system", "reset", "-f", check=False)


@pytest.fixture(scope="session")
def name(image, podman):
    """The name of the image, which podman has loaded."""
    return podman.call("load", "-q", "-i", str(image / "leafd.tar")).stdout.split()[-1]
