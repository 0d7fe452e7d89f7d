"""The control socket: `leafd reload`, who is answered, where the socket lies, and what it costs nobody."""
import contextlib
import json
import os
import re
import shutil
import socket
import stat
import subprocess

from attacker import as_attacker, needs_root, open_the_way
from preloads import preload
from scene import LEAFD, PATIENCE_S, WEB, wait_for


def sockets(site):
    return sorted(name for name in os.listdir(site.runtime) if name.endswith(".sock")) if os.path.isdir(site.runtime) else []


def socket_of(site):
    wait_for(lambda: sockets(site), "the control socket")
    return os.path.join(site.runtime, sockets(site)[0])


def talk(path, data, patience=PATIENCE_S):
    """What the agent says to these bytes, until it closes the connection."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(patience)
        client.connect(path)
        with contextlib.suppress(BrokenPipeError):  # the agent may have answered before it has heard all
            client.sendall(data)
        said = b""
        while True:
            try:
                more = client.recv(65536)
            except ConnectionResetError:
                return said
            if not more:
                return said
            said += more


def test_reload_waits_until_it_is_applied_and_tells_all_that_is_wrong(ca, site):
    site.configure(ca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    path = socket_of(site)
    assert re.fullmatch(r"leafd-[0-9a-f]{12}\.sock", os.path.basename(path))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert "microhttpd" not in open(f"/proc/{run.pid}/maps", encoding="utf-8").read()

    site.configure(ca, {"web": WEB, "db": WEB})
    done = site.command("reload")
    assert done.code == 0 and "2 certificates" in done.out, done.err
    run.wait_event("config-applied")
    run.wait_event("published", "db")
    wait_for(lambda: [x for x in run.manager.lines if x in ("READY=1", "RELOADING=1")] ==
             ["READY=1", "RELOADING=1", "READY=1"], "the reload to be told")

    # All problems, as `check` prints them, and the old one goes on.
    site.file.write_text(site.file.read_text() + "\nnonsense = 1\n[cert x y]\n")
    done, checked = site.command("reload"), site.command("check")
    assert done.code == checked.code == 2
    assert checked.err in done.err and len(checked.err.splitlines()) > 1
    wait_for(lambda: run.manager.status().startswith("STATUS=2 of 2 certificates usable; ") and
             f"; the configuration on disk is not in use: {checked.err.splitlines()[0]}" in run.manager.status(),
             lambda: f"the status, not {run.manager.status()}")
    assert "keeps the previous one" in done.err
    assert len(run.wait_event("config-broken")) == 1 and len(run.events("config-applied")) == 1

    # From its own folder, by a relative name, it is the same configuration.
    site.configure(ca, {"web": WEB})
    done = subprocess.run([LEAFD, "reload", "-c", "leafd.ini"], cwd=site.folder, env=site.given(), capture_output=True,
                          text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0 and "1 certificate" in done.stdout, done.stderr
    wait_for(lambda: "the configuration" not in run.manager.status(), "the status to forget the errors")
    assert os.listdir(site.runtime) == [os.path.basename(path)], "the lock was only for the making"
    assert run.terminate() == 0
    assert os.listdir(site.runtime) == []

    done = site.command("reload")
    assert done.code == 1 and "no agent answers" in done.err and path in done.err and "check that it runs" in done.err


def test_a_reload_waits_for_a_read_that_hangs_only_so_long(devca, site):
    site.configure(devca, {"web": WEB})
    hung = site.folder / "hung"
    hung.touch()
    run = site.run(environment={**preload("name_service"), "HUNG": str(hung)})
    run.wait_ready()
    site.configure(devca, {"web": WEB + "file = more.pem combined 0640 :hung"})
    done = site.command("reload", "--wait", "1s")
    assert done.code == 1 and "has not answered" in done.err, done.err
    # Two who wait while it hangs, and one who asks during that, are answered.
    waiting = [subprocess.Popen([LEAFD, "reload", "-c", str(site.file)], env=site.given(), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True) for _ in range(2)]
    wait_for(lambda: run.manager.lines.count("RELOADING=1") == 3, "three questions")
    hung.unlink()
    for command in waiting:
        out, err = command.communicate(timeout=PATIENCE_S)
        assert command.returncode == 0 and "1 certificate" in out, err
    assert len(run.wait_event("config-applied", count=2)) == 2

    # And when the agent ends, whoever waits is told.
    hung.touch()
    waits = subprocess.Popen([LEAFD, "reload", "-c", str(site.file)], env=site.given(), stderr=subprocess.PIPE, text=True)
    wait_for(lambda: run.manager.lines.count("RELOADING=1") == 4, "another question")
    assert run.terminate() == 0
    assert waits.wait(timeout=PATIENCE_S) == 1 and "is stopping" in waits.stderr.read()


def test_garbage_slow_and_too_many_clients_are_no_matter(devca, site):
    site.configure(devca, {"web": WEB.replace("ttl = 1h", "ttl = 8s")})
    run = site.run()
    run.wait_ready()
    path = socket_of(site)
    head = b"POST /v1/reload HTTP/1.1\r\nHost: leafd\r\n"
    for data, status in [(b"GET /no HTTP/1.1\r\nHost: x\r\n\r\n", 404), (b"GET /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n", 405),
                         (b"POST /v1/reload/ HTTP/1.1\r\nHost: x\r\n\r\n", 404), (head + b"Content-Length: 3\r\n\r\nabc", 413),
                         (head + b"X: " + b"a" * 40000 + b"\r\n\r\n", 431), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400)]:
        said = talk(path, data)
        assert said.startswith(b"HTTP/1.1 %d " % status) or (status == 400 and said == b""), (data[:60], said[:200])
    renew = b"POST /v1/renew HTTP/1.1\r\nHost: leafd\r\n"
    for body, status in [(b"", 400), (b"abc", 400), (b"[]", 400), (b'{"certs": "web"}', 400), (b'{"certs": [7]}', 422),
                         (b'{"certs": ["wbe"]}', 422), (b'{"all": true, "certs": ["web"]}', 400), (b" " * 300000, 413)]:
        said = talk(path, renew + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert said.startswith(b"HTTP/1.1 %d " % status), (body[:60], said[:200])
    for asked, status in [(b"GET /v1/outcomes", 400), (b"GET /v1/outcomes?id=77&wait=9", 404), (b"POST /v1/revoke?all=1", 400),
                          (b"GET /v1/events?after=-1&wait=x&stream=" + b"s" * 300, 200), (b"POST /v1/renew?cert=web", 202)]:
        said = talk(path, asked + b" HTTP/1.1\r\nHost: leafd\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 %d " % status), (asked, said[:200])
    assert json.loads(talk(path, b"GET /no HTTP/1.1\r\nHost: x\r\n\r\n").split(b"\r\n\r\n", 1)[1])["error"]
    assert not run.events("config-applied")

    before = len(os.listdir(f"/proc/{run.pid}/fd"))
    idle = [socket.socket(socket.AF_UNIX) for _ in range(100)]
    for i, client in enumerate(idle):
        client.settimeout(PATIENCE_S)
        client.connect(path)
        with contextlib.suppress(BrokenPipeError):  # of those that are too many and were closed
            client.send(head[:i % len(head)])
    run.wait_event("published", count=len(run.events("published")) + 2)
    assert len(os.listdir(f"/proc/{run.pid}/fd")) <= before + 40
    # Those that say nothing go after seconds, and then a command is answered again.
    wait_for(lambda: site.command("reload").code == 0, "an answer")
    for client in idle:
        client.close()
    assert run.terminate() == 0


def test_agents_with_the_same_and_other_configurations_do_not_meet(devca, site):
    site.configure(devca, {"web": WEB})
    first = site.run()
    first.wait_ready()
    path = socket_of(site)
    inode = os.stat(path).st_ino

    # The same file once more: a warning that names the process, and it works all the same.
    second = site.run()
    warned = second.wait_event("control-failed")[0]
    assert warned["level"] == "warning" and f"process {first.pid}" in warned["message"] and "SIGHUP can" in warned["message"]
    assert second.terminate() == 0 and os.stat(path).st_ino == inode
    assert site.command("reload").code == 0 and len(first.wait_event("config-applied")) == 1

    # One of the same name elsewhere is another one.
    other = site.folder / "other"
    other.mkdir()
    shutil.copy(site.file, other / "leafd.ini")
    done = subprocess.run([LEAFD, "reload", "-c", str(other / "leafd.ini")], env=site.given(), capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1 and "no agent answers" in done.stderr

    # What a killed one leaves gives way; what is removed is made again by the next reload.
    first.kill()
    assert sockets(site)
    done = site.command("reload")
    assert done.code == 1 and "has ended" in done.err
    third = site.run()
    third.wait_ready()
    wait_for(lambda: site.command("reload").code == 0, "an answer at the new socket")
    os.unlink(socket_of(site))
    third.hangup()
    wait_for(lambda: sockets(site), "the socket to be made again")
    wait_for(lambda: site.command("reload").code == 0, "an answer at the socket after that")
    assert third.terminate() == 0


def test_an_agent_takes_over_when_the_one_with_the_socket_has_ended(devca, site):
    """However that one ended, and however many wait for it; nobody takes it from one that runs."""
    site.configure(devca, {"web": WEB})
    first = site.run()
    first.wait_ready()
    socket_of(site)
    waiting = [site.run() for _ in range(3)]
    for run in waiting:
        assert "takes over" in run.wait_event("control-failed")[0]["message"]
    waiting[0].hangup()  # a reload of its own changes nothing while the other one runs
    waiting[0].wait_event("config-applied")
    assert site.command("reload").code == 0 and first.wait_event("config-applied")
    end = first.kill
    while waiting:
        end()
        wait_for(lambda: any(run.events("control-back") for run in waiting), "one to take over")
        wait_for(lambda: site.command("reload").code == 0, "an answer")
        have = [run for run in waiting if run.events("control-back")]
        assert len(have) == 1, "one has it"
        waiting.remove(have[0])
        assert all(len(run.events("control-failed")) == 1 for run in waiting)
        end = have[0].terminate
    assert end() == 0 and sockets(site) == []


def test_a_place_that_cannot_be_written_is_a_warning_and_no_reason_not_to_issue(devca, site):
    site.configure(devca, {"web": WEB})
    os.makedirs(site.runtime)
    place = os.path.join(site.runtime, "file")
    open(place, "w", encoding="utf-8").close()
    run = site.run(environment={"RUNTIME_DIRECTORY": os.path.join(place, "below")})
    run.wait_ready()
    warned = run.wait_event("control-failed")[0]
    assert warned["level"] == "warning" and place in warned["message"] and "set RUNTIME_DIRECTORY" in warned["message"]
    run.hangup()
    run.wait_event("config-applied")
    assert run.terminate() == 0
    assert len(run.events("control-failed")) == 1

    # What others may write is none; a file of that name is left alone.
    os.chmod(site.runtime, 0o777)
    run = site.run()
    assert "may be written" in run.wait_event("control-failed")[0]["message"]
    run.wait_ready()
    assert run.terminate() == 0
    os.chmod(site.runtime, 0o755)


@needs_root
def test_another_user_is_not_answered(devca, site):
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    path = socket_of(site)
    open_the_way(site.folder)
    os.chmod(site.runtime, 0o755)
    asks = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({path!r}); " \
           "s.send(b'POST /v1/reload HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); print(s.recv(100))"
    done = as_attacker("/usr/bin/python3", "-c", asks)
    assert "Permission denied" in done.stderr
    os.chmod(path, 0o666)
    done = as_attacker("/usr/bin/python3", "-c", asks)
    assert "b''" in done.stdout or "reset" in done.stderr or "Broken pipe" in done.stderr, done
    assert not run.events("config-applied")
    assert run.terminate() == 0


LISTENS = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(8)
print("there", flush=True)
body = b'{"certificates": 0, "agent": {}, "certs": []}'
while True:
    client, _ = s.accept()
    try:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n" + body)
    except OSError:
        pass  # who asks may not even listen
    client.close()
"""


@needs_root
def test_nobody_else_answers_for_the_agent_where_others_may_write(devca, site):
    """A place in /tmp, or below a directory of another user: who listens there is not believed, and keeps no agent from working."""
    site.configure(devca, {"web": WEB})
    open_the_way(site.folder / "below")
    for name, owner, mode, told in (("sticky", 0, 0o1777, "uid 4242 listens at"), ("theirs", 4242, 0o755, "belongs to uid 4242")):
        folder = site.folder / name
        folder.mkdir()
        os.chown(folder, owner, -1)
        folder.chmod(mode)
        place = folder / "c.sock" if name == "sticky" else folder / "run" / "c.sock"
        if name == "theirs":
            assert as_attacker("mkdir", place.parent).returncode == 0
        with subprocess.Popen(["/usr/bin/python3", "-c", LISTENS, place], stdout=subprocess.PIPE, user=4242, group=4242,
                              extra_groups=[]) as other:
            assert other.stdout.readline() == b"there\n"
            try:
                given = {"LEAFD_CONTROL_SOCKET": str(place)}
                for command in (["reload"], ["renew", "--all"], ["revoke", "web"], ["retry"]):
                    done = site.command(*command, environment=given)
                    assert done.code == 1 and told in done.err and "applied" not in done.out, (name, command, done.out, done.err)
                assert json.loads(site.command("status", "--json", environment=given).out)["source"] == "disk"
                run = site.run(environment=given)
                run.wait_ready()
                assert "uid 4242" in run.wait_event("control-failed")[0]["message"]
                assert run.terminate() == 0
            finally:
                other.kill()


@needs_root
def test_a_directory_for_the_socket_is_made_only_where_others_cannot_exchange_it(devca, site):
    site.configure(devca, {"web": WEB})
    theirs = site.folder / "theirs"
    theirs.mkdir()
    os.chown(theirs, 4242, 4242)
    run = site.run(environment={"LEAFD_CONTROL_SOCKET": str(theirs / "run" / "c.sock")})
    run.wait_ready()
    assert "belongs to uid 4242" in run.wait_event("control-failed")[0]["message"]
    assert run.terminate() == 0
    assert os.listdir(theirs) == []
    # Where it may be made, it is made with this mode, whatever the umask is.
    run = site.run(environment={"LEAFD_CONTROL_SOCKET": str(site.folder / "ours" / "c.sock")})
    run.wait_ready()
    assert stat.S_IMODE(os.stat(site.folder / "ours").st_mode) == 0o755
    assert run.terminate() == 0
