"""A machine that recipes run on: overlays over this one's files, a network of its own, Vault, and stand-ins for systemd."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from scene import PATIENCE_S, SOURCE, wait_for
from tokens import TokenMaker, TokenReview

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = "vault.example.com", "vault.vault.svc", "kubernetes.default.svc", "web.example.com"
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path=/run/dbus/system_bus_socket</listen><policy context="default"><allow user="*"/>
<allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
"""


def call(*command, **settings):
    """What the command prints; it succeeds."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False, **settings)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout}"
    return done.stdout


class Vm:
    """Runs inside of its own namespaces of mounts, network and processes, as root."""

    def __init__(self, folder, build, server):
        self.folder, self.build, self.server = folder, build, server
        self.folder.chmod(0o755)
        self.version = call(server, "version").strip()
        self.environment = {"PATH": f"{folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder), "LANG": "C.UTF-8",
                            "LEAFD_LOG": f"{folder}/leafd.log", "BUILD": str(build)}
        self.vault_environment = {
            f"{prefix}_{key}": value for prefix in ("VAULT", "BAO") for key, value in
            (("ADDR", "https://vault.example.com:8200"), ("CACERT", f"{folder}/vault-ca.pem"), ("TOKEN", "root"))}
        self.tokens = TokenMaker(folder)
        self.review = None

    def furnish(self, building):
        """Files, network, names, leafd as it is installed, and the server with its engine."""
        upper = self.folder / "upper"
        upper.mkdir()
        call("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", upper)
        for name in ("etc", "usr", "var"):
            for kind in ("files", "work"):
                (upper / name / kind).mkdir(parents=True)
            call("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/{name},upperdir={upper / name / 'files'},"
                 f"workdir={upper / name / 'work'}", f"/{name}")
        call("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
        call("ip", "link", "set", "lo", "up")
        shutil.rmtree("/etc/leafd", ignore_errors=True)
        with open("/etc/hosts", "a", encoding="utf-8") as hosts:
            hosts.write(f"127.0.0.1 {' '.join(NAMES)}\n")
        binaries = self.folder / "bin"
        binaries.mkdir()
        (binaries / "vault").symlink_to(os.path.abspath(self.server))
        (binaries / "systemctl").write_text(f'#!/bin/sh\nexec {sys.executable} {HERE}/systemctl.py "$@"\n')
        (binaries / "systemctl").chmod(0o755)
        (self.folder / "contrib").symlink_to(os.path.join(SOURCE, "contrib"))
        call("make", "-s", "-C", self.build, "install")
        self.run(building)
        self.start_vault()

    def start(self, *command, log, **settings):
        with open(self.folder / log, "ab") as file:
            return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                    **settings)

    def make_tls(self):
        """The server's certificate, and the CA that signed it: vault-ca.pem, as README calls it."""
        tls = self.folder / "tls"
        tls.mkdir()
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        call(*make, "-subj", "/CN=CA of Vault", "-keyout", tls / "ca.key", "-out", self.folder / "vault-ca.pem")
        call(*make, "-subj", "/CN=vault", "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in NAMES),
             "-addext", "basicConstraints=critical,CA:FALSE", "-CA", self.folder / "vault-ca.pem", "-CAkey", tls / "ca.key",
             "-keyout", tls / "server.key", "-out", tls / "server.pem")
        return tls

    def start_vault(self):
        tls = self.make_tls()
        (self.folder / "server.hcl").write_text(f'''listener "tcp" {{
  address = "127.0.0.1:8200"
  tls_cert_file = "{tls}/server.pem"
  tls_key_file = "{tls}/server.key"
}}''')
        self.start(self.server, "server", "-dev", "-dev-listen-address=127.0.0.1:8199", "-dev-root-token-id=root",
                   "-dev-no-store-token", f"-config={self.folder / 'server.hcl'}", log="vault.log",
                   env={"PATH": os.environ["PATH"], "HOME": str(self.folder)})
        self.run("vault secrets list >/dev/null", vault=True, until_true=True)
        self.run("""vault secrets enable -max-lease-ttl=87600h pki
vault secrets enable -path=pki_int -max-lease-ttl=43800h pki
vault write -field=certificate pki/root/generate/internal common_name=Root key_type=ec ttl=87600h >/dev/null
vault write -field=csr pki_int/intermediate/generate/internal common_name=Intermediate key_type=ec >int.csr
vault write -field=certificate pki/root/sign-intermediate csr=@int.csr format=pem_bundle ttl=43800h >int.pem
vault write pki_int/intermediate/set-signed certificate=@int.pem >/dev/null""", vault=True)

    def start_token_review(self):
        """What Vault asks of Kubernetes, and the ServiceAccount of its own pod."""
        account = pathlib.Path("/run/secrets/kubernetes.io/serviceaccount")
        account.mkdir(parents=True)
        (account / "token").write_text(self.tokens.make(account="vault"))
        shutil.copyfile(self.folder / "vault-ca.pem", account / "ca.crt")
        tls = self.folder / "tls"
        self.review = TokenReview(self.folder, self.tokens, tls / "server.pem", tls / "server.key", port=443)

    def start_manager(self):
        """The bus with a systemd that can reload nginx."""
        program = self.folder / "manager"
        flags = call("pkg-config", "--cflags", "--libs", "libsystemd").split()
        call("cc", "-o", program, os.path.join(HERE, "manager.c"), *flags)
        os.makedirs("/run/dbus")
        (self.folder / "bus.conf").write_text(BUS)
        self.start("dbus-daemon", f"--config-file={self.folder / 'bus.conf'}", "--nofork", "--nopidfile", "--nosyslog",
                   log="bus.log")
        wait_for(lambda: os.path.exists("/run/dbus/system_bus_socket"), "the bus")
        self.start(program, "nginx -s reload", log="manager.log", env=self.environment)
        wait_for(lambda: "ready" in (self.folder / "manager.log").read_text(), "the stand-in for systemd")

    def start_nginx(self):
        """As Debian's package leaves it."""
        call("nginx", "-t", "-q")
        call("nginx")

    def run(self, block, vault=False, until_true=False):
        """What the lines print to whoever runs them; all succeed, or will if they are run again."""
        print(re.sub("^", "$ ", block.rstrip(), flags=re.M), flush=True)
        environment = {**self.environment, **(self.vault_environment if vault else {})}
        end = time.monotonic() + (PATIENCE_S if until_true else 0)
        while True:
            done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", block], cwd=self.folder, env=environment, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            if done.returncode == 0 or time.monotonic() > end:
                break
            time.sleep(0.1)
        print(done.stdout, flush=True)
        assert done.returncode == 0, f"exit status {done.returncode}"
        return done.stdout

    def show_logs(self):
        for log in sorted(self.folder.glob("*.log")):
            print(f"--- {log.name}\n" + "".join(log.read_text(errors="replace").splitlines(True)[-30:]), flush=True)

    def stop(self):
        if self.review:
            self.review.stop()
