"""What `make install` and systemd-tmpfiles leave on a machine: the configuration's directory is root's."""
import os
import re
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


def boot(root):
    """What systemd-sysusers and systemd-tmpfiles do at every boot, below another root; gives leafd's uid and gid."""
    (root / "etc").mkdir(exist_ok=True)
    for tool, folder in (["systemd-sysusers"], "sysusers.d"), (["systemd-tmpfiles", "--create"], "tmpfiles.d"):
        made, = root.rglob(f"lib/{folder}/leafd.conf")
        subprocess.run([*tool, f"--root={root}", made], check=True)
    user = next(line for line in (root / "etc/passwd").read_text().splitlines() if line.startswith("leafd:"))
    return tuple(int(part) for part in user.split(":")[2:4])


def configuration(root):
    """/etc/leafd, wherever this build has its /etc."""
    folder, = root.rglob("etc/leafd")
    return folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes users")
def test_a_fresh_machine_has_what_the_first_command_needs(installed):
    """README: before the first start; and the configuration, which names commands, is not the user's."""
    configured = configuration(installed).stat()
    assert (configured.st_uid, stat.S_IMODE(configured.st_mode)) == (0, 0o755)
    user = boot(installed)
    assert configuration(installed).stat().st_uid == 0
    made = (installed / "var/lib/leafd").stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (*user, 0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_directory_that_an_earlier_unit_gave_away_is_roots_again(installed):
    """Its mode and group, by which an operator keeps others out, stay."""
    folder = configuration(installed)
    os.chown(folder, *boot(installed))
    folder.chmod(0o750)
    _, group = boot(installed)
    about = folder.stat()
    assert (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)) == (0, group, 0o750)


def test_the_shells_find_the_completions(installed):
    for path in ("share/bash-completion/completions/leafd", "share/zsh/site-functions/_leafd",
                 "share/fish/vendor_completions.d/leafd.fish"):
        assert len(list(installed.glob(f"**/{path}"))) == 1, path


def test_the_service_can_only_read_its_configuration(installed):
    """systemd gives a ConfigurationDirectory= to User=, and leaves it writable for ProtectSystem=strict."""
    units = list(installed.rglob("*.service"))
    assert units
    for unit in units:
        text = unit.read_text()
        settings = dict(re.findall(r"^(\w+)=(.*)$", text, re.M))
        assert settings["ProtectSystem"] == "strict" and "ConfigurationDirectory" not in settings
        assert "/etc" not in settings.get("ReadWritePaths", "") + settings.get("BindPaths", "")


def test_every_text_names_the_directory_that_this_build_reads(installed):
    """configure --sysconfdir: program, manuals, templates and units speak of one place."""
    usage = subprocess.run([LEAFD, "--help"], capture_output=True, text=True, check=True).stdout
    place = os.path.dirname(re.search(r"configuration \[(.*)\]", usage).group(1))
    assert place == "/" + str(configuration(installed).relative_to(installed))
    told = {}
    for path in installed.rglob("*"):
        if path.is_file():
            told[path.name] = re.findall(r"[\w/.-]*/etc/leafd\b", path.read_text())
            assert set(told[path.name]) <= {place}, path
    for name in "leafd.8", "leafd.ini.5", "leafd-templates.7", "mysql.ini", "leafd.service", "leafd@.service":
        assert told[name], name
