"""No secret leaves the process: not by log, status, arguments, environment of others, core or file mode."""
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from memory_scan import forms_of_key, forms_of_text, huffman, mappings, scan, texts_like
from test_commands import let_everybody_read
from scene import LEAFD, SANITIZED, WEB, Site, wait_for


def secrets_of(ca, site):
    """Every text that must not be seen anywhere: key lines, the login token."""
    found = [ca.token_file.read_text().strip(), ca.token_file.read_text().strip().split(".")[2]]
    for line in (site.out() / "tls.key").read_text().splitlines():
        if "-----" not in line:
            found.append(line)
    return found


def test_nothing_that_leafd_prints_holds_a_secret(ca, site):
    """CVE-2022-38149, CVE-2026-87993 (consul-template) and GHSA-444v-8vxr-p36h (OpenBao's agent): secrets in what is printed."""
    site.configure(ca, {"web": WEB + "reload = exec /usr/bin/env"}, agent="log_level = debug")
    run = site.run()
    run.wait_ready()
    said = run.log_path.read_text() + site.command("status", "--json").out + site.command("check").out
    said += open(f"/proc/{run.pid}/cmdline", encoding="ascii", errors="replace").read()
    for secret in secrets_of(ca, site):
        assert secret not in said
    for name in ("..state",):
        assert not any(s in (site.out() / name).read_text() for s in secrets_of(ca, site))
    record = (site.out() / "..data" / "..record").read_text()
    assert not any(s in record for s in secrets_of(ca, site))
    assert run.terminate() == 0


def test_a_key_is_never_readable_by_others_not_even_for_a_moment(ca, site):
    """Every chmod, open and write of a run, as strace saw them: the mode comes before the content.

    CVE-2023-1672: tang's keys were readable until their chmod.
    """
    site.configure(ca, {"web": WEB})
    trace = site.folder / "trace"
    done = subprocess.run(["strace", "-f", "-o", str(trace), "-e", "trace=openat,fchmod,chmod,fchown,write",
                           LEAFD, "once", "-c", str(site.file)], capture_output=True, text=True,
                          check=False, env={**site.environment, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == 0, done.stderr
    lines = trace.read_text().splitlines()
    opened = [i for i, line in enumerate(lines) if '"tls.key"' in line and "O_CREAT" in line]
    assert opened
    for at in opened:
        assert "O_EXCL" in lines[at] and "0600" in lines[at]
        fd = lines[at].rsplit("= ", 1)[1].strip()
        thread = lines[at].split()[0]
        after = [line for line in lines[at + 1:] if line.startswith(thread)]
        modes = next(i for i, line in enumerate(after) if f"fchmod({fd}, 0600)" in line)
        content = next(i for i, line in enumerate(after) if f"write({fd}, " in line)
        assert modes < content


def test_the_process_cannot_be_dumped_and_its_heap_of_secrets_is_locked(ca, site):
    site.configure(ca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    assert resource.prlimit(run.pid, resource.RLIMIT_CORE)[0] == 0
    status = open(f"/proc/{run.pid}/status", encoding="ascii").read()
    locked = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmLck")))
    assert locked >= 256
    assert run.terminate() == 0


def test_equals_may_not_look_into_the_process(devca, site):
    """prctl(PR_SET_DUMPABLE, 0): proc(5) gives the files of such a process to root, whoever it runs as."""
    user = 40001
    site.configure(devca, {"web": WEB})
    let_everybody_read(devca, site)
    site.out().mkdir()
    os.chown(site.out(), user, user)
    as_other = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    with subprocess.Popen([*as_other, LEAFD, "run", "-c", str(site.file)], stderr=subprocess.DEVNULL) as run:
        try:
            site.becomes("web", state="fresh")
            assert os.stat(f"/proc/{run.pid}/environ").st_uid == 0
            looked = subprocess.run([*as_other, "cat", f"/proc/{run.pid}/environ"], capture_output=True, text=True, check=False)
            assert looked.returncode != 0 and "denied" in looked.stderr
        finally:
            run.terminate()


PASSWORD = "a-password-for-keystores-5Zr8"
KEYSTORES = "file = k.der key-der\nfile = k.p12 pkcs12\nfile = t.p12 truststore\n"
def locked_kb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmLck:\s+(\d+) kB", status).group(1))


def test_the_heap_of_secrets_has_room_for_what_is_in_flight_and_not_for_every_certificate(devca, site):
    """No certificate at rest keeps a key in memory; keys of RSA take more."""
    kb = {}
    for key_type, count in (("ecdsa-p256", 1), ("ecdsa-p256", 600), ("rsa-4096", 4)):
        names = [f"web{i}" for i in range(count)]
        site.configure(devca, {name: WEB + f"key_type = {key_type}\n" for name in names}, agent="log_level = notice")
        run = site.run()
        run.wait_ready(patience=240)
        kb[key_type, count] = locked_kb(run.pid)
        assert not run.events("failed")
        assert run.terminate() == 0
        for name in names:
            shutil.rmtree(site.out(name))
    if kb["ecdsa-p256", 1] == 0:
        pytest.skip("no memory may be locked here")
    assert kb["ecdsa-p256", 600] == kb["ecdsa-p256", 1] < kb["rsa-4096", 4], kb


PLOT = 32768  # bytes at the end of the heap
own_free = pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps what is freed, and does not wipe it")


class Keeper:
    """A running agent with every kind of key and store, logged in by one method."""

    def __init__(self, ca, folder, method, **texts):
        self.ca, self.site = ca, Site(folder)
        folder.mkdir()
        texts = {"password": PASSWORD, "secret-id": ca.secret_id(), "jwt": ca.tokens.make(), **texts}
        for name, text in texts.items():
            (folder / name).write_text(text + "\n")
            (folder / name).chmod(0o600)
        auth, vault = f"method = {method}\nrole = leafd\ntoken_file = {folder}/jwt", ""
        if method == "approle":
            auth = f"method = approle\nrole_id = {ca.role_id}\nsecret_id_file = {folder}/secret-id"
        if method == "cert":
            auth, vault = "method = cert\nrole = leafd", \
                f"client_certificate = {ca.client_certificate}\nclient_key = {ca.client_key}"
        stores = WEB + KEYSTORES + f"keystore_password_file = {folder}/password\n"
        self.certs = {
            "ec": stores, "ed25519": WEB + "key_type = ed25519\n",
            "old": stores + "keystore_encryption = legacy\nkey_encoding = traditional\n",
            "made-there": WEB.replace("= leafd", "= issue-ec") + "key_source = vault\n"}
        if method == "approle":
            self.certs["rsa"] = stores + "key_type = rsa-2048\n"
        self.site.configure(ca, self.certs, auth=auth, vault=vault)
        self.secrets = {"password": forms_of_text(PASSWORD), "secret-id": forms_of_text(texts["secret-id"]),
                        "jwt": forms_of_text(texts["jwt"].split(".")[2]), "client key": forms_of_key(ca.client_key.read_text())}
        self.run = self.site.run()

    def wait_ready(self):
        self.run.wait_ready()
        for cert in self.certs:
            self.secrets[f"key of {cert}"] = forms_of_key((self.site.out(cert) / "tls.key").read_text())
        self.secrets["token"] = forms_of_text(self.find_token())

    def find_token(self):
        """The token that the agent has: a text of that shape which the CA takes for one."""
        prefix = "v1/" if self.ca.kind == "devca" else ""
        for text in texts_like(self.run.pid, rb"\b(?:hvs|s)\.[A-Za-z0-9_-]{20,}"):
            try:
                self.ca.call("GET", f"{prefix}auth/token/lookup-self", token=text)
                return text
            except AssertionError:
                continue
        raise AssertionError("no token is found")


def speaks_http_2(ca):
    context = ssl.create_default_context(cafile=ca.ca_file)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", ca.proxy.port)) as plain, \
            context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        return connection.selected_alpn_protocol() == "h2"


@pytest.fixture
def keep(tmp_path):
    """Starts keepers, and ends them."""
    kept = []

    def start(ca, method, **texts):
        kept.append(Keeper(ca, tmp_path / f"{method}-{len(kept)}", method, **texts))
        return kept[-1]

    yield start
    for keeper in kept:
        keeper.site.end()


@own_free
def test_an_idle_agent_has_one_copy_of_its_token_which_is_locked_and_no_other_secret(ca, keep):
    """All that it can write is searched when its connections have ended, by HTTP/2 to the real CA.

    An agent may ask the CA something while others are searched, and has its client key as long: what stays is found again.
    """
    assert ca.kind == "devca" or speaks_http_2(ca)
    keepers = [keep(ca, method) for method in ("kubernetes", "jwt", "approle", "cert")]
    for keeper in keepers:
        keeper.wait_ready()
    wait_for(lambda: not ca.proxy.pairs, "the connections of idle agents to end")
    for keeper in keepers:
        wait_for(lambda k=keeper: [(copy.name, copy.locked) for copy in scan(k.run.pid, k.secrets)] == [("token", True)],
                 lambda k=keeper: scan(k.run.pid, k.secrets))


@own_free
def test_a_credential_that_was_refused_is_not_kept(ca, keep):
    keepers = [keep(ca, "jwt", jwt=ca.tokens.make(life_s=-1000)),
               keep(ca, "approle", **{"secret-id": "5f1e7d1c-8a4b-4a9c-9d52-6d4c3f0a1b2e"})]
    for keeper in keepers:
        keeper.run.wait_event("login-failed")
    # A call that fails ends the connections, which are kept for a while otherwise.
    ca.proxy.cut()
    for keeper in keepers:
        tries = len(keeper.run.events("login-failed"))
        keeper.run.hangup()
        keeper.run.wait_event("login-failed", count=tries + 1)
        wait_for(lambda k=keeper: not scan(k.run.pid, k.secrets), lambda k=keeper: scan(k.run.pid, k.secrets))


@own_free
def test_the_search_of_the_memory_finds_every_form_that_is_planted(devca, keep):
    """Half of each is written over the end of the heap, while the agent is stopped."""
    assert huffman(b"www.example.com").hex() == "f1e3c2e5f23a6ba0ab90f4ff", "RFC 7541, C.4.1"
    keeper = keep(devca, "approle")
    keeper.wait_ready()
    pid = keeper.run.pid
    end = next(m[1] for m in mappings(pid) if m[2] == "[heap]")
    os.kill(pid, signal.SIGSTOP)
    known = {copy.address for copy in scan(pid, keeper.secrets)}
    wanted, at = set(), end - PLOT
    with open(f"/proc/{pid}/mem", "r+b", 0) as memory:
        memory.seek(at)
        was = memory.read(PLOT)
        for forms in keeper.secrets.values():
            for form in (form for form in forms if len(form) > 30):
                half = form[8:len(form) // 2 + 8]
                memory.seek(at + 8)
                memory.write(half)
                wanted.add(at)
                at += len(half) + 16
        assert at < end and len(wanted) > 100
        assert wanted <= {copy.address for copy in scan(pid, keeper.secrets)}
        memory.seek(end - PLOT)
        memory.write(was)
    assert {copy.address for copy in scan(pid, keeper.secrets)} == known
    os.kill(pid, signal.SIGCONT)


def test_commands_of_the_operator_get_a_clean_environment(ca, site, tmp_path):
    script = tmp_path / "show"
    script.write_text(f"#!/bin/sh\nenv >{tmp_path}/env\n")
    script.chmod(0o755)
    site.configure(ca, {"web": WEB + f"reload = exec {script}"})
    assert site.once(environment={"VAULT_TOKEN": "hvs.CANARY"}).code == 0
    seen = (tmp_path / "env").read_text()
    assert "CANARY" not in seen
    assert {line.split("=")[0] for line in seen.splitlines()} <= {
        "PATH", "LEAFD_CERT", "LEAFD_DIRECTORY", "LEAFD_GENERATION", "LEAFD_SERIAL", "LEAFD_SHA256", "PWD", "SHLVL", "_"}
