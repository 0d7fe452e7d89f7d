"""What people and probes see: help, status, ready, exit codes, logs, the service manager."""
import datetime
import json
import os
import re
import signal
import subprocess
import time

import pytest
import scene
from scene import WEB, free_port, wait_for


def test_status_is_a_table_for_people_and_json_for_machines(ca, site):
    site.configure(ca, {"web": WEB, "missing": WEB.replace("leafd", "needs-cn")})
    site.once()
    done = site.command("status")
    assert done.code == 1
    lines = done.out.splitlines()
    assert re.match(r"CERT +STATE +SERVICE +SERVED +EXPIRES +RENEWAL +NAMES$", lines[0])
    assert re.match(r"missing +missing +- +- +- +- +a\.example\.te", lines[1]), "the most urgent first"
    assert "nothing is published yet" in lines[2]
    assert "1 in a row" in lines[3] and "refused" in lines[3]
    assert "leafd check --online" in lines[4], "what to do"
    assert re.match(r"web +fresh +- +- +in (59m\d+s|1h) +in \d+m", lines[5])
    assert re.match(r"1 fresh, 1 failing: missing refused since \d\d:\d\d$", lines[-1])
    assert all(len(line) <= 80 for line in (lines[0], lines[1], lines[5], lines[-1]))
    rows = json.loads(site.command("status", "--json").out)["certs"]
    assert [row["cert"] for row in rows] == ["web", "missing"]
    assert rows[0]["usable"] and rows[0]["failure"] is None
    assert rows[1]["failure"]["class"] == "refused" and rows[1]["serial"] == ""
    assert site.command("status", "web").code == 0
    assert site.command("status", "nothing").code == 2


def test_what_the_ca_refuses_is_told_though_the_consumer_fails_as_well(devca, site):
    script = site.folder / "tell"
    script.write_text("#!/bin/sh\nsleep 0.5\nexit 1\n")
    script.chmod(0o755)
    lines = WEB + f"reload = exec {script}\n"
    site.configure(devca, {"web": lines})
    assert site.once().code == 1
    devca.fault("status", path="pki_int/sign/", times=0, status=403)
    site.configure(devca, {"web": lines + "ip_addresses = 192.0.2.1\n"})
    done = site.once()
    assert done.code == 3 and done.events("reload-failed"), done.err
    failure = site.status()["web"]["failure"]
    assert failure["class"] == "denied" and "403" in failure["error"], failure


def test_once_counts_the_first_try_of_each(devca, site):
    """Whoever waits for its consumer tries again while another takes its time."""
    told, tell, patient = (site.folder / name for name in ("told", "tell", "patient"))
    tell.write_text(f"#!/bin/sh\necho x >>{told}\n")
    patient.write_text(f"#!/bin/sh\nuntil [ $(wc -l <{told}) -ge 2 ]; do sleep 0.05; done\n")
    for script in (tell, patient):
        script.chmod(0o755)
    site.configure(devca, {
        "early": WEB + f"reload = exec {tell}\nprove = tls 127.0.0.1:{free_port()}\n",
        "late": WEB + f"validate = exec {patient}\ncommand_timeout = 60s\n"})
    done = site.once()
    assert done.code == 0, done.err
    assert {line["cert"] for line in done.events("awaited")} == {"early"} and len(done.events("published")) == 2


def test_status_needs_no_permission_to_read_keys(ca, site):
    """As somebody else, who may read certificates and no keys."""
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    let_everybody_read(ca, site)
    done = as_nobody(site, "status")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "fresh" in done.stdout


def spoil(path):
    path.write_bytes(path.read_bytes().replace(b"A", b"B", 1))


def replace_by_foreign_file(path):
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


BREAKS = {"key-gone": lambda out: os.unlink(os.path.realpath(out / "tls.key")), "key-corrupt": lambda out: spoil(out / "tls.key"),
          "certificate-corrupt": lambda out: spoil(out / "tls.crt"), "name-removed": lambda out: (out / "tls.key").unlink(),
          "name-replaced": lambda out: replace_by_foreign_file(out / "tls.crt")}


@pytest.mark.parametrize("broken", BREAKS)
def test_a_set_whose_files_are_not_what_was_written_is_not_ready(ca, site, broken):
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0 and site.command("ready").code == 0
    let_everybody_read(ca, site)
    assert as_nobody(site, "ready").returncode == 0
    BREAKS[broken](site.out())
    row = site.status()["web"]
    assert (row["state"], row["usable"]) == ("damaged", False) and row["detail"]
    assert site.command("ready").code == 1
    # Nor to somebody who may not read keys.
    assert as_nobody(site, "ready").returncode == 1


def test_a_mode_that_was_changed_is_damage_and_keeps_nobody_from_the_files(ca, site):
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    (site.out() / "tls.key").chmod(0o640)
    os.utime(site.out() / "tls.crt")
    row = site.status()["web"]
    assert (row["state"], row["usable"]) == ("damaged", True) and "mode" in row["detail"]
    assert site.command("ready").code == 0


def test_who_only_looks_needs_nothing_that_is_for_the_ca_or_the_consumer(ca, site):
    """A probe that went wrong for a file of the CA's would take a pod out of its Service."""
    named = {name: site.folder / name for name in ("ca.pem", "anchor.pem", "tell", "password")}
    for path in (named["ca.pem"], named["anchor.pem"]):
        path.write_bytes(open(ca.ca_file, "rb").read())
    named["tell"].write_text("#!/bin/sh\nexit 0\n")
    named["tell"].chmod(0o755)
    named["password"].write_text("changeit-now\n")
    site.configure(ca, {"web": WEB + f"reload = exec {named['tell']}\nvalidate = exec {named['tell']}\n"
                                     f"file = web.p12 pkcs12\nkeystore_password_file = {named['password']}"})
    site.file.write_text(site.file.read_text().replace(f"ca_file = {ca.ca_file}", f"ca_file = {named['ca.pem']}"))
    assert site.once().code == 0
    site.file.write_text(site.file.read_text() + f"trust_anchor = {named['anchor.pem']}\n")
    let_everybody_read(ca, site)
    for path in named.values():
        path.chmod(0o700)
    done = as_nobody(site, "ready")
    assert (done.returncode, done.stderr) == (0, ""), done
    done = as_nobody(site, "status")
    assert done.returncode == 4 and done.stderr.count("\n") == 1 and "root or as the set's owner" in done.stderr, done
    for path in named.values():
        path.unlink()
    done = site.command("ready")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert site.command("status").code == 0
    done = site.command("check")
    assert done.code == 2 and done.err.count("cannot read") == 3 and done.err.count("names a program") == 2, done.err


def let_everybody_read(ca, site):
    for folder in (site.folder, ca.folder):
        for path in (folder, *folder.parents):
            if str(path).startswith("/tmp/"):
                path.chmod(path.stat().st_mode | 0o055)
    site.file.chmod(0o644)
    os.chmod(ca.ca_file, 0o644)
    os.chmod(os.path.dirname(ca.ca_file), 0o755)


def as_nobody(site, command, *rights):
    """leafd as a user who is not root; `rights` are more arguments of setpriv."""
    return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *rights, scene.LEAFD, command,
                           "-c", str(site.file)], capture_output=True, text=True, check=False)


def test_files_of_another_owner_want_the_two_capabilities_that_the_manual_names(ca, site):
    lines = WEB.replace("file = tls.key key", "file = tls.key key 0600 33")
    assert lines != WEB
    site.configure(ca, {"web": lines})
    let_everybody_read(ca, site)
    site.out().mkdir()
    os.chown(site.out(), 65534, 65534)
    rights = "+chown,+dac_read_search"
    for _ in range(2):
        done = as_nobody(site, "once", f"--inh-caps={rights}", f"--ambient-caps={rights}", f"--bounding-set=-all,{rights}")
        assert done.returncode == 0, done.stderr
        about = os.stat(site.out() / "tls.key")
        assert (about.st_uid, about.st_mode & 0o7777) == (33, 0o600)
    assert ca.requests("pki_int/sign/") == 1, "the second run reads what it gave away"


def as_user(user, groups, *command):
    """A program under numbers that no user database knows; the first of the groups is its own."""
    return subprocess.run(["setpriv", f"--reuid={user}", f"--regid={groups[0]}",
                           "--clear-groups" if len(groups) == 1 else f"--groups={','.join(map(str, groups[1:]))}", *command],
                          capture_output=True, text=True, check=False)


def test_a_set_belongs_to_the_group_of_its_setgid_parent(ca, site, request):
    """As in a pod with fsGroup: two containers, two users, one group that only the volume names, which is root's."""
    agent, reader, stranger, shared = 40001, 40003, 40004, 40002
    volume = site.folder / "volume"
    volume.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=2770,gid={shared}", "tmpfs", volume], check=True)
    request.addfinalizer(lambda: subprocess.run(["umount", volume], check=True))
    directory = volume / "tls"
    lines = WEB.replace("tls.key key", "tls.key key 0640") + f"directory = {directory}\ndirectory_mode = 0750\n"
    site.configure(ca, {"web": lines})
    let_everybody_read(ca, site)
    for _ in range(2):
        done = as_user(agent, [agent, shared], scene.LEAFD, "once", "-c", str(site.file))
        assert done.returncode == 0, done.stderr
        generation = os.path.realpath(directory / "..data")
        for folder in (directory, generation):
            assert (os.stat(folder).st_gid, os.stat(folder).st_mode & 0o7777) == (shared, 0o2750), folder
        assert (os.stat(directory / "tls.key").st_gid, os.stat(directory / "tls.key").st_mode & 0o7777) == (shared, 0o640)
        assert "PRIVATE KEY" in as_user(reader, [reader, shared], "cat", str(directory / "tls.key")).stdout
        assert "denied" in as_user(stranger, [stranger], "cat", str(directory / "tls.key")).stderr
        site.configure(ca, {"web": lines + "ip_addresses = 192.0.2.1\n"})
        site.file.chmod(0o644)
    assert ca.requests("pki_int/sign/") == 2, "the second run reads what the first wrote, and finds another wish"


def test_a_group_alone_leaves_the_owner_as_it_is(ca, site):
    agent, shared = 40001, 40002
    site.configure(ca, {"web": WEB.replace("tls.key key", f"tls.key key 0640 :{shared}")})
    let_everybody_read(ca, site)
    site.out().mkdir()
    os.chown(site.out(), agent, agent)
    done = as_user(agent, [agent, shared], scene.LEAFD, "once", "-c", str(site.file))
    assert done.returncode == 0, done.stderr
    about = os.stat(site.out() / "tls.key")
    assert (about.st_uid, about.st_gid, about.st_mode & 0o7777) == (agent, shared, 0o640)
    assert os.stat(site.out() / "tls.crt").st_gid == agent
    done = as_user(agent, [agent], scene.LEAFD, "once", "-c", str(site.file))
    assert done.returncode == 0, "what is there already needs no right to give it away\n" + done.stderr
    assert ca.requests("pki_int/sign/") == 1


def test_once_beside_an_agent_leaves_the_set_to_it_and_ends_by_what_is_there(ca, site):
    site.configure(ca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    done = site.once()
    assert done.code == 0, done.err
    assert "another leafd works in" in done.events("kept")[0]["message"] and not done.events("failed")
    ca.proxy.cut()
    site.configure(ca, {"web": WEB + "ip_addresses = 192.0.2.1"})
    done = site.once()
    assert done.code == 1
    told = done.events("failed")[0]["message"]
    assert "is not fresh yet" in told and "the certificate in place has" in told, told
    assert run.terminate() == 0


def test_once_beside_an_agent_sees_a_name_that_is_gone(devca, site):
    """By the same judgement as `status`, which calls it damaged."""
    site.configure(devca, {"web": WEB}, agent="files_every = 0\nca_poll = 0")
    run = site.run()
    run.wait_ready()
    run.process.send_signal(signal.SIGSTOP)
    (site.out() / "tls.crt").unlink()
    done, row = site.once(), site.status()["web"]
    run.process.send_signal(signal.SIGCONT)
    assert row["state"] == "damaged", row
    assert done.code == 1 and "is not fresh yet" in done.events("failed")[0]["message"], done.err
    assert run.terminate() == 0


def test_root_in_the_directory_of_another_user_gets_no_harmful_advice(ca, site):
    """A chown to root, which was the advice, locks the agent out."""
    agent = 40001
    site.configure(ca, {"web": WEB})
    let_everybody_read(ca, site)
    site.out().mkdir()
    os.chown(site.out(), agent, agent)
    assert as_user(agent, [agent], scene.LEAFD, "once", "-c", str(site.file)).returncode == 0
    done = site.once()
    assert done.code == 1
    told = done.events("failed")[0]["message"]
    assert f"run it as uid {agent}" in told and "chown" not in told, told
    assert "the certificate in place has" in told, told
    assert os.stat(site.out()).st_uid == agent
    assert as_user(agent, [agent], scene.LEAFD, "once", "-c", str(site.file)).returncode == 0


def test_root_beside_the_agent_of_another_user_is_told_that_an_agent_keeps_these(ca, site):
    agent = 40001
    site.configure(ca, {"web": WEB})
    let_everybody_read(ca, site)
    site.out().mkdir()
    os.chown(site.out(), agent, agent)
    run = subprocess.Popen(["setpriv", f"--reuid={agent}", f"--regid={agent}", "--clear-groups", scene.LEAFD, "run",  # pylint: disable=consider-using-with
                            "-c", str(site.file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        site.becomes("web", state="fresh")
        done = site.once()
        assert done.code == 0 and done.events("kept"), done.err
    finally:
        run.terminate()
        assert run.wait(timeout=scene.PATIENCE_S) == 0


def test_ready_is_quiet(ca, site):
    site.configure(ca, {"web": WEB})
    done = site.command("ready")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert done.err.startswith("leafd: not ready: web is missing: cannot open the directory")
    assert done.err.endswith("(1 of 1 not ready; no agent answers)\n")
    assert site.once().code == 0
    done = site.command("ready")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_ready_waits_for_so_long_as_it_is_told(ca, site):
    site.configure(ca, {"web": WEB})
    begin = time.monotonic()
    done = site.command("ready", "--wait", "1s")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1) and 1 <= time.monotonic() - begin
    with subprocess.Popen([scene.LEAFD, "ready", "-c", str(site.file), "-w", "5m"]) as waiting:
        try:
            assert site.once().code == 0
            assert waiting.wait(timeout=scene.PATIENCE_S) == 0
        finally:
            waiting.kill()


def test_ready_does_not_wait_for_a_reload_or_proof_under_way(ca, site):
    """A consumer ordered behind leafd may be the one that the reload waits for."""
    slow, gone = site.folder / "slow", site.folder / "gone"
    slow.write_text(f"#!/bin/sh\ntouch {site.folder}/called\nuntil [ -e {gone} ]; do sleep 0.05; done\n")
    slow.chmod(0o755)
    site.configure(ca, {"web": WEB + f"reload = exec {slow}\ncommand_timeout = 10m\n"})
    run = site.run()
    wait_for((site.folder / "called").exists, "the reload")
    wait_for(lambda: run.manager.has("READY=1"), "READY=1")
    site.answers("ready", 0)
    assert not run.events("reloaded")
    run.kill()
    run = site.run()
    wait_for(lambda: run.manager.has("READY=1"), "READY=1 after a restart")
    assert not run.events("reloaded")
    gone.touch()
    run.wait_event("reloaded")
    assert run.terminate() == 0


def test_the_service_manager_hears_of_ready_status_and_the_end(ca, site):
    site.configure(ca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    due = datetime.datetime.fromisoformat(run.wait_event("published")[0]["due"].replace("Z", "+00:00")).astimezone()
    wait_for(lambda: run.manager.status() == f"STATUS=1 of 1 certificates usable; next renewal {due:%Y-%m-%d %H:%M:%S %Z}",
             lambda: f"the status, not {run.manager.status()}")
    assert run.terminate() == 0
    wait_for(lambda: run.manager.has("STOPPING=1"), "the end to be told")
    assert run.events("stopping")


def test_an_interrupt_ends_it_as_well(ca, site):
    site.configure(ca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(timeout=scene.PATIENCE_S) == 0


def test_it_ends_at_once_even_while_the_ca_does_not_answer(devca, site):
    site.configure(devca, {"web": WEB})
    devca.fault("delay", path="pki_int/sign", times=0, ms=600000)
    run = site.run()
    run.wait_event("logged-in")
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(timeout=20) == 0, "sooner than the request times out"


def test_the_watchdog_is_fed(ca, site):
    site.configure(ca, {"web": WEB})
    run = site.run(environment={"WATCHDOG_USEC": "1000000"})
    run.wait_ready()
    wait_for(lambda: run.manager.lines.count("WATCHDOG=1") >= 3, "three signs of life")
    assert run.terminate() == 0


def test_every_line_of_the_log_is_one_json_object_with_the_same_fields(ca, site):
    site.configure(ca, {"web": WEB})
    done = site.once()
    for line in done.err.splitlines():
        entry = json.loads(line)
        assert {"time", "level", "event", "message"} <= set(entry)
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", entry["time"])
    published = done.events("published")[0]
    assert published["cert"] == "web" and published["serial"] and published["not_after"] and published["due"]


def test_text_logs_are_for_people(ca, site):
    site.configure(ca, {"web": WEB})
    site.file.write_text(site.file.read_text().replace("log_format = json", "log_format = text"))
    done = site.once()
    assert re.search(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ notice  web: published serial ", done.err, re.M), done.err


def test_the_log_level_is_obeyed(ca, site):
    site.configure(ca, {"web": WEB}, agent="log_level = error")
    done = site.once()
    assert done.code == 0 and done.err == ""


def test_check_tells_what_a_template_gave_and_what_the_section_has_in_its_place(ca, site):
    site.configure(ca, {"web": "template = nginx\npki_role = leafd\ndns_names = a.example.test\n"
                               "reload = signal HUP process nginx"})
    done = site.command("check")
    assert done.code == 0, done.out
    lines = done.out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("[cert web] template nginx ("))
    assert "    file = fullchain.pem fullchain" in lines[at:]
    own = [line for line in lines if "reload =" in line]
    assert len(own) == 1 and own[0].startswith("    reload = signal HUP process nginx    (the section's own, line ")
