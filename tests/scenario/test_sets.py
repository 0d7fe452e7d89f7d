"""Whose a set is: its lock, its notes, the way to it, and what others left in it."""
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import scene
from attacker import ATTACKER, as_attacker, give_acl, has_acl, let_through_acl, needs_root
from preloads import preload
from scene import wait_for
from test_commands import let_everybody_read

# With a reload, so that there is something to note about the consumer.
WEB = scene.WEB + "reload = exec /bin/true\n"


def generations(folder):
    return sorted(name for name in os.listdir(folder) if name.startswith("..2"))


def keys_below(folder):
    """Every file below it that holds a private key; leafd may remove some meanwhile."""
    found = []
    for where, _, names in os.walk(folder):
        for path in (os.path.join(where, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                found += [path] * (not os.path.islink(path) and b"PRIVATE KEY" in Path(path).read_bytes())
    return found


# -- what others left --------------------------------------------------------------------------------

IN_THE_WAY = ["..data_tmp", "tls.crt.leafd-new", "..state", "..state.new", "../elsewhere.key.leafd-new"]


@pytest.mark.parametrize("left", ["empty", "full"])
def test_a_directory_at_a_name_of_leafds_own_does_not_keep_it_from_publishing(ca, site, left):
    """What holds something is moved aside with all that is in it; nothing is deleted that leafd did not make."""
    site.out().mkdir()
    for name in IN_THE_WAY:
        (site.out() / name).mkdir()
        if left == "full":
            (site.out() / name / "deeper").mkdir()
            (site.out() / name / "deeper" / "file").write_text(name)
    site.configure(ca, {"web": WEB + f"link = {site.folder}/elsewhere.key tls.key\n"})
    done = site.once()
    assert done.code == 0 and not done.events("link-failed"), done.err
    assert site.status()["web"]["state"] == "fresh"
    assert (site.folder / "elsewhere.key").read_text() == (site.out() / "tls.key").read_text()
    assert (site.out() / "..state").is_file()
    aside = [path for folder in (site.folder, site.out()) for path in folder.iterdir() if ".aside-" in path.name]
    assert sorted((path / "deeper" / "file").read_text() for path in aside) == (sorted(IN_THE_WAY) if left == "full" else [])
    # And so it stays: the next publication finds nothing in its way.
    site.configure(ca, {"web": WEB + f"ip_addresses = 192.0.2.1\nlink = {site.folder}/elsewhere.key tls.key\n"})
    assert site.once().code == 0
    assert len([name for name in os.listdir(site.out()) if ".aside-" in name]) == (4 if left == "full" else 0)


def test_a_removed_section_leaves_one_generation_and_one_key(ca, site):
    """What is published stays for whoever reads it; nobody would ever remove what is beside it."""
    slow, program = site.folder / "validated", site.folder / "validate"
    program.write_text(f"#!/bin/sh\ntouch {slow}\nexec sleep 1000\n")
    program.chmod(0o755)
    keep = "keep_previous = 1h\n"
    sections = {name: WEB + keep for name in ("gone", "moved", "renamed", "stays")}
    sections["staged"] = WEB + keep
    site.configure(ca, sections)
    run = site.run()
    run.wait_ready()
    again = {name: lines + "ip_addresses = 192.0.2.1\n" for name, lines in sections.items()}
    again["staged"] += f"validate = exec {program}\ncommand_timeout = 1h\n"
    site.configure(ca, again)
    run.hangup()
    for name in ("gone", "moved", "renamed", "stays"):
        run.wait_event("published", name, count=2)
        wait_for(lambda name=name: len(generations(site.out(name))) == 2, "two generations")
    wait_for(slow.exists, "something staged")
    assert len(keys_below(site.out("staged"))) == 2
    again["named"] = again.pop("renamed") + f"directory = {site.out('renamed')}\n"
    again["moved"] += f"directory = {site.out('elsewhere')}\n"
    del again["gone"], again["staged"]
    site.configure(ca, again)
    before = {name: (site.out(name) / "tls.key").read_bytes() for name in ("gone", "staged", "moved")}
    run.hangup()
    run.wait_event("forgotten", "gone")
    run.wait_event("forgotten", "staged")
    run.wait_event("published", "moved", count=3)
    for name, key in before.items():
        wait_for(lambda name=name: len(keys_below(site.out(name))) == 1, lambda name=name: keys_below(site.out(name)))
        wait_for(lambda name=name: generations(site.out(name)) == [os.readlink(site.out(name) / "..data")],
                 lambda name=name: generations(site.out(name)))
        assert (site.out(name) / "tls.key").read_bytes() == key
    assert len(generations(site.out("stays"))) == 2 and not run.events("bug")
    assert run.terminate() == 0


# -- what others may read ----------------------------------------------------------------------------

@needs_root
def test_what_the_agent_notes_is_for_root_and_the_sets_owner_alone(ca, site):
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    let_everybody_read(ca, site)
    state = site.out() / "..state"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    for command in (["status"], ["status", "--json"]):
        done = as_attacker(scene.LEAFD, command[0], "-c", str(site.file), *command[1:])
        assert done.returncode == 4, done
        assert "run it as root or as the set's owner" in done.stderr
        if "--json" in command:
            assert [json.loads(done.stdout)["certs"][0][key] for key in ("state", "reload", "usable")] == ["unknown", "unknown", True]
    assert site.command("status").code == 0
    # Whoever orders a consumer behind leafd goes by the files.
    assert as_attacker(scene.LEAFD, "ready", "-c", str(site.file)).returncode == 0
    # What the files alone tell is told to all, and a directory that is closed is not called missing.
    os.unlink(os.path.realpath(site.out() / "tls.crt"))
    done = as_attacker(scene.LEAFD, "status", "-c", str(site.file))
    assert done.returncode == 4 and "damaged" in done.stdout
    site.out().chmod(0o750)
    done = as_attacker(scene.LEAFD, "status", "--json", "-c", str(site.file))
    assert done.returncode == 4 and json.loads(done.stdout)["certs"][0]["state"] == "unknown"
    done = as_attacker(scene.LEAFD, "ready", "-c", str(site.file))
    assert done.returncode == 4 and "run it as root or as the set's owner" in done.stderr


def test_notes_that_an_older_agent_left_readable_are_closed_at_the_start(devca, site):
    site.configure(devca, {"web": WEB})
    assert site.once().code == 0
    (site.out() / "..state").chmod(0o644)
    before = (site.out() / "..state").stat().st_ino
    run = site.run()
    run.wait_ready()
    about = (site.out() / "..state").stat()
    assert (about.st_ino, stat.S_IMODE(about.st_mode)) == (before, 0o600), "by its mode alone: nothing else has changed"
    assert run.terminate() == 0


# -- access control lists ----------------------------------------------------------------------------

@needs_root
@pytest.mark.parametrize("whose", ["set", "parent"])
def test_a_default_acl_of_a_directory_lets_nobody_read_a_key(ca, site, whose):
    site.out().mkdir()
    give_acl(site.out())
    directory = site.out() if whose == "set" else site.out() / "made"
    site.configure(ca, {"web": WEB.replace("tls.key key", "tls.key key 0640") + f"directory = {directory}\n"})
    let_everybody_read(ca, site)
    assert site.once().code == 0
    assert as_attacker("cat", str(directory / "tls.crt")).returncode == 0
    assert "denied" in as_attacker("cat", str(directory / "tls.key")).stderr
    generation = os.path.realpath(directory / "..data")
    made = [generation, *(os.path.join(generation, name) for name in os.listdir(generation)), directory / "..state"]
    assert [path for path in made if has_acl(path)] == []
    assert whose == "set" or not has_acl(directory)
    assert stat.S_IMODE(os.stat(directory / "tls.key").st_mode) == 0o640


@needs_root
def test_a_key_that_an_acl_opened_is_told_and_staged_anew(ca, site):
    """As an older agent left it below a default ACL, or as somebody gave it since: the mode shows nothing."""
    site.configure(ca, {"web": WEB.replace("tls.key key", "tls.key key 0640")}, agent="files_every = 1s")
    let_everybody_read(ca, site)
    run = site.run()
    run.wait_ready()
    key = os.path.realpath(site.out() / "tls.key")
    let_through_acl(path=Path(key), rights=4)
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o640
    assert "PRIVATE KEY" in as_attacker("cat", key).stdout
    told = run.wait_event("damaged", "web")[0]
    assert "tls.key has an access control list" in told["message"] and told["level"] == "warning"
    site.becomes("web", state="fresh")
    assert not has_acl(os.path.realpath(site.out() / "tls.key")) and ca.requests("pki_int/sign/") == 1
    assert run.terminate() == 0


# -- one agent, and whose lock counts ----------------------------------------------------------------

HOLDER = """import fcntl, os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
if len(sys.argv) > 2:
    open("/proc/self/comm", "w").write(sys.argv[2])
print("locked", flush=True)
sys.stdin.read()
"""


def hold_lock(path, user=0, name=None):
    """A process that holds the lock of flock(2) until it is let go."""
    started = subprocess.Popen(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", sys.executable, "-c", HOLDER,
                                str(path), *([name] if name else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    return started if started.stdout.readline() == "locked\n" else pytest.fail(started.communicate()[1])


def let_go(holder):
    holder.communicate("")


def lock_as_agent(site):
    """A process whose program is called as leafd's is, with the lock on the directory and none on "..lock"."""
    program = site.folder / "leafd"
    shutil.copy(shutil.which("flock"), program)
    started = subprocess.Popen([program, "--exclusive", "--nonblock", "--close", site.out(), "sh", "-c", "echo locked; cat"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdout.readline() == "locked\n"
    return started


@needs_root
def test_who_may_only_read_a_set_does_not_keep_it_from_being_renewed(ca, site):
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    let_everybody_read(ca, site)
    holder = hold_lock(site.out(), ATTACKER, name="leafd")
    try:
        site.configure(ca, {"web": WEB + "ip_addresses = 192.0.2.1\n"})
        done = site.once()
        assert done.code == 0 and done.events("published"), done.err
        run = site.run()
        run.wait_ready()
        site.configure(ca, {"web": WEB + "ip_addresses = 192.0.2.2\n"})
        run.hangup()
        run.wait_event("published", "web")
        # What does lock a set, nobody else can open, however leafd came by it.
        assert stat.S_IMODE((site.out() / "..lock").stat().st_mode) == 0o600
        assert "denied" in as_attacker("cat", site.out() / "..lock").stderr
        assert run.terminate() == 0
    finally:
        let_go(holder)


@needs_root
def test_a_lock_that_others_could_open_is_replaced(devca, site):
    """Left so by somebody's chmod or chown: who has it open may hold it for ever."""
    site.configure(devca, {"web": WEB})
    site.out().mkdir()
    (site.out() / "..lock").touch(mode=0o644)
    os.chown(site.out() / "..lock", ATTACKER, ATTACKER)
    let_everybody_read(devca, site)
    holder = hold_lock(site.out() / "..lock", ATTACKER)
    try:
        done = site.once()
        assert done.code == 0, done.err
        about = (site.out() / "..lock").stat()
        assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (0, 0o600)
    finally:
        let_go(holder)


def test_an_agent_at_rest_has_nothing_in_a_set_open_for_writing(devca, site):
    """Else the file system cannot be remounted read-only under it."""
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_event("published")
    run.wait_ready()

    def writers():
        found = []
        for entry in os.listdir(f"/proc/{run.process.pid}/fd"):
            try:
                path = os.readlink(f"/proc/{run.process.pid}/fd/{entry}")
                with open(f"/proc/{run.process.pid}/fdinfo/{entry}", encoding="ascii") as file:
                    flags = int(dict(line.split(":", 1) for line in file.read().splitlines() if ":" in line)["flags"], 8)
            except FileNotFoundError:
                continue
            found += [path] * (path.startswith(str(site.out())) and flags & os.O_ACCMODE != os.O_RDONLY)
        return found
    wait_for(lambda: not writers(), "the files of the set to be closed")
    assert run.terminate() == 0


@needs_root
def test_another_agent_is_told_by_its_process_and_the_disk_is_told_all_the_same(ca, site):
    """Also where only the lock on the directory is left of it."""
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    run = site.run()
    run.wait_ready()
    done = site.once()
    assert done.code == 0
    assert f"another leafd works in {site.out()}: process {run.pid}" in done.events("kept")[0]["message"]
    again = site.run()
    told = again.wait_event("failed")[0]["message"]
    assert f"process {run.pid}" in told and "left" in told, told
    again.kill()
    assert run.terminate() == 0
    # The lock on the directory counts if an agent has it, and not by its name alone.
    holder = hold_lock(site.out(), name="leafd")
    try:
        assert not site.once().events("kept")
    finally:
        let_go(holder)
    holder = lock_as_agent(site)
    try:
        done = site.once()
        assert done.code == 0 and f"process {holder.pid}" in done.events("kept")[0]["message"], done.err
        assert site.status()["web"]["state"] == "fresh"
    finally:
        let_go(holder)
    assert not site.once().events("kept")


LEAVE_LOCKS = """import fcntl, os, sys
pids = []
for _ in range(400):
    fd = os.open(sys.argv[1], os.O_RDONLY)
    pids.append(os.fork())
    if pids[-1] == 0:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os._exit(0)
    os.waitpid(pids[-1], 0)
print(pids[0], flush=True)
sys.stdin.read()
"""


@needs_root
def test_a_lock_of_somebody_whose_pid_is_leafds_now_keeps_nobody(devca, site):
    """Whoever took it has ended and left it to its parent; the kernel goes on telling its pid, and gives that to others."""
    site.configure(devca, {"web": WEB})
    assert site.once().code == 0
    let_everybody_read(devca, site)
    with subprocess.Popen(["setpriv", f"--reuid={ATTACKER}", f"--regid={ATTACKER}", "--clear-groups", sys.executable, "-c",
                           LEAVE_LOCKS, site.out()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        first = int(holder.stdout.readline())
        try:
            for number in (1, 2):
                site.configure(devca, {"web": WEB + f"ip_addresses = 192.0.2.{number}\n"})
                # The next processes of this machine, leafd and its threads among them, get those numbers.
                Path("/proc/sys/kernel/ns_last_pid").write_text(f"{first - 1}\n")
                done = site.once()
                assert done.code == 0 and done.events("published") and not done.events("kept"), done.err
            Path("/proc/sys/kernel/ns_last_pid").write_text(f"{first - 1}\n")
            done = site.command("revoke", "web")
            assert done.code == 0 and "running agent" not in done.out, done.out
        finally:
            holder.stdin.close()


@needs_root
def test_the_list_of_all_locks_is_not_asked(devca, site):
    """Everybody can make it long, which makes it slow to read: here it is a FIFO without end."""
    site.configure(devca, {"web": WEB})
    assert site.once().code == 0
    let_everybody_read(devca, site)
    site.configure(devca, {"web": WEB + "ip_addresses = 192.0.2.1\n"})
    os.mkfifo(site.folder / "locks")
    holder = hold_lock(site.out(), ATTACKER, name="leafd")
    try:
        done = subprocess.run(["unshare", "--mount", "sh", "-c", 'mount --bind "$1" /proc/locks && exec "$2" once -c "$3"', "sh",
                               site.folder / "locks", scene.LEAFD, site.file], capture_output=True, text=True, check=False,
                              timeout=scene.PATIENCE_S)
        assert done.returncode == 0 and '"published"' in done.stderr, done.stderr
    finally:
        let_go(holder)


@needs_root
def test_a_lock_that_is_removed_is_taken_again_and_lets_no_second_agent_in(ca, site):
    site.configure(ca, {"web": WEB}, agent="files_every = 1s")
    run = site.run()
    run.wait_ready()
    site.becomes("web", state="fresh")
    run.process.send_signal(signal.SIGSTOP)
    (site.out() / "..lock").unlink()
    done = site.once()
    assert f"process {run.pid}" in done.events("kept")[0]["message"], done.err
    run.process.send_signal(signal.SIGCONT)
    assert "..lock was removed or replaced" in run.wait_event("damaged", "web")[0]["message"]
    wait_for((site.out() / "..lock").exists, "the lock to be there again")
    site.becomes("web", state="fresh")
    assert site.once().events("kept")
    assert ca.requests("pki_int/sign/") == 1 and run.terminate() == 0


@needs_root
def test_root_leaves_nothing_in_a_set_that_belongs_to_another_user(ca, site):
    """What root made there, the set's own agent could not open any more."""
    owner = 40001
    site.configure(ca, {"web": WEB})
    let_everybody_read(ca, site)
    site.out().mkdir()
    os.chown(site.out(), owner, owner)
    done = site.once()
    assert done.code == 1 and f"belongs to uid {owner}" in done.events("failed")[0]["message"]
    assert f"run it as uid {owner}" in done.events("failed")[0]["message"] and os.listdir(site.out()) == []
    agent = subprocess.Popen(["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups", scene.LEAFD, "run", "-c",
                              str(site.file)], stderr=subprocess.DEVNULL)
    try:
        wait_for((site.out() / "tls.crt").exists, "the owner's agent to publish")
        assert (site.out() / "..lock").stat().st_uid == owner
        done = site.once()
        assert done.code in (0, 1) and f"process {agent.pid}" in done.err, done.err
    finally:
        agent.terminate()
        agent.wait()
    assert as_attacker(scene.LEAFD, "once", "-c", site.file, user=owner).returncode == 0


# -- open files --------------------------------------------------------------------------------------

@pytest.fixture
def files_limit(site, monkeypatch):
    """Starts leafd with a limit of open files that it cannot raise."""
    def limit(files):
        wrapper = site.folder / f"leafd-with-{files}-files"
        wrapper.write_text(f'#!/bin/sh\nexec prlimit --nofile={files}:{files} "{os.path.realpath(scene.LEAFD)}" "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setattr(scene, "LEAFD", str(wrapper))
    return limit


def open_files(pid):
    found = []
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{entry}"))
    return found


@pytest.fixture
def shared_memory():
    """A folder on tmpfs: where tests run may be an overlayfs, on which a set at rest takes two descriptors."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@needs_root
def test_150_certificates_live_with_128_open_files(devca, site, files_limit, shared_memory):
    """A set at rest takes no descriptor, and is nobody else's all the same, for as long as the process lives."""
    names = [f"web-{i}" for i in range(150)]
    site.configure(devca, {name: WEB + f"directory = {shared_memory}/{name}\n" for name in names})
    files_limit(128)
    run = site.run()
    run.wait_ready()
    assert not run.events("failed")
    wait_for(lambda: not any(str(shared_memory) in path for path in open_files(run.pid)), lambda: open_files(run.pid))
    kept = site.once().events("kept")
    assert len(kept) == 150 and all(f"process {run.pid}" in told["message"] for told in kept)
    assert devca.requests("pki_int/sign/") == 150
    run.kill()
    done = site.once()
    assert done.code == 0 and not done.events("kept"), "the claim ends with the process"


@needs_root
def test_too_few_open_files_are_told_and_what_can_be_kept_is_kept(devca, site, files_limit, tmp_path):
    """On overlayfs a set at rest takes two: some are left for all other work, and the others say what to raise."""
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    names = [f"web-{i}" for i in range(20)]
    site.configure(devca, {name: WEB + f"directory = {tmp_path}/merged/{name}\n" for name in names})
    mounted = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,"
                              f"workdir={tmp_path}/work", tmp_path / "merged"], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no overlayfs can be mounted here: {mounted.stderr}")
    try:
        files_limit(120)
        run = site.run()
        run.wait_event("published", count=12)
        told = [event["message"] for event in run.wait_event("failed", count=8)]
        assert all("the limit of open files is 120" in message and "LimitNOFILE=" in message and "ulimit -n" in message
                   for message in told), told
        assert {event["cert"] for event in run.events("published")}.isdisjoint(event["cert"] for event in run.events("failed"))
        first = run.events("published")[0]["cert"]
        assert f"process {run.pid}" in site.once(first).events("kept")[0]["message"]
        assert run.terminate() == 0
    finally:
        subprocess.run(["umount", "--lazy", tmp_path / "merged"], check=True)


def test_a_limit_of_open_files_that_cannot_do_is_told_at_the_start(devca, site, files_limit):
    site.configure(devca, {"web": WEB})
    files_limit(64)
    done = site.once()
    told = [line["message"] for line in done.log() if "open at once" in line["message"]]
    assert done.code == 0 and len(told) == 1 and "only 64" in told[0] and "LimitNOFILE=" in told[0], done.err


# -- the way to a set --------------------------------------------------------------------------------

def refused_places(site):
    """Ways that others may lead elsewhere: what is below each, and the component that is to be named."""
    def made(name, mode=0o755, owner=0, group=0):
        path = site.folder / name
        path.mkdir(parents=True)
        os.chown(path, owner, group)
        path.chmod(mode)
        return path

    links = made("links", owner=ATTACKER)
    safe = made("safe")
    os.symlink(safe, links / "to-safe")
    os.lchown(links / "to-safe", ATTACKER, ATTACKER)
    sticky = made("sticky", 0o1777)
    os.symlink(safe, sticky / "to-safe")
    os.lchown(sticky / "to-safe", ATTACKER, ATTACKER)
    acl = made("acl", 0o755)
    let_through_acl(acl, 7)
    made("grandparent", owner=ATTACKER)
    return {"owner": (made("owner", owner=ATTACKER), "owner belongs to uid 4242"),
            "everybody": (made("everybody", 0o777), "everybody may be written by everybody"),
            "group": (made("group", 0o775, group=ATTACKER), "group may be written by its group"),
            "acl": (acl, "acl may be written by its group, or through an access control list"),
            "grandparent": (made("grandparent/parent"), "grandparent belongs to uid 4242"),
            "link": (links / "to-safe", "links belongs to uid 4242"),
            "sticky-link": (sticky / "to-safe", "sticky/to-safe belongs to uid 4242")}


@needs_root
def test_a_way_that_others_may_lead_elsewhere_is_refused_with_its_component(devca, site):
    """By run and once; by check before; status and ready go on telling what is there.

    CVE-2018-6954: systemd-tmpfiles, as root, followed links above the last name of a path.
    """
    site.folder.chmod(0o755)
    places = refused_places(site)
    site.configure(devca, {name: WEB + f"directory = {place}/tls\n" for name, (place, _) in places.items()})
    checked = site.command("check")
    done = site.once()
    run = site.run()
    for name, (place, told) in places.items():
        refused = [line for line in done.events("failed") if line["cert"] == name]
        assert len(refused) == 1 and told in refused[0]["message"] and refused[0]["class"] == "local", (name, done.err)
        assert told in run.wait_event("failed", name)[0]["message"]
        assert any(f"[cert {name}] " in line and told in line for line in checked.out.splitlines()), checked.out
        assert list(place.iterdir()) == [], "nothing is made there"
    assert done.code == 1 and not done.events("published") and devca.requests("pki_int/") == 0
    assert run.terminate() == 0


@needs_root
def test_a_way_that_became_open_is_told_and_nothing_more_is_staged(ca, site):
    """A set that an older agent made below another user's directory stays in place, and is told as long as it is."""
    home = site.folder / "home"
    home.mkdir()
    site.configure(ca, {"web": WEB + f"directory = {home}/tls\n"}, agent="files_every = 1s")
    run = site.run()
    run.wait_ready()
    before = scene.snapshot(home / "tls", but="..state")
    os.chown(home, ATTACKER, ATTACKER)
    told = run.wait_event("failed", "web")[0]["message"]
    assert "home belongs to uid 4242, who can exchange what lies in it; run leafd as uid 4242, or name a path" in told
    done = site.once()
    assert done.code == 1 and "home belongs to uid 4242" in done.err
    row = site.status()["web"]
    assert row["state"] == "damaged" and "home belongs to uid 4242" in row["detail"] and row["usable"]
    assert site.command("ready").code == 0
    checked = site.command("check")
    assert checked.code == 1 and "[cert web] refused: " in checked.out and "home belongs to uid 4242" in checked.out
    assert scene.snapshot(home / "tls", but="..state") == before and ca.requests("pki_int/sign/") == 1
    os.chown(home, 0, 0)
    run.hangup()
    site.becomes("web", state="fresh")
    assert site.command("check").code == 0 and run.terminate() == 0


@needs_root
def test_a_set_belongs_below_its_own_users_home(ca, site):
    """What root is refused, the user itself may: the remedy that the message names."""
    owner, home = 40001, site.folder / "home"
    home.mkdir()
    os.chown(home, owner, owner)
    site.configure(ca, {"web": WEB + f"directory = {home}/tls\n"})
    let_everybody_read(ca, site)
    assert site.once().code == 1
    done = as_attacker(scene.LEAFD, "once", "-c", site.file, user=owner)
    assert done.returncode == 0, done.stderr


@needs_root
@pytest.mark.parametrize("volume", ["mode=0777", "mode=2777,gid=40002", "mode=2775,gid=40002"])
def test_the_root_of_a_volume_is_advice(ca, site, request, volume):
    """As Kubernetes mounts an emptyDir, with and without fsGroup: root's, and writable by whoever mounts it."""
    mount = site.folder / "volume"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", volume, "tmpfs", mount], check=True)
    request.addfinalizer(lambda: subprocess.run(["umount", mount], check=True))
    site.configure(ca, {"web": WEB + f"directory = {mount}/web\n"})
    let_everybody_read(ca, site)
    done = subprocess.run(["setpriv", "--reuid=40001", "--regid=40001", "--groups=40002", scene.LEAFD, "once", "-c", site.file],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    checked = site.command("check")
    assert checked.code == 0 and "[cert web] warning: " in checked.out and "volume is a mount that others may write" in checked.out
    # A directory in it that is not the mount is as any other.
    os.mkdir(mount / "below")
    os.chmod(mount / "below", 0o777)
    site.configure(ca, {"web": WEB + f"directory = {mount}/below/web\n"})
    assert "below may be written by everybody" in site.once().events("failed")[0]["message"]


@needs_root
def test_a_link_is_made_only_where_others_cannot_exchange_it(ca, site):
    """Root would remove and make links wherever the owner of its directory leads it to."""
    home, target = site.folder / "home", site.folder / "target"
    home.mkdir()
    target.mkdir()
    (target / "server.key.leafd-new").write_text("root's own")
    os.symlink(target, home / "tls")
    os.lchown(home / "tls", ATTACKER, ATTACKER)
    os.chown(home, ATTACKER, ATTACKER)
    site.configure(ca, {"web": WEB + f"link = {home}/tls/server.key tls.key\n"})
    done = site.once()
    assert done.code == 1 and "home belongs to uid 4242" in done.events("failed")[0]["message"], done.err
    assert ca.requests("pki_int/sign/") == 0
    checked = site.command("check")
    assert checked.code == 1 and f"the link {home}/tls/server.key: " in checked.out, checked.out
    checked = site.command("check", "--online")
    assert checked.code == 1 and checked.out.count(f"the link {home}/tls/server.key: ") == 1, checked.out
    # A set that is there already goes on without it.
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    site.configure(ca, {"web": WEB + f"ip_addresses = 192.0.2.1\nlink = {home}/tls/server.key tls.key\n"})
    done = site.once()
    assert done.events("published") and "home belongs to uid 4242" in done.events("link-failed")[0]["message"], done.err
    assert os.listdir(target) == ["server.key.leafd-new"] and (target / "server.key.leafd-new").read_text() == "root's own"


@needs_root
def test_a_default_acl_above_a_set_is_told(devca, site):
    site.configure(devca, {"web": WEB})
    give_acl(site.folder)
    checked = site.command("check")
    assert checked.code == 0 and "has a default access control list" in checked.out


EXCHANGER = """import os, sys, time
victim, name = sys.argv[1:]
for number in range(1000):
    os.mkdir(name)
    print("ready", flush=True)
    while not os.access(name + "/tls", os.F_OK):
        pass
    os.rename(name, f"{name}-{number}")
    os.symlink(victim, name)
    time.sleep(0.3)
    os.unlink(name)
"""


@needs_root
def test_a_directory_that_is_exchanged_while_root_makes_it_changes_nothing_of_others(devca, site):
    """The parent's owner puts a link in its place, by which the path leads into a directory of root's.

    CVE-2018-6954: systemd-tmpfiles, as root, followed links above the last name of a path.
    """
    home, victim = site.folder / "home", site.folder / "victim"
    home.mkdir()
    os.chown(home, ATTACKER, ATTACKER)
    victim.mkdir(mode=0o700)
    (victim / "tls").mkdir(mode=0o700)
    site.configure(devca, {"web": WEB + f"directory = {home}/a/tls\n"})
    let_everybody_read(devca, site)
    devca.fault("status", path="pki_int/", times=0, status=503)
    exchanger = subprocess.Popen(["setpriv", f"--reuid={ATTACKER}", f"--regid={ATTACKER}", "--clear-groups", sys.executable, "-c",
                                  EXCHANGER, str(victim), str(home / "a")], stdout=subprocess.PIPE, text=True)
    try:
        assert exchanger.stdout.readline() == "ready\n"
        for _ in range(2):
            assert site.once(environment=preload("slow_mkdir")).code == 1
            assert stat.S_IMODE((victim / "tls").stat().st_mode) == 0o700 and os.listdir(victim / "tls") == []
    finally:
        exchanger.kill()
        exchanger.wait()


# -- what was put into a set while others could write it ---------------------------------------------

SECTION = """pki_role = leafd
ttl = 1h
dns_names = {name}.example.test
file = tls.crt fullchain
file = tls.key key 0600{owner}
file = ca.crt ca
"""
# With a reload: what the consumer took is what is gone back to.
WEB_OF_4242 = SECTION.format(name="web", owner=f" {ATTACKER}") + "reload = exec /bin/true\n"
DB = SECTION.format(name="db", owner="")
PLANTED = "..2026_01_01_00_00_00.abcdef"
PLANT = """import json, os, sys
planted, folder = json.load(sys.stdin), sys.argv[1]
os.chdir(folder)
os.umask(0o022)
os.mkdir(planted["generation"])
for name, text in planted["files"].items():
    with open(os.open(name + ".x", os.O_WRONLY | os.O_CREAT, 0o600 if name.endswith(".key") else 0o644), "w") as file:
        file.write(text)
    os.rename(name + ".x", name)
for name, target in planted["links"].items():
    os.symlink(target, name + ".x")
    os.rename(name + ".x", name)
"""


def plant(folder, files, links):
    """What an attacker leaves in a directory that is 0777 for a moment."""
    folder.chmod(0o777)
    done = as_attacker(sys.executable, "-c", PLANT, folder,
                       input=json.dumps({"generation": PLANTED, "files": files, "links": {**links, "..data": PLANTED}}))
    assert done.returncode == 0, done.stderr
    folder.chmod(0o755)


def record_for_web(site, **changed):
    """The record of `db`, as if it were one of `web`."""
    record = json.loads((site.out("db") / "..data" / "..record").read_text())
    record["cert"] = "web"
    record["request"]["dns_names"] = ["web.example.test"]
    for file in record["files"]:
        if file["name"] == "tls.key":
            file["owner"] = ATTACKER
    return {**record, **changed}


def read_as_attacker(path):
    return as_attacker("cat", path).stdout


def with_a_planted_key_of_another_set(ca, site):
    """The key is a link to one that only root may read."""
    site.configure(ca, {"web": WEB_OF_4242, "db": DB})
    let_everybody_read(ca, site)
    assert site.once().code == 0
    current = os.readlink(site.out() / "..data")
    public = {f"{PLANTED}/{name}": (site.out("db") / name).read_text() for name in ("tls.crt", "ca.crt")}
    plant(site.out(), {f"{PLANTED}/..record": json.dumps(record_for_web(site)), **public},
          {f"{PLANTED}/tls.key": str(site.out("db") / "..data" / "tls.key")})
    return current


@needs_root
def test_a_generation_that_others_put_into_a_set_is_removed_and_gives_them_no_key(ca, site):
    """The directory was writable for a moment; what was planted there is judged by its owner ever after."""
    current = with_a_planted_key_of_another_set(ca, site)
    checked = site.command("check")
    assert checked.code == 0 and "belongs to uid 4242" in checked.out and "leafd ignores it" in checked.out, checked.out
    row = site.status()["web"]
    assert row["state"] == "missing" and "..data belongs to uid 4242" in row["detail"], row
    run = site.run()
    run.wait_ready()
    assert "..data belongs to uid 4242" in run.wait_event("damaged", "web")[0]["message"]
    site.becomes("web", state="fresh")
    assert read_as_attacker(site.out() / "tls.key") != (site.out("db") / "tls.key").read_text()
    assert generations(site.out()) == [current] and (site.out("db") / "..data" / "tls.key").is_file(), "no link is followed"
    assert ca.requests("pki_int/sign/") == 2, "what is whole and leafd's own is published again"
    assert "4242" not in site.command("check").out and run.terminate() == 0


@needs_root
def test_what_others_note_in_a_set_neither_stops_renewal_nor_is_trusted(devca, site):
    """A CA of theirs in the record, and a mark that says revoked; each is told, and counts for nothing."""
    key, certificate = site.folder / "evil.key", site.folder / "evil.crt"
    scene.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key), "-out",
                  str(certificate), "-days", "9", "-subj", "/CN=evil", "-addext", "subjectAltName=DNS:web.example.test")
    site.configure(devca, {"web": WEB_OF_4242, "db": DB})
    let_everybody_read(devca, site)
    assert site.once("db").code == 0
    site.out().mkdir()
    evil = certificate.read_text()
    old = [{"certificate": evil, "last_current": 4000000000, "not_after": 4000000000, "announced": False}]
    plant(site.out(), {f"{PLANTED}/..record": json.dumps(record_for_web(site, certificate=evil, old_cas=old)),
                       f"{PLANTED}/tls.key": key.read_text(), "..revoked": PLANTED + "\nno-reissue\n"}, {})
    run = site.run()
    run.wait_event("published", "web")
    assert "belongs to uid 4242" in run.wait_event("damaged", "web")[0]["message"]
    site.becomes("web", state="fresh")
    assert evil.strip() not in (site.out() / "ca.crt").read_text() and not (site.out() / "..revoked").exists()
    assert run.terminate() == 0
    # The same mark beside a generation that is leafd's own.
    current = os.readlink(site.out() / "..data")
    (site.out() / "..revoked").write_text(current + "\nno-reissue\n")
    os.chown(site.out() / "..revoked", ATTACKER, ATTACKER)
    assert site.status()["web"]["state"] == "fresh"
    assert site.once().code == 0 and os.readlink(site.out() / "..data") == current


@needs_root
def test_what_others_put_into_the_set_of_a_running_agent_is_told_when_it_is_closed_again(ca, site):
    site.configure(ca, {"web": WEB, "db": DB})
    let_everybody_read(ca, site)
    run = site.run()
    run.wait_ready()
    site.becomes("web", state="fresh")
    current = os.readlink(site.out() / "..data")
    site.out().chmod(0o777)
    run.wait_event("failed", "web")
    plant(site.out(), {f"{PLANTED}/..record": json.dumps(record_for_web(site)), "..revoked": PLANTED + "\nno-reissue\n"}, {})
    wait_for(lambda: any("belongs to uid 4242" in line["message"] for line in run.events("damaged", "web")), run.log)
    site.becomes("web", state="fresh")
    assert generations(site.out()) == [current] and ca.requests("pki_int/sign/") == 2 and not run.events("withdrawn")
    assert run.terminate() == 0


@needs_root
def test_notes_that_others_wrote_are_not_read(devca, site):
    """They would say what the consumer took, and when the CA may be asked again."""
    site.configure(devca, {"web": WEB})
    assert site.once().code == 0
    state = site.out() / "..state"
    theirs = json.loads(state.read_text())
    theirs["failures"], theirs["try_again_at"], theirs["class"], theirs["error"] = 9, 4000000000, "local", "planted"
    state.write_text(json.dumps(theirs))
    os.chown(state, ATTACKER, ATTACKER)
    site.configure(devca, {"web": WEB + "ip_addresses = 192.0.2.1\n"})
    run = site.run()
    run.wait_event("published", "web")
    assert "..state belongs to uid 4242" in run.wait_event("damaged", "web")[0]["message"] and not run.events("waits")
    site.becomes("web", state="fresh")
    assert state.stat().st_uid == 0 and run.terminate() == 0


EXCHANGE = "import ctypes, sys; sys.exit(ctypes.CDLL(None).renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2))"


@needs_root
@pytest.mark.parametrize("names", ["other", "same"])
def test_a_set_that_was_exchanged_for_another_gives_its_key_to_nobody(ca, site, request, names):
    """On a volume that its containers may write, one of them renames the sets; their directories stay root's."""
    volume = site.folder / "volume"
    volume.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0777", "tmpfs", volume], check=True)
    request.addfinalizer(lambda: subprocess.run(["umount", volume], check=True))
    rotation = "key_rotation = never\n" if names == "other" else ""
    db = DB if names == "other" else DB.replace("db.example", "web.example")
    site.configure(ca, {"web": WEB_OF_4242 + rotation + f"directory = {volume}/web\n", "db": db + f"directory = {volume}/db\n"})
    let_everybody_read(ca, site)
    assert site.once().code == 0
    secret = (volume / "db" / "tls.key").read_text()
    assert as_attacker(sys.executable, "-c", EXCHANGE, volume / "db", volume / "web").returncode == 0
    assert (volume / "web" / "tls.key").read_text() == secret
    assert site.status()["web"]["state"] == "changed"
    done = site.once()
    assert done.code == 0, done.err
    assert "PRIVATE KEY" in read_as_attacker(volume / "web" / "tls.key")
    assert read_as_attacker(volume / "web" / "tls.key") != secret
    assert names == "same" or "[cert db]" in done.err, "a key that was to stay and does not is told"
    assert all(row["state"] == "fresh" for row in site.status().values())


@needs_root
def test_a_certificate_without_the_sections_names_is_not_fresh(ca, site):
    """Whatever its record says that was asked for."""
    site.configure(ca, {"web": WEB_OF_4242, "db": DB})
    assert site.once().code == 0
    generation = site.out() / os.readlink(site.out() / "..data")
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (generation / name).write_bytes((site.out("db") / name).read_bytes())
    formats = json.loads((generation / "..record").read_text())["formats"]
    (generation / "..record").write_text(json.dumps(record_for_web(site, formats=formats)))
    row = site.status()["web"]
    assert row["state"] == "changed" and "lacks names of the section" in row["detail"], row
    assert site.once().code == 0 and site.status()["web"]["state"] == "fresh"
    assert "DNS:web.example.test" in scene.openssl("x509", "-in", str(site.out() / "tls.crt"), "-noout", "-ext", "subjectAltName")


def test_a_renamed_section_keeps_its_set_and_takes_no_key_along_to_other_names(ca, site):
    """Its own files may be written anew for it; into another certificate goes a key of its own, also if it never rotates."""
    lines = WEB + f"key_rotation = never\ndirectory = {site.out('set')}\n"
    site.configure(ca, {"web": lines})
    assert site.once().code == 0
    key = (site.out("set") / "tls.key").read_text()
    site.configure(ca, {"renamed": lines})
    assert site.once().code == 0 and site.status()["renamed"]["state"] == "fresh"
    assert ca.requests("pki_int/sign/") == 1 and (site.out("set") / "tls.key").read_text() == key
    site.configure(ca, {"again": lines + "ip_addresses = 192.0.2.1\n"})
    done = site.once()
    assert done.code == 0 and "a new key, because the published one was made for [cert renamed]" in done.err
    kept = (site.out("set") / "tls.key").read_text()
    assert kept != key
    site.configure(ca, {"again": lines + "ip_addresses = 192.0.2.2\n"})
    assert site.once().code == 0 and (site.out("set") / "tls.key").read_text() == kept
