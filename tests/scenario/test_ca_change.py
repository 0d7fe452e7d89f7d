"""The CA changes: certificates follow without a human, and nobody meets one that it cannot verify yet."""
import datetime
import shutil
import subprocess
import threading
import time

import pytest

from scene import LEAFD, WEB, openssl, serial_of, wait_for

POLLING = "ca_poll = 1s\nca_spread = 6s"


def issuer_of(certificate):
    return openssl("x509", "-in", str(certificate), "-noout", "-issuer").strip()


def certificates_in(path):
    return path.read_text().count("BEGIN CERTIFICATE")


class Verifier:
    """Verifies each certificate with the bundle of every other one, all the time."""

    def __init__(self, outs):
        self.outs = outs
        self.failures = []
        self.rounds = 0
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self.verify_on)
        self.thread.start()

    def verify_on(self):
        while not self.enough.is_set():
            for mine in self.outs:
                for other in self.outs:
                    self.verify(mine, other)
            self.rounds += 1

    def verify(self, mine, other):
        """What a peer shows is taken before the bundle: a peer cannot show what comes later."""
        shown = self.outs[0].parent / "shown.crt"
        shown.write_text((other / "tls.crt").read_text())
        done = subprocess.run(["openssl", "verify", "-partial_chain", "-CAfile", mine / "ca.crt", "-untrusted", shown,
                               shown], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.failures.append(done.stderr)

    def stop(self):
        self.enough.set()
        self.thread.join()


def test_a_new_issuer_signs_every_certificate_anew_and_no_peer_fails(ca, site):
    names = [f"c{i}" for i in range(6)]
    site.configure(ca, {name: WEB for name in names}, agent=POLLING)
    run = site.run()
    run.wait_ready()
    more_looks(ca, 2)
    old = {name: issuer_of(site.out(name) / "tls.crt") for name in names}
    before = ca.requests("pki_int/sign/")
    verifier = Verifier([site.out(name) for name in names])
    try:
        ca.rotate()
        for name in names:
            run.wait_event("ca-changed", name)
        wait_for(lambda: all(issuer_of(site.out(name) / "tls.crt") != old[name] for name in names), "new certificates")
    finally:
        verifier.stop()
    assert not verifier.failures, verifier.failures[0]
    assert verifier.rounds > 1
    assert ca.requests("pki_int/sign/") == before + len(names), "each once"
    for name in names:
        events = [line["event"] for line in run.log() if line.get("cert") == name]
        assert events.index("ca-changed") < events.index("wanted", events.index("ca-changed"))
    assert run.terminate() == 0


def test_a_renewal_of_an_issuer_that_peers_do_not_trust_yet_is_not_shown(real_ca_server, site):
    """Due by itself before anybody has looked at the CA. (real only: devca has one root)"""
    ca = real_ca_server
    ca.reset()
    site.configure(ca, {"web": WEB.replace("1h", "12m") + "renew_at = 5%..6%"}, agent="ca_poll = 20s\nca_spread = 5m")
    run = site.run()
    run.wait_ready()
    old, serial = issuer_of(site.out() / "tls.crt"), serial_of(site.out() / "tls.crt")
    assert certificates_in(site.out() / "ca.crt") == 1
    with ca.another_root("a root that nobody trusts yet"):
        run.wait_event("ca-changed")
        run.wait_event("published", count=2)
    assert (issuer_of(site.out() / "tls.crt"), serial_of(site.out() / "tls.crt")) == (old, serial)
    assert certificates_in(site.out() / "ca.crt") == 2, "the new issuer is trusted before its first certificate is shown"
    assert ca.requests("pki_int/sign/") == 2
    assert site.status()["web"]["usable"]
    assert run.terminate() == 0


def test_a_regular_renewal_of_a_short_life_announces_a_new_root_first(devca, site):
    """An hour by the default settings, at 1/60: less than the spread and a quarter is left when it is due."""
    site.configure(devca, {"web": WEB.replace("1h", "60s")}, agent="ca_poll = 20s\nca_spread = 30s")
    run = site.run()
    run.wait_ready()
    old, serial = issuer_of(site.out() / "tls.crt"), serial_of(site.out() / "tls.crt")
    due = datetime.datetime.fromisoformat(site.status()["web"]["renewal"].replace("Z", "+00:00")).timestamp()
    wait_for(lambda: time.time() > due - 5, "the last moment before it is due, so that no look finds the root first")
    with devca.another_root("a root of a short life"):
        run.wait_event("published", count=2)
        shown = issuer_of(site.out() / "tls.crt"), serial_of(site.out() / "tls.crt"), certificates_in(site.out() / "ca.crt")
        assert shown == (old, serial, 2), "the new issuer is trusted before its first certificate is shown"
        run.wait_event("published", count=3)
    assert issuer_of(site.out() / "tls.crt") != old
    assert not [line for line in run.log() if line["event"] == "failed"]
    assert run.terminate() == 0


def test_a_new_root_is_trusted_by_all_before_anybody_shows_it(real_ca_server, site):
    """Certificates that are due all the time, so that some are renewed before anybody has looked. (real only)"""
    ca = real_ca_server
    ca.reset()
    names = [f"c{i}" for i in range(6)]
    site.configure(ca, {name: WEB.replace("1h", "40s") + "renew_at = 20%..60%" for name in names}, agent=POLLING)
    run = site.run()
    run.wait_ready()
    more_looks(ca, 2)
    old = {name: issuer_of(site.out(name) / "tls.crt") for name in names}
    verifier = Verifier([site.out(name) for name in names])
    try:
        with ca.another_root("one more root"):
            wait_for(lambda: all(issuer_of(site.out(name) / "tls.crt") != old[name] for name in names), "new certificates")
    finally:
        verifier.stop()
    assert not verifier.failures, verifier.failures[0]
    assert all(certificates_in(site.out(name) / "ca.crt") >= 2 for name in names), "the old root stays trusted for a while"
    assert run.terminate() == 0


def test_a_revoked_serial_number_is_replaced(ca, site):
    site.configure(ca, {"web": WEB, "other": WEB}, agent=POLLING)
    run = site.run()
    run.wait_ready()
    serial, other = serial_of(site.out() / "tls.crt"), serial_of(site.out("other") / "tls.crt")
    ca.revoke(serial)
    told = run.wait_event("ca-changed", "web")[0]
    assert "revoked" in told["message"] and told["serial"] == serial
    wait_for(lambda: serial_of(site.out() / "tls.crt") != serial, "another certificate")
    assert serial_of(site.out("other") / "tls.crt") == other
    assert run.terminate() == 0


def test_a_revoked_certificate_stays_wanted_when_the_first_try_fails(devca, site):
    site.configure(devca, {"web": WEB}, agent=POLLING)
    run = site.run()
    run.wait_ready()
    serial = serial_of(site.out() / "tls.crt")
    devca.fault("status", path="pki_int/sign", times=2, status=503)
    devca.revoke(serial)
    run.wait_event("ca-changed", "web")
    wait_for(lambda: serial_of(site.out() / "tls.crt") != serial, "another certificate")
    assert len(run.events("failed")) == 2 and not run.events("found"), "it is not fresh because it was looked at again"
    assert run.terminate() == 0


def test_a_certificate_that_was_found_revoked_is_revoked_after_a_restart_too(devca, site):
    site.configure(devca, {"web": WEB}, agent=POLLING)
    run = site.run()
    run.wait_ready()
    serial = serial_of(site.out() / "tls.crt")
    devca.fault("status", path="pki_int/sign", times=0, status=503)
    devca.revoke(serial)
    run.wait_event("failed", "web")
    site.becomes("web", state="revoked", serial=serial, usable=True)
    assert run.terminate() == 0
    devca.fault("status", path="issuer/default", times=0, status=503)
    devca.fault("status", path="/cert/", times=0, status=503)
    run = site.run()
    run.wait_event("failed", "web")
    assert "revoked" in run.events("wanted")[0]["message"] or "due" in run.events("wanted")[0]["message"]
    assert site.status()["web"]["state"] == "revoked"
    assert not run.events("ca-changed"), "the CA did not tell it again"
    devca.call("DELETE", "devca/faults")
    wait_for(lambda: serial_of(site.out() / "tls.crt") != serial, "another certificate")
    wait_for(lambda: site.status()["web"]["state"] == "fresh", "a certificate that nobody revoked")
    assert run.terminate() == 0


def test_a_revocation_while_a_new_issuers_leaf_is_held_ends_the_hold(ca, site):
    site.configure(ca, {"web": WEB}, agent="ca_poll = 1s\nca_spread = 5m")
    run = site.run()
    run.wait_ready()
    more_looks(ca, 2)
    serial = serial_of(site.out() / "tls.crt")
    with ca.another_root("a root that is held"):
        run.wait_event("published", count=2)
        assert serial_of(site.out() / "tls.crt") == serial
        ca.revoke(serial)
        wait_for(lambda: serial_of(site.out() / "tls.crt") != serial, "what was held")
        assert ca.requests("pki_int/sign/") == 2, "nothing else was asked for"
    assert run.terminate() == 0


@pytest.mark.parametrize("path, cannot", [("issuer/default", "there is another issuer at"),
                                          ("/cert/", "a certificate was revoked by")])
def test_looks_that_fail_are_told_once_and_starve_no_others(devca, site, path, cannot):
    site.configure(devca, {"web": WEB}, agent=POLLING)
    devca.fault("status", path=path, times=0, status=503)
    run = site.run()
    run.wait_ready()
    before = devca.requests("pki_int/issuer/"), devca.requests("pki_int/cert/")
    wait_for(lambda: devca.requests("pki_int/issuer/") >= before[0] + 5 and devca.requests("pki_int/cert/") >= before[1] + 5,
             "looks of either kind")
    told = [line["message"] for line in run.events("advice") if f"cannot see whether {cannot}" in line["message"]]
    assert len(told) == 1, told
    devca.call("DELETE", "devca/faults")
    wait_for(lambda: [line for line in run.events("advice") if f"can see again whether {cannot}" in line["message"]],
             "the good news")
    assert run.terminate() == 0


def lists_of(devca):
    return sum(count for path, count in devca.all_requests().items() if path.endswith("/crl"))


def test_one_long_list_tells_about_every_certificate(devca, site):
    """Long enough for the next looks to do without it."""
    names = ["a", "b", "c"]
    site.configure(devca, {name: WEB.replace("leafd", "unstored") for name in names}, agent=POLLING)
    token = devca.call("POST", "v1/auth/jwt/login", {"role": "leafd", "jwt": devca.tokens.make()})["auth"]["client_token"]
    for _ in range(200):
        made = devca.call("POST", "v1/pki_int/issue/issue-ec", {"common_name": "a.example.test", "ttl": "1h"}, token)["data"]
        devca.call("POST", "v1/pki_int/revoke", {"serial_number": made["serial_number"]}, token)
    run = site.run()
    run.wait_ready()
    serials = {name: serial_of(site.out(name) / "tls.crt") for name in names}
    wait_for(lambda: lists_of(devca) > 0, "the first list")
    before = lists_of(devca)
    for name in names:
        pem = (site.out(name) / "tls.crt").read_text().split("-----END CERTIFICATE-----")[0]
        devca.call("POST", "v1/pki_int/revoke", {"certificate": pem + "-----END CERTIFICATE-----\n"}, token)
    wait_for(lambda: lists_of(devca) > before, "the next list")
    wait_for(lambda: all(serial_of(site.out(name) / "tls.crt") != serials[name] for name in names), "other certificates")
    assert run.terminate() == 0


def test_a_certificate_that_is_revoked_while_its_files_are_written_anew_is_replaced(ca, site, tmp_path):
    lint = tmp_path / "lint"
    lint.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nwhile [ -e {tmp_path}/block ]; do sleep 0.05; done\n")
    lint.chmod(0o755)
    lines = WEB + f"validate = exec {lint}\n"
    site.configure(ca, {"web": lines})
    run = site.run()
    run.wait_ready()
    serial = serial_of(site.out() / "tls.crt")
    (tmp_path / "block").touch()
    (tmp_path / "asked").unlink()
    site.configure(ca, {"web": lines + "file = more.crt certificate\n"})
    run.hangup()
    wait_for((tmp_path / "asked").exists, "the files to be written anew")
    with subprocess.Popen([LEAFD, "revoke", "-c", str(site.file), "web"], env=site.given()) as command:
        wait_for(lambda: ca.revoked(serial), "the revocation")
        (tmp_path / "block").unlink()
    assert command.returncode == 0 and serial_of(site.out() / "tls.crt") != serial
    assert run.terminate() == 0


def test_what_was_revoked_is_replaced_even_if_another_could_not_be(ca, site):
    site.configure(ca, {"web": WEB, "other": WEB})
    assert site.once("web").code == 0
    serial = serial_of(site.out() / "tls.crt")
    done = site.command("revoke", "other", "web")
    assert done.code != 0 and "[cert other] cannot open" in done.err
    assert serial_of(site.out() / "tls.crt") != serial


def test_a_role_with_an_issuer_of_its_own_is_not_asked_again_and_again(real_ca_server, site):
    """Its certificates never come from the default issuer: that is no news after the first time. (real only)"""
    ca = real_ca_server
    ca.reset()
    ca.pin_role("pinned")
    site.configure(ca, {"web": WEB.replace("leafd", "pinned")}, agent=POLLING)
    run = site.run()
    run.wait_ready()
    more_looks(ca, 2)
    ca.rotate()
    run.wait_event("ca-changed")
    run.wait_event("published", count=2)
    lists = ca.requests("pki_int/issuer/default/json")
    wait_for(lambda: ca.requests("pki_int/issuer/default/json") >= lists + 4, "four more looks")
    assert len(run.events("ca-changed")) == 1
    assert run.terminate() == 0


def looks_at(ca):
    return ca.requests("pki_int/issuer/") + ca.requests("pki_int/cert/") + ca.requests("pki_int/issuers")


def more_looks(ca, count):
    before = looks_at(ca)
    wait_for(lambda: looks_at(ca) >= before + count, f"{count} more looks")


def pinned_site(ca, site, agent=POLLING):
    """A daemon whose role signs by an issuer of its own, whatever the mount's default one is."""
    ca.rotate()
    ca.pin_role("pinned")
    site.configure(ca, {"web": WEB.replace("leafd", "pinned")}, agent=agent)
    run = site.run()
    run.wait_ready()
    more_looks(ca, 2)
    return run


def roots_in(path):
    return {text for text in path.read_text().split("-----END CERTIFICATE-----\n") if text.strip()}


def test_another_tenants_root_never_gets_into_the_trust_bundle(ca, site):
    """The mount's default issuer is another tenant's; our role is pinned to its own."""
    run = pinned_site(ca, site)
    trusted = roots_in(site.out() / "ca.crt")
    with ca.another_root("another tenant"):
        run.wait_event("ca-changed")
        run.wait_event("published", count=2)
        more_looks(ca, 10)
        assert roots_in(site.out() / "ca.crt") == trusted
    assert ca.requests("pki_int/sign/") == 2, "one certificate shows whose issuer it is"
    assert run.terminate() == 0


def test_what_was_another_tenants_from_the_first_is_not_even_asked_about(ca, site):
    ca.rotate()
    ca.pin_role("pinned")
    with ca.another_root("another tenant"):
        site.configure(ca, {"web": WEB.replace("leafd", "pinned")}, agent=POLLING)
        run = site.run()
        run.wait_ready()
        more_looks(ca, 10)
        assert certificates_in(site.out() / "ca.crt") == 1
        assert ca.requests("pki_int/sign/") == 1 and not run.events("ca-changed")
        assert run.terminate() == 0


def test_a_revoked_certificate_of_a_pinned_role_is_replaced(ca, site):
    run = pinned_site(ca, site)
    ca.rotate()
    run.wait_event("published", count=2)
    more_looks(ca, 4)
    serial = serial_of(site.out() / "tls.crt")
    ca.revoke(serial)
    wait_for(lambda: serial_of(site.out() / "tls.crt") != serial, "another certificate")
    assert run.terminate() == 0


def test_a_new_root_is_announced_and_its_leaf_is_held(ca, site):
    """Nothing vouches for the root but the leaf that it signs; all is taken up where a restart leaves it."""
    site.configure(ca, {"web": WEB}, agent="ca_poll = 1s\nca_spread = 20s")
    run = site.run()
    run.wait_ready()
    more_looks(ca, 2)
    old = serial_of(site.out() / "tls.crt")
    with ca.another_root("a new root"):
        run.wait_event("published", count=2)
        assert serial_of(site.out() / "tls.crt") == old
        assert certificates_in(site.out() / "ca.crt") == 2
        run.kill()
        run = site.run()
        run.wait_ready()
        assert serial_of(site.out() / "tls.crt") == old and not run.events("wanted")
        wait_for(lambda: serial_of(site.out() / "tls.crt") != old, "the leaf that was held")
        assert ca.requests("pki_int/sign/") == 2
        assert run.terminate() == 0


def generations_of(site):
    return sorted(path.name for path in site.out().iterdir() if path.name.startswith("..20"))


def test_a_held_key_goes_when_nobody_wants_another_certificate(devca, site):
    site.configure(devca, {"web": WEB + "keep_previous = 1s\n"}, agent="ca_poll = 1s\nca_spread = 10m")
    run = site.run()
    run.wait_ready()
    more_looks(devca, 2)
    with devca.another_root("a new root"):
        run.wait_event("published", count=2)
        wait_for(lambda: len(generations_of(site)) == 2, "what is published and what is held")
        assert site.command("revoke", "--no-reissue", "web").code == 0
        run.wait_event("withdrawn")
        wait_for(lambda: len(generations_of(site)) == 1, "the end of what was held")
        assert site.command("revoke", "web").code == 0
        run.wait_event("published", count=3)
        wait_for(lambda: len(generations_of(site)) == 1, "the end of what was published")
    assert run.terminate() == 0


def test_what_is_due_is_asked_for_when_what_was_held_is_lost(devca, site):
    agent = "ca_poll = 1s\nca_spread = 10m"
    site.configure(devca, {"web": WEB}, agent=agent)
    run = site.run()
    run.wait_ready()
    more_looks(devca, 2)
    with devca.another_root("a new root"):
        run.wait_event("published", count=2)
        run.kill()
        due = site.status()["web"]["renewal"]
        current = (site.out() / "..data").readlink().name
        for name in generations_of(site):
            if name != current:
                shutil.rmtree(site.out() / name)
        run = site.run()
        run.wait_event("found")
        assert run.events("found")[0]["due"] == due
    assert run.terminate() == 0


def test_a_ca_that_was_announced_in_vain_is_dropped(ca, site):
    """The next leaf does not hang on it."""
    site.configure(ca, {"web": WEB}, agent="ca_poll = 1s\nca_spread = 10m")
    run = site.run()
    run.wait_ready()
    more_looks(ca, 2)
    with ca.another_root("a root that goes again"):
        run.wait_event("published", count=2)
    assert certificates_in(site.out() / "ca.crt") == 2
    site.configure(ca, {"web": WEB.replace("b.example.test", "c.example.test")}, agent="ca_poll = 1s\nca_spread = 10m")
    run.hangup()
    run.wait_event("published", count=3)
    assert certificates_in(site.out() / "ca.crt") == 1
    assert run.terminate() == 0


def test_two_nodes_out_of_step_cost_no_more_than_one_early_renewal(devca, site):
    devca.rotate()
    site.configure(devca, {"web": WEB}, agent=POLLING)
    run = site.run()
    run.wait_ready()
    more_looks(devca, 2)
    devca.fault("alternating-issuers", path="issuer/default", times=0)
    more_looks(devca, 16)
    assert devca.requests("pki_int/sign/") <= 2, run.events("wanted")
    assert run.terminate() == 0


def test_hangups_in_a_row_do_not_keep_the_ca_from_being_looked_at(ca, site):
    site.configure(ca, {"web": WEB}, agent="ca_poll = 2s\nca_spread = 12s")
    run = site.run()
    run.wait_ready()
    wait_for(lambda: looks_at(ca) > 0, "the first look")
    before = looks_at(ca)

    def hangs_up():
        reloaded = len(run.events("config-applied"))
        run.hangup()
        wait_for(lambda: len(run.events("config-applied")) > reloaded, "the configuration to be read")
        return looks_at(ca) >= before + 2

    wait_for(hangs_up, "two more looks")
    assert run.terminate() == 0


def test_a_revoked_certificate_that_the_ca_has_not_stored_is_found_on_the_list(ca, site):
    site.configure(ca, {"web": WEB.replace("leafd", "unstored")}, agent=POLLING)
    run = site.run()
    run.wait_ready()
    serial = serial_of(site.out() / "tls.crt")
    assert site.command("revoke", "--no-reissue", "web").code == 0
    (site.out() / "..revoked").unlink()
    run.terminate()
    run = site.run()
    wait_for(lambda: serial_of(site.out() / "tls.crt") != serial, "another certificate")
    assert run.terminate() == 0


def test_a_list_that_is_too_long_is_told_and_ends_no_other_look(devca, site):
    """The certificate that is not stored comes first; what can be seen of the other one is seen."""
    site.configure(devca, {"a": WEB.replace("leafd", "unstored"), "web": WEB}, agent=POLLING)
    run = site.run()
    run.wait_ready()
    devca.fault("oversized", path="/crl", times=0)
    wait_for(lambda: [line for line in run.events("advice") if "cannot see whether a certificate was revoked" in line["message"]
                      and "larger than" in line["message"]], lambda: f"the advice among {run.events('advice')}")
    serial = serial_of(site.out() / "tls.crt")
    devca.revoke(serial)
    wait_for(lambda: serial_of(site.out() / "tls.crt") != serial, "another certificate")
    assert run.terminate() == 0


def test_a_list_of_somebody_else_is_not_believed(devca, site):
    """Its issuer is named like ours; the signature is another one's."""
    site.configure(devca, {"web": WEB.replace("leafd", "unstored")}, agent=POLLING)
    run = site.run()
    run.wait_ready()
    serial = serial_of(site.out() / "tls.crt")
    devca.fault("foreign-list", path="/crl", times=0)
    wait_for(lambda: [line for line in run.events("advice", "web") if "not signed by the issuer" in line["message"]],
             lambda: f"the advice among {run.events('advice')}")
    more_looks(devca, 6)
    assert serial_of(site.out() / "tls.crt") == serial and not run.events("ca-changed")
    assert len([line for line in run.events("advice") if "not signed by" in line["message"]]) == 1, "not at every look"
    assert run.terminate() == 0


def test_a_lease_is_told_and_its_token_is_not_revoked(ca, site):
    """generate_lease = true: what ends the token revokes the certificate."""
    site.configure(ca, {"web": WEB.replace("leafd", "leased")}, auth=ca.auth + "\nrevoke_on_exit = yes")
    done = site.once()
    told = [line["message"] for line in done.events("advice")]
    assert done.code == 0
    assert any("generate_lease = true" in text and "nobody renews" in text for text in told), told
    assert any("the token is not revoked" in text for text in told), told
    assert not ca.revoked(serial_of(site.out() / "tls.crt"))


def test_what_is_revoked_again_and_again_makes_no_loop(ca, site):
    site.configure(ca, {"web": WEB}, agent=POLLING)
    run = site.run()
    run.wait_ready()
    for _ in range(2):
        serial = serial_of(site.out() / "tls.crt")
        told = len(run.events("ca-changed"))
        ca.revoke(serial)
        run.wait_event("ca-changed", count=told + 1)
        if told == 0:
            wait_for(lambda was=serial: serial_of(site.out() / "tls.crt") != was, "another certificate")
    more_looks(ca, 6)
    assert ca.requests("pki_int/sign/") == 2 and len(run.events("ca-changed")) == 2
    assert run.terminate() == 0


def test_a_new_issuer_ends_the_pause_of_what_failed(devca, site):
    site.configure(devca, {"web": WEB}, agent=POLLING)
    run = site.run()
    run.wait_ready()
    devca.fault("status", path="pki_int/sign", times=0, status=400,
                errors=["beyond the expiration of the CA certificate"])
    devca.revoke(serial_of(site.out() / "tls.crt"))

    def rests():
        failed = run.events("failed")
        return failed and int(failed[-1]["next_try_ms"]) > 40000 and len(failed)

    failures = wait_for(rests, "a long pause", patience=200)
    begin, pause_s = time.monotonic(), int(run.events("failed")[-1]["next_try_ms"]) / 1000
    devca.call("DELETE", "devca/faults")
    devca.rotate()
    run.wait_event("published", count=2)
    assert time.monotonic() - begin < pause_s and len(run.events("failed")) == failures
    assert run.terminate() == 0


def test_a_ca_that_does_not_answer_is_looked_at_again(ca, site):
    site.configure(ca, {"web": WEB}, agent=POLLING)
    run = site.run()
    run.wait_ready()
    more_looks(ca, 2)
    old = issuer_of(site.out() / "tls.crt")
    ca.proxy.cut()
    ca.rotate()
    ca.proxy.repair()
    wait_for(lambda: issuer_of(site.out() / "tls.crt") != old, "a certificate of the new issuer")
    assert run.terminate() == 0


def test_looking_can_be_turned_off(ca, site):
    site.configure(ca, {"web": WEB}, agent="ca_poll = 0")
    run = site.run()
    run.wait_ready()
    assert ca.requests("pki_int/issuer/") == 0
    assert run.terminate() == 0
