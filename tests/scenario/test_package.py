"""What `make install` and systemd-tmpfiles leave on a machine: the configuration's directory is root's."""
import os
import re
import shutil
import stat
import subprocess

import pytest

from scene import LEAFD

BUILD = os.path.dirname(os.path.abspath(LEAFD))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    if not os.path.exists(os.path.join(BUILD, "Makefile")):
        pytest.skip("leafd does not stand in a folder that make built")
    root = tmp_path_factory.mktemp("root")
    done = subprocess.run(["make", "-s", "-C", BUILD, "install-data", f"DESTDIR={root}"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return root


def tmpfiles(root):
    """What systemd-tmpfiles does at every boot, below another root."""
    if not shutil.which("systemd-tmpfiles"):
        pytest.skip("there is no systemd-tmpfiles")
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc" / "passwd").write_text("root:x:0:0::/:\nleafd:x:990:990::/:\n")
    (root / "etc" / "group").write_text("root:x:0:\nleafd:x:990:\n")
    made, = root.rglob("lib/tmpfiles.d/leafd.conf")
    subprocess.run(["systemd-tmpfiles", f"--root={root}", "--create", made], check=True)


def configuration(root):
    """/etc/leafd, wherever this build has its /etc."""
    folder, = root.rglob("etc/leafd")
    return folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can install")
def test_the_configuration_belongs_to_root(installed):
    folder = configuration(installed)
    assert folder.is_dir()
    assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (0, 0o755)
    tmpfiles(installed)
    assert folder.stat().st_uid == 0 and (installed / "var" / "lib" / "leafd").stat().st_uid == 990


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_directory_that_an_earlier_unit_gave_away_is_roots_again(installed):
    """Its mode and group, by which an operator keeps others out, stay."""
    folder = configuration(installed)
    os.chown(folder, 990, 990)
    folder.chmod(0o750)
    tmpfiles(installed)
    about = folder.stat()
    assert (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)) == (0, 990, 0o750)


def test_the_service_can_only_read_its_configuration(installed):
    """systemd gives a ConfigurationDirectory= to User=, and leaves it writable for ProtectSystem=strict."""
    units = list(installed.rglob("*.service"))
    assert units
    for unit in units:
        text = unit.read_text()
        settings = dict(re.findall(r"^(\w+)=(.*)$", text, re.M))
        assert settings["ProtectSystem"] == "strict" and "ConfigurationDirectory" not in settings
        assert "/etc" not in settings.get("ReadWritePaths", "") + settings.get("BindPaths", "")
