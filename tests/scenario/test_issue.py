"""A certificate is issued, put in place, found again, and renewed."""
import json
import os
import stat
import threading

import pytest

from scene import WEB, is_published, openssl, same_key, serial_of, wait_for


@pytest.mark.parametrize("method", ["kubernetes", "jwt"])
def test_once_writes_a_set_that_verifies_and_then_asks_for_nothing(ca, site, method):
    site.configure(ca, {"web": WEB}, auth=f"method = {method}\nrole = leafd\ntoken_file = {ca.token_file}")
    done = site.once()
    assert done.code == 0, done.err
    out = site.out()
    openssl("verify", "-CAfile", str(ca.root_file), "-untrusted", str(out / "tls.crt"), str(out / "tls.crt"))
    openssl("verify", "-CAfile", str(out / "ca.crt"), "-untrusted", str(out / "tls.crt"), str(out / "tls.crt"))
    assert same_key(out / "tls.crt", out / "tls.key")
    assert stat.S_IMODE(os.stat(out / "tls.key").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(out / "tls.crt").st_mode) == 0o644
    assert ca.requests("pki_int/sign/") == 1
    assert ca.requests(f"auth/{method}/login") == 1

    before = serial_of(out / "tls.crt")
    logins, signed = ca.requests("auth/"), ca.requests("pki_int/")
    done = site.once()
    assert done.code == 0
    assert done.events("found")
    assert (ca.requests("auth/"), ca.requests("pki_int/")) == (logins, signed)
    assert serial_of(out / "tls.crt") == before


@pytest.mark.parametrize("key_type, tells", [
    ("ecdsa-p256", "prime256v1"), ("ecdsa-p384", "secp384r1"), ("ecdsa-p521", "secp521r1"), ("rsa-2048", "2048 bit"),
    ("rsa-3072", "3072 bit"), ("rsa-4096", "4096 bit"), ("ed25519", "ED25519")])
def test_every_key_type_is_issued(ca, site, key_type, tells):
    site.configure(ca, {"web": WEB + f"key_type = {key_type}"})
    assert site.once().code == 0
    assert tells in openssl("x509", "-in", str(site.out() / "tls.crt"), "-noout", "-text")
    assert same_key(site.out() / "tls.crt", site.out() / "tls.key")


@pytest.mark.parametrize("how", ["request_names = no", "request_names = yes"])
def test_names_are_asked_for_in_the_form_in_which_the_ca_gives_them(ca, site, how):
    """Go writes them anew: what is not in its form never was what had been asked for."""
    site.configure(ca, {"web": f"""
pki_role = any-host
{how}
dns_names = A.Example.TEST
ip_addresses = ::ffff:192.0.2.1
uris = URN:a:B, HTTPS://X.Example:8443/A?b=C#D, spiffe://Example.TEST/{"x" * 300}
file = tls.crt certificate
file = tls.key key
"""})
    done = site.once()
    assert done.code == 0, done.err
    text = openssl("x509", "-in", str(site.out() / "tls.crt"), "-noout", "-ext", "subjectAltName")
    for name in ("DNS:a.example.test", "IP Address:192.0.2.1", "URI:urn:a:B", "URI:https://X.Example:8443/A?b=C#D",
                 "URI:spiffe://Example.TEST/" + "x" * 300):
        assert name in text, text
    done = site.once()
    assert done.code == 0 and not done.events("wanted"), done.err


URIS = ["spiffe://Example.org/X", "https://X.Example.org/Y", "file:///etc/x", "unix:///run/x", "ldap:///dc=a", "spire://a/b",
        "shttp://a/b", "x://u@/a"]


def test_uris_are_issued_as_a_role_that_is_case_sensitive_allows_them(real_ca_server, site):
    """Neither the CA nor its roles fold hosts; and not every scheme has one."""
    ca = real_ca_server
    ca.reset()
    ca.call("POST", "pki_int/roles/case", {
        "key_type": "any", "require_cn": False, "allow_any_name": True,
        "allowed_uri_sans": "spiffe://Example.org/*,https://X.Example.org/*,file:*,unix:*,ldap:*,spire:*,shttp:*,x:*"})
    site.configure(ca, {"web": "pki_role = case\ndns_names = a.example.test\nuris = SPIFFE:" + ", ".join(URIS)[7:] + """
file = tls.crt certificate
file = tls.key key
"""})
    done = site.once()
    assert done.code == 0, done.err
    text = openssl("x509", "-in", str(site.out() / "tls.crt"), "-noout", "-ext", "subjectAltName")
    for uri in URIS:
        assert f"URI:{uri}" in text, text
    assert not site.once().events("wanted")


def test_an_underscore_goes_through_the_csr_where_the_role_permits(ca, site):
    lines = "dns_names = _a_b.example.test\nfile = tls.crt certificate\nfile = tls.key key\n"
    site.configure(ca, {"web": "pki_role = any-host\n" + lines})
    assert "enforce_hostnames = false" in site.command("check").out
    done = site.once()
    assert done.code == 0, done.err
    assert "DNS:_a_b.example.test" in openssl("x509", "-in", str(site.out() / "tls.crt"), "-noout", "-text")
    site.configure(ca, {"db": "pki_role = leafd\n" + lines})
    done = site.once()
    assert done.code == 3, done.err
    assert done.events("failed")[0]["class"] == "refused"


def test_every_kind_of_name_is_in_the_certificate(ca, site):
    site.configure(ca, {"web": """
pki_role = leafd
common_name = web.example.test
dns_names = a.example.test, *.b.example.test
dns_names = bücher.example.test
ip_addresses = 192.0.2.7, 2001:db8::7
uris = spiffe://example.test/ns/${k8s.namespace}/sa/${k8s.service_account}
email_addresses = ops@example.test
file = tls.crt certificate
file = tls.key key
file = meta.json metadata
"""})
    done = site.once()
    assert done.code == 0, done.err
    text = openssl("x509", "-in", str(site.out() / "tls.crt"), "-noout", "-text")
    for name in ("CN = web.example.test", "DNS:a.example.test", "DNS:*.b.example.test",
                 "DNS:xn--bcher-kva.example.test", "IP Address:192.0.2.7", "IP Address:2001:DB8:0:0:0:0:0:7",
                 "URI:spiffe://example.test/ns/demo/sa/app", "email:ops@example.test"):
        assert name in text, text
    told = json.loads((site.out() / "meta.json").read_text())
    assert told["serial"] == serial_of(site.out() / "tls.crt")
    assert told["uris"] == ["spiffe://example.test/ns/demo/sa/app"]
    assert told["request_id"]


def test_a_link_elsewhere_that_is_lost_does_not_keep_the_set_from_being_renewed(ca, site, tmp_path):
    link = tmp_path / "server.crt"
    site.configure(ca, {"web": WEB.replace("ttl = 1h", "ttl = 8s") + f"link = {link} tls.crt\nreload = exec /bin/true\n"})
    link.write_text("somebody else's\n")
    assert site.once().code == 1
    assert ca.requests("pki_int/sign/") == 0, "a certificate for nothing"
    link.unlink()
    run = site.run()
    run.wait_ready()
    assert link.resolve() == (site.out() / "tls.crt").resolve()
    link.unlink()
    link.write_text("somebody else's\n")
    run.wait_event("reloaded", count=3)
    assert "server.crt was not made by leafd" in run.wait_event("link-failed")[0]["message"]
    assert link.read_text() == "somebody else's\n"
    assert run.terminate() == 0
    assert site.once().code == 0


def test_every_output_has_its_content(ca, site):
    site.configure(ca, {"web": """
pki_role = leafd
dns_names = a.example.test
key_encoding = traditional
file = certificate.pem certificate
file = chain.pem chain
file = fullchain.pem fullchain
file = ca.pem ca
file = key.pem key
file = combined.pem combined 0640
file = bundle.pem bundle
file = metadata.json metadata 0444
"""})
    assert site.once().code == 0
    out = site.out()
    read = {name: (out / name).read_text() for name in os.listdir(out) if not name.startswith(".")}
    assert read["fullchain.pem"] == read["certificate.pem"] + read["chain.pem"]
    assert read["combined.pem"] == read["fullchain.pem"] + read["key.pem"]
    assert read["bundle.pem"] == read["key.pem"] + read["fullchain.pem"]
    assert read["key.pem"].startswith("-----BEGIN EC PRIVATE KEY-----")
    assert read["certificate.pem"].count("BEGIN CERTIFICATE") == 1
    assert read["ca.pem"].strip() == ca.root_file.read_text().strip()
    modes = {name: stat.S_IMODE(os.stat(out / name).st_mode) for name in read}
    assert modes["combined.pem"] == 0o640 and modes["bundle.pem"] == 0o600 and modes["metadata.json"] == 0o444


def test_a_pinned_issuer_signs(ca, site):
    site.configure(ca, {"web": WEB + "issuer = default"})
    assert site.once().code == 0
    assert ca.requests("pki_int/issuer/default/sign/leafd") == 1


def test_names_go_into_the_request_for_roles_that_ignore_the_csr(ca, site):
    lines = WEB.replace("leafd", "request-names")
    site.configure(ca, {"web": lines})
    done = site.once()
    assert done.code == 3, "the role is set wrongly, which no retry repairs"
    assert "is missing in it" in done.events("failed")[0]["message"]
    assert not is_published(site.out())
    site.configure(ca, {"web": lines + "request_names = yes"})
    done = site.once()
    assert done.code == 0, done.err


def test_a_key_that_the_ca_makes_is_taken_where_a_site_insists(ca, site):
    site.configure(ca, {"web": WEB.replace("leafd", "issue-ec") + "key_source = vault"})
    done = site.once()
    assert done.code == 0, done.err
    assert ca.requests("pki_int/issue/issue-ec") == 1
    assert same_key(site.out() / "tls.crt", site.out() / "tls.key")
    assert stat.S_IMODE(os.stat(site.out() / "tls.key").st_mode) == 0o600


def test_keys_rotate_always_or_never(ca, site):
    keys = {}
    for rotation in ("always", "never"):
        site.configure(ca, {rotation: WEB + f"key_rotation = {rotation}"})
        assert site.once().code == 0
        before = (site.out(rotation) / "tls.key").read_text()
        serial = serial_of(site.out(rotation) / "tls.crt")
        site.configure(ca, {rotation: WEB + f"key_rotation = {rotation}\nip_addresses = 192.0.2.1"})
        assert site.once().code == 0
        assert serial_of(site.out(rotation) / "tls.crt") != serial
        assert same_key(site.out(rotation) / "tls.crt", site.out(rotation) / "tls.key")
        keys[rotation] = (site.out(rotation) / "tls.key").read_text() == before
    assert keys == {"always": False, "never": True}


def test_the_usage_that_a_consumer_needs_is_asked_for(ca, site):
    lines = WEB.replace("leafd", "client-only")
    site.configure(ca, {"web": lines + "usage = server"})
    done = site.once()
    assert done.code == 3, "the role is set wrongly, which no retry repairs"
    assert "lacks serverAuth" in done.events("failed")[0]["message"]
    site.configure(ca, {"web": lines + "usage = client"})
    assert site.once().code == 0


def test_a_trust_anchor_holds_the_chain(ca, site, tmp_path):
    site.configure(ca, {"web": WEB + f"trust_anchor = {ca.root_file}"})
    assert site.once().code == 0
    other = tmp_path / "other.pem"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other",
            "-keyout", str(tmp_path / "other.key"), "-out", str(other))
    site.configure(ca, {"web": WEB + f"trust_anchor = {other}\nip_addresses = 192.0.2.1"})
    serial = serial_of(site.out() / "tls.crt")
    done = site.once()
    assert done.code == 1
    assert "verified against" in done.events("failed")[0]["message"]
    assert serial_of(site.out() / "tls.crt") == serial


def test_what_a_role_refuses_exits_3_and_tells_the_cas_words(ca, site):
    site.configure(ca, {"web": WEB.replace("leafd", "needs-cn")})
    done = site.once()
    assert done.code == 3
    assert "the common_name field is required" in done.events("failed")[0]["message"]
    assert done.events("failed")[0]["class"] == "refused"
    site.configure(ca, {"web": WEB.replace("leafd", "no-such-role")})
    done = site.once()
    assert done.code == 3
    assert "unknown role" in done.events("failed")[0]["message"]
    assert not is_published(site.out())


def test_a_shorter_life_than_asked_for_is_taken_and_told(ca, site):
    site.configure(ca, {"web": WEB.replace("leafd", "web").replace("ttl = 1h", "ttl = 5h") + "key_type = ecdsa-p256"})
    done = site.once()
    assert done.code == 0, done.err
    assert any("TTL" in line["message"] for line in done.events("advice")), done.err
    assert site.status()["web"]["state"] == "fresh"


def test_one_certificate_of_several_can_be_asked_for(ca, site):
    site.configure(ca, {"one": WEB, "two": WEB})
    assert site.once("two").code == 0
    assert not site.out("one").exists() and site.out("two").exists()
    done = site.once("three")
    assert done.code == 2
    assert "three" in done.err


def read_pair(folder):
    """Certificate and key of one generation, through a handle of its directory."""
    generation = os.open(folder / "..data", os.O_RDONLY | os.O_DIRECTORY)
    try:
        pair = []
        for name in ("tls.crt", "tls.key"):
            with open(os.open(name, os.O_RDONLY, dir_fd=generation), encoding="ascii") as file:
                pair.append(file.read())
        return tuple(pair)
    finally:
        os.close(generation)


def test_a_short_life_rotates_and_no_reader_sees_a_mixed_pair(ca, site):
    """Five rotations of 20 s certificates; a reader opens the pair in a loop."""
    site.configure(ca, {"web": WEB.replace("ttl = 1h", "ttl = 20s") + "keep_previous = 8s"})
    run = site.run()
    run.wait_ready()
    stop = threading.Event()
    pairs, failures, reads = set(), [], [0]

    def read_on():
        while not stop.is_set():
            try:
                pairs.add(read_pair(site.out()))
                reads[0] += 1
            except OSError as failure:
                failures.append(failure)

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        run.wait_event("published", count=6, patience=600)
        wait_for(lambda: len(pairs) >= 6, "the reader to see the sixth pair")
    finally:
        stop.set()
        reader.join()
    assert run.terminate() == 0
    assert not failures
    assert len(pairs) >= 6 and reads[0] > 1000
    for certificate, key in pairs:
        assert openssl("x509", "-noout", "-pubkey", data=certificate) == openssl("pkey", "-pubout", data=key)


def test_the_previous_generation_goes_after_its_grace(ca, site):
    site.configure(ca, {"web": WEB + "keep_previous = 5s"})
    run = site.run()
    run.wait_ready()
    site.configure(ca, {"web": WEB + "keep_previous = 5s\nip_addresses = 192.0.2.1"})
    run.hangup()
    run.wait_event("published", count=2)
    generations = lambda: [n for n in os.listdir(site.out()) if n.startswith("..2")]  # noqa: E731
    assert len(generations()) == 2
    wait_for(lambda: len(generations()) == 1, "the previous generation to go")
    assert os.readlink(site.out() / "..data") == generations()[0]


def test_rsa_keys_do_not_stall_other_certificates(ca, site):
    """A P-256 certificate is published while a 4096-bit key is still being made."""
    slow = {f"slow{i}": WEB + "key_type = rsa-4096" for i in range(3)}
    site.configure(ca, {**slow, "quick": WEB})
    done = site.once(patience=600)
    assert done.code == 0, done.err
    order = [line["cert"] for line in done.events("published")]
    assert order[0] == "quick"


def test_two_agents_do_not_work_in_one_directory(ca, site):
    site.configure(ca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    again = site.run()
    assert "another leafd works in" in again.wait_event("failed")[0]["message"]
    assert "left" in again.events("failed")[0]["message"], "what the other one keeps is seen"
    again.kill()
    assert run.terminate() == 0
    assert site.once().code == 0


def test_sixty_certificates_share_a_few_connections(ca, site):
    site.configure(ca, {f"c{i}": WEB for i in range(60)})
    before = ca.proxy.connections
    done = site.once()
    assert done.code == 0, done.err[-2000:]
    assert len(done.events("published")) == 60
    assert ca.requests("auth/jwt/login") == 1
    # The real server offers HTTP/2: all requests go over one connection.
    assert ca.proxy.connections - before <= (1 if ca.kind == "real" else 4)


def test_nothing_of_the_configuration_is_needed_to_read_what_is_there(ca, site):
    """What is on disk is the state: the CA may be gone, the token too."""
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    ca.token_file.unlink()
    ca.proxy.cut()
    assert site.once().code == 0
    assert site.status()["web"]["state"] == "fresh"
