"""A consumer that does not take what it was given: leafd says which and why, breaks nothing, and makes up for it."""
import os
import re
import signal
import ssl
import subprocess

import pytest

from handshake import Client
from consumers import Apache, Envoy, EnvoyStatic, HaproxyRuntime, Nginx, Postgresql
from scene import openssl, serial_of, wait_for

CALM = "pki_role = leafd\ndns_names = localhost\nttl = 1h\nprove_timeout = 3s\nkeep_previous = 1s\n"


class Anybody:
    """A client that believes everything."""

    def __init__(self, port, folder):
        self.port, self.seen = port, folder / "seen.pem"

    def serial_or_none(self):
        try:
            self.seen.write_text(ssl.get_server_certificate(("127.0.0.1", self.port)))
        except OSError:
            return None
        return serial_of(self.seen)


def lines_of(consumer, extra=""):
    """Its section with a certificate that is not renewed by itself."""
    return f"template = {consumer.template}\n{CALM}{consumer.section()}{consumer.proof()}{extra}\n"


def under_way(site, ca, consumer, extra=""):
    """leafd runs, the consumer runs, and the first certificate is proven."""
    site.configure(ca, {consumer.name: lines_of(consumer, extra)})
    run = site.run()
    run.wait_event("published", consumer.name)
    consumer.start()
    run.wait_event("proven", consumer.name)
    site.answers("ready", 0)
    return run


def another(site, ca, run, consumer, extra=""):
    """Another certificate is wanted: the section asks for one more address."""
    site.configure(ca, {consumer.name: lines_of(consumer, f"ip_addresses = 192.0.2.1\n{extra}")})
    run.hangup()


def published_serial(site, consumer):
    return site.status(consumer.name)[consumer.name]["serial"]


def reported_not_proven(site, run, consumer, why):
    """Status says which and why, and the log has it; ready holds, since an older certificate that is valid does its work."""
    failed = run.wait_event("proof-failed", consumer.name)[-1]
    assert failed["class"] == "consumer"
    site.becomes(consumer.name, state="not-proven", reload="failed")
    failure = site.status(consumer.name)[consumer.name]["failure"]
    assert failure["class"] == "consumer" and why in failure["error"], failure
    done = site.command("status")
    assert done.code == 1 and consumer.name in done.out and why in done.out
    site.answers("ready", 0)


def test_a_consumer_that_ignores_the_signal_is_reported(ca, site, start):
    """nginx's master is stopped; its workers go on with the old certificate."""
    nginx = start(Nginx)
    run = under_way(site, ca, nginx)
    old = nginx.client.serial()
    os.kill(nginx.pid, signal.SIGSTOP)
    another(site, ca, run, nginx)
    reported_not_proven(site, run, nginx, old)
    assert nginx.client.serial() == old
    os.kill(nginx.pid, signal.SIGCONT)
    run.wait_event("proven", nginx.name, count=2)
    assert nginx.client.serial() == published_serial(site, nginx) != old
    assert ca.requests("pki_int/sign/") == 2, "made up for without another certificate"
    site.answers("ready", 0)
    assert run.terminate() == 0


def test_a_consumer_that_does_not_answer_is_reported(ca, site, start):
    """Every process of nginx is stopped: connections are taken by the kernel and never answered."""
    nginx = start(Nginx)
    run = under_way(site, ca, nginx, "rollback = no")
    os.killpg(nginx.pid, signal.SIGSTOP)
    try:
        another(site, ca, run, nginx, "rollback = no")
        reported_not_proven(site, run, nginx, f"127.0.0.1:{nginx.port}")
    finally:
        os.killpg(nginx.pid, signal.SIGCONT)
    run.wait_event("proven", nginx.name, count=2)
    assert nginx.client.serial() == published_serial(site, nginx)
    assert run.terminate() == 0


def test_a_pidfile_that_is_spelt_wrong_does_not_hide_what_is_served(ca, site, start):
    """nginx has a certificate of before leafd's time, and a name in the pidfile's path is wrong: nobody is found to be told."""
    nginx = start(Nginx)
    nginx.out.mkdir()
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "1", "-keyout",
            str(nginx.folder / "old.key"), "-out", str(nginx.folder / "old.crt"))
    config = nginx.folder / "nginx.conf"
    usual = config.read_text()
    config.write_text(usual.replace(f"{nginx.out}/fullchain.pem", "old.crt")
                      .replace(f"{nginx.out}/privkey.pem", "old.key"))
    old = serial_of(nginx.folder / "old.crt")
    nginx.client = Client(nginx.port, nginx.folder / "old.crt")
    nginx.start()
    wrong = lines_of(nginx).replace("program.pid", "programm.pid")
    site.configure(ca, {nginx.name: wrong})
    run = site.run()
    failed = run.wait_event("reload-failed", nginx.name)[-1]
    assert failed["level"] == "error" and f"serial {old}" in failed["message"], failed
    assert re.search(f"was last seen to serve a certificate that is none of this set's, serial {old}, which ends in (1d|23h59m)",
                     failed["message"]), failed
    assert "programm.pid" in failed["message"]
    site.becomes(nginx.name, state="not-reloaded", reload="failed")
    row = site.status(nginx.name)[nginx.name]
    assert row["served"]["serial"] == old and row["served"]["foreign"]
    done = site.command("status")
    assert done.code == 1 and f"serial {old}, which ends in " in done.out
    site.answers("ready", 1)
    assert not run.events("awaited")
    config.write_text(usual)
    nginx.client = Client(nginx.port, ca.root_file)
    site.configure(ca, {nginx.name: lines_of(nginx)})
    run.hangup()
    run.wait_event("proven", nginx.name)
    site.answers("ready", 0)
    assert site.status(nginx.name)[nginx.name]["served"]["serial"] == published_serial(site, nginx) == nginx.client.serial()
    assert nginx.never_restarted() and run.terminate() == 0


def test_an_expired_certificate_that_is_still_served_is_told_though_nobody_is_found(ca, site, start):
    """The set's own certificate of before, of seconds, ends in nginx while the new one lies on disk."""
    nginx = start(Nginx)
    short = lines_of(nginx).replace("ttl = 1h", "ttl = 30s\nrenew_at = 20%")
    site.configure(ca, {nginx.name: short})
    assert site.once().code == 0
    nginx.start()
    old = nginx.client.serial()
    site.configure(ca, {nginx.name: short.replace("program.pid", "programm.pid")})
    run = site.run()
    told = run.wait_event("reload-failed", nginx.name)[0]
    assert f"was last seen to serve serial {old}, which ends in " in told["message"], told
    site.answers("ready", 0)
    wait_for(lambda: [line for line in run.events("reload-failed", nginx.name)
                      if f"was last seen to serve serial {old}, which ended " in line["message"]], "the end to be told")
    site.answers("ready", 1)
    done = site.command("status", nginx.name)
    assert done.code == 1 and f"was last seen to serve serial {old}, which ended " in done.out
    nginx.process.send_signal(signal.SIGHUP)
    run.wait_event("proven", nginx.name)
    site.answers("ready", 0)
    assert run.terminate() == 0


def test_a_pidfile_of_another_process_is_found_out(ca, site, start):
    """The signal goes to somebody who takes it and is not nginx."""
    nginx = start(Nginx)
    run = under_way(site, ca, nginx)
    old, right = nginx.client.serial(), nginx.pidfile.read_text()
    with subprocess.Popen(["/bin/sh", "-c", "trap : HUP; echo; while :; do sleep 1000 & wait; done"],
                          stdout=subprocess.PIPE, start_new_session=True) as somebody:
        try:
            assert somebody.stdout.readline() == b"\n", "it handles the signal from now on"
            nginx.pidfile.write_text(f"{somebody.pid}\n")
            another(site, ca, run, nginx)
            reported_not_proven(site, run, nginx, old)
            assert nginx.client.serial() == old
            assert somebody.poll() is None
        finally:
            os.killpg(somebody.pid, signal.SIGKILL)
    nginx.pidfile.write_text(right)
    run.wait_event("proven", nginx.name, count=2)
    assert nginx.client.serial() != old
    assert ca.requests("pki_int/sign/") == 2
    assert run.terminate() == 0


def test_a_broken_configuration_of_nginx_keeps_the_old_certificate_served(ca, site, start):
    nginx = start(Nginx)
    run = under_way(site, ca, nginx)
    old = nginx.client.serial()
    nginx.extra.write_text("no such directive;\n")
    another(site, ca, run, nginx)
    reported_not_proven(site, run, nginx, old)
    assert "no such directive" not in run.log_path.read_text(), "leafd does not know why, nginx's error.log does"
    assert nginx.client.serial() == old and nginx.never_restarted()
    nginx.extra.write_text("")
    run.wait_event("proven", nginx.name, count=2)
    assert nginx.client.serial() == published_serial(site, nginx) != old
    assert ca.requests("pki_int/sign/") == 2, "repaired without another certificate"
    assert nginx.never_restarted()
    assert run.terminate() == 0


class LeafOnly(Nginx):
    """The commonest mistake: the file with the leaf alone."""
    certificate = "cert.pem"

    def section(self):
        return super().section() + ("file = cert.pem certificate\nfile = fullchain.pem fullchain\n"
                                    "file = privkey.pem key\nfile = ca.pem ca\n")


def test_a_server_without_its_intermediate_is_not_proven_until_its_configuration_is_mended(ca, site, start):
    """nginx takes every certificate; its peers cannot verify it. No reload and no rollback would help: it gets none."""
    nginx = start(LeafOnly)
    nginx.client = Anybody(nginx.port, nginx.folder)
    site.configure(ca, {nginx.name: lines_of(nginx)})
    run = site.run()
    run.wait_event("published", nginx.name)
    nginx.start()
    run.wait_event("proof-failed", nginx.name)
    site.becomes(nginx.name, state="not-proven", reload="failed", chain=None)
    assert "serves the new certificate without its intermediate CN=" in site.command("status").out
    reloads = len(run.events("reloaded"))
    another(site, ca, run, nginx)
    wait_for(lambda: nginx.client.serial_or_none() == published_serial(site, nginx) and
             len(run.events("proof-failed")) > 4, "more looks at the second certificate")
    assert len(run.events("reloaded")) == reloads + 1 and not run.events("rolled-back")
    assert "fullchain" in run.events("proof-failed")[-1]["message"]
    nginx.certificate = "fullchain.pem"
    nginx.configure()
    os.kill(nginx.pid, signal.SIGHUP)
    run.wait_event("proven", nginx.name)
    assert len(run.events("reloaded")) == reloads + 1
    assert "with a chain that verifies" in run.events("proven")[-1]["message"]
    site.becomes(nginx.name, state="fresh", reload="proven", chain="verified")
    assert run.terminate() == 0


def held_to_be_mutual(site, ca, consumer, says, role="leafd"):
    """Proven with `mutual`, or not, for the reason `says`."""
    section = lines_of(consumer).replace("pki_role = leafd", f"pki_role = {role}")
    site.configure(ca, {consumer.name: section.replace(consumer.proof(), f"{consumer.proof().strip()} mutual\n")})
    run = site.run()
    run.wait_event("published", consumer.name)
    consumer.start()
    if says is None:
        run.wait_event("proven", consumer.name)
        assert "mutual TLS" in run.events("proven")[-1]["message"]
        site.becomes(consumer.name, state="fresh", reload="proven")
    else:
        run.wait_event("proof-failed", consumer.name)
        site.becomes(consumer.name, state="not-proven", reload="failed")
        assert says in site.command("status").out
        assert not run.events("proven")
    assert len(run.events("reloaded")) == 1
    assert run.terminate() == 0


GIFT = "optional; return 404 'gift certificate not found'"
MEMBERS = "optional; if ($ssl_client_verify != SUCCESS) {{ return 403; }} location / {{ return 200 ok; }} #"


@pytest.mark.parametrize("verify, role, says", [
    ("on", "leafd", None), ("on", "server-only", None), (MEMBERS, "leafd", None),
    (MEMBERS, "server-only", "nothing shows that a peer without a certificate is refused"),
    ("optional; return 200 ok", "leafd", "answers a peer without a client certificate, though it asks for one"),
    ("off; return 200 ok", "leafd", "answers a peer without a client certificate and does not ask for one"),
    ("off; return 403 'this certificate shop is closed'", "server-only", "the server does not ask for one"),
    (GIFT, "server-only", "nothing shows that a peer without a certificate is refused"),
    (GIFT, "leafd", "the request of a peer with one fails as well")])
def test_mutual_tls_of_nginx_is_proven_by_peers_that_it_refuses(ca, site, start, verify, role, says):
    """nginx shakes hands with everybody, and answers 400 behind the handshake."""
    nginx = start(type("Mutual", (Nginx,), {"more": f"ssl_verify_depth 3; ssl_client_certificate {{out}}/ca.pem; "
                                                    f"ssl_verify_client {verify};\n"}))
    held_to_be_mutual(site, ca, nginx, says, role)


@pytest.mark.parametrize("access, says", [
    ("hostssl all all 127.0.0.1/32 cert", None), ("hostssl all all 127.0.0.1/32 trust clientcert=verify-ca", None),
    ("hostssl all all 127.0.0.1/32 scram-sha-256", "answers a peer without a client certificate, though it asks for one"),
    ("hostssl all somebody 127.0.0.1/32 cert", "nothing shows that a peer without a certificate is refused")])
def test_mutual_tls_of_postgresql_is_proven_behind_the_handshake(ca, site, start, access, says):
    """It looks for the certificate when it has heard who wants in."""
    postgres = start(Postgresql)
    (postgres.data / "pg_hba.conf").write_text(f"{access}\n")
    held_to_be_mutual(site, ca, postgres, says)


def test_an_envoy_that_cannot_reload_is_not_proven_until_it_is_restarted(ca, site, start):
    envoy = start(EnvoyStatic)
    run = under_way(site, ca, envoy)
    old = envoy.client.serial()
    another(site, ca, run, envoy)
    reported_not_proven(site, run, envoy, "/certs")
    assert envoy.client.serial() == old
    assert not run.events("rolled-back")
    envoy.end()
    envoy.start()
    run.wait_event("proven", envoy.name, count=2)
    assert envoy.client.serial() == published_serial(site, envoy) != old
    assert ca.requests("pki_int/sign/") == 2
    site.answers("ready", 0)
    assert run.terminate() == 0


def test_apache_is_not_told_of_a_set_that_validate_has_vetoed(ca, site, start):
    """A broken configuration would end its parent at the signal: it is looked at first."""
    apache = start(Apache)
    veto = f"validate = exec {apache.program} -t -f {apache.config}"
    run = under_way(site, ca, apache)
    old, generation = apache.client.serial(), os.readlink(apache.out / "..data")
    apache.extra.write_text("NoSuchDirective on\n")
    another(site, ca, run, apache, veto)
    failed = run.wait_event("failed", apache.name)[0]
    assert failed["class"] == "consumer" and "validate" in failed["message"]
    assert os.readlink(apache.out / "..data") == generation
    wait_for(lambda: [name for name in os.listdir(apache.out) if name.startswith("..2")] == [generation],
             "what was staged to go")
    assert apache.client.serial() == old and apache.never_restarted()
    row = site.status(apache.name)[apache.name]
    assert row["failure"]["class"] == "consumer" and "validate" in row["failure"]["error"]
    apache.extra.write_text("")
    another(site, ca, run, apache, f"{veto}\nip_addresses = 192.0.2.2")
    run.wait_event("proven", apache.name, count=2)
    assert apache.client.serial() == published_serial(site, apache) != old
    assert apache.never_restarted()
    assert run.terminate() == 0


def test_a_pair_that_haproxy_refuses_is_rolled_back(ca, site, start):
    """Its OpenSSL asks for 128 bits of security: P-256 has them, RSA with 2048 bits does not."""
    haproxy = start(HaproxyRuntime)
    strict = haproxy.write("openssl.cnf", "openssl_conf = top\n[top]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n"
                                          "[all]\nCipherString = DEFAULT@SECLEVEL=3\n")
    haproxy.environment["OPENSSL_CONF"] = str(strict)
    run = under_way(site, ca, haproxy)
    old, generation = haproxy.client.serial(), os.readlink(haproxy.out / "..data")
    site.configure(ca, {haproxy.name: lines_of(haproxy, "key_type = rsa-2048")})
    run.hangup()
    told = run.wait_event("rolled-back", haproxy.name)[0]
    assert told["serial"] == old
    assert "commit ssl cert" in told["message"], told
    wait_for(lambda: os.readlink(haproxy.out / "..data") == generation, "the generation before")
    run.wait_event("failed", haproxy.name)
    assert serial_of(haproxy.out / "site.pem") == old == haproxy.client.serial()
    site.becomes(haproxy.name, state="rolled-back", serial=old)
    assert site.status(haproxy.name)[haproxy.name]["failure"]["class"] == "consumer"
    site.answers("status", 1)
    site.configure(ca, {haproxy.name: lines_of(haproxy, "ip_addresses = 192.0.2.1")})
    run.hangup()
    run.wait_event("proven", haproxy.name, count=2)
    assert haproxy.client.serial() == published_serial(site, haproxy) != old
    site.answers("status", 0)
    assert haproxy.never_restarted()
    assert run.terminate() == 0


@pytest.mark.parametrize("kinds", [(Nginx, Envoy, Apache)], ids=["nginx-envoy-apache"])
def test_one_consumer_that_refuses_does_not_hold_up_the_others(ca, site, start, kinds):
    consumers = [start(kind) for kind in kinds]
    stubborn = consumers[0]

    def configure(extra):
        site.configure(ca, {one.name: lines_of(one, extra) for one in consumers})
    configure("")
    run = site.run()
    for one in consumers:
        run.wait_event("published", one.name)
        one.start()
    for one in consumers:
        run.wait_event("proven", one.name)
    stubborn.extra.write_text("no such directive;\n")
    configure("ip_addresses = 192.0.2.1")
    run.hangup()
    for one in consumers[1:]:
        run.wait_event("proven", one.name, count=2)
    run.wait_event("proof-failed", stubborn.name)
    for one in consumers:
        site.becomes(one.name, reload="failed" if one is stubborn else "proven")
    site.answers("status", 1)
    site.answers("ready", 0)
    stubborn.extra.write_text("")
    run.wait_event("proven", stubborn.name, count=2)
    site.answers("status", 0)
    assert run.terminate() == 0
