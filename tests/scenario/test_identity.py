"""Whose names a role signs: ours and nobody else's, if it is as the documents show it, and `check` tells if it is not."""
import os
import re
import shlex
import subprocess

import pytest
import yaml

import scene
from devca import DEVCA
from scene import SOURCE

FILES = "ttl = 10m\nfile = tls.crt fullchain\nfile = tls.key key\n"
OWN = "uris = spiffe://cluster.local/ns/${k8s.namespace}/sa/${k8s.service_account}\n" \
      "dns_names = ${k8s.service_account}.${k8s.namespace}.svc\n"
OTHERS = {
    "account": "uris = spiffe://cluster.local/ns/${k8s.namespace}/sa/payments-admin\n",
    "namespace": "uris = spiffe://cluster.local/ns/payments/sa/${k8s.service_account}\n",
    "below": "uris = spiffe://cluster.local/ns/${k8s.namespace}/sa/${k8s.service_account}/admin\n",
    "host": "dns_names = payments.${k8s.namespace}.svc\n",
    "host-below": "dns_names = a.${k8s.service_account}.${k8s.namespace}.svc\n",
    "wildcard": "dns_names = *.${k8s.namespace}.svc\n",
    "common-name": "common_name = payments.${k8s.namespace}.svc\n",
    "address": "ip_addresses = 127.0.0.1\n",
    "mail": "email_addresses = me@payments.svc\n",
}


def login(ca, site, method="kubernetes", role="anybody", account="web", namespace="shop"):
    """[auth] of a pod of that ServiceAccount."""
    token = site.folder / f"token-{account}"
    token.write_text(ca.tokens.make(namespace=namespace, account=account) + "\n")
    return f"method = {method}\nrole = {role}\ntoken_file = {token}"


def advice(done):
    return re.findall(r"warning: (the role \S+ does not bind names.*)", done.out)


def refusals(done):
    return {line["cert"] for line in done.log() if line["event"] == "failed" and line["class"] == "refused"}


@pytest.mark.parametrize("method", ["kubernetes", "jwt"])
def test_a_bound_role_gives_a_login_its_own_names_and_no_others(ca, site, method):
    """CVE-2021-27098 and CVE-2021-27099: at SPIRE one login could take the identity of another."""
    sections = {"own": f"pki_role = bound\n{OWN}{FILES}"}
    sections.update({name: f"pki_role = bound\n{names}{FILES}" for name, names in OTHERS.items()})
    site.configure(ca, sections, auth=login(ca, site, method))
    done = site.command("check", "--online")
    assert done.code == 3 and set(re.findall(r"\[cert (\S+)\] refused: ", done.out)) == set(OTHERS), done.out
    assert "not decided" not in done.out.replace("0 not decided", "") and not advice(done), done.out + done.err
    done = site.once()
    assert done.code == 3 and refusals(done) == set(OTHERS), done.err
    assert scene.is_published(site.out("own"))
    assert not any(scene.is_published(site.out(name)) for name in OTHERS)


def test_a_role_that_gives_names_of_others_is_told_once(ca, site):
    """What the manifests showed: ServiceAccount `web` takes the name of `payments-admin`, and nobody says a word."""
    sections = {"own": f"pki_role = shared\n{OWN.replace('${k8s.namespace}.svc', 'demo.svc')}{FILES}",
                "stolen": f"pki_role = shared\n{OTHERS['account']}{FILES}"}
    site.configure(ca, sections, auth=login(ca, site, namespace="demo"))
    done = site.once()
    assert done.code == 0 and scene.is_published(site.out("stolen")), done.err
    site.configure(ca, {"own": sections["own"], "again": sections["own"]}, auth=login(ca, site, namespace="demo"))
    done = site.command("check", "--online")
    text, = advice(done)
    assert done.code == 0 and "[cert own] warning: the role" in done.out, done.out
    assert "URIs such as spiffe://cluster.local/ns/demo/sa/somebody-else (allowed_uri_sans has spiffe://cluster.local/ns" in text
    assert "DNS names such as somebody-else.demo.svc (allowed_domains has demo.svc, and allow_subdomains is true)" in text
    assert "every IP address (allow_ip_sans is true)" in text
    assert "Remedy: on the CA: vault patch pki_int/roles/shared " in text and "{{identity.entity.aliases." in text


def command_line(ca, site):
    """The environment in which `vault` is the server's own command line, as its operator."""
    tools = site.folder / "tools"
    tools.mkdir(exist_ok=True)
    for name in ("vault", "bao"):
        (tools / name).unlink(missing_ok=True)
        (tools / name).symlink_to(os.path.abspath(ca.binary))
    return {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(site.folder), "VAULT_ADDR": ca.direct,
            "BAO_ADDR": ca.direct, "VAULT_CACERT": ca.ca_file, "BAO_CACERT": ca.ca_file, "VAULT_TOKEN": "root",
            "BAO_TOKEN": "root"}


def as_operator(ca, site, text):
    done = subprocess.run(["bash", "-euc", text], env=command_line(ca, site), capture_output=True, text=True, check=False,
                          timeout=scene.PATIENCE_S)
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


# A role as sites have it: the names of the section, and what the remedy must leave possible.
LOOSE = {
    "uri": ({"allowed_uri_sans": "spiffe://cluster.local/*"}, "uris = spiffe://cluster.local/ns/shop/sa/web\n"),
    "domain": ({"allowed_domains": "shop.svc", "allow_subdomains": True}, "dns_names = web.shop.svc\n"),
    "any-name": ({"allow_any_name": True}, "dns_names = web.shop.svc, api.example.com\ncommon_name = web.shop.svc\n"),
    "glob": ({"allowed_domains": "*.shop.svc", "allow_glob_domains": True}, "dns_names = web.shop.svc\n"),
    "two-exact": ({"allowed_domains": "web.shop.svc,payments.shop.svc", "allow_bare_domains": True},
                  "dns_names = web.shop.svc\n"),
    "namespace-only": ({"allowed_uri_sans_template": True, "allowed_uri_sans": "spiffe://td/NAMESPACE/*"},
                       "uris = spiffe://td/shop/web\n"),
    "wildcard": ({"allowed_domains": "shop.svc", "allow_subdomains": True}, "dns_names = *.shop.svc\n"),
    "mail": ({"allowed_domains": "example.com", "allow_bare_domains": True}, "email_addresses = web@example.com\n"),
    "address": ({"allowed_domains": "web.shop.svc", "allow_bare_domains": True, "allow_ip_sans": True},
                "dns_names = web.shop.svc\n"),
    "common-name": ({"cn_validations": "disabled", "allowed_domains": "web", "allow_bare_domains": True},
                    "common_name = web\n"),
    "other": ({"allowed_other_sans": "1.3.6.1.4.1.311.20.2.3;utf8:*", "allowed_domains": "web.shop.svc",
               "allow_bare_domains": True}, "dns_names = web.shop.svc\n"),
}


@pytest.mark.parametrize("name", LOOSE)
def test_the_remedy_binds_the_role_and_leaves_us_our_names(real_ca_server, site, name):
    ca = real_ca_server
    ca.reset()
    role, names = LOOSE[name]
    namespace = "{{identity.entity.aliases.%s.metadata.service_account_namespace}}" % ca.accessor("kubernetes")
    role = {key: value.replace("NAMESPACE", namespace) if isinstance(value, str) else value for key, value in role.items()}
    ca.call("POST", "pki_int/roles/loose", {"key_type": "any", "require_cn": False, "allow_ip_sans": False, **role})
    site.configure(ca, {"web": f"pki_role = loose\n{names}{FILES}"}, auth=login(ca, site))
    text, = advice(site.command("check", "--online"))
    command = re.search(r"Remedy: on the CA: (vault patch [^;]*)", text).group(1)
    as_operator(ca, site, command)
    done = site.command("check", "--online")
    assert done.code == 0 and "0 would be refused, 0 not" in done.out and not advice(done), f"{command}\n{done.out}"
    done = site.once()
    assert done.code == 0, f"{command}\n{done.err}"


# Roles that are no danger: each name is ours to the letter, or the login's.
ORDINARY = {
    "exact": ({"allowed_domains": "web.shop.svc", "allow_bare_domains": True}, "dns_names = web.shop.svc\n"),
    "below-our-own": ({"allowed_domains": "web.shop.svc", "allow_bare_domains": True, "allow_subdomains": True},
                      "dns_names = web.shop.svc, a.web.shop.svc\n"),
    "exact-uri": ({"allowed_uri_sans": "spiffe://td/web"}, "uris = spiffe://td/web\n"),
    "below-our-own-uri": ({"allowed_uri_sans": "spiffe://td/shop/web/*"}, "uris = spiffe://td/shop/web/v1\n"),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_roles_are_no_reason_for_advice(real_ca_server, site, name):
    ca = real_ca_server
    ca.reset()
    role, names = ORDINARY[name]
    ca.call("POST", "pki_int/roles/plain", {"key_type": "any", "require_cn": False, "allow_ip_sans": False, **role})
    site.configure(ca, {"web": f"pki_role = plain\n{names}{FILES}"}, auth=login(ca, site))
    done = site.command("check", "--online")
    assert done.code == 0 and not advice(done), done.out + done.err
    done = site.once()
    assert done.code == 0, done.err


def test_templates_are_left_open_where_the_identity_cannot_be_read(real_ca_server, site):
    """A token without the policy `default`."""
    ca = real_ca_server
    ca.reset()
    ca.call("POST", "auth/kubernetes/role/bare", {
        "bound_service_account_names": ["*"], "bound_service_account_namespaces": ["*"], "audience": "vault",
        "token_policies": ["leafd", "rights"], "token_no_default_policy": True, "token_ttl": "10m"})
    ca.call("POST", "sys/policies/acl/rights", {
        "policy": 'path "sys/capabilities-self" { capabilities = ["update"] }'})
    site.configure(ca, {"web": f"pki_role = bound\n{OWN}{FILES}"}, auth=login(ca, site, role="bare"))
    done = site.command("check", "--online")
    assert done.code == 0 and not advice(done), done.out + done.err
    assert "depends on the identity behind the token: allowed_uri_sans is spiffe://" in done.out, done.out
    done = site.once()
    assert done.code == 0, done.err


@pytest.mark.parametrize("path", ["pki_int/*", "pki_int/sign-verbatim", "pki_int/sign-verbatim/*", "pki_int/roles/bound"])
def test_a_policy_that_passes_the_role_by_is_told(real_ca_server, site, path):
    """Whoever may have a request signed as it stands, or may change the role, is bound by none."""
    ca = real_ca_server
    ca.reset()
    ca.call("POST", "sys/policies/acl/loose", {
        "policy": f'path "{path}" {{ capabilities = ["create", "read", "update"] }}'})
    ca.call("POST", "auth/kubernetes/role/loose", {
        "bound_service_account_names": ["*"], "bound_service_account_namespaces": ["*"], "audience": "vault",
        "token_policies": ["leafd", "loose"], "token_ttl": "10m"})
    site.configure(ca, {name: f"pki_role = bound\n{OWN}{FILES}" for name in ("web", "again")},
                   auth=login(ca, site, role="loose"))
    done = site.command("check", "--online")
    told, = re.findall(r"\[cert web\] warning: the policies of the token let it have any name, .* to write (.*)\. Remedy:",
                       done.out)
    assert done.code == 0 and path.replace("*", "") in told, done.out
    site.configure(ca, {"web": f"pki_role = bound\n{OWN}{FILES}"}, auth=login(ca, site))
    assert "let it have any name" not in site.command("check", "--online").out


# -- what the documents show --------------------------------------------------------------------------


def readme_blocks(heading):
    """What README has an administrator run, below that heading; tests/recipes/run runs all of it."""
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        part = re.search(rf"^## {heading}.*?(?=^## )", file.read(), re.M | re.S).group(0)
    return re.findall(r"^```sh\n(.*?)^```$", part, re.M | re.S)


def pod_commands():
    """The role and the login; kubernetes auth is there already."""
    block = readme_blocks("A pod")[0]
    return block[block.index("ACCESSOR="):]


def manifest_commands(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    block = re.search(r"# Vault's side, once.*:\n((?:#   .*\n)+)", text).group(1)
    return re.sub(r"^#   ", "", block, flags=re.M)


def manifest_section(path):
    """The [cert] sections of a manifest's ConfigMap and the name of its login role."""
    with open(path, encoding="utf-8") as file:
        text, = (each["data"]["leafd.ini"] for each in yaml.safe_load_all(file)
                 if each["kind"] == "ConfigMap" and "leafd.ini" in each["data"])
    return re.search(r"^role *= *(\S+)", text, flags=re.M).group(1), text[text.index("[cert "):]


K8S = os.path.join(SOURCE, "contrib", "k8s")
SHOWN = {"sidecar": (pod_commands, lambda: manifest_section(os.path.join(K8S, "sidecar.yaml"))),
         "init-container": (lambda: manifest_commands(os.path.join(K8S, "init-container.yaml")),
                            lambda: manifest_section(os.path.join(K8S, "init-container.yaml")))}


@pytest.mark.parametrize("name", SHOWN)
def test_the_commands_that_we_show_bind_names_to_the_login(real_ca_server, site, name):
    ca = real_ca_server
    ca.reset()
    commands, section = SHOWN[name][0](), SHOWN[name][1]()
    role, lines = section
    as_operator(ca, site, commands)
    account = re.search(r"bound_service_account_names=(\S+)", commands).group(1)
    directory = re.search(r"^directory *= *(\S+)", lines, flags=re.M).group(1)
    lines = re.sub(r" +=", " =", re.sub(r"^(reload|prove) .*\n", "", lines, flags=re.M)).replace(directory, str(site.folder / "own"))
    cert = re.search(r"\[cert (\S+)\]", lines).group(1)
    body = lines[lines.index("\n") + 1:] + "\nreload = none\nprove = none\n"
    site.configure(ca, {cert: body}, auth=login(ca, site, role=role, account=account))
    done = site.command("check", "--online")
    assert done.code == 0 and "0 would be refused, 0 not" in done.out and not advice(done), done.out + done.err
    done = site.once()
    assert done.code == 0 and scene.is_published(site.folder / "own"), done.err
    for number, (key, value) in enumerate(re.findall(r"^(uris|dns_names) *= *(.*)", body, flags=re.M)):
        stolen = value.replace("${k8s.service_account}", "payments-admin").replace(f"{account}.", "payments-admin.") \
            .replace("api.", "payments-admin.")
        assert stolen != value
        body_stolen = re.sub(rf"^{key} *=.*", f"{key} = {stolen}", body, flags=re.M)
        body_stolen = body_stolen.replace(str(site.folder / "own"), str(site.folder / f"stolen-{number}"))
        site.configure(ca, {"stolen": body_stolen}, auth=login(ca, site, role=role, account=account))
        done = site.once()
        assert done.code == 3 and refusals(done) == {"stolen"}, done.err
        assert not scene.is_published(site.folder / f"stolen-{number}")


def test_the_demo_binds_names_to_the_login(site):
    folder = site.folder / "ca"
    folder.mkdir()
    site.canaries.own.add(str(folder))
    with subprocess.Popen([DEVCA, "--listen", "127.0.0.1:0", "--directory", str(folder), "--roles",
                           os.path.join(SOURCE, "tests", "devca", "roles.ini")], stdout=subprocess.DEVNULL) as ca:
        try:
            scene.wait_for(lambda: (folder / "address").exists() and (folder / "address").read_text(), "devca")
            with open(os.path.join(SOURCE, "contrib", "demo"), encoding="utf-8") as file:
                role, name = re.search(r"^pki_role += (\S+)\n.*\ndns_names += (\S+)\n", file.read(), flags=re.M).groups()
            for host, code in ((name, 0), ("other.example.test", 3), (f"a.{name}", 3)):
                site.write(f"[vault]\naddress = {(folder / 'address').read_text().strip()}\nca_file = {folder}/tls-ca.pem\n"
                           f"[auth]\nmethod = kubernetes\nrole = web\ntoken_file = {folder}/token\n"
                           f"[cert {host}]\npki_mount = pki_int\npki_role = {role}\ndns_names = {host}\n{FILES}"
                           f"directory = {site.out(host)}\n")
                done = site.command("check", "--online")
                assert done.code == code, done.out + done.err
                assert not advice(done), done.out
                assert site.once().code == code
        finally:
            ca.terminate()


def test_every_role_that_is_shown_has_its_command_run():
    """No document writes a PKI role by a command that no test runs."""
    run = "\n".join([*(commands() for commands, _ in SHOWN.values()), *readme_blocks("A VM")])
    places = ["README.md", "man", "contrib", "templates", "HACKING.md", "SECURITY.md"]
    found = subprocess.run(["grep", "-rhoE", r"(vault|bao) write [a-z_]+/roles/\S+", *places], cwd=SOURCE,
                           capture_output=True, text=True, check=False).stdout.splitlines()
    assert found and all(command in run for command in found), found
    assert shlex.split(run, comments=True)
