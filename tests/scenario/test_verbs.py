"""What operators ask of the running agent: renew, retry, revoke, and the events."""
import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import time

from scene import LEAFD, PATIENCE_S, WEB, serial_of, wait_for
from test_frozen import Disk

MANY = int(os.environ.get("LEAFD_TEST_MANY", "200"))


def started(site, *arguments, **keywords):
    """A command that runs beside the test."""
    return subprocess.Popen([LEAFD, arguments[0], "-c", str(site.file), *arguments[1:]], env=site.given(),
                            stdin=subprocess.DEVNULL, text=True,
                            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **keywords})


def ended(command):
    out, err = command.communicate(timeout=PATIENCE_S)
    return command.returncode, out, err


def serials(site, names):
    return {name: serial_of(site.out(name) / "tls.crt") for name in names}


def test_renew_issues_what_is_not_due_and_two_at_once_issue_once(ca, site):
    site.configure(ca, {"web": WEB, "db": WEB})
    run = site.run()
    run.wait_ready()
    before, signed = serials(site, ["web", "db"]), ca.requests("pki_int/sign")

    done = site.command("renew", "web")
    new = serial_of(site.out() / "tls.crt")
    assert done.code == 0 and f"[cert web] renewed: serial {new}, ends 20" in done.out, (done.out, done.err)
    assert new != before["web"] and serial_of(site.out("db") / "tls.crt") == before["db"]
    assert ca.requests("pki_int/sign") == signed + 1
    assert "an operator asked for it" in run.events("wanted", "web")[-1]["message"]

    # All, by two commands at once.
    commands = [started(site, "renew", "--all"), started(site, "renew", "db", "web", "db")]
    results = [ended(command) for command in commands]
    after = serials(site, ["web", "db"])
    for code, out, err in results:
        assert code == 0 and "2 of 2 renewed, 0 failed" in out, (out, err)
    assert ca.requests("pki_int/sign") <= signed + 5
    assert run.terminate() == 0
    assert all(f"serial {after[name]}" in results[0][1] + results[1][1] for name in after)


def test_commands_that_renew_the_same_certificate_at_once_share_the_issuance(devca, site):
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    signed = devca.requests("pki_int/sign")
    devca.fault("delay", path="pki_int/sign", times=1, ms=2000)
    commands = [started(site, "renew", "web")]
    wait_for(lambda: devca.requests("pki_int/sign") == signed + 1, "the request")
    commands += [started(site, "renew", *names) for names in (["web"], ["--all"])]
    results = [ended(command) for command in commands]
    new = serial_of(site.out() / "tls.crt")
    assert all(code == 0 and f"serial {new}" in out for code, out, err in results), results
    assert devca.requests("pki_int/sign") == signed + 1 and len(run.events("published")) == 2
    assert run.terminate() == 0


def test_renew_tells_each_failure_and_what_kind_it_is(devca, site):
    site.configure(devca, {"web": WEB, "db": WEB, "api": WEB})
    run = site.run()
    run.wait_ready()

    done = site.command("renew")
    assert done.code == 2 and "--all" in done.err
    done = site.command("renew", "web", "--all")
    assert done.code == 2 and "--all" in done.err
    done = site.command("renew", "web", "wbe")
    assert done.code == 2 and "no certificate has the name wbe" in done.err, done.err
    assert len(run.events("wanted")) == 3

    # Refused and denied are 3, what may pass is 1.
    devca.fault("status", path="pki_int/sign", times=1, status=400, errors=["not by this role"])
    done = site.command("renew", "web")
    assert done.code == 3 and re.search(r"^leafd: \[cert web\] refused: .*not by this role.*; not repeated: the certificate in place is fresh$", done.err, re.M), done.err
    devca.fault("status", path="pki_int/sign", times=1, status=503, errors=["sealed"])
    done = site.command("renew", "--all")
    assert done.code == 1 and "2 of 3 renewed, 1 failed" in done.out and "transient: " in done.err, (done.out, done.err)
    assert len(re.findall(r"^\[cert \w+\] renewed", done.out, re.M)) == 2

    # The wait after a failure does not delay the operator's next try.
    done = site.command("renew", "--all")
    assert done.code == 0 and "3 of 3 renewed, 0 failed" in done.out, done.err

    # The time is over: the agent goes on.
    devca.fault("delay", path="pki_int/sign", times=1, ms=3000)
    count = len(run.events("published", "api"))
    done = site.command("renew", "api", "--wait", "1s")
    assert done.code == 1 and "[cert api] still waiting for the CA's signature" in done.err and "the agent goes on" in done.err, done.err
    run.wait_event("published", "api", count=count + 1)

    # So it does when the command is interrupted.
    devca.fault("delay", path="pki_int/sign", times=1, ms=2000)
    signed = devca.requests("pki_int/sign")
    command = started(site, "renew", "api")
    wait_for(lambda: devca.requests("pki_int/sign") == signed + 1, "the request")
    command.send_signal(signal.SIGINT)
    code, out, err = ended(command)
    assert code == -signal.SIGINT and "the agent goes on" in err, (code, out, err)
    run.wait_event("published", "api", count=count + 2)

    # An agent that hangs does not prolong the wait.
    os.kill(run.pid, signal.SIGSTOP)
    try:
        started_s = time.monotonic()
        done = site.command("retry", "--wait", "1s")
        assert done.code == 1 and "has not answered" in done.err and time.monotonic() - started_s < 20, done.err
    finally:
        os.kill(run.pid, signal.SIGCONT)

    # Whoever waits when the agent ends is told.
    devca.fault("delay", path="pki_int/sign", times=1, ms=60000)
    command = started(site, "renew", "api")
    wait_for(lambda: devca.requests("pki_int/sign") == signed + 2, "the request")
    assert run.terminate() == 0
    code, out, err = ended(command)
    assert code == 1 and err.startswith("leafd: "), (code, out, err)
    done = site.command("renew", "web")
    assert done.code == 1 and "no agent answers" in done.err


def test_each_revocation_is_told_once(devca, site):
    """The mark that the agent writes reaches it also by inotify, at any moment."""
    names = [f"web{i}" for i in range(12)]
    site.configure(devca, {name: WEB for name in names})
    run = site.run()
    run.wait_ready()
    done = site.command("revoke", "--no-reissue", *names)
    assert done.code == 0 and [done.out.count(f"[cert {name}] revoked serial ") for name in names] == [1] * 12, done.out
    assert run.terminate() == 0


def test_renew_of_what_is_withdrawn_takes_its_name_and_what_is_held_is_not_asked_for_again(devca, site):
    site.configure(devca, {"web": WEB, "db": WEB})
    run = site.run()
    run.wait_ready()
    old = serial_of(site.out() / "tls.crt")
    done = site.command("revoke", "--no-reissue", "web")
    assert done.code == 0 and f"[cert web] revoked serial {old}" in done.out, done.err
    run.wait_event("withdrawn", "web")
    assert site.status("web")["web"]["renewal"] is None, "it is never renewed"
    done = site.command("retry", "web")
    assert done.code == 3 and "renew it by its name" in done.err and "nothing fails" not in done.out, (done.out, done.err)
    done = site.command("retry", "db", "db")
    assert done.code == 0 and "nothing fails" in done.out, done.err
    done = site.command("renew", "--all")
    assert done.code == 3 and "1 of 2 renewed, 1 failed" in done.out and "renew it by its name" in done.err, (done.out, done.err)
    assert serial_of(site.out() / "tls.crt") == old
    done = site.command("renew", "web")
    assert done.code == 0 and serial_of(site.out() / "tls.crt") != old, done.err

    devca.fault("future", path="pki_int/sign", times=1, seconds=600)
    done = site.command("renew", "web")
    assert done.code == 1 and "is held, and is published at 20" in done.err, done.err
    signed = devca.requests("pki_int/sign")
    done = site.command("renew", "web")
    assert done.code == 1 and "is held" in done.err and devca.requests("pki_int/sign") == signed, done.err
    assert run.terminate() == 0


def test_renew_waits_for_the_consumer_and_retry_tells_it_again(devca, site):
    good = site.folder / "good"
    good.touch()
    site.configure(devca, {"web": WEB + f"reload = exec /usr/bin/test -e {good}\nprove = exec /bin/sleep 1\n",
                           "db": WEB + "key_rotation = never\n"})
    run = site.run()
    run.wait_event("proven", "web")
    done = site.command("renew", "web")
    assert done.code == 0 and re.search(r"^\[cert web\] renewed: serial \S+, ends \S+Z, proven$", done.out, re.M), (done.out, done.err)

    good.unlink()
    done = site.command("renew", "web")
    assert done.code == 1 and ", not proven" in done.out and "leafd: [cert web] consumer: " in done.err, (done.out, done.err)
    signed = devca.requests("pki_int/sign")
    good.touch()
    done = site.command("retry", "web")
    assert done.code == 0 and ", proven" in done.out and devca.requests("pki_int/sign") == signed, (done.out, done.err)

    # What the key does is the section's business.
    key, serial = (site.out("db") / "tls.key").read_bytes(), serial_of(site.out("db") / "tls.crt")
    assert site.command("renew", "db").code == 0
    assert (site.out("db") / "tls.key").read_bytes() == key and serial_of(site.out("db") / "tls.crt") != serial
    assert run.terminate() == 0


def test_renew_while_the_ca_is_away_and_while_a_disk_hangs(devca, site):
    disk = Disk(site)
    site.configure(devca, {"web": WEB, "db": WEB + f"directory = {disk.folder}/db\n"})
    run = site.run(environment=disk.environment)
    run.wait_ready()
    devca.proxy.cut()
    done = site.command("renew", "--all")
    assert done.code == 1 and "0 of 2 renewed, 2 failed" in done.out and "[cert web] transient: " in done.err, done.err
    assert done.err.count("; not repeated: the certificate in place is fresh") == 2 and "next try" not in done.err
    devca.proxy.repair()
    assert site.command("renew", "--all").code == 0

    # The other one does not wait for it, and is not waited for.
    disk.freeze()
    try:
        done = site.command("renew", "--all", "--wait", "8s")
        assert done.code == 1 and "[cert web] renewed" in done.out and "1 of 2 renewed" in done.out, (done.out, done.err)
        assert "[cert db] still " in done.err and "the time is over for 1 of 2" in done.err, done.err
        assert disk.calls() == [], "the loop itself asked the disk"
    finally:
        disk.thaw()
    done = site.command("renew", "db")
    assert done.code == 0, done.err
    assert run.terminate() == 0


def test_retry_ends_waits_issues_nothing_else_and_is_limited(devca, site):
    site.configure(devca, {"db": WEB})
    run = site.run()
    run.wait_ready()
    done = site.command("retry")
    assert done.code == 0 and "nothing waits after a failure" in done.out, done.err

    devca.fault("status", path="pki_int/sign", times=2, status=400, errors=["not by this role"])
    site.configure(devca, {"db": WEB, "web": WEB})
    assert site.command("reload").code == 0
    run.wait_event("failed", "web")
    signed, db = devca.requests("pki_int/sign"), serial_of(site.out("db") / "tls.crt")
    done = site.command("retry")
    assert done.code == 3 and "[cert web] refused: " in done.err and devca.requests("pki_int/sign") == signed + 1, done.err
    done = site.command("retry", "web", "db")
    assert done.code == 0 and "[cert web] nothing fails" in done.out and "[cert db] nothing fails" in done.out, done.err
    assert "1 of 2 repaired, 0 failed, 1 without a failure before" in done.out
    assert devca.requests("pki_int/sign") == signed + 2 and serial_of(site.out("db") / "tls.crt") == db

    # A renewal by hand that failed is not tried again: the certificate in place is fresh.
    devca.fault("status", path="pki_int/sign", times=1, status=400, errors=["not by this role"])
    assert site.command("renew", "web").code == 3
    done = site.command("retry")
    assert done.code == 0 and "nothing waits after a failure" in done.out and devca.requests("pki_int/sign") == signed + 3, done.err

    # However often it is asked, the CA is asked a few times, then one time in ten seconds.
    devca.fault("status", path="pki_int/sign", times=0, status=400, errors=["not by this role"])
    site.configure(devca, {"db": WEB, "web": WEB.replace("b.example", "c.example")})
    assert site.command("reload").code == 0
    run.wait_event("failed", "web", count=4)
    signed = devca.requests("pki_int/sign")
    retries = [site.command("retry") for _ in range(12)]
    assert [x for x in retries if "the next retry may be in" in x.err] and {x.code for x in retries} <= {1, 3}
    assert devca.requests("pki_int/sign") <= signed + 6
    assert run.terminate() == 0


def test_the_agent_revokes_with_its_own_session(ca, site):
    site.configure(ca, {"web": WEB, "db": WEB})
    run = site.run()
    run.wait_ready()
    old, logins = serials(site, ["web", "db"]), len(run.events("logged-in"))
    commands = [started(site, "revoke", "web") for _ in range(2)]
    results = [ended(command) for command in commands]
    new = serial_of(site.out() / "tls.crt")
    assert ca.revoked(old["web"]) and not ca.revoked(new) and new != old["web"], results
    for code, out, err in results:
        assert code == 0 and f"[cert web] revoked serial {old['web']}" in out and f"[cert web] renewed: serial {new}" in out, (out, err)
    assert [x["serial"] for x in run.events("revoked", "web")] == [old["web"]]
    assert len(run.events("logged-in")) == logins and len(run.events("published", "web")) == 2
    assert serial_of(site.out("db") / "tls.crt") == old["db"]
    done = site.command("revoke", "wbe")
    assert done.code == 2 and "no certificate has the name wbe" in done.err
    assert run.terminate() == 0

    # Without an agent the command logs in by itself, and issues.
    done = site.command("revoke", "web")
    assert done.code == 0 and ca.revoked(new) and serial_of(site.out() / "tls.crt") != new, done.err


def test_events_are_shown_and_followed_over_a_restart(devca, site):
    site.configure(devca, {"web": WEB, "db": WEB}, agent="log_level = info")
    run = site.run()
    run.wait_ready()
    done = site.command("events")
    assert done.code == 0 and re.search(r"^20\S+Z notice  published: web: published ", done.out, re.M), done.out
    done = site.command("events", "--json", "db")
    told = [json.loads(line) for line in done.out.splitlines()]
    assert {x["cert"] for x in told} == {"db"} and [x["event"] for x in told] == [x["event"] for x in run.log() if x.get("cert") == "db"]

    out = site.folder / "followed"
    with open(out, "w", encoding="utf-8") as stdout:
        command = started(site, "events", "--follow", "--json", stdout=stdout)

    def followed(event):
        return [x for x in map(json.loads, out.read_text().splitlines()) if x["event"] == event]

    wait_for(lambda: len(followed("published")) == 2, "the first events")
    assert site.command("renew", "web").code == 0
    wait_for(lambda: len(followed("published")) == 3, "the new event")
    assert run.terminate() == 0
    run = site.run()
    run.wait_ready()
    wait_for(lambda: len(followed("found")) == 2, "the events after the restart")
    assert len(followed("published")) == 3 and len(followed("started")) == 2
    command.terminate()
    code, _, err = ended(command)
    assert code == -signal.SIGTERM and "waiting for it" in err
    assert run.terminate() == 0
    done = site.command("events", "web")
    assert done.code == 1 and "no agent answers" in done.err and "journalctl -t leafd LEAFD_CERT=web" in done.err, done.err


def test_many_who_wait_keep_no_other_command_waiting(devca, site):
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    waiting = [started(site, "events", "--follow") for _ in range(24)]
    try:
        for command in waiting:
            command.stdout.readline()
        assert site.command("status").code == 0 and site.command("reload").code == 0
        assert site.command("renew", "web").code == 0
    finally:
        for command in waiting:
            command.kill()
            command.communicate()
    assert run.terminate() == 0


def on_terminal(site, *arguments):
    """What the command writes to a terminal, and its exit code."""
    parent, child = pty.openpty()
    with subprocess.Popen([LEAFD, arguments[0], "-c", str(site.file), *arguments[1:]], env=site.given(),
                          stdin=subprocess.DEVNULL, stdout=child, stderr=child) as command:
        os.close(child)
        said = b""
        with contextlib.suppress(OSError):  # EIO: the command has closed it
            while part := os.read(parent, 65536):
                said += part
        os.close(parent)
    return command.returncode, said.decode()


def test_renew_all_of_many_shows_progress_and_two_at_once_issue_once(devca, site):
    names = [f"c{i:04}" for i in range(MANY)]
    site.configure(devca, {name: WEB for name in names}, agent="log_level = info\nmax_in_flight = 16")
    run = site.run()
    run.wait_ready()
    signed = devca.requests("pki_int/sign")

    # Two at once, one of them on a terminal: each certificate is issued once, but those that the first command had
    # already done when the second one began.
    devca.fault("delay", path="pki_int/sign", times=16, ms=1500)
    piped = started(site, "renew", "--all")
    wait_for(lambda: devca.requests("pki_int/sign") > signed, "the first request")
    code, said = on_terminal(site, "renew", "--all")
    assert code == 0 and f"{MANY} of {MANY} renewed, 0 failed" in said, said[-2000:]
    counted = [int(n) for n in re.findall(rf"\r\x1b\[K(\d+) of {MANY} renewed", said)]
    assert counted == sorted(counted) and len(counted) >= 3 and "[cert" not in said
    code, out, err = ended(piped)
    assert code == 0 and f"{MANY} of {MANY} renewed, 0 failed" in out, err[-2000:]
    assert sorted(re.findall(r"^\[cert (c\d+)\] renewed: serial", out, re.M)) == names
    assert devca.requests("pki_int/sign") == signed + MANY

    # Some fail: the exit code tells, and only they are named on a terminal.
    devca.fault("status", path="pki_int/sign", times=3, status=503, errors=["sealed"])
    code, said = on_terminal(site, "renew", "--all")
    assert code == 1 and f"{MANY - 3} of {MANY} renewed, 3 failed" in said, said[-2000:]
    assert len(set(re.findall(r"\[cert (c\d+)\] transient", said))) == 3
    assert run.terminate() == 0
