"""`check` warns of what works and is unwise: by id, as errors with --strict, silenced by `ignore`, as JSON."""
import json
import re

import pytest

FILES = "\nfile = tls.crt fullchain\nfile = tls.key key\n"
GOOD = "pki_role = leafd\nttl = 24h\ndns_names = a.example.test\nreload = signal HUP process nobody\n" \
       "prove = tls 127.0.0.1:1\n" + FILES


def configure(site, ca, certs, auth=None, **more):
    """The token of these tests is for all to read."""
    site.configure(ca, certs, auth=f"{auth or ca.auth}\nignore = credential-readable", **more)


def ids(done):
    return sorted(re.findall(r" \[([\w-]+)\](?:\. Remedy: .*)?$", done.out, re.M))


# each section has one thing that is unwise
SECTIONS = {
    "ttl-unset": GOOD.replace("ttl = 24h\n", ""),
    "ttl-short": GOOD.replace("24h", "59s"),
    "ttl-long": GOOD.replace("24h", "8d"),
    "no-margin": GOOD + "renew_at = 70%..90%",
    "wildcard": GOOD.replace("a.example", "*.example"),
    "underscore": GOOD.replace("a.example", "a_b.example"),
    "any-address": GOOD + "ip_addresses = 0.0.0.0",
    "spiffe-case": GOOD + "uris = spiffe://Example.test/a",
    "uri-scheme": GOOD + "uris = spiffee://example.test/a",
    "weak-key": GOOD + "key_type = rsa-2048",
    "key-reused": GOOD + "key_rotation = never",
    "key-sent": GOOD + "key_source = vault",
    "key-group": GOOD.replace("tls.key key", "tls.key key 0640"),
    "no-trust-anchor": GOOD + "file = ca.crt ca",
    "no-reload": re.sub("reload = .*", "reload = none", GOOD),
    "no-proof": re.sub("prove = .*", "prove = none", GOOD),
}


def test_each_warning_of_a_section_has_its_id_is_an_error_with_strict_and_can_be_ignored(devca, site):
    configure(site, devca, {"web": GOOD})
    done = site.command("check", "--strict")
    assert (done.code, ids(done)) == (0, []), done.out
    configure(site, devca, {name: section for name, section in SECTIONS.items()})
    done = site.command("check")
    assert done.code == 0 and f"{len(SECTIONS)} warnings" in done.out
    told = re.findall(r"\[cert ([\w-]+)\] warning: .* \[([\w-]+)\]$", done.out, re.M)
    assert sorted(told) == [(name, name) for name in sorted(SECTIONS)]
    strict = site.command("check", "--strict")
    assert strict.code == 2 and strict.out.replace("] error: ", "] warning: ") == done.out
    configure(site, devca, {name: section + f"\nignore = {name}\n" for name, section in SECTIONS.items()})
    done = site.command("check", "--strict")
    assert (done.code, ids(done)) == (0, []), done.out


def test_ignore_is_inherited_and_an_unknown_id_is_an_error(devca, site):
    configure(site, devca, {"web": SECTIONS["wildcard"], "own": SECTIONS["wildcard"] + "ignore = no-proof"},
              defaults="ignore = wildcard, no-proof")
    done = site.command("check")
    assert ids(done) == ["wildcard"] and "[cert own] warning" in done.out, "a list of its own replaces that of [defaults]"
    configure(site, devca, {"web": GOOD + "ignore = no-prof, frob\n"})
    done = site.command("check")
    assert done.code == 2 and 'ignore: "no-prof" is no id of a warning; did you mean no-proof?' in done.err
    configure(site, devca, {"web": GOOD + "ignore = frob\n"})
    assert '"frob" is no id of a warning; leafd.ini(5), WARNINGS, lists them' in site.command("check").err
    configure(site, devca, {"web": GOOD}, auth="method = token\ntoken_file = /nowhere\n", vault="ignore = credential-missing")
    assert ids(site.command("check")) == ["credential-missing"], "what [auth] names is ignored there"
    configure(site, devca, {"web": GOOD}, auth="method = token\ntoken_file = /nowhere\nignore = credential-missing")
    assert not ids(site.command("check"))


def test_json_is_the_same_findings_for_pipelines(devca, site):
    configure(site, devca, {"web": SECTIONS["wildcard"] + "key_type = rsa-2048\n"})
    done = site.command("check", "--json")
    document = json.loads(done.out)
    line = site.file.read_text().splitlines().index("dns_names = *.example.test") + 1
    assert (done.code, done.err) == (0, "")
    assert {key: value for key, value in document.items() if key != "problems"} == {
        "configuration": str(site.file), "exit_code": 0, "errors": 0, "warnings": 2, "undecided": 0}
    assert document["problems"][0] == {
        "severity": "warning", "id": "wildcard", "file": str(site.file), "line": line, "section": "cert web",
        "key": "dns_names", "text": "a wildcard name lets one stolen key impersonate every host below it",
        "advice": "list the names"}
    document = json.loads(site.command("check", "--json", "--strict").out)
    assert document["exit_code"] == 2 and {problem["severity"] for problem in document["problems"]} == {"error"}
    configure(site, devca, {"web": GOOD + "key_type = rsa-1024\ndirectry = /x\n"})
    done = site.command("check", "--json")
    problems = json.loads(done.out)["problems"]
    assert (done.code, done.err) == (2, "")
    assert [(p["id"], p["section"], p["key"], p["severity"]) for p in problems] == [
        ("configuration", "cert web", "key_type", "error"), ("configuration", "cert web", "directry", "error")]
    assert problems[1]["advice"] == "did you mean directory?" and problems[1]["line"] == problems[0]["line"] + 1
    configure(site, devca, {"web": GOOD.replace("pki_role = leafd", "pki_role = nosuch")})
    done = site.command("check", "--online", "--json")
    document = json.loads(done.out)
    refused = [problem for problem in document["problems"] if problem["id"] == "refused"]
    assert done.code == document["exit_code"] == 3 and refused[0]["severity"] == "error"
    assert "has no role nosuch" in refused[0]["text"] and refused[0]["advice"]
    site.file.unlink()
    assert json.loads(site.command("check", "--json").out)["problems"][0]["line"] is None


def test_a_leaf_whose_revocation_nobody_can_see_is_told_once_it_is_issued(real_ca_server, site):
    ca = real_ca_server
    ca.reset()
    configure(site, ca, {"web": GOOD.replace("signal HUP process nobody", "none").replace("tls 127.0.0.1:1", "none")
                        + "ignore = no-reload, no-proof"})
    assert not ids(site.command("check"))
    assert site.once().code == 0
    assert ids(site.command("check")) == ["no-crl-address"]
    assert site.command("check", "--strict").code == 2
    ca.call("POST", "pki_int/config/urls", {"crl_distribution_points": ["http://127.0.0.1:1/crl"]})
    try:
        assert site.command("revoke", "web").code == 0
        assert not ids(site.command("check"))
    finally:
        ca.call("POST", "pki_int/config/urls", {"crl_distribution_points": []})


@pytest.fixture
def issuers(real_ca_server):
    """Three mounts: an issuer with all limits, one with none, and a root."""
    ca = real_ca_server
    ca.reset()
    limits = {"limited": {"max_path_length": 0, "permitted_dns_domains": "example.test"}, "open": {}}
    mounts = [*limits, "rootish"]
    for mount in mounts:
        ca.call("POST", f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "43800h"}})
    for mount, fields in limits.items():
        csr = ca.call("POST", f"{mount}/intermediate/generate/internal", {"common_name": mount, "key_type": "ec"})["data"]["csr"]
        signed = ca.call("POST", "pki/root/sign-intermediate", {"csr": csr, "format": "pem_bundle", "ttl": "43800h", **fields})
        ca.call("POST", f"{mount}/intermediate/set-signed", {"certificate": signed["data"]["certificate"]})
    ca.call("POST", "rootish/root/generate/internal", {"common_name": "rootish", "key_type": "ec", "ttl": "43800h"})
    policy = ""
    for mount in mounts:
        policy += f'path "{mount}/sign/+" {{ capabilities = ["update"] }}\npath "{mount}/roles/+" {{ capabilities = ["read"] }}\n' \
                  f'path "{mount}/issuer/+" {{ capabilities = ["read"] }}\n'
        for role, most in (("tight", "24h"), ("wide", "720h")):
            ca.call("POST", f"{mount}/roles/{role}", {
                "allowed_domains": "a.example.test", "allow_bare_domains": True, "key_type": "ec", "require_cn": False,
                "allow_ip_sans": False, "max_ttl": most})
    ca.call("POST", "sys/policies/acl/postured", {"policy": policy})
    ca.call("POST", "auth/jwt/role/postured", {
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": ["postured"],
        "bound_subject": "system:serviceaccount:demo:app", "token_ttl": "10m"})
    yield ca
    for mount in mounts:
        ca.call("DELETE", f"sys/mounts/{mount}")


def test_what_role_and_issuer_allow_beyond_need_is_told_once_and_mended_by_the_remedy(issuers, site):
    def section(mount, role, name="web"):
        return f"pki_mount = {mount}\n{GOOD.replace('leafd', role)}directory = {site.out(f'{name}-{mount}')}\n"
    auth = issuers.auth.replace("role = leafd", "role = postured")
    configure(site, issuers, {"good": section("limited", "tight")}, auth=auth)
    done = site.command("check", "--online", "--strict")
    assert (done.code, ids(done)) == (0, []), done.out + done.err
    configure(site, issuers, {"open": section("open", "tight"), "again": section("open", "tight", "again"),
                             "root": section("rootish", "tight"), "wide": section("limited", "wide")}, auth=auth)
    done = site.command("check", "--online")
    assert done.code == 0
    assert sorted(re.findall(r"\[cert (\w+)\] warning: .*? \[([\w-]+)\]", done.out)) == [
        ("open", "issuer-names"), ("open", "issuer-path"), ("root", "issuer-root"), ("wide", "role-ttl")], done.out
    assert site.command("check", "--online", "--strict").code == 2
    setting = re.search(r"vault patch limited/roles/wide (\w+)=(\d+)", done.out)
    role = issuers.call("GET", "limited/roles/wide")["data"]
    issuers.call("POST", "limited/roles/wide", {**role, setting.group(1): setting.group(2)})
    assert "role-ttl" not in ids(site.command("check", "--online"))
