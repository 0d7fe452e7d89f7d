"""[trust NAME]: the CA's certificates kept fresh on disk, without a certificate of one's own."""
import json
import os
import re
import subprocess

import pytest

from scene import WEB, openssl, templates, wait_for

POLL = "ca_poll = 1s"


def configure(site, ca, lines="", agent=POLL, certs="", anchor=None, vault="", auth=""):
    """One [trust peers]; without [auth] unless there is a certificate as well."""
    anchor = anchor or ca.root_file
    text = f"[vault]\naddress = {ca.address}\nca_file = {ca.ca_file}\n{vault}\n{auth}\n[agent]\nlog_format = json\n" \
           f"log_level = debug\ntemplate_directory = {templates()}\n{agent}\n{certs}\n[trust peers]\npki_mount = {ca.mount}\n" \
           f"trust_anchor = {anchor}\ndirectory = {site.out('peers')}\n"
    if "file =" not in lines:
        lines += "file = ca.crt ca\n"
    site.ca = ca
    site.write(text + lines)


def subjects(path):
    blocks = re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", path.read_text(), re.S)
    return [openssl("x509", "-noout", "-subject", data=block).strip() for block in blocks]


def default_issuer(ca):
    return ca.call("GET", ("v1/" if ca.kind == "devca" else "") + "pki_int/issuer/default/json")["data"]["certificate"]


def holds(path, pem):
    return pem.strip() in path.read_text()


def test_the_ca_is_kept_fresh_without_a_certificate_or_a_login(ca, site):
    bell = site.folder / "bell"
    configure(site, ca, f"file = ca.crt ca 0640\nreload = exec /bin/sh -c \"echo $LEAFD_CERT >> {bell}\"\n"
                        f"prove = exec /usr/bin/test -s {bell}\n")
    run = site.run()
    run.wait_ready()
    out = site.out("peers") / "ca.crt"
    run.wait_event("proven", "peers")
    assert holds(out, ca.root_file.read_text()), "the anchor"
    assert holds(out, default_issuer(ca)), "the issuer that ends there"
    assert os.stat(out).st_mode & 0o777 == 0o640
    assert bell.read_text() == "peers\n"
    assert not run.events("logged-in")
    assert site.command("ready").code == 0
    row = site.status()["peers"]
    assert (row["state"], row["usable"]) == ("fresh", True)
    # nothing changes: nothing is published again
    before = os.readlink(site.out("peers") / "..data")
    looks = len(run.events("found", "peers"))
    wait_for(lambda: len(run.events("found", "peers")) >= looks + 2, "two more looks")
    assert os.readlink(site.out("peers") / "..data") == before
    # a new issuer is in the bundle within a poll
    ca.rotate()
    wait_for(lambda: holds(out, default_issuer(ca)), "the new issuer")
    assert len(run.events("published", "peers")) == 2
    wait_for(lambda: bell.read_text() == "peers\npeers\n", "the reload")
    assert run.terminate() == 0


def test_what_is_on_disk_stays_while_the_ca_is_away(devca, site):
    configure(site, devca)
    run = site.run()
    run.wait_ready()
    out = site.out("peers") / "ca.crt"
    text = out.read_text()
    devca.proxy.cut()
    run.wait_event("failed", "peers")
    run.wait_event("ca-away")
    assert site.command("ready").code == 0
    row = site.status()["peers"]
    assert row["usable"] and row["failure"]["class"] == "transient"
    # damage is repaired without the CA
    out.unlink()
    wait_for(lambda: out.exists() and out.read_text() == text, "the repair")
    (site.out("peers") / os.readlink(site.out("peers") / "..data") / "ca.crt").write_text("spoilt")
    wait_for(lambda: out.read_text() == text, "the repair of its content")
    assert run.terminate() == 0
    # a restart meanwhile keeps the files as well, and says that the CA is to be tried again
    assert site.once().code == 1
    assert out.read_text() == text
    devca.proxy.repair()
    devca.rotate()
    assert site.once().code == 0
    assert holds(out, default_issuer(devca))


def test_only_what_ends_at_the_anchor_is_believed(ca, site):
    configure(site, ca)
    assert site.once().code == 0
    out = site.out("peers") / "ca.crt"
    before = out.read_text()
    mine = default_issuer(ca)
    with ca.another_root("a root that nobody has vouched for") as root:
        done = site.once()
        assert done.code == 0, done.err
        assert "nobody has vouched" not in " ".join(subjects(out)) and not holds(out, root)
        assert not holds(out, default_issuer(ca))
        assert holds(out, mine), "the other issuers stay"
        assert "does not end at a certificate of" in done.err
        # both anchors: both are believed
        both = site.folder / "both.pem"
        both.write_text(ca.root_file.read_text() + root)
        configure(site, ca, anchor=both)
        assert site.once().code == 0
        assert holds(out, root) and holds(out, default_issuer(ca)) and holds(out, mine)
        # an anchor of somebody else: nothing is written, loudly
        configure(site, ca, anchor=ca.ca_file)
        after = out.read_text()
        done = site.once()
        assert done.code == 1, done.err
        assert "untrusted" in done.err and out.read_text() == after
    assert before != after


def test_an_issuer_that_is_named_is_the_only_one(ca, site):
    first = default_issuer(ca)
    name = ca.call("GET", ("v1/" if ca.kind == "devca" else "") + "pki_int/issuer/default/json")["data"]["issuer_id"]
    ca.rotate()
    configure(site, ca, f"issuer = {name}\n")
    assert site.once().code == 0
    assert holds(site.out("peers") / "ca.crt", first) and not holds(site.out("peers") / "ca.crt", default_issuer(ca))


def test_stores_for_java_and_envoy(devca, site):
    password = site.folder / "password"
    password.write_text("changeit\n")
    password.chmod(0o600)
    configure(site, devca, f"file = ca.crt ca\nfile = trust.p12 truststore\nfile = sds.yaml envoy-sds-ca\n"
                           f"keystore_password_file = {password}\nsds_ca_name = peers\n")
    assert site.once().code == 0
    listed = openssl("pkcs12", "-in", str(site.out("peers") / "trust.p12"), "-passin", "pass:changeit", "-nokeys")
    assert listed.count("BEGIN CERTIFICATE") == (site.out("peers") / "ca.crt").read_text().count("BEGIN CERTIFICATE") >= 2
    assert f"{site.out('peers')}/ca.crt" in (site.out("peers") / "sds.yaml").read_text()
    # another file is written from the set, without the CA
    devca.proxy.cut()
    configure(site, devca, f"file = ca.crt ca\nfile = more.crt ca\nfile = trust.p12 truststore\n"
                           f"keystore_password_file = {password}\n")
    run = site.run()
    wait_for(lambda: (site.out("peers") / "more.crt").exists(), "the other file")
    assert run.terminate() == 0


def test_commands_know_a_set_without_a_certificate(ca, site):
    configure(site, ca, certs=f"[cert web]\npki_mount = {ca.mount}\n{WEB}\ndirectory = {site.out()}", auth=f"[auth]\n{ca.auth}")
    assert site.once("peers").code == 0
    assert not (site.out() / "tls.crt").exists()
    assert site.once().code == 0
    done = site.command("revoke", "peers")
    assert done.code == 3 and "nothing to revoke" in done.err
    assert site.command("check").code == 0
    done = site.command("check", "--online")
    assert done.code == 0, done.out
    assert re.search(r"\[trust peers\] \d+ CA certificates of the mount pki_int end at trust_anchor", done.out)
    assert set(site.status()) == {"peers", "web"}
    configure(site, ca, anchor=ca.ca_file)
    done = site.command("check", "--online")
    assert done.code == 1 and "[trust peers] refused" in done.out, done.out
    assert "logged in" not in done.out


@pytest.mark.parametrize("lines, says", [
    ("file = tls.crt fullchain\n", '"fullchain" needs a certificate of its own'),
    ("file = ca.crt ca\nprove = tls 127.0.0.1:1\n", "can only be none or exec"),
    ("file = ca.crt ca\ndns_names = a.example.test\n", "does not belong here"),
    ("file = ca.crt ca\nkey_type = ed25519\n", "does not belong here"),
    ("file = ca.crt ca\n[trust peers]\n", "twice"),
    ("file = ca.crt ca\n[cert peers]\npki_role = r\ndns_names = a.example.test\nfile = a fullchain\nfile = k key\n"
     "directory = /nowhere\n[auth]\nrole = r\n", "has the name of [cert peers]"),
])
def test_what_a_trust_section_cannot_have(devca, site, lines, says):
    configure(site, devca, lines)
    done = site.command("check")
    assert done.code == 2 and says in done.err, done.err


def test_an_anchor_is_needed(devca, site):
    configure(site, devca)
    site.write("".join(line for line in site.file.read_text().splitlines(True) if "trust_anchor" not in line))
    done = site.command("check")
    assert done.code == 2 and "trust_anchor" in done.err and "is missing" in done.err


def test_another_anchor_is_used_at_once(devca, site):
    configure(site, devca, agent="ca_poll = 1d")
    run = site.run()
    run.wait_ready()
    both = site.folder / "both.pem"
    both.write_text(devca.root_file.read_text() + open(devca.ca_file).read())
    configure(site, devca, agent="ca_poll = 1d", anchor=both)
    assert site.command("reload").code == 0
    wait_for(lambda: holds(site.out("peers") / "ca.crt", open(devca.ca_file).read()), "the other anchor")
    assert json.loads((site.out("peers") / "..data" / "..record").read_text())["request"]["pki_role"] is None
    assert run.terminate() == 0


# -- revocation lists ---------------------------------------------------------------------------------------------------

LISTS = "file = ca.crt ca\nfile = ca.crl crl\n"


def with_root(ca):
    """Where the root's list is: devca has one mount for all."""
    return "crl_mounts = pki\n" if ca.kind == "real" else ""



def verify(site, leaf):
    """How a program judges that checks the whole path; the leaf's file has its chain."""
    out = site.out("peers")
    done = subprocess.run(["openssl", "verify", "-crl_check_all", "-CAfile", out / "ca.crt", "-CRLfile", out / "ca.crl",
                           "-untrusted", leaf, leaf], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_revoked_certificate_is_on_the_list_within_a_poll(ca, site):
    bell = site.folder / "bell"
    certs = "".join(f"[cert {name}]\npki_mount = {ca.mount}\n{WEB}\ndirectory = {site.out(name)}\n" for name in ("good", "bad"))
    configure(site, ca, f"{LISTS}{with_root(ca)}reload = exec /bin/sh -c \"echo x >> {bell}\"\n", certs=certs,
              auth=f"[auth]\n{ca.auth}", agent="ca_poll = 2s")
    run = site.run()
    run.wait_ready()
    run.wait_event("reloaded", "peers")
    good, bad = site.out("good") / "tls.crt", (site.folder / "bad.crt")
    bad.write_text((site.out("bad") / "tls.crt").read_text())
    assert "OK" in verify(site, good), verify(site, good)
    assert "OK" in verify(site, bad)
    before = len(bell.read_text())
    issuers = (site.out("peers") / "ca.crt").read_text()
    serial = openssl("x509", "-in", str(bad), "-noout", "-serial").strip().split("=")[1].lower()
    ca.revoke(":".join(serial[i:i + 2] for i in range(0, len(serial), 2)))
    signed = ca.requests("pki_int/sign/")
    wait_for(lambda: "revoked" in verify(site, bad), "the list")
    wait_for(lambda: len(bell.read_text()) > before, "the reload")
    assert "OK" in verify(site, good)
    assert (site.out("peers") / "ca.crt").read_text() == issuers
    assert ca.requests("pki_int/sign/") <= signed + 1, "but for the revoked one"
    # what somebody spoils is read from the CA again
    (site.out("peers") / os.readlink(site.out("peers") / "..data") / "ca.crl").write_text("spoilt")
    wait_for(lambda: "revoked" in verify(site, bad), "the list again")
    assert run.terminate() == 0


def test_a_set_of_lists_is_complete_or_it_is_none(ca, site):
    issuer = ca.call("GET", ("v1/" if ca.kind == "devca" else "") + "pki_int/issuer/default/json")["data"]["issuer_id"]
    configure(site, ca, f"{LISTS}issuer = {issuer}\n")
    done = site.once()
    assert done.code == 3, done.err
    assert "there is no revocation list of CN=" in done.err and "root" in done.err and "crl_mounts" in done.err
    assert not (site.out("peers") / "ca.crl").exists()
    # from a file, as of a root that is offline
    root = site.folder / "root.crl"
    if ca.kind == "devca":
        roots = ca.call("GET", "v1/pki_int/issuer/root/crl")["data"]["crl"]
    else:
        roots = ca.call("GET", "pki/issuer/default/crl")["data"]["crl"]
    root.write_text(roots + "\n")
    configure(site, ca, f"{LISTS}issuer = {issuer}\ncrl_file = {root}\n")
    assert site.once().code == 0
    assert (site.out("peers") / "ca.crl").read_text().count("BEGIN X509 CRL") == 2
    assert site.command("check", "--online").code == 0


def test_a_forged_list_is_none(devca, site):
    configure(site, devca, LISTS)
    assert site.once().code == 0
    before = (site.out("peers") / "ca.crl").read_text()
    devca.fault("foreign-list", path="pki_int/issuer/", times=100)
    done = site.once()
    assert done.code == 3 and "there is no revocation list of" in done.err, done.err
    assert (site.out("peers") / "ca.crl").read_text() == before


def test_a_list_that_would_end_is_loud_before_it_does(devca, site):
    devca.lists_live(30, old=True)
    configure(site, devca, LISTS, agent="ca_poll = 1h")
    run = site.run()
    run.wait_ready()
    before = (site.out("peers") / "ca.crl").read_text()
    loud = run.wait_event("expiring", "peers")[0]
    assert loud["time"] < loud["end"] and "auto_rebuild" in loud["message"]
    # the CA makes a new one: it is there soon, though nobody polls for an hour
    devca.lists_live(600, old=True)
    wait_for(lambda: (site.out("peers") / "ca.crl").read_text() != before, "the new list")
    wait_for(lambda: site.command("ready").code == 0, "ready again")
    assert run.terminate() == 0


@pytest.mark.parametrize("lines, says", [
    ("file = ca.crt ca\ncrl_mounts = pki\n", "has no effect without a file of that content"),
    ("file = ca.crt ca\nfile = ca.crl crl\ncrl_mounts = pki,,x\n", "empty item"),
    ("file = ca.crt ca\nfile = ca.crl crl\ncrl_mounts = ../sys\n", "is not a path of the CA's API"),
    ("file = ca.crt ca\nfile = ca.crl crl\ncrl_file = /nowhere/root.crl\n", "cannot read"),
    ("file = ca.crt ca\n[cert web]\npki_role = r\ndns_names = a.example.test\nfile = a fullchain\nfile = k key\n"
     "file = c crl\ndirectory = /nowhere\n[auth]\nrole = r\n", "write it into a [trust NAME] section"),
    ("file = ca.crt ca\n[cert web]\npki_role = r\ndns_names = a.example.test\nfile = a fullchain\nfile = k key\n"
     "crl_file = /x\ndirectory = /nowhere\n[auth]\nrole = r\n", "move it to [trust NAME]"),
])
def test_what_lists_cannot_have(devca, site, lines, says):
    configure(site, devca, lines)
    done = site.command("check")
    assert done.code == 2 and says in done.err, done.err
