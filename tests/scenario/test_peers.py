"""Who answers here: pidfiles, names and sockets are anybody's; consumers are of root, of ourselves, or of a user who is named."""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from attacker import ATTACKER, needs_root, open_the_way
from scene import LEAFD, PATIENCE_S, WEB, wait_for

pytestmark = needs_root

# Calls itself by a name and ends with 7 when it is told; "deaf" leaves the signal to the kernel, which would end it.
NAMED = """
import ctypes, os, signal, sys
libc = ctypes.CDLL(None)
libc.prctl(1, signal.SIGKILL)
libc.prctl(15, sys.argv[1].encode())
if sys.argv[2] != "deaf":
    signal.signal(signal.SIGUSR1, lambda *_: os._exit(7))
print("x", flush=True)
while True:
    signal.pause()
"""


class Opened:
    """Whether anybody opens the file, by inotify(7)."""
    IN_OPEN = 0x20

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self.fd >= 0 and libc.inotify_add_watch(self.fd, os.fsencode(path), self.IN_OPEN) >= 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def seen(self):
        try:
            return bool(os.read(self.fd, 4096))
        except BlockingIOError:
            return False


# Listens at a path and writes what it hears to another.
LISTENER = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
listener.listen(8)
print("x", flush=True)
while True:
    heard, _ = listener.accept()
    with open(sys.argv[2], "ab") as file:
        while True:
            part = heard.recv(65536)
            file.write(part)
            if not part or part.endswith(b"\\n\\n"):
                break
    try:
        heard.sendall(b"done\\n\\n")
    except BrokenPipeError:
        pass
    heard.close()
"""


@pytest.fixture
def start():
    """Starts programs, as root or as somebody else, waits until they say that they are ready, and ends them."""
    started = []

    def run(*command, user=0):
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [str(word) for word in command], stdout=subprocess.PIPE, user=user, group=user, extra_groups=[])
        started.append(process)
        assert process.stdout.readline(), command
        return process
    run.named = lambda name, manner="told", user=0: run("/usr/bin/python3", "-c", NAMED, name, manner, user=user)
    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def name():
    """What a consumer is called: other tests run beside this one, and signal theirs."""
    return f"peer-{os.getpid()}"


def is_spared(process):
    return process.poll() is None


def was_told(process):
    return process.wait(timeout=PATIENCE_S) == 7


# -- by name ------------------------------------------------------------------------------------------

def test_a_process_of_another_user_is_neither_signalled_nor_in_the_way(devca, site, start, name):
    consumer = start.named(name)
    strangers = [start.named(name, manner, ATTACKER) for manner in ("told", "deaf")]
    site.configure(devca, {"web": WEB + "reload = signal USR1 process " + name})
    done = site.once()
    assert done.code == 0 and done.events("reloaded"), done.err
    assert was_told(consumer)
    assert all(is_spared(stranger) for stranger in strangers)


def test_a_consumer_of_another_user_is_named_by_the_message_and_told_when_the_section_names_him(devca, site, start, name):
    consumer = start.named(name, user=ATTACKER)
    site.configure(devca, {"web": WEB + "reload = signal USR1 process " + name})
    message = site.once().events("awaited")[0]["message"]
    assert f"process {consumer.pid} ({name}) belongs to uid {ATTACKER}" in message
    assert f"write: process {name} user {ATTACKER}" in message
    assert is_spared(consumer)
    site.configure(devca, {"web": WEB + f"reload = signal USR1 process {name} user {ATTACKER}"})
    assert site.once().events("reloaded")
    assert was_told(consumer)


def test_a_set_user_id_program_is_of_whoever_runs_it(devca, site, start, name, tmp_path):
    """It may be called as the consumer is, and is root's by its effective uid."""
    program = tmp_path / name
    shutil.copy("/usr/bin/yes", program)
    program.chmod(0o4755)
    open_the_way(tmp_path / "run")
    start(program, user=ATTACKER)
    site.configure(devca, {"web": WEB + "reload = signal USR1 process " + name})
    done = site.once()
    assert done.code == 0 and "belongs to uid 4242" in done.events("awaited")[0]["message"]


def test_who_only_calls_himself_so_is_spared_where_a_program_of_the_name_runs(devca, site, start, name, tmp_path):
    """A stranger gets a root process of any name by a link to sudo."""
    shutil.copy("/bin/sh", tmp_path / name)
    consumer = start(tmp_path / name, "-c", "trap 'exit 7' USR1; echo; while :; do sleep 0.05; done")
    other = start.named(name)
    site.configure(devca, {"web": WEB + "reload = signal USR1 process " + name})
    assert site.once().events("reloaded")
    assert was_told(consumer) and is_spared(other)


def test_a_process_of_another_pid_namespace_gets_no_signal(devca, site, start, name):
    """As that of a container on the same machine, whose root is root."""
    process = start("unshare", "--pid", "--fork", "--kill-child", "/usr/bin/python3", "-c", NAMED, name, "told")
    site.configure(devca, {"web": WEB + "reload = signal USR1 process " + name})
    done = site.once()
    assert done.code == 0 and is_spared(process)
    assert "are only in other PID namespaces" in done.events("awaited")[0]["message"]


def test_a_failure_is_one_only_if_nobody_could_be_told(devca, site, start, name):
    start.named(name, "deaf")
    site.configure(devca, {"web": WEB + "reload = signal USR1 process " + name})
    done = site.once()
    assert done.code == 1 and "does not catch SIGUSR1" in done.events("reload-failed")[0]["message"]
    consumer = start.named(name)
    assert site.once().events("reloaded")
    assert was_told(consumer)


# -- by pidfile ---------------------------------------------------------------------------------------

def put_pidfile(folder, pid, owner=0, mode=0o644):
    folder.mkdir()
    pidfile = folder / "consumer.pid"
    pidfile.write_text(f"{pid}\n")
    pidfile.chmod(mode)
    os.chown(pidfile, owner, owner)
    return pidfile


def their_own(folder, pid):
    pidfile = put_pidfile(folder, pid, ATTACKER)
    os.chown(folder, ATTACKER, ATTACKER)
    return pidfile, f"{folder} belongs to uid {ATTACKER}"


def in_a_sticky_directory(folder, pid):
    pidfile = put_pidfile(folder, pid, ATTACKER)
    folder.chmod(0o1777)
    return pidfile, f"{pidfile} belongs to uid {ATTACKER}"


def writable(folder, pid):
    pidfile = put_pidfile(folder, pid, mode=0o666)
    return pidfile, f"{pidfile} may be written by everybody"


def in_a_writable_directory(folder, pid):
    pidfile = put_pidfile(folder, pid)
    folder.chmod(0o777)
    return pidfile, f"{folder} may be written by everybody"


def behind_a_strangers_link(folder, pid):
    put_pidfile(folder, pid)
    theirs = folder.with_name("theirs")
    theirs.mkdir()
    (theirs / "consumer.pid").symlink_to(folder / "consumer.pid")
    os.chown(theirs, ATTACKER, ATTACKER)
    return theirs / "consumer.pid", f"{theirs} belongs to uid {ATTACKER}"


def in_a_directory_of_his_group(folder, pid):
    pidfile = put_pidfile(folder, pid)
    os.chown(folder, 0, ATTACKER)
    folder.chmod(0o2775)
    return pidfile, f"{folder} may be written by its group"


@pytest.mark.parametrize("how", [their_own, in_a_sticky_directory, writable, in_a_writable_directory, in_a_directory_of_his_group,
                                 behind_a_strangers_link])
def test_a_pidfile_that_a_stranger_could_have_written_signals_nobody(devca, site, start, name, tmp_path, how):
    """He writes the pid of root's process into it, and SIGTERM into his mind.

    CVE-2011-1784: keepalived's pidfiles could be written by everybody, who so chose which process root ended.
    """
    process = start.named(name)
    pidfile, why = how(tmp_path / "run", process.pid)
    site.configure(devca, {"web": WEB + f"reload = signal USR1 pidfile {pidfile}"})
    done = site.once()
    assert is_spared(process)
    failed = done.events("reload-failed")[0]
    assert done.code == 1 and failed["class"] == "local"
    assert f"process {process.pid} ({name}) gets no signal: {why}" in failed["message"]
    assert "belongs to" not in why or "it must belong to root or to the user of the process" in failed["message"]


def test_a_pidfile_leads_root_to_open_no_device(devca, site, tmp_path):
    """To open a device can be an order: a watchdog is armed, a tape rewinds. Its owner leads the name wherever he likes."""
    device, folder = tmp_path / "device", tmp_path / "run"
    os.mkfifo(device, 0o600)
    folder.mkdir()
    (folder / "consumer.pid").symlink_to(device)
    os.chown(folder, ATTACKER, ATTACKER)
    site.configure(devca, {"web": WEB + f"reload = signal USR1 pidfile {folder}/consumer.pid"})
    with Opened(device) as opened:
        failed = site.once().events("reload-failed")[0]
        assert not opened.seen()
        assert "is not a regular file" in failed["message"]
        os.close(os.open(device, os.O_RDONLY | os.O_NONBLOCK))
        assert opened.seen(), "this test sees what is opened"


def test_a_consumers_own_pidfile_signals_it(devca, site, start, name, tmp_path):
    """As PostgreSQL's: its directory, its file, its process; and one that root wrote for it.

    Debian's /run/postgresql may be written by the group of the process as well.
    """
    for number, (owner, mode) in enumerate(((ATTACKER, 0o755), (0, 0o755), (ATTACKER, 0o2775))):
        process = start.named(name, user=ATTACKER)
        pidfile = put_pidfile(tmp_path / f"run-{number}", process.pid, owner)
        os.chown(pidfile.parent, ATTACKER, ATTACKER)
        pidfile.parent.chmod(mode)
        site.configure(devca, {f"web-{number}": WEB + f"reload = signal USR1 pidfile {pidfile}"})
        assert site.once().events("reloaded")
        assert was_told(process)


# -- sockets ------------------------------------------------------------------------------------------

def socket_section(path, options=""):
    return WEB + f"reload = socket {path}{options} load << tls.key"


def test_the_key_goes_to_no_socket_at_which_a_stranger_listens(devca, site, start, tmp_path):
    """He took the place in a sticky directory before the consumer started."""
    open_the_way(tmp_path / "run")
    folder, heard = tmp_path / "run", tmp_path / "heard"
    site.canaries.own.add(str(heard))
    folder.mkdir()
    folder.chmod(0o1777)
    heard.touch()
    os.chown(heard, ATTACKER, ATTACKER)
    start("/usr/bin/python3", "-c", LISTENER, folder / "sock", heard, user=ATTACKER)
    site.configure(devca, {"web": socket_section(folder / "sock")})
    done = site.once()
    assert heard.read_bytes() == b""
    failed = done.events("reload-failed")[0]
    assert done.code == 1 and failed["class"] == "local"
    assert f"nothing is sent: uid {ATTACKER} listens at {folder}/sock" in failed["message"]
    assert "socket PATH user NAME" in failed["message"]
    site.configure(devca, {"web": socket_section(folder / "sock", f" user {ATTACKER}")})
    done = site.once()
    assert done.code == 0 and done.events("reloaded"), done.err
    wait_for(lambda: b"PRIVATE KEY" in heard.read_bytes(), "the one who is named to hear it")


@pytest.mark.parametrize("how", ["everybody", "group", "stranger", "link", "link on the way"])
def test_the_key_goes_to_no_socket_that_a_stranger_could_exchange(devca, site, start, tmp_path, how):
    """Any daemon of root's that logs what it hears would do for him."""
    folder, heard = tmp_path / "run", tmp_path / "heard"
    site.canaries.own.add(str(heard))
    folder.mkdir()
    heard.touch()
    start("/usr/bin/python3", "-c", LISTENER, folder / "sock", heard)
    path = folder / "sock"
    if how == "everybody":
        folder.chmod(0o777)
    elif how == "group":
        folder.chmod(0o775)
    elif how == "stranger":
        os.chown(folder, ATTACKER, ATTACKER)
    else:
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        if how == "link":
            (theirs / "sock").symlink_to(path)
            path = theirs / "sock"
        else:
            (theirs / "way").symlink_to(folder)
            os.chown(theirs, ATTACKER, ATTACKER)
            path = theirs / "way" / "sock"
    site.configure(devca, {"web": socket_section(path)})
    done = site.once()
    assert heard.read_bytes() == b""
    assert done.code == 1 and done.events("reload-failed")[0]["class"] == "local"
    assert str(path if how == "link" else path.parents[1] if how == "link on the way" else folder) in done.events("reload-failed")[0]["message"]


def test_a_socket_of_the_consumers_user_in_his_directory_is_named(devca, site, start, tmp_path):
    open_the_way(tmp_path / "run")
    folder = tmp_path / "run"
    folder.mkdir()
    os.chown(folder, ATTACKER, ATTACKER)
    site.canaries.own.add(str(folder / "heard"))
    start("/usr/bin/python3", "-c", LISTENER, folder / "sock", folder / "heard", user=ATTACKER)
    site.configure(devca, {"web": socket_section(folder / "sock", f" user {ATTACKER}")})
    assert site.once().events("reloaded")
    assert b"load <<\n-----BEGIN PRIVATE KEY" in (folder / "heard").read_bytes()


def test_a_socket_deeper_than_the_kernel_takes_paths_is_still_none(devca, site):
    site.configure(devca, {"web": socket_section("/run/" + "x" * 120)})
    assert "107 bytes" in site.command("check").err


# -- commands -----------------------------------------------------------------------------------------

def run_as(site, command, *words):
    """leafd as the attacker's number, who is nobody special here, by setpriv with those words."""
    return subprocess.run(["setpriv", f"--reuid={ATTACKER}", f"--regid={ATTACKER}", *words, LEAFD, *command, "-c", str(site.file)],
                          capture_output=True, text=True, check=False, env=site.environment)


@pytest.fixture
def theirs(devca, site, tmp_path):
    """Folders of a leafd that does not run as root, and the way to what it reads."""
    open_the_way(tmp_path / "run")
    open_the_way(pathlib.Path(devca.ca_file))

    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        os.chown(folder, ATTACKER, ATTACKER)
        return folder

    def configure(lines):
        site.configure(devca, {"web": lines})
        site.file.chmod(0o644)
    make.configure = configure
    return make


def test_a_command_inherits_no_capability(site, theirs, tmp_path):
    """With the drop-in for owners, a command of the operator's could read all files of the machine."""
    told, script = theirs("told"), tmp_path / "script"
    script.write_text(f"#!/bin/sh\n(grep -E 'CapInh|CapPrm|CapEff|CapAmb' /proc/self/status; cat /etc/shadow) >{told}/it 2>&1\n:\n")
    script.chmod(0o755)
    theirs.configure(WEB + f"reload = exec {script}\ndirectory = {theirs('out')}")
    caps = "+dac_read_search,+kill"
    done = run_as(site, ["once"], "--clear-groups", f"--inh-caps=-all,{caps}", f"--ambient-caps=-all,{caps}")
    assert done.returncode == 0, done.stderr
    text = (told / "it").read_text()
    assert {line.split()[1] for line in text.splitlines() if line.startswith("Cap")} == {"0" * 16}
    assert "Permission denied" in text and "root:" not in text


NO_CAPABILITY = ("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs")


def test_a_key_for_a_group_needs_no_capability(site, theirs):
    """As leafd.service with SupplementaryGroups=ssl-cert and `0640 leafd:ssl-cert` has it."""
    group, out = 4343, theirs("out")
    theirs.configure(WEB.replace("file = tls.key key", f"file = tls.key key 0640 {ATTACKER}:{group}") + f"directory = {out}")
    for _ in range(2):
        done = run_as(site, ["once"], f"--groups={group}", *NO_CAPABILITY)
        assert done.returncode == 0, done.stderr
    assert done.stderr.count('"event":"published"') == 0, "the second start takes the set as it is"
    key = out / "tls.key"
    assert (key.stat().st_uid, key.stat().st_gid, key.stat().st_mode & 0o777) == (ATTACKER, group, 0o640)
    for gid, code in ((group, 0), (5555, 1)):
        read = subprocess.run(["cat", key], user=5555, group=gid, extra_groups=[], capture_output=True, check=False)
        assert read.returncode == code, gid


def test_an_agent_of_the_consumers_user_owns_the_key_and_signals_without_a_capability(site, theirs, start, name):
    """As leafd@postgres.service: PostgreSQL wants a key of its own, 0600."""
    consumer, out = start.named(name, user=ATTACKER), theirs("out")
    theirs.configure(WEB + f"directory = {out}\nreload = signal USR1 process {name}")
    done = run_as(site, ["once"], "--clear-groups", *NO_CAPABILITY)
    assert done.returncode == 0, done.stderr
    assert was_told(consumer)
    assert (out / "tls.key").stat().st_uid == ATTACKER and (out / "tls.key").stat().st_mode & 0o777 == 0o600


def test_an_agent_without_capabilities_talks_to_the_socket_of_a_root_process(site, theirs, start, tmp_path):
    folder, heard = tmp_path / "run", tmp_path / "heard"
    site.canaries.own.add(str(heard))
    folder.mkdir()
    heard.touch()
    start("/usr/bin/python3", "-c", LISTENER, folder / "sock", heard)
    theirs.configure(socket_section(folder / "sock") + f"\ndirectory = {theirs('out')}")
    done = run_as(site, ["once"], "--clear-groups", *NO_CAPABILITY)
    assert done.returncode == 0 and '"event":"reloaded"' in done.stderr, done.stderr
    assert b"PRIVATE KEY" in heard.read_bytes()


@pytest.mark.parametrize("key, end, code, stays", [
    ("validate", "exit 0", 0, False), ("reload", "exit 1", 1, False), ("reload", "exec sleep 1000", 1, False),
    ("reload", "trap 'exit 0' TERM; while :; do sleep 0.01; done", 1, False), ("reload", "exit 0", 0, True)])
def test_what_a_command_started_ends_with_it(devca, site, tmp_path, key, end, code, stays):
    """Also in a session of its own, whose parent has ended: else each try leaves one more behind.

    But what a reload that went well leaves is the consumer, started anew: haproxy -D -sf, a script of /etc/init.d."""
    noted, script = tmp_path / "noted", tmp_path / "script"
    script.write_text(f"#!/bin/sh\n(setsid sh -c 'echo $$ >{noted}; exec sleep 1000' &)\n"
                      f"until [ -s {noted} ]; do sleep 0.01; done\n{end}\n")
    script.chmod(0o755)
    limit = "3s" if end.startswith(("exec sleep", "trap")) else "60s"
    site.configure(devca, {"web": WEB + f"{key} = exec {script}\ncommand_timeout = {limit}"})
    assert site.once().code == code
    pid = int(noted.read_text())
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        assert not stays
    else:
        assert stays
