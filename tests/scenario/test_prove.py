"""What the consumer serves is known, kept over crashes, and rolled back when it refuses."""
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

import scene
from preloads import preload
from scene import WEB, free_port, openssl, serial_of, wait_for

TOLD = "#!/bin/sh\necho \"$LEAFD_GENERATION\" >>{folder}/told\nexec {folder}/verdict\n"


class Consumer:
    """A TLS server that reads its files when it is told, if it listens; and says what the test wants to its being told."""

    def __init__(self, folder, out):
        self.folder, self.out = folder, out
        self.script, self.told, self.verdict = folder / "tell", folder / "told", folder / "verdict"
        self.script.write_text(TOLD.format(folder=folder))
        self.script.chmod(0o755)
        self.answer("exit 0")
        self.listens = True
        self.taken = 0
        self.most = None  # connections that are served; the others are closed at once
        self.context = None
        self.port = free_port()  # nobody else is given it while the consumer is away
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.serve, daemon=True).start()

    @property
    def lines(self):
        """For proofs that succeed, however busy the machine is."""
        return f"reload = exec {self.script}\nprove = tls 127.0.0.1:{self.port}\nprove_timeout = 30s\n"

    @property
    def hasty(self):
        """For proofs that fail."""
        return self.lines.replace("30s", "3s")

    def answer(self, command):
        """What the reload command ends with from now on."""
        fresh = self.folder / "verdict.new"
        fresh.write_text(f"#!/bin/sh\n{command}\n")
        fresh.chmod(0o755)
        os.rename(fresh, self.verdict)

    def calls(self):
        return self.told.read_text().splitlines() if self.told.exists() else []

    def load(self, certificate=None, key=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate or self.out / "tls.crt", key or self.out / "tls.key")
        self.context = context

    def serve(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.listens and len(self.calls()) > self.taken:
                self.taken = len(self.calls())
                self.load()
            near.settimeout(10)
            if self.most is not None:
                self.most -= 1
                if self.most < 0:
                    near.close()
                    continue
            try:
                with self.context.wrap_socket(near, server_side=True) as tls:
                    tls.recv(1)
            except (OSError, AttributeError):
                near.close()

    def end(self):
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()


class SlowConsumer(Consumer):
    """One that restarts to read its files, and is not there meanwhile."""

    takes_s = 4

    def __init__(self, folder, out):
        super().__init__(folder, out)
        self.script.write_text(f"#!/bin/sh\n{self.verdict} || exit 1\necho \"$LEAFD_GENERATION\" >>{self.told}\n")

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            if len(self.calls()) > self.taken:
                self.taken = len(self.calls())
                self.listener.close()
                time.sleep(self.takes_s)
                self.load()
                self.listener = socket.create_server(("127.0.0.1", self.port))
            self.listener.settimeout(0.05)
            try:
                near, _ = self.listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            near.settimeout(10)
            if self.most is not None:
                self.most -= 1
                if self.most < 0:
                    near.close()
                    continue
            try:
                with self.context.wrap_socket(near, server_side=True) as tls:
                    tls.recv(1)
            except (OSError, AttributeError):
                near.close()


@pytest.fixture
def consumer(site, tmp_path):
    server = Consumer(tmp_path, site.out())
    yield server
    server.end()


@pytest.fixture
def slow_consumer(site, tmp_path):
    server = SlowConsumer(tmp_path, site.out())
    yield server
    server.end()


def renew(site, ca, run, lines, number):
    """Another certificate is wanted: the section asks for one more address."""
    site.configure(ca, {"web": lines + f"ip_addresses = 192.0.2.{number}"})
    run.hangup()


def test_a_reload_is_proven_by_a_handshake(ca, site, consumer):
    site.configure(ca, {"web": WEB + consumer.lines})
    done = site.once()
    assert done.code == 0, done.err
    assert [line["event"] for line in done.log() if line["event"] in ("published", "reloaded", "proven")] == [
        "published", "reloaded", "proven"]
    row = site.status()["web"]
    assert (row["state"], row["reload"]) == ("fresh", "proven")
    assert site.once().events("found") and len(consumer.calls()) == 1, "proven once, and kept"


def test_what_nobody_saw_is_not_taken_for_proven(ca, site, consumer):
    """A state of an older leafd says proven, and nothing of what was seen."""
    site.configure(ca, {"web": WEB + consumer.lines})
    assert site.once().code == 0
    row = site.status()["web"]
    assert row["chain"] == "verified" and row["served"]["serial"] == row["serial"]
    path = site.out() / "..state"
    state = json.loads(path.read_text())
    assert state["consumer"]["served"].pop("chain_verified") is True
    path.write_text(json.dumps(state))
    assert site.status()["web"]["chain"] == "not seen"
    state["consumer"]["served"] = None
    path.write_text(json.dumps(state))
    row = site.status()["web"]
    assert (row["state"], row["chain"], row["served"]) == ("not-proven", None, None)
    run = site.run()
    run.wait_event("proven")
    site.becomes("web", state="fresh", chain="verified")
    assert not run.events("reloaded") and len(consumer.calls()) == 1, "it is looked at, and not told again"
    assert run.terminate() == 0
    path.write_text(json.dumps(state))
    assert site.once().events("proven")
    assert site.status()["web"]["chain"] == "verified" and len(consumer.calls()) == 1


def test_a_section_that_begins_to_ask_for_a_proof_gets_one(ca, site, consumer):
    site.configure(ca, {"web": WEB + f"reload = exec {consumer.script}"})
    assert site.once().code == 0
    site.configure(ca, {"web": WEB + consumer.lines})
    assert site.status()["web"]["chain"] is None
    assert site.once().events("proven") and len(consumer.calls()) == 1
    assert site.status()["web"]["chain"] == "verified"


def test_a_consumer_that_ignores_the_reload_is_reported_until_it_obeys(ca, site, consumer):
    site.configure(ca, {"web": WEB + consumer.lines})
    run = site.run()
    run.wait_event("proven")
    site.answers("ready", 0)
    old = serial_of(site.out() / "tls.crt")
    consumer.listens = False
    renew(site, ca, run, WEB + consumer.hasty, 1)
    failed = run.wait_event("proof-failed")[0]
    assert failed["class"] == "consumer" and old in failed["message"], "which serial it serves instead"
    assert failed["level"] == "warning"
    assert re.search(f"was last seen to serve serial {old}, which ends in 5[0-9]m", failed["message"]), failed
    site.becomes("web", state="not-proven", reload="failed")
    row = site.status()["web"]
    assert row["failure"]["class"] == "consumer"
    assert row["served"]["serial"] == old and not row["served"]["foreign"]
    site.answers("ready", 0)
    site.answers("status", 1)
    consumer.listens = True
    run.wait_event("proven", count=2)
    assert ca.requests("pki_int/sign/") == 2, "it was told again, and nothing was issued for that"
    site.answers("ready", 0)
    assert not run.events("rolled-back"), "who serves the old leaf has not refused the new one"
    assert run.terminate() == 0


def test_a_crash_between_publish_and_reload_loses_no_reload(ca, site, consumer):
    consumer.answer("exec sleep 1000")
    site.configure(ca, {"web": WEB + consumer.lines})
    run = site.run()
    wait_for(consumer.calls, "the reload")
    run.kill()
    consumer.answer("exit 0")
    run = site.run()
    run.wait_event("proven")
    assert ca.requests("pki_int/sign/") == 1
    assert run.terminate() == 0


def test_a_crash_between_reload_and_proof_loses_no_proof(ca, site, consumer):
    consumer.listens = False
    site.configure(ca, {"web": WEB + consumer.lines.replace("30s", "5m")})
    run = site.run()
    run.wait_event("reloaded")
    wait_for(lambda: (site.out() / "..state").exists() and site.status()["web"]["reload"] == "reloaded", "the state")
    run.kill()
    consumer.listens = True
    run = site.run()
    run.wait_event("proven")
    assert ca.requests("pki_int/sign/") == 1
    assert len(consumer.calls()) == 1, "it had been told before the crash"
    assert run.terminate() == 0


def test_a_consumer_that_comes_back_with_old_files_is_told_again(ca, site, consumer, tmp_path):
    site.configure(ca, {"web": WEB + consumer.lines + "prove_every = 1s"})
    run = site.run()
    run.wait_event("proven")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / f"old-{name}").write_bytes((site.out() / name).read_bytes())
    site.canaries.own.add(str(tmp_path / "old-tls.key"))
    renew(site, ca, run, WEB + consumer.lines + "prove_every = 1s\n", 1)
    run.wait_event("proven", count=2)
    consumer.load(tmp_path / "old-tls.crt", tmp_path / "old-tls.key")
    run.wait_event("proof-lost")
    run.wait_event("proven", count=3)
    assert ca.requests("pki_int/sign/") == 2
    assert run.terminate() == 0


def test_a_foreign_certificate_makes_ready_fail_once_it_is_seen(ca, site, consumer, tmp_path):
    """Nothing was ever published that the consumer serves; only the proof that has ended counts."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=a.example.test", "-days", "1", "-keyout",
            str(tmp_path / "odd.key"), "-out", str(tmp_path / "odd.crt"))
    consumer.listens = False
    consumer.load(tmp_path / "odd.crt", tmp_path / "odd.key")
    site.configure(ca, {"web": WEB + consumer.hasty})
    run = site.run()
    odd = serial_of(tmp_path / "odd.crt")
    failed = run.wait_event("proof-failed")[0]
    assert failed["level"] == "error"
    assert f"was last seen to serve a certificate that is none of this set's, serial {odd}, which ends in" in failed["message"]
    site.answers("ready", 1)
    done = site.command("status")
    assert done.code == 1 and f"none of this set's, serial {odd}" in done.out
    run.kill()
    site.answers("ready", 1)
    consumer.listens = True
    run = site.run()
    run.wait_event("proven")
    site.answers("ready", 0)
    assert run.terminate() == 0


def test_a_consumer_that_is_not_there_yet_does_not_keep_leafd_from_being_ready(ca, site, consumer):
    """It may be the one that waits for `leafd ready`."""
    port = consumer.port
    consumer.end()
    site.configure(ca, {"web": WEB + f"prove = tls 127.0.0.1:{port}\nprove_timeout = 2s"})
    run = site.run()
    run.wait_ready()
    run.wait_event("awaited")
    assert not run.events("proof-failed")
    site.answers("ready", 0)
    site.becomes("web", reload="failed")
    assert run.terminate() == 0


SECURITY_LEVEL_3 = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = level\n[level]\nCipherString = DEFAULT:@SECLEVEL=3\n"


@pytest.mark.parametrize("why", [
    "hangs up",
    pytest.param("the key is too small to be shown",
                 marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount another policy of the machine"))])
def test_mutual_tls_that_cannot_be_asked_for_is_told_and_fails_once(devca, site, consumer, tmp_path, why):
    """The samples are good, and one of the peers behind them does not come about."""
    lines = WEB + "\nkey_type = rsa-2048\n"
    site.configure(devca, {"web": lines})
    assert site.once().code == 0
    consumer.load()
    policy = []
    if why == "hangs up":
        consumer.most = 3
    else:
        consumer.context.verify_mode = ssl.CERT_REQUIRED
        consumer.context.load_verify_locations(consumer.out / "ca.crt")
        (tmp_path / "level.cnf").write_text(SECURITY_LEVEL_3)
        # The machine's own file: leafd takes no $OPENSSL_CONF.
        policy = ["unshare", "--mount", "sh", "-ec", 'mount --bind "$0" /etc/ssl/openssl.cnf && exec "$@"',
                  str(tmp_path / "level.cnf")]
    site.configure(devca, {"web": lines + f"reload = none\nprove = tls 127.0.0.1:{consumer.port} mutual\nprove_timeout = 5s\n"})
    done = scene.Done(subprocess.run([*policy, scene.LEAFD, "once", "-c", str(site.file)], env=site.environment, text=True,
                                     capture_output=True, check=False))
    assert done.code == 1, done.err
    assert not done.events("awaited")
    told, = done.events("proof-failed")
    assert ("the TLS handshake failed" if why == "hangs up" else "cannot show the set's own certificate to the consumer: ee key too small") in told["message"]
    assert site.status()["web"]["failure"]["class"] == ("consumer" if why == "hangs up" else "local")


def test_somebody_whose_tls_fails_is_there_and_told_of_once(ca, site):
    """A warning, and then nothing but debug detail, as long as it is the same."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as odd:
        def talk():
            try:
                while True:
                    with odd.accept()[0] as connection:
                        connection.sendall(b"220 mail.example.test ESMTP\r\n")
                        connection.recv(4096)
            except OSError:
                pass
        threading.Thread(target=talk, daemon=True).start()
        site.configure(ca, {"web": WEB + f"prove = tls 127.0.0.1:{odd.getsockname()[1]}\nprove_timeout = 3s"})
        run = site.run()
        failed = run.wait_event("proof-failed", count=3)
        assert "check that the port speaks TLS" in failed[0]["message"]
        assert [line["level"] for line in failed[:3]] == ["warning", "debug", "debug"]
        assert not run.events("awaited")
        assert run.terminate() == 0


def refuse_all_but(consumer, *generations):
    """The consumer takes only these generations."""
    consumer.answer("case $LEAFD_GENERATION in " + "".join(f"*{name}) exit 0;; " for name in generations) + "*) "
                    "echo bad pair; exit 1;; esac")


def test_what_the_consumer_refuses_is_rolled_back(ca, site, consumer):
    site.configure(ca, {"web": WEB + consumer.lines})
    run = site.run()
    run.wait_event("proven")
    old, first = serial_of(site.out() / "tls.crt"), os.readlink(site.out() / "..data")
    refuse_all_but(consumer, first)
    renew(site, ca, run, WEB + consumer.lines, 1)
    told = run.wait_event("rolled-back")[0]
    assert "bad pair" in told["message"] and told["serial"] == old
    run.wait_event("failed")
    assert os.readlink(site.out() / "..data") == first
    wait_for(lambda: [name for name in os.listdir(site.out()) if name.startswith("..2")] == [first], "what was refused to go")
    assert consumer.calls()[-1].endswith(first), "the consumer was told of the old set again"
    site.becomes("web", state="rolled-back", serial=old)
    assert site.status()["web"]["failure"]["class"] == "consumer"
    site.answers("status", 1)
    signed = ca.requests("pki_int/sign/")
    # The section still asks for what was refused: neither a crash nor a restart has it signed anew.
    run.kill()
    run = site.run()
    assert "bad pair" in run.wait_event("waits")[0]["message"]
    assert run.terminate() == 0
    run = site.run()
    run.wait_event("waits")
    assert ca.requests("pki_int/sign/") == signed and os.readlink(site.out() / "..data") == first
    consumer.answer("exit 0")
    renew(site, ca, run, WEB + consumer.lines, 2)
    run.wait_event("proven")
    assert ca.requests("pki_int/sign/") == signed + 1
    site.becomes("web", state="fresh")
    assert run.terminate() == 0


def test_a_consumer_that_starts_slowly_has_its_time_after_a_rollback_as_well(devca, site, slow_consumer):
    """What it goes back to was due, or it would not have been replaced."""
    lines = WEB.replace("1h", "3m") + slow_consumer.lines + "renew_at = 5%\n"
    site.configure(devca, {"web": lines})
    run = site.run()
    run.wait_event("proven")
    first = os.readlink(site.out() / "..data")
    refuse_all_but(slow_consumer, first)
    run.wait_event("rolled-back")
    run.wait_event("failed")
    assert not run.events("rollback-failed")
    assert os.readlink(site.out() / "..data") == first
    assert run.terminate() == 0
    signed = devca.requests("pki_int/sign/")
    run = site.run()
    run.wait_event("waits")
    assert devca.requests("pki_int/sign/") == signed, "what was refused is not asked for anew by the next process"
    assert run.terminate() == 0


def test_a_consumer_that_was_stopped_is_not_woken_when_leafd_restarts(devca, site, consumer):
    lines = WEB.replace("1h", "5m") + consumer.hasty + "prove_every = 1s\nrenew_at = 90%\n"
    site.configure(devca, {"web": lines})
    run = site.run()
    run.wait_event("proven")
    consumer.end()
    run.wait_event("proof-failed")
    run.kill()
    run = site.run()
    run.wait_event("proof-failed", count=3)
    assert len(consumer.calls()) == 1
    site.answers("status", 1)
    assert run.terminate() == 0


def test_a_consumer_that_was_stopped_is_not_woken_when_the_ca_is_away(devca, site, consumer):
    lines = WEB.replace("1h", "2m") + consumer.hasty + "prove_every = 1s\nrenew_at = 15%\n"
    site.configure(devca, {"web": lines})
    run = site.run()
    run.wait_event("proven")
    consumer.end()
    devca.proxy.cut()  # long before the renewal is due
    run.wait_event("proof-failed")
    run.wait_event("failed", count=3)
    assert len(consumer.calls()) == 1
    assert run.terminate() == 0


def test_a_stopped_consumer_that_comes_back_while_the_ca_is_away_is_seen(devca, site, slow_consumer):
    lines = WEB.replace("1h", "4m") + slow_consumer.hasty + "prove_every = 1s\nrenew_at = 6%\n"
    slow_consumer.takes_s = 0
    site.configure(devca, {"web": lines})
    run = site.run()
    run.wait_event("proven")
    slow_consumer.end()
    devca.proxy.cut()
    run.wait_event("proof-failed")
    run.wait_event("failed", count=2)
    site.becomes("web", reload="failed", served=None)
    slow_consumer.start()
    run.wait_event("proven", count=2)
    site.becomes("web", reload="proven")
    assert len(slow_consumer.calls()) == 1
    assert site.status()["web"]["failure"]["class"] == "transient"
    assert run.terminate() == 0


def test_a_consumer_that_refuses_everything_gets_the_new_set_without_another_certificate(ca, site, consumer):
    """Its own configuration is broken: rolling back would not help, and issuing again neither."""
    site.configure(ca, {"web": WEB + consumer.lines})
    run = site.run()
    run.wait_event("proven")
    old = serial_of(site.out() / "tls.crt")
    refuse_all_but(consumer)
    renew(site, ca, run, WEB + consumer.lines, 1)
    run.wait_event("rollback-failed")
    run.wait_event("reload-failed", count=3)
    assert serial_of(site.out() / "tls.crt") != old
    site.becomes("web", state="not-reloaded", reload="failed")
    consumer.answer("exit 0")
    run.wait_event("proven", count=2)
    assert ca.requests("pki_int/sign/") == 2
    assert run.terminate() == 0


def test_rollback_survives_a_crash_while_the_new_set_is_refused(ca, site, consumer):
    swaps = site.folder / "swaps"
    swaps.mkdir()
    site.configure(ca, {"web": WEB + consumer.lines})
    run = site.run(environment={**preload("slow_swap"), "HOLD_SWAP": str(swaps)})
    run.wait_event("proven")
    first = os.readlink(site.out() / "..data")
    consumer.answer(f"touch {swaps}/hold; echo bad pair; exit 1")
    renew(site, ca, run, WEB + consumer.lines, 1)
    run.wait_event("reload-failed")
    wait_for((swaps / "held").exists, "the rollback to begin")
    run.kill()
    assert len([name for name in os.listdir(site.out()) if name.startswith("..2")]) == 2
    assert os.readlink(site.out() / "..data") != first
    refuse_all_but(consumer, first)
    run = site.run()
    run.wait_event("rolled-back")
    run.wait_event("failed")
    assert os.readlink(site.out() / "..data") == first
    assert run.terminate() == 0


def test_what_is_revoked_while_it_is_rolled_back_is_not_gone_back_to(devca, site, consumer):
    """The older set takes its place and is renewed on; the one that was revoked stays away though both are refused."""
    (site.folder / "swaps").mkdir()
    site.configure(devca, {"web": WEB + consumer.lines})
    run = site.run(environment={**preload("slow_swap"), "HOLD_SWAP": str(site.folder / "swaps")})
    run.wait_event("proven")
    first = os.readlink(site.out() / "..data")
    consumer.answer(f"touch {site.folder}/swaps/hold; echo bad pair; exit 1")
    renew(site, devca, run, WEB + consumer.lines, 1)
    wait_for((site.folder / "swaps" / "held").exists, "the rollback")
    # By a command that cannot reach the agent, whose own work on the set waits for the rollback.
    assert site.command("revoke", "--no-reissue", "web", environment={"RUNTIME_DIRECTORY": str(site.folder / "none")}).code == 0
    (site.folder / "swaps" / "hold").unlink()
    assert "was revoked" in run.wait_event("rollback-failed", count=2)[1]["message"]
    assert os.readlink(site.out() / "..data") == first
    assert not run.events("withdrawn") and not run.events("bug"), "what is in place is not what was revoked"
    consumer.answer("exit 0")
    (site.folder / "swaps" / "hold").unlink()
    renew(site, devca, run, WEB + consumer.lines, 2)
    run.wait_event("published", count=3)
    assert run.terminate() == 0


def test_rollback_can_be_turned_off(ca, site, consumer):
    lines = WEB + consumer.lines + "rollback = no\n"
    site.configure(ca, {"web": lines})
    run = site.run()
    run.wait_event("proven")
    first = os.readlink(site.out() / "..data")
    refuse_all_but(consumer, first)
    renew(site, ca, run, lines, 1)
    run.wait_event("reload-failed", count=4)
    assert os.readlink(site.out() / "..data") != first
    assert not run.events("rolled-back")
    assert run.terminate() == 0
