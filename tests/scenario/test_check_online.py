"""`check --online` names what the CA would refuse: each configuration is first shown to fail."""
import os
import random
import re
import time

import pytest

import scene
from roles import ROLES

SEED = int(os.environ.get("LEAFD_TEST_SEED", "9"))
RANDOM_SECTIONS = 60
FILES = "\nfile = tls.crt fullchain\nfile = tls.key key\n"


def lines(role, names="dns_names = a.example.test", more="", ttl="10m"):
    return f"pki_role = {role}\nttl = {ttl}\n{names}\n{more}{FILES}"


# what it is called: (section, what the finding says)
REFUSED = {
    "domain": (lines("web", "dns_names = a.elsewhere.test"), "a.elsewhere.test is not allowed: allowed_domains"),
    "subdomain": (lines("bare-only"), "a.example.test is not allowed: it lies below one of allowed_domains, and allow_subdomains"),
    "bare": (lines("below-only", "dns_names = example.test"), "example.test is not allowed: .* allow_bare_domains"),
    "wildcard": (lines("no-wildcards", "dns_names = *.example.test"), "allow_wildcard_certificates is false"),
    "localhost": (lines("no-localhost", "dns_names = localhost"), "localhost is not allowed: allow_localhost is false"),
    "underscore": (lines("web", "dns_names = a_b.example.test"), "a_b.example.test is not allowed: .* enforce_hostnames"),
    "address": (lines("web", more="ip_addresses = 127.0.0.1"), "127.0.0.1 are not allowed: allow_ip_sans is false"),
    "uri": (lines("web", more="uris = spiffe://prod.test/a"), "allowed_uri_sans is nothing"),
    "uri-pattern": (lines("prod-uris", more="uris = spiffe://other.test/a"), "allowed_uri_sans is spiffe://prod.test/"),
    "mail": (lines("web", more="email_addresses = me@elsewhere.test"), "me@elsewhere.test is not allowed"),
    "common-name": (lines("web", more="common_name = b.elsewhere.test"), "the common name b.elsewhere.test is not"),
    "needs-common-name": (lines("needs-cn"), "there is no common name, and require_cn is true"),
    "csr-names": (lines("request-names"), "use_csr_sans is false. Remedy: set request_names = yes"),
    "key-type": (lines("web", more="key_type = rsa-2048"), "requires keys of type ec, and key_type is rsa-2048"),
    "key-bits": (lines("big-keys", more="key_type = rsa-2048"), "at least 3072 bits, .* set key_type = rsa-3072"),
    "usage": (lines("server-only", more="usage = client"), "usage asks for client: client_flag is false"),
    "role": (lines("nosuch"), "pki_int has no role nosuch"),
    "issuer": (lines("leafd", more="issuer = nosuch"), "pki_int has no issuer nosuch"),
    "issued-key": (lines("leafd", more="key_source = vault"), "the CA makes no key for this role: key_type is any"),
    "mount": (lines("leafd", more="pki_mount = pki_gone"), "pki_gone"),
}


def shown_to_fail(site):
    done = site.once()
    assert done.code != 0 and not scene.is_published(site.out()), "this configuration does not fail"
    return done


def named(site, ca, *arguments):
    """Checks, and that no certificate was asked for."""
    def asked():
        return ca.requests("pki_int/sign/") + ca.requests("pki_int/issue/")
    before = asked()
    done = site.command("check", "--online", *arguments)
    assert asked() == before
    return done


def has(text, pattern):
    return re.search(pattern, text) is not None


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_ca_refuses_is_named_before(ca, site, name):
    section, words = REFUSED[name]
    site.configure(ca, {"web": section})
    shown_to_fail(site)
    done = named(site, ca)
    assert done.code == 3 and has(done.out, words), done.out + done.err
    assert has(done.out, r"leafd.ini:\d+: \[cert web\] refused: "), done.out


PATCHED = [name for name, (section, _) in REFUSED.items() if name not in ("role", "issuer", "mount")]


@pytest.mark.parametrize("name", PATCHED)
def test_the_remedy_on_the_ca_mends_it(real_ca_server, site, name):
    ca = real_ca_server
    ca.reset()
    section = REFUSED[name][0]
    role = re.search(r"pki_role = (\S+)", section).group(1)
    ca.call("POST", "pki_int/roles/repaired", ROLES[role])
    site.configure(ca, {"web": section.replace(f"pki_role = {role}\n", "pki_role = repaired\n")})
    command = re.search(r"vault patch pki_int/roles/repaired (.*)", named(site, ca).out).group(1)
    settings = dict(option.split("=", 1) for option in command.split(" "))
    ca.call("POST", "pki_int/roles/repaired", {**ROLES[role], **settings})
    done = named(site, ca)
    assert done.code == 0 and "0 would be refused, 0 not" in done.out, done.out
    done = site.once()
    assert done.code == 0, done.err


LOGINS = {
    "policy": ("role = powerless", "pki_int/sign/leafd"),
    "login-role": ("role = nosuch", "nosuch"),
    "audience": ("role = leafd", "aud"),
}


@pytest.mark.parametrize("name", LOGINS)
def test_a_login_that_the_ca_refuses_is_named(ca, site, name):
    role, words = LOGINS[name]
    if name == "audience":
        ca.token_file.write_text(ca.tokens.make(audience="elsewhere") + "\n")
    site.configure(ca, {"web": lines("leafd")}, auth=ca.auth.replace("role = leafd", role))
    shown_to_fail(site)
    done = named(site, ca)
    assert done.code == 3 and has(done.out, words), done.out + done.err


# Rules that devca does not have: (what the role has beside that of all names, section, finding).
REAL_ROLES = {
    "cn-validations": ({"cn_validations": "email", "require_cn": False},
                       lines("case", more="common_name = a.example.test"), "cn_validations is email"),
    "not-after": ({"not_after": "2040-01-01T00:00:00Z", "require_cn": False}, lines("case"),
                  "the role gives every certificate the end 2040"),
    "glob": ({"allow_any_name": False, "allowed_domains": "*.example.test", "require_cn": False}, lines("case"),
             "allow_glob_domains is false"),
    "key-usage": ({"key_usage": "KeyAgreement", "require_cn": False}, lines("case"), "without DigitalSignature"),
    "template": ({"allow_any_name": False, "allowed_domains": "{{identity.entity.name}}.example.test",
                  "allow_bare_domains": True, "allowed_domains_template": False, "require_cn": False}, lines("case"),
                 "allowed_domains is {{identity"),
    "ext-key-usage": ({"server_flag": False, "client_flag": False, "ext_key_usage": "CodeSigning",
                       "require_cn": False}, lines("case", more="usage = server"), "usage asks for server"),
}


@pytest.mark.parametrize("name", REAL_ROLES)
def test_what_a_real_ca_refuses_is_named_before(real_ca_server, site, name):
    ca = real_ca_server
    ca.reset()
    role, section, words = REAL_ROLES[name]
    ca.call("POST", "pki_int/roles/case", {"allow_any_name": True, "key_type": "any", **role})
    site.configure(ca, {"web": section})
    shown_to_fail(site)
    done = named(site, ca)
    assert done.code == 3 and has(done.out, words), done.out + done.err


WORDS = ("a", "b", "a-b", "a_b", "*", "a*", "*a", "-a")
DOMAINS = ("d.test", "D.test", "e.d.test", "*.d.test", "a*.test", "localhost", "me@d.test", "test")


def random_name(draw, domains):
    labels = draw.choices(WORDS, weights=(9, 9, 3, 1, 2, 1, 1, 1), k=draw.choice((0, 1, 1, 2)))
    return ".".join(labels + [draw.choice(domains)])


def random_role(draw):
    def often():
        return draw.random() < 0.88
    kind = draw.choice(("any", "any", "any", "any", "ec", "rsa"))
    return {"allowed_domains": draw.sample(DOMAINS, 4), "allow_any_name": draw.random() < 0.3,
            "allow_bare_domains": often(), "allow_glob_domains": often(), "allow_subdomains": often(),
            "allow_localhost": often(), "allow_wildcard_certificates": often(), "enforce_hostnames": often(),
            "allow_ip_sans": often(), "use_csr_sans": often(), "use_csr_common_name": often(),
            "require_cn": not often(), "server_flag": often(), "client_flag": often(), "key_type": kind,
            "key_bits": {"any": 0, "ec": draw.choice((256, 384)), "rsa": draw.choice((2048, 3072))}[kind],
            "cn_validations": draw.choice(("email,hostname", "hostname", "disabled")),
            "allowed_ip_sans_cidr": draw.choice(("", "127.0.0.0/8", "::/0,10.0.0.0/8")),  # Vault knows no such option
            "allowed_uri_sans": draw.choice(("", "spiffe://a/*", "*", "urn:x"))}


def random_section(draw, number):
    names = {random_name(draw, ("d.test", "d.test", "e.d.test", "f.test")) for _ in range(draw.choice((1, 1, 2)))}
    common = random_name(draw, ("d.test", "e.d.test"))
    return lines(f"random-{number}", f"dns_names = {', '.join(names)}", more="\n".join(
        line for line, chance in (
            (f"common_name = {common}", 0.4), ("request_names = yes", 0.5), ("usage = client", 0.3),
            ("email_addresses = me@d.test", 0.1), ("ip_addresses = 127.0.0.1", 0.2),
            ("key_source = vault", 0.2), ("uris = spiffe://a/b", 0.1),
            (draw.choice(("key_type = ecdsa-p384", "key_type = rsa-2048", "key_type = ed25519")), 0.2))
        if draw.random() < chance))


def test_what_is_predicted_is_what_the_ca_does(real_ca_server, site):
    """Roles and sections by chance, from one seed: exactly what is found refused is not issued."""
    ca = real_ca_server
    ca.reset()
    draw = random.Random(SEED)
    certs = {}
    while len(certs) < RANDOM_SECTIONS:
        name = f"c{len(certs)}"
        ca.call("POST", f"pki_int/roles/random-{len(certs)}", random_role(draw))
        section = random_section(draw, len(certs))
        site.configure(ca, {name: section})
        if site.command("check").code == 0:  # else leafd's own rules refuse it
            certs[name] = section
    site.configure(ca, certs)
    done = named(site, ca)
    predicted = set(re.findall(r"\[cert (\w+)\] refused: ", done.out))
    site.once()
    refused = {name for name in certs if not scene.is_published(site.out(name))}
    assert 0 < len(refused) < len(certs)
    assert predicted == refused, "\n".join(
        f"{name}: {certs[name]}\n{ca.call('GET', 'pki_int/roles/random-' + name[1:])['data']}\n"
        f"{[line for line in done.out.splitlines() if f'[cert {name}]' in line]}\n"
        f"{site.status(name)}" for name in predicted ^ refused)


def test_a_namespace_that_is_not_there_is_named(real_ca_server, site):
    ca = real_ca_server
    ca.reset()
    if not ca.version.startswith("OpenBao"):
        pytest.skip("Vault's open edition has no namespaces, and looks at no such header")
    site.configure(ca, {"web": lines("leafd")}, vault="namespace = nosuch")
    shown_to_fail(site)
    done = named(site, ca)
    assert done.code == 3 and "namespace" in done.out, done.out


def short_issuer(ca, seconds, **settings):
    """An issuer that ends so soon; its id."""
    csr = ca.call("POST", "pki_int/intermediate/generate/internal",
                  {"common_name": f"short {time.time_ns()}", "key_type": "ec"})["data"]["csr"]
    signed = ca.call("POST", "pki/root/sign-intermediate",
                     {"csr": csr, "format": "pem_bundle", "ttl": f"{seconds}s"})["data"]["certificate"]
    imported = ca.call("POST", "pki_int/intermediate/set-signed", {"certificate": signed})["data"]
    issuer = next(i for i in imported["imported_issuers"] if imported["mapping"].get(i))
    ca.call("POST", f"pki_int/issuer/{issuer}", {"issuer_name": issuer_name(issuer), **settings})
    return issuer


def issuer_name(issuer):
    return f"short-{issuer}"


def test_a_ttl_beyond_the_issuers_end_is_named(real_ca_server, site):
    ca = real_ca_server
    ca.reset()
    issuer = short_issuer(ca, 600)
    site.configure(ca, {"web": lines("leafd", more=f"issuer = {issuer}", ttl="1h")})
    shown_to_fail(site)
    done = named(site, ca)
    assert done.code == 3 and has(done.out, f"the issuer {issuer} ends in .* leaf_not_after_behavior is err"), done.out
    ca.call("POST", f"pki_int/issuer/{issuer}", {"issuer_name": issuer_name(issuer),
                                                 "leaf_not_after_behavior": "truncate"})
    done = named(site, ca)
    assert done.code == 0 and has(done.out, "warning: the issuer .* leaf_not_after_behavior is truncate"), done.out


def test_an_issuer_that_may_not_sign_is_named(real_ca_server, site):
    ca = real_ca_server
    ca.reset()
    issuer = short_issuer(ca, 36000, usage="read-only,crl-signing")
    site.configure(ca, {"web": lines("leafd", more=f"issuer = {issuer}")})
    shown_to_fail(site)
    done = named(site, ca)
    assert done.code == 3 and has(done.out, f"the issuer {issuer} may not sign"), done.out


def test_what_the_policy_does_not_let_us_read_is_told_and_no_failure(ca, site):
    site.configure(ca, {"web": lines("leafd")}, auth=ca.auth.replace("role = leafd", "role = sign-only"))
    done = named(site, ca)
    assert done.code == 0, done.out
    assert has(done.out, r'not decided: the role leafd was not read.*path "pki_int/roles/leafd" { capabilities = \["read"\]')
    assert has(done.out, r'not decided: the issuer default was not read.*path "pki_int/issuer/default" {')
    assert "0 would be refused, 2 not decided" in done.out


def test_what_fits_is_found_to_fit_and_issued(ca, site):
    site.configure(ca, {"web": lines("web", "dns_names = a.example.test, example.test, *.b.example.test",
                                     more="email_addresses = me@example.test\ncommon_name = a.example.test"),
                        "any": lines("leafd", more="uris = spiffe://a.test/b\nip_addresses = 127.0.0.1, ::1"),
                        "by-request": lines("request-names", more="request_names = yes"),
                        "made-there": lines("issue-ec", more="key_source = vault")})
    done = named(site, ca)
    assert done.code == 0 and "0 would be refused, 0 not decided" in done.out, done.out
    done = site.once()
    assert done.code == 0, done.err


def test_what_a_template_decides_is_held_against_the_login(real_ca_server, site):
    ca = real_ca_server
    ca.reset()
    ca.call("POST", "pki_int/roles/case", {
        "key_type": "any", "require_cn": False, "allowed_domains": "{{identity.entity.name}}.test",
        "allowed_domains_template": True, "allow_bare_domains": True, "allowed_uri_sans_template": True,
        "allowed_uri_sans": "spiffe://{{identity.entity.name}}/*"})
    site.configure(ca, {"web": lines("case", more="uris = spiffe://a/b")})
    shown_to_fail(site)
    done = named(site, ca)
    assert done.code == 3, done.out
    assert has(done.out, r"refused: the DNS name a.example.test is not allowed: allowed_domains is entity_\w+(\.root)?\.test\.")
    assert has(done.out, r"refused: the URI spiffe://a/b is not allowed: allowed_uri_sans is spiffe://entity_\w+(\.root)?/\*")


def test_a_secret_id_of_one_use_is_left_for_the_agent(real_ca_server, site):
    ca = real_ca_server
    ca.reset()
    secret = site.folder / "secret-id"
    secret.write_text(ca.call("POST", "auth/approle/role/leafd/secret-id", {"num_uses": 1})["data"]["secret_id"])
    site.configure(ca, {"web": lines("leafd")},
                   auth=f"method = approle\nrole_id = {ca.role_id}\nsecret_id_file = {secret}")
    assert named(site, ca).code == 1
    done = site.once()
    assert done.code == 0, done.err
    done = named(site, ca, "--spend")
    assert done.code == 3 and "invalid role or secret ID" in done.out, done.out
    assert "1 would be refused, 0 not decided or not asked" in done.out


def test_a_credential_that_a_login_may_spend_is_spent_on_demand_only(ca, site):
    secret = site.folder / "secret-id"
    secret.write_text(ca.secret_id())
    site.configure(ca, {"web": lines("leafd")},
                   auth=f"method = approle\nrole_id = {ca.role_id}\nsecret_id_file = {secret}")
    done = named(site, ca)
    assert done.code == 1 and "not asked: the CA" in done.out and "--spend" in done.out, done.out
    assert "0 would be refused, 1 not decided or not asked" in done.out
    assert ca.requests("auth/approle/login") == 0
    done = named(site, ca, "--spend")
    assert done.code == 0 and "logged in by approle" in done.out, done.out
    assert ca.requests("auth/approle/login") == 1


def test_a_token_whose_uses_are_over_is_no_missing_mount(devca, site):
    """One call is what it is good for. (Real CAs refuse that one call when it asks for its own rights.)"""
    site.configure(devca, {"web": lines("leafd")}, auth=devca.auth.replace("role = leafd", "role = single"))
    done = named(site, devca)
    assert "has no mount" not in done.out and "no uses left" in done.out, done.out
    assert "0 would be refused" in done.out


def test_a_directory_that_cannot_be_made_is_named(ca, site):
    site.configure(ca, {"web": lines("leafd", more=f"directory = {site.folder}/not/there")})
    shown_to_fail(site)
    done = named(site, ca)
    assert done.code == 1 and has(done.out, "not/there does not exist, and leafd cannot create it"), done.out
    assert "1 would be refused, 0 not decided or not asked" in done.out
