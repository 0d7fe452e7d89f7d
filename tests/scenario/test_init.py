"""`leafd init`: a first configuration that `check` accepts, and commands for the CA that run as printed."""
import os
import pty
import re
import resource
import signal
import subprocess

import pytest
import scene

NAMES = "client.example.test,second.example.test"


def init(site, *arguments, environment=None, **more):
    return subprocess.run([scene.LEAFD, "init", *arguments], capture_output=True, text=True, check=False, cwd=site.folder,
                          env={**site.given(), **(environment or {})}, **{"stdin": subprocess.DEVNULL, **more})


def run_as_printed(ca, site, commands):
    """By a shell whose command `vault` is this server's, as an administrator."""
    tools = site.folder / "tools"
    tools.mkdir()
    (tools / "vault").symlink_to(ca.binary)
    return subprocess.run(["sh", "-e"], input=commands, cwd=site.folder, capture_output=True, text=True, check=False, env={
        "PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(site.folder), "VAULT_ADDR": ca.direct, "VAULT_CACERT": ca.ca_file,
        "VAULT_TOKEN": "root"})


def add_templates(site):
    """The templates of this source, since none need be installed."""
    site.write(site.file.read_text() + f"\n[agent]\nlog_format = json\ntemplate_directory = {scene.templates()}\n")


@pytest.mark.parametrize("method", ["approle", "token", "cert"])
def test_configuration_and_commands_issue_as_they_are_written(real_ca_server, site, method):
    ca = real_ca_server
    ca.reset()
    site.ca = ca
    done = init(site, "--auth", method, "--mount", ca.mount, "--role", f"first-{method}", "--dns-names", NAMES, "--directory",
                str(site.out()), "-o", str(site.file), environment={"VAULT_ADDR": ca.address, "VAULT_CACERT": ca.ca_file})
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    for name, content in (("client.crt", ca.client_certificate), ("client.key", ca.client_key), ("client-ca.pem", ca.root_file)):
        (site.folder / name).write_bytes(content.read_bytes())
        (site.folder / name).chmod(0o600)
    ran = run_as_printed(ca, site, done.stdout)
    assert ran.returncode == 0, done.stdout + ran.stderr
    add_templates(site)
    checked = site.command("check", "--online", "--spend")
    assert checked.code == 0 and "0 would be refused, 0 not decided" in checked.out, checked.out + checked.err
    assert "role-names" not in checked.out and "policy-bypass" not in checked.out and "role-ttl" not in checked.out
    issued = site.once()
    assert issued.code == 0, issued.err
    shown = scene.openssl("x509", "-in", str(site.out() / "tls.crt"), "-noout", "-ext", "subjectAltName")
    assert all(f"DNS:{name}" in shown for name in NAMES.split(","))
    assert run_again(ca, site, done.stdout).returncode == 0, "they may be run again"


def run_again(ca, site, commands):
    (site.folder / "tools" / "vault").unlink()
    (site.folder / "tools").rmdir()
    return run_as_printed(ca, site, commands)


@pytest.mark.parametrize("method", ["kubernetes", "jwt"])
def test_a_login_of_a_pod_is_written_and_set_up(real_ca_server, site, method):
    """Their accounts are the site's to name; nobody logs in here."""
    ca = real_ca_server
    ca.reset()
    site.ca = ca
    done = init(site, "--auth", method, "--mount", ca.mount, "--role", f"first-{method}", "--dns-names", NAMES, "--directory",
                str(site.out()), "--address", ca.address, "-o", str(site.file))
    assert done.returncode == 0, done.stderr
    ran = run_as_printed(ca, site, done.stdout)
    assert ran.returncode == 0, done.stdout + ran.stderr
    add_templates(site)
    checked = site.command("check")
    assert checked.code == 0 and "credential-missing" in checked.out, checked.err


ARGUMENTS = ("--address", "https://vault.example.com:8200", "--dns-names", "a.example.test")


def test_a_file_is_never_overwritten(site):
    site.file.write_text("mine\n")
    done = init(site, *ARGUMENTS, "-o", str(site.file))
    assert done.returncode == 1 and "never overwritten" in done.stderr and done.stdout == ""
    assert site.file.read_text() == "mine\n"


def test_without_a_file_the_configuration_is_standard_output(site):
    done = init(site, *ARGUMENTS)
    assert done.returncode == 0 and done.stdout.startswith("# The configuration of leafd")
    assert "vault policy write web" in done.stderr and "vault policy" not in done.stdout
    again = init(site, "--role", "web", *ARGUMENTS, "-o", "leafd.ini", environment={"BAO_ADDR": "https://elsewhere:8200"})
    assert again.returncode == 0 and "bao policy write web" in again.stdout
    assert (site.folder / "leafd.ini").stat().st_mode & 0o777 == 0o644
    assert f"role_id_file   = {site.folder}/role-id" in (site.folder / "leafd.ini").read_text()


WRONG = {
    "no-address": (["--dns-names", "a.test"], "--address is missing"),
    "http": (["--address", "http://a", "--dns-names", "a.test"], "--address takes an address such as https://"),
    "shell": ([*ARGUMENTS, "--role", "a;b"], "--role takes letters, digits and -_."),
    "quote": ([*ARGUMENTS, "--dns-names", "a'b"], "--dns-names takes letters, digits"),
    "line": ([*ARGUMENTS, "--mount", "a\nb"], "--mount takes letters, digits"),
    "method": ([*ARGUMENTS, "--auth", "ldap"], "--auth is one of kubernetes, jwt, approle, cert and token"),
    "relative": ([*ARGUMENTS, "--directory", "tls"], "--directory takes an absolute path"),
    "two": (["nginx", "apache", *ARGUMENTS], "takes one name: apache is one too many"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_named(site, name):
    arguments, says = WRONG[name]
    done = init(site, *arguments)
    assert done.returncode == 2 and done.stdout == "" and says in done.stderr, done.stderr


def test_on_a_terminal_it_asks_for_what_is_not_given(site):
    master, slave = pty.openpty()
    lines = ["nginx", "https://vault.example.com:8200", "", "pki_int", "api", "api.example.test", ""]
    os.write(master, "".join(line + "\n" for line in lines).encode())
    done = subprocess.run([scene.LEAFD, "init", "-o", str(site.file)], stdin=slave, stdout=subprocess.PIPE, stderr=slave,
                          text=True, check=False, env=site.given())
    os.close(slave)
    os.close(master)
    assert done.returncode == 0
    text = site.file.read_text()
    for line in ("[cert api]", "template  = nginx", "method         = approle", "pki_mount = pki_int",
                 "dns_names = api.example.test", "directory = /var/lib/leafd/api"):
        assert line in text, text
    assert "vault policy write api" in done.stdout


def test_a_full_disk_leaves_nothing_in_the_way_of_the_next_try(site):
    """A limit of the size of files stands for the disk."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))

    full = init(site, "nginx", *ARGUMENTS, "-o", "leafd.ini", preexec_fn=limit, restore_signals=False)
    assert full.returncode == 1 and "cannot write leafd.ini: File too large" in full.stderr
    assert not site.file.exists()
    again = init(site, "nginx", *ARGUMENTS, "-o", "leafd.ini")
    assert again.returncode == 0 and "[cert " in site.file.read_text()
    kept = init(site, "nginx", *ARGUMENTS, "-o", "leafd.ini", preexec_fn=limit, restore_signals=False)
    assert kept.returncode == 1 and "never overwritten" in kept.stderr and "[cert " in site.file.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_check_accepts_the_first_configuration_of_every_template(site):
    """As installed: in a mount namespace that has the templates where this program looks for them."""
    site.write("[vault]\naddress = https://a\n[auth]\nmethod = cert\n[cert a]\ntemplate = none-such\n")
    place = re.search(r"nor in (\S+);", site.command("check").err).group(1)
    shared = place
    while not os.path.isdir(shared):
        shared = os.path.dirname(shared)
    script = f"""
        set -e
        mount -t tmpfs -o mode=755 tmpfs {shared}
        mkdir -p {place}
        cp {scene.templates()}/*.ini {place}
        for template in $(cd {place} && ls *.ini | sed 's/.ini$//'); do
            mkdir $template; cd $template
            $LEAFD init $template {' '.join(ARGUMENTS)} -o leafd.ini >commands
            echo long-enough-password >keystore-password; chmod 600 keystore-password
            if grep -q keystore_password_file leafd.ini; then echo "$template: keystore"; fi
            $LEAFD check -c leafd.ini >out 2>&1 || sed "s/^/$template: /" out
            cd ..
        done
        $LEAFD init nginxx {' '.join(ARGUMENTS)} || true
        $LEAFD complete -- init ng"""
    done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script], cwd=site.folder, text=True,
                          capture_output=True, check=False, env={
                              **site.environment, "LEAFD": os.path.abspath(scene.LEAFD), "SPIFFE_TRUST_DOMAIN": "example.test"})
    assert done.returncode == 0, done.stderr
    keystores = re.findall(r"^([\w-]+): keystore$", done.stdout, re.M)
    assert keystores == ["java", "kafka"]
    # What a consumer brings along need not be on this machine.
    problems = [line for line in done.stdout.splitlines() if ": " in line and "names a program" not in line
                and not line.endswith(": keystore")]
    assert not problems, "\n".join(problems)
    assert "the template nginxx is not there; did you mean nginx?" in done.stderr
    assert {"nginx", "nginx-pod"} <= set(done.stdout.split())
