"""What `leafd status` shows to people, the history that the agent keeps, and how soon both tell what went wrong."""
import calendar
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time

import pytest
from scene import LEAFD, SOURCE, WEB, openssl, serial_of, wait_for
from test_prove import Consumer
from test_status import document

CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def on_terminal(site, *arguments, columns=80, **environment):
    """What `leafd status` prints on a terminal of so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    given = site.given({"TERM": "xterm", **environment})
    with subprocess.Popen([LEAFD, "status", "-c", site.file, *arguments], stdin=slave, stdout=slave, stderr=slave, env=given):
        os.close(slave)
        text = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # the terminal's other end was closed
                break
            text += part
    os.close(master)
    return text.decode().replace("\r\n", "\n")


def test_the_table_fits_the_terminal_and_colours_are_for_terminals_only(devca, site):
    names = "dns_names = a-rather-long-name.of-a-service.in-some-namespace.example.test, b.example.test"
    certs = {"web": WEB, "a-certificate-with-a-name-that-is-too-long": WEB.replace("dns_names = a.example.test, b.example.test", names),
             "refused": WEB.replace("= leafd", "= needs-cn"), "told": WEB + "reload = exec /bin/true\nprove = exec /bin/true\n"}
    site.configure(devca, certs)
    run = site.run()
    run.wait_event("failed", "refused")
    run.wait_event("proven", "told")
    run.wait_event("published", count=3)
    site.becomes("told", state="fresh")
    for columns in (80, 60, 132):
        lines = on_terminal(site, columns=columns).splitlines()
        assert all(len(CONTROL.sub("", line)) <= columns for line in lines), (columns, lines)
        assert lines[1].startswith("refused"), "the most urgent first"
        assert CONTROL.sub("", lines[-1]).startswith("3 fresh, 1 failing: refused refused since ")
    assert "\x1b[1;31mmissing" in on_terminal(site) and "\x1b[32mfresh" in on_terminal(site)
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert not CONTROL.search(on_terminal(site, **environment))
    assert not CONTROL.search(site.command("status").out + site.command("status", "web").out)
    shown = on_terminal(site, columns=132)
    assert re.search(r"^told +\S*fresh\S* +true +yes +in (1h|59m)", shown, re.M), "service and served state"
    assert re.search(r"^a-certificate-with-a-na~ ", shown, re.M), "a name that is too long is cut, and visibly so"
    assert not re.search("([0-9a-f]{2}:){5}", shown), "serials are for those who ask for one"
    there = {zone: re.search(r"until +\S+ (\d\d):(\d\d):", site.command("status", "told", environment={"TZ": zone}).out).groups()
             for zone in ("UTC", "XXX-5:30")}
    minutes = {zone: int(hour) * 60 + int(minute) for zone, (hour, minute) in there.items()}
    assert (minutes["XXX-5:30"] - minutes["UTC"]) % 1440 == 330, "times are local"
    assert run.terminate() == 0


def history(site, cert="web"):
    return document(site, cert)["certs"][0]["history"]


def test_everything_about_one_with_the_last_generations_and_tries(devca, site):
    site.configure(devca, {"web": WEB + "reload = exec /bin/true\n"})
    run = site.run()
    run.wait_event("reloaded")
    first = serial_of(site.out() / "tls.crt")
    (entry,) = history(site)
    assert (entry["event"], entry["serial"], entry["count"]) == ("published", first, 1)
    assert entry["reloaded_at"] and entry["proven_at"] is None and entry["class"] is None
    devca.fault("status", path="pki_int/sign", times=3, status=400, errors=["not so"])
    site.configure(devca, {"web": WEB.replace("b.example", "c.example") + "reload = exec /bin/true\n"})
    for count in (1, 2, 3):
        assert site.command("reload").code == 0
        run.wait_event("failed", count=count)
    tries = [entry for entry in history(site) if entry["event"] == "failed"]
    assert [(entry["class"], entry["count"]) for entry in tries] == [("refused", 3)], "what repeats itself is one"
    assert "not so" in tries[0]["reason"] and tries[0]["since"] <= tries[0]["at"] < tries[0]["next_try_at"]
    site.becomes("web", failing=True)
    row = site.status("web")["web"]
    assert row["failure"]["since"] == tries[0]["since"] and row["failure"]["concerns"] == "issuance"
    assert "leafd check --online" in row["advice"]
    shown = site.command("status", "web").out
    assert re.search(r"failed .* \(3 in a row since \d\d:\d\d, next try (now|in .*, at \d\d:\d\d)\): refused: .*not so", shown), shown
    for told in ("a.example.test, b.example.test", "pki_int/leafd, key ecdsa-p256", first, "tls.key (key)", "CN=devca root",
                 "failed, 3 times since", "  published\n        serial"):
        assert told in shown, (told, shown)
    assert site.command("reload").code == 0
    run.wait_event("published", count=2)
    run.wait_event("reloaded", count=2)
    second = serial_of(site.out() / "tls.crt")
    assert [entry["serial"] for entry in history(site) if entry["event"] == "published"] == [first, second]
    site.becomes("web", failing=False, failure=None)
    assert run.terminate() == 0
    run = site.run()
    run.wait_event("found")
    assert [(entry["event"], entry["serial"]) for entry in history(site)] == [("found", second)]
    assert run.terminate() == 0
    row = document(site, "web")["certs"][0]
    assert row["history"] is None and row["path"][-1]["subject"] == "CN=devca root" and row["path"][-1]["for_peers"]
    assert "is kept by a running agent" in site.command("status", "web").out


def test_the_agent_tells_its_contact_with_the_ca(devca, site):
    site.configure(devca, {"web": WEB})
    devca.fault("status", path="/login", times=1, status=400, errors=["not today"])
    run = site.run()
    run.wait_event("login-failed")
    agent = document(site)["agent"]
    assert not agent["login"]["ok"] and "not today" in agent["login"]["error"] and agent["login"]["class"]
    assert re.search("The last login by jwt failed .*: .*not today", site.command("status").out)
    run.wait_event("published")
    agent = document(site)["agent"]
    assert agent["login"]["ok"] and agent["login"]["error"] is None and agent["ca_address"] == devca.address
    assert agent["token_expires_at"] > agent["login"]["at"] >= agent["started_at"]
    assert agent["ca_contact_at"] >= agent["login"]["at"] and agent["certificates"] == 1 and agent["clock_skew_s"] == 0
    assert "last contact with the CA: " in site.command("status").out
    assert run.terminate() == 0


def test_a_configuration_on_disk_that_is_not_applied_is_told(devca, site):
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    text = site.file.read_text()
    for content, word, says in ((text, "applied", None), (text.replace("= 1h", "= 2h"), "changed", "not applied: leafd reload"),
                                (text + "[cert\n", "broken", "has errors and is not applied"),
                                (text + "ttl = 2h\n", "broken", "has errors and is not applied"), (text, "applied", None)):
        site.write(content)
        assert document(site)["agent"]["on_disk"] == word
        done = site.command("status")
        assert done.code == 0 and ("on disk" in done.out) == (says is not None) and (says is None or says in done.out)
    site.write(text.replace("ttl = 1h", "ttl = 2h"))
    assert document(site)["agent"]["on_disk"] == "changed"
    assert site.command("reload").code == 0
    assert document(site)["agent"]["on_disk"] == "applied"
    assert run.terminate() == 0


def test_watch_asks_each_time_and_survives_a_restart_of_the_agent(devca, site):
    site.configure(devca, {"web": WEB})
    assert site.once().code == 0
    shown = site.folder / "shown"
    with open(shown, "wb") as output, subprocess.Popen([LEAFD, "status", "-c", site.file, "--watch", "--every", "1s"],
                                                       stdout=output, env=site.given()) as watching:
        try:
            wait_for(lambda: "No agent answers" in shown.read_text(), "a look at the disk")
            for _ in range(2):
                run = site.run()
                wait_for(lambda: f"process {run.pid}," in shown.read_text(), "the agent to be found")
                run.kill()
                tables = shown.read_text().count("CERT")
                wait_for(lambda: shown.read_text().count("CERT") > tables and
                         "No agent answers" in shown.read_text().rpartition("CERT")[2], "its end to be shown")
            assert watching.poll() is None and not CONTROL.search(shown.read_text())
        finally:
            watching.kill()


def test_watch_redraws_on_a_terminal(devca, site):
    site.configure(devca, {"web": WEB})
    master, slave = pty.openpty()
    with subprocess.Popen([LEAFD, "status", "-c", site.file, "--watch", "--every", "1s"], stdin=slave, stdout=slave, stderr=slave,
                          env=site.given({"TERM": "xterm"})) as watching:
        os.close(slave)
        text = b""
        while text.count(b"\x1b[H\x1b[2J") < 3:
            text += os.read(master, 65536)
        watching.kill()
    os.close(master)
    assert text.count(b"CERT") >= 2


def test_watch_asks_an_agent_that_takes_long_less_often(devca, site):
    """With thousands of certificates each answer takes a second of the agent's; here it is stopped for half a second."""
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    wait_for(lambda: site.command("status").code == 0, "an answer")
    shown = site.folder / "shown"

    def has_asked(pid):
        with contextlib.suppress(FileNotFoundError):
            return any(os.readlink(f"/proc/{pid}/fd/{each}").startswith("socket:") for each in os.listdir(f"/proc/{pid}/fd"))
        return False

    def look(*options):
        os.kill(run.pid, signal.SIGSTOP)
        with open(shown, "wb") as output, subprocess.Popen([LEAFD, "status", "-c", site.file, "--watch", *options],
                                                           stdout=output, env=site.given()) as watching:
            try:
                wait_for(lambda: has_asked(watching.pid), "its question")
                time.sleep(0.5)  # how long the agent takes, which is what is measured
                os.kill(run.pid, signal.SIGCONT)
                wait_for(lambda: shown.read_text().count("CERT") == 2 if options else "Next look" in shown.read_text(), "the answer")
            finally:
                os.kill(run.pid, signal.SIGCONT)
                watching.kill()
        return shown.read_text()

    pause = int(re.search(r"^Next look in (\d+)s; --every sets another pause\.$", look(), re.M)[1])
    assert 24 <= pause <= 60
    assert "Next look" not in look("--every", "1s"), "as often as it is told"
    assert run.terminate() == 0


def keys_of(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from keys_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys_of(item)


def test_the_manual_has_each_member_of_the_document(devca, site):
    """One that is failing, one that is proven, from the agent and from disk."""
    site.configure(devca, {"failing": WEB + "reload = exec /bin/false\n", "told": WEB + "prove = exec /bin/true\n"})
    run = site.run()
    run.wait_event("reload-failed")
    run.wait_event("proven")
    site.becomes("failing", failing=True)
    members = set(keys_of(document(site))) | set(keys_of(document(site, "failing", "told")))
    assert run.terminate() == 0
    members |= set(keys_of(document(site)))
    with open(os.path.join(SOURCE, "man", "leafd.8"), encoding="utf-8") as manual:
        states = manual.read().partition("\n.Sh STATES\n")[2].partition("\n.Sh ")[0]
    assert {"served", "failure", "history", "path", "login"} <= members
    assert [member for member in sorted(members) if not re.search(rf"(^\.(It )?Li |, ){member}( |,|$)", states, re.M)] == []


@pytest.fixture
def consumer(site):
    program = Consumer(site.folder, site.out("served"))
    yield program
    program.end()


def test_what_goes_wrong_is_told_by_the_next_look(devca, site, consumer, record_property):
    """A dead agent, a missing file, an old certificate that is served, an expired path: how long until `status` and `ready` tell."""
    brief = WEB.replace("1h", "2h").replace("= leafd", "= needs-cn\ncommon_name = a.example.test")
    devca.fault("issuer-ends-first", path="pki_int/sign/needs-cn", seconds=20, times=1)
    certs = {"path": brief, "files": WEB, "served": WEB + consumer.hasty + "prove_every = 1s\n"}
    site.configure(devca, {"path": brief})
    assert site.once("path").code == 0
    devca.fault("status", path="pki_int/sign/needs-cn", times=0, status=503)
    site.configure(devca, certs, agent="files_every = 0")
    run = site.run()
    run.wait_event("published", "files")
    run.wait_event("proven", "served")
    site.becomes("served", state="fresh")
    old = serial_of(site.out("served") / "tls.crt")
    took = {}

    def row(cert):
        return site.status(cert)[cert]

    def told(what, tells):
        begin = time.monotonic()
        wait_for(tells, lambda: f"{what} to be told:\n{site.command('status').out}")
        took[what] = round(time.monotonic() - begin, 2)

    # An old certificate that is served: the consumer is told and goes on with it.
    consumer.listens = False
    certs["served"] = certs["served"].replace("b.example", "c.example")
    site.configure(devca, certs, agent="files_every = 0")
    assert site.command("reload").code == 0
    run.wait_event("published", "served", count=2)
    told("old", lambda: row("served")["state"].startswith("not-") and row("served")["served"]["serial"] == old)
    assert not row("served")["served"]["matches"] and not row("served")["served"]["foreign"]
    assert re.search(r"^served +not-\w+ +\S+ +old", site.command("status").out, re.M)
    # Of another one, which is none of leafd's, `ready` tells as well.
    other = site.folder / "other.crt"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1", "-keyout",
            str(site.folder / "other.key"), "-out", str(other))
    consumer.load(other, site.folder / "other.key")
    told("foreign", lambda: not row("served")["ready"])
    assert re.search(r"^served +not-\w+ +\S+ +foreign", site.command("status").out, re.M) and site.command("ready").code == 1
    # A missing file, which the agent cannot repair without the CA.
    devca.fault("status", path="pki_int/sign/leafd", times=0, status=503)
    (site.out("files") / "..data" / "tls.key").unlink()
    told("file", lambda: row("files")["state"] == "damaged" and "tls.key" in row("files")["detail"])
    assert not row("files")["intact"] and not row("files")["ready"]
    done = site.command("ready")
    assert done.code == 1 and re.search(r"^leafd: not ready: \w+ is \S+: .* \([23] of 3 not ready\)$", done.err), done.err
    # The path ends before the leaf does.
    ends = row("path")
    assert ends["end"] < ends["not_after"]
    moment = calendar.timegm(time.strptime(ends["end"], "%Y-%m-%dT%H:%M:%SZ"))
    wait_for(lambda: time.time() >= moment, "the path to end")
    told("path", lambda: row("path")["state"] == "expired" and not row("path")["ready"])
    # A dead agent.
    run.kill()
    told("agent", lambda: document(site)["agent"] is None)
    assert re.search("No agent answers, so this is from disk: .*has ended", site.command("status").out)
    assert "(3 of 3 not ready; no agent answers)" in site.command("ready").err
    record_property("seconds", took)
    print("told after seconds:", took)
