"""`leafd status` and `leafd ready` ask the running agent, and read the disk where none answers."""
import json
import os
import re
import shutil
import signal
import subprocess

import pytest
from attacker import as_attacker, needs_root, open_the_way
from scene import LEAFD, WEB, free_port, wait_for
from test_listen import ask

NO_AGENT = {"RUNTIME_DIRECTORY": "/nowhere"}  # where no agent's socket is: the disk is read


def document(site, *names, environment=None):
    return json.loads(site.command("status", "--json", *names, environment=environment).out)


def test_what_the_agent_knows_is_what_is_on_disk(devca, site):
    """Each state that lasts, in one agent: fresh, proven or not, refused by the CA, without its key, with a change."""
    script = site.folder / "fails"
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    certs = {
        "fresh": WEB,
        "missing": WEB.replace("= leafd", "= needs-cn"),
        "reloaded": WEB + "reload = exec /bin/true\nprove = exec /bin/true\n",
        "failing": WEB + f"reload = exec {script}\n",
        "spoiled": WEB,
        "changed": WEB,
        "revoked": WEB,
    }
    site.configure(devca, certs, agent="files_every = 1s")
    run = site.run()
    run.wait_event("published", count=6)
    run.wait_event("failed", "missing")
    run.wait_event("reloaded", "reloaded")
    run.wait_event("reload-failed", "failing")
    assert site.command("revoke", "--no-reissue", "revoked").code == 0
    run.wait_event("withdrawn", "revoked")
    devca.fault("status", path="pki_int/sign", times=0, status=503)
    certs["changed"] = WEB + "ip_addresses = 192.0.2.1\n"
    site.configure(devca, certs, agent="files_every = 1s")
    assert site.command("reload").code == 0
    run.wait_event("failed", "changed")
    (site.out("spoiled") / "..data" / "tls.key").write_text("nothing\n")
    run.wait_event("failed", "spoiled")

    def agrees():
        known, seen = document(site), document(site, environment=NO_AGENT)
        assert (known["source"], seen["source"], seen["agent"]) == ("agent", "disk", None)
        rows = {row["cert"]: row for row in known["certs"]}
        words = {name: row["state"] for name, row in rows.items()}
        assert words == {"fresh": "fresh", "missing": "missing", "reloaded": "fresh", "failing": "not-reloaded",
                         "spoiled": "damaged", "changed": "changed", "revoked": "revoked"}, words
        assert not rows["spoiled"]["ready"] and rows["changed"]["ready"]
        return rows == {row["cert"]: row for row in seen["certs"]}

    wait_for(agrees, lambda: f"{document(site)} to be {document(site, environment=NO_AGENT)}")
    assert run.terminate() == 0


def test_an_edit_that_is_broken_fails_no_probe_and_is_named(devca, site):
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    text = site.file.read_text()
    site.write(text + "[cert\n")
    assert site.command("ready").code == 0
    assert site.command("status").code == 0
    assert document(site)["agent"]["problem"] is None, "the agent has not read it yet"
    assert site.command("reload").code == 2
    assert "not closed" in document(site)["agent"]["problem"]
    assert "keeps the previous one" in site.command("status").out
    assert site.command("ready").code == 0
    site.write(text)
    assert site.command("reload").code == 0
    assert document(site)["agent"]["problem"] is None
    assert run.terminate() == 0
    site.write(text + "[cert\n")
    assert site.command("ready").code == 2, "nobody knows better than the file"


def test_an_edit_that_was_undone_is_no_problem_any_more(devca, site):
    """Nothing watches the file: whoever asks makes the agent look again."""
    port = free_port()
    site.configure(devca, {"web": WEB}, agent=f"listen = 127.0.0.1:{port}\nwatch_config = no")
    run = site.run()
    run.wait_ready()
    text = site.file.read_text()

    def good():
        return ask(port, "/metrics").text.split("\nleafd_configuration_good ")[1][0]

    site.write(text + "[cert more]\nno_such_key = 1\n")
    assert document(site)["agent"]["on_disk"] == "broken", "an unknown key in a section that the agent does not have"
    assert site.command("reload").code == 2
    told = document(site)["agent"]
    assert (told["on_disk"], told["refused"]) == ("broken", True) and "no_such_key" in told["problem"]
    assert "keeps the previous one: " in site.command("status").out
    wait_for(lambda: good() == "0", "the refusal to be measured")
    site.write(text.replace("ttl = 1h", "ttl = 2h"))
    assert document(site)["agent"]["on_disk"] == "changed"
    site.write(text)
    assert "keeps the previous one" not in site.command("status").out
    wait_for(lambda: good() == "1", "the configuration to be good again")
    assert run.events("config-good") and len(run.events("config-applied")) == 0
    assert document(site)["agent"]["problem"] is None and "on disk" not in site.command("status").out
    wait_for(lambda: "not in use" not in run.manager.status(), "the manager to be told")
    os.rename(site.file, f"{site.file}.moved")
    assert document(site)["agent"]["on_disk"] == "missing"
    assert "The configuration on disk is missing" in site.command("status").out
    os.rename(f"{site.file}.moved", site.file)
    assert run.terminate() == 0


def test_the_view_tells_where_it_comes_from(devca, site):
    site.configure(devca, {"web": WEB})
    assert site.once().code == 0
    assert "No agent answers" in site.command("status").out
    run = site.run()
    run.wait_ready()
    told = document(site)
    assert told["agent"]["pid"] == run.pid and told["agent"]["ready"] and told["agent"]["ca_away_since"] is None
    assert f"process {run.pid}" in site.command("status").out
    run.kill()
    done = site.command("status")
    assert done.code == 0 and "No agent answers" in done.out, "the socket of a dead agent is there, and nobody behind it"
    assert site.command("ready").code == 0


def test_an_outage_of_the_ca_is_told_by_its_beginning(devca, site):
    site.configure(devca, {"web": WEB, "late": WEB.replace("1h", "6s")})
    run = site.run()
    run.wait_ready()
    devca.fault("status", path="", times=0, status=503)
    run.wait_event("ca-away")
    assert document(site)["agent"]["ca_away_since"] is not None
    assert "has been issuing no certificates since" in site.command("status").out
    devca.call("DELETE", "devca/faults")
    run.wait_event("ca-back")
    assert document(site)["agent"]["ca_away_since"] is None
    assert run.terminate() == 0


def test_many_certificates_come_by_pages(devca, site):
    names = [f"c{number:03}" for number in range(450)]
    site.configure(devca, {name: WEB for name in names})
    run = site.run()
    run.wait_ready()
    assert [row["cert"] for row in document(site)["certs"]] == names
    assert [row["cert"] for row in document(site, "c007", "c449")["certs"]] == ["c007", "c449"]
    assert site.command("status", "c450").code == 2
    assert run.terminate() == 0


def test_an_agent_that_does_not_answer_is_named_and_the_disk_is_read(devca, site):
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    assert document(site)["source"] == "agent"
    os.kill(run.pid, signal.SIGSTOP)
    try:
        done = site.command("status")
    finally:
        os.kill(run.pid, signal.SIGCONT)
    assert done.code == 0 and re.search("No agent answers.*has not answered", done.out), done.out
    assert run.terminate() == 0


@needs_root
def test_another_user_is_told_from_disk_what_that_user_may_read(devca, site):
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    open_the_way(site.file)
    done = as_attacker(LEAFD, "status", "-c", site.file, env=site.given())
    assert done.returncode == 0 and "No agent answers" in done.stdout, done
    assert run.terminate() == 0


@pytest.mark.parametrize("query", ["from=2", "from=18446744073709551615", "from=x", "from=-1", "from", "x=1&from=0"])
def test_a_page_that_is_not_there_is_empty(devca, site, query):
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    (name,) = [name for name in os.listdir(site.runtime) if name.endswith(".sock")]
    done = subprocess.run(["curl", "-sS", "--unix-socket", f"{site.runtime}/{name}", f"http://leafd/v1/status?{query}"],
                          capture_output=True, check=True)
    page = json.loads(done.stdout)
    assert page["count"] == 1 and len(page["certs"]) <= 1
    assert run.terminate() == 0


def test_ready_sees_at_once_what_befalls_the_files_of_a_running_agent(devca, site):
    """No look of the agent is waited for: whoever is started behind `ready` opens the files now."""
    site.configure(devca, {"web": WEB}, agent="files_every = 0")
    run = site.run()
    run.wait_ready()
    devca.fault("status", path="pki_int/sign", times=0, status=503)
    assert site.command("ready").code == 0
    key = site.out() / "..data" / "tls.key"
    good = key.read_text()
    key.write_text("nothing\n")
    assert site.command("ready").code == 1
    assert document(site)["certs"][0]["state"] == "damaged"
    key.write_text(good)
    shutil.move(site.out(), site.folder / "elsewhere")
    assert site.command("ready").code == 1
    assert run.terminate() == 0


def test_an_agent_that_is_stopping_tells_nothing(devca, site):
    site.configure(devca, {"web": WEB.replace("= leafd", "= needs-cn")}, auth=devca.auth + "\nrevoke_on_exit = yes")
    run = site.run()
    run.wait_event("failed")
    devca.fault("delay", path="auth/token/revoke-self", times=0, ms=20000)
    os.kill(run.pid, signal.SIGTERM)
    run.wait_event("stopping")
    assert site.command("ready").code == 1
    assert "agent is stopping" in site.command("status").out or run.process.poll() is not None
    os.kill(run.pid, signal.SIGTERM)
    assert run.process.wait(60) == 0


@needs_root
def test_ready_believes_no_socket_that_another_user_may_have_made(devca, site):
    """/run/leafd-USER belongs to USER, who could answer for any configuration."""
    folder = f"/run/leafd-{os.getpid()}"
    site.configure(devca, {"web": WEB})
    try:
        run = site.run(environment={"RUNTIME_DIRECTORY": folder})
        run.wait_ready()
        wait_for(lambda: os.path.isdir(folder) and any(name.endswith(".sock") for name in os.listdir(folder)), "the socket")
        assert site.command("reload", environment=NO_AGENT).code == 0
        assert document(site, environment=NO_AGENT)["source"] == "disk"
        assert document(site, environment={"RUNTIME_DIRECTORY": folder})["source"] == "agent"
        assert run.terminate() == 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)
