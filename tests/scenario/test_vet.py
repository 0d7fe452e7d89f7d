"""Every rule of the vetting, broken by devca: nothing on disk changes, and the log says which rule it was."""
import json
import time

import pytest

from scene import WEB, openssl, serial_of, snapshot, wait_for

BREACHES = [
    ("wrong-key", {}, "", "another key than ours"),
    ("missing-san", {}, "", "is missing in it"),
    ("extra-san", {}, "", "extra.example, which was not asked for"),
    ("other-name", {}, "", "of another kind, which was not asked for"),
    ("nul-in-san", {}, "", "names cannot be read"),
    ("wrong-cn", {}, "common_name = a.example.test", "its common name"),
    ("expired", {}, "", "it ended at"),
    ("ends-soon", {}, "", "it ended at"),
    ("future", {"seconds": 200000}, "", "more than a day from now"),
    ("is-ca", {}, "", "it is a CA certificate"),
    ("no-digital-signature", {}, "", "lacks digitalSignature"),
    ("no-server-auth", {}, "usage = server", "lacks serverAuth"),
    ("no-client-auth", {}, "usage = client", "lacks clientAuth"),
    ("sha1", {}, "", "does not verify"),
    ("weak-key-ca", {}, "", "does not verify"),
    ("bad-signature", {}, "", "does not verify"),
    ("foreign-issuer", {}, "", "does not verify"),
    ("no-chain", {}, "", "no issuing CA came"),
    ("long-chain", {}, "", "more than 8 certificates"),
    ("restricted-issuer", {}, "usage = server", "does not permit the usage"),
    ("issuer-ends-first", {"seconds": 2404}, "", "of its path"),
    ("two-certificates", {}, "", "2 certificates in place of one"),
    ("no-certificate", {}, "", "holds no certificate"),
    ("garbage-certificate", {}, "", "cannot read a certificate"),
    ("replay", {}, "key_rotation = never", "published already"),
    ("replay", {}, "", "another key than ours"),
    ("wrong-key-type", {}, "key_source = vault", "its key is not ecdsa-p256"),
    ("wrong-key", {}, "key_source = vault", "another key than ours"),
    ("no-private-key", {}, "key_source = vault", "holds no private key"),
]

BY_ROLE = {"missing-san", "extra-san", "other-name", "wrong-cn", "no-digital-signature", "no-server-auth",
           "no-client-auth", "wrong-key-type"}


@pytest.mark.parametrize("fault, parameters, lines, says", BREACHES,
                         ids=[f"{f}-{l.split(' ')[0]}".rstrip("-") for f, _, l, _ in BREACHES])
def test_a_reply_that_breaks_a_rule_changes_nothing(devca, site, clock, fault, parameters, lines, says):
    """wrong-key is cert-manager #8380: the certificate of another key was stored."""
    # A role that allows any type of key only signs: what type would it make?
    web = WEB.replace("leafd", "issue-ec") + lines if "key_source" in lines else WEB + lines
    site.configure(devca, {"web": web})
    assert site.once().code == 0
    before = snapshot(site.out())
    # The published one is made due, so that the next run asks for another.
    site.configure(devca, {"web": web + "\nrenew_at = 5%"})
    devca.fault(fault, path="pki_int/", times=0, **parameters)
    done = ask_again(site, clock)
    # What a role that is set wrongly gives is refused: asking again is of no use. The rest may not be the CA's.
    by_role = fault in BY_ROLE
    assert done.code == (3 if by_role else 1), done.err
    failed = done.events("failed")[0]
    assert failed["class"] == ("refused" if by_role else "untrusted")
    assert says in failed["message"], failed["message"]
    after = snapshot(site.out())
    assert after.pop(str(site.out() / "..state"))
    assert after == before
    devca.call("DELETE", "devca/faults")
    assert ask_again(site, clock).code == 0


def ask_again(site, clock):
    """A run of `once` for which what is published is due: the clock is 40 minutes ahead, inside its hour."""
    clock.off_by(40 * 60)
    return site.once(environment=clock.environment)


def test_nothing_is_left_of_a_first_reply_that_breaks_a_rule(devca, site):
    site.configure(devca, {"web": WEB})
    devca.fault("wrong-key", times=0)
    assert site.once().code == 1
    assert sorted(p.name for p in site.out().iterdir()) == ["..lock", "..state"]


def test_a_certificate_of_the_future_is_waited_out_while_the_old_one_serves(devca, site):
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    before = serial_of(site.out() / "tls.crt")
    devca.fault("future", seconds=10, times=1)
    site.configure(devca, {"web": WEB + "ip_addresses = 192.0.2.1"})
    run.hangup()
    held = run.wait_event("held")[0]
    assert "check whether this machine's clock is behind" in held["message"]
    assert serial_of(site.out() / "tls.crt") == before
    run.wait_event("published", count=2)
    assert serial_of(site.out() / "tls.crt") != before
    wait_for(lambda: site.status()["web"]["state"] == "fresh", "the new one to be fresh")
    assert run.terminate() == 0


def status_at(site, clock):
    return json.loads(site.command("status", "--json", environment=clock.environment).out)["certs"][0]


def test_a_certificate_lasts_as_long_as_its_issuer(devca, site, clock):
    site.configure(devca, {"web": WEB})
    devca.fault("issuer-ends-first", seconds=600)
    done = site.once()
    assert done.code == 0
    advice = [line["message"] for line in done.events("advice")]
    assert len(advice) == 1 and "CN=devca brief intermediate ends at" in advice[0], advice
    row = site.status()["web"]
    assert row["end"] < row["not_after"] and row["renewal"] < row["end"]
    assert done.events("published")[0]["end"] == row["end"]
    clock.off_by(12 * 60)
    row = status_at(site, clock)
    assert (row["state"], row["usable"]) == ("expired", False)
    verify = ["verify", "-attime", str(int(time.time()) + 12 * 60), "-CAfile", str(site.out() / "ca.crt"), "-untrusted"]
    with pytest.raises(AssertionError, match="certificate has expired"):
        openssl(*verify, str(site.out() / "tls.crt"), str(site.out() / "tls.crt"))
    done = site.once(environment=clock.environment)
    assert done.code == 0
    assert "has expired" in done.events("wanted")[0]["message"]


def test_a_clock_that_went_back_makes_no_certificate_fresh(devca, site, clock):
    site.configure(devca, {"web": WEB})
    assert site.once().code == 0
    clock.off_by(-40 * 86400)
    row = status_at(site, clock)
    assert (row["state"], row["usable"]) == ("early", False), row
    assert site.command("ready", environment=clock.environment).code == 1


def test_an_old_root_in_the_chain_neither_refuses_a_reply_nor_is_published(devca, site):
    site.configure(devca, {"web": WEB})
    devca.fault("cross-signed", times=0)
    done = site.once()
    assert done.code == 0, done.err
    assert (site.out() / "ca.crt").read_text().strip() == devca.root_file.read_text().strip()
    assert (site.out() / "tls.crt").read_text().count("BEGIN CERTIFICATE") == 2
    site.configure(devca, {"web": WEB + f"trust_anchor = {devca.root_file}\nip_addresses = 192.0.2.1"})
    assert site.once().code == 0


def test_a_life_that_the_role_cuts_is_told_once(devca, site):
    site.configure(devca, {"web": WEB.replace("1h", "48h")})
    done = site.once()
    assert done.code == 0
    told = [line for line in done.events("advice") if "that ttl asks for; check max_ttl" in line["message"]]
    assert len(told) == 1, done.err
    assert not site.once().events("advice")
    run = site.run()
    run.wait_ready()
    for count in (1, 2):
        assert site.command("revoke", "web").code == 0
        run.wait_event("published", count=count)
    assert len([line for line in run.events("advice") if "that ttl asks for" in line["message"]]) == 1, "not at each renewal"
    assert run.terminate() == 0


def test_a_real_issuer_that_ends_before_its_leaves_ends_them(real_ca_server, site, clock):
    """The CA does not mind (leaf_not_after_behavior=permit): the leaf of an hour is of use for ten minutes."""
    ca = real_ca_server
    ca.reset()
    with ca.brief_issuer("10m"):
        site.configure(ca, {"web": WEB + "subject = O=Example"})
        done = site.once()
    assert done.code == 0, done.err
    advice = [line["message"] for line in done.events("advice")]
    assert any("its issuer CN=brief intermediate ends at" in line for line in advice), advice
    assert any("lacks O=Example" in line for line in advice), advice
    row = site.status()["web"]
    assert row["end"] < row["not_after"] and row["renewal"] < row["end"]
    clock.off_by(12 * 60)
    assert status_at(site, clock)["state"] == "expired"


@pytest.mark.parametrize("anchored", [False, True])
def test_a_real_chain_by_hand_with_an_expired_root_holds_by_the_other(real_ca_server, site, anchored):
    ca = real_ca_server
    ca.reset()
    with ca.crossed_issuer() as young:
        (site.folder / "young.pem").write_text(young)
        anchor = f"trust_anchor = {site.folder / 'young.pem'}\n" if anchored else ""
        site.configure(ca, {"web": WEB + anchor})
        done = site.once()
    assert done.code == 0, done.err
    assert (site.out() / "ca.crt").read_text() == young
    assert (site.out() / "tls.crt").read_text().count("BEGIN CERTIFICATE") == 2, "the leaf and one half"
    openssl("verify", "-x509_strict", "-CAfile", str(site.folder / "young.pem"), "-untrusted", str(site.out() / "tls.crt"),
            str(site.out() / "tls.crt"))
    assert site.status()["web"]["state"] == "fresh"
