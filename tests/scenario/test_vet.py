"""Every rule of the vetting, broken by devca: nothing on disk changes, and the log says which rule it was."""
import pytest

from scene import WEB, serial_of, snapshot, wait_for

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
    assert sorted(p.name for p in site.out().iterdir()) == ["..state"]


def test_a_certificate_of_the_future_is_waited_out_while_the_old_one_serves(devca, site):
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    before = serial_of(site.out() / "tls.crt")
    devca.fault("future", seconds=6, times=1)
    site.configure(devca, {"web": WEB + "ip_addresses = 192.0.2.1"})
    run.hangup()
    held = run.wait_event("held")[0]
    assert "is this machine's clock behind?" in held["message"]
    assert serial_of(site.out() / "tls.crt") == before
    run.wait_event("published", count=2)
    assert serial_of(site.out() / "tls.crt") != before
    wait_for(lambda: site.status()["web"]["state"] == "fresh", "the new one to be fresh")
    assert run.terminate() == 0
