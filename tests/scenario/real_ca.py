"""A real Vault or OpenBao server in dev mode, set up for the scenarios.

$BAO or $VAULT names the binary, else `bao` or `vault` on PATH is taken, else tests/vault/build makes one from the Go
module, once, into a cache outside the tree.
"""
import contextlib
import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import scene
from scene import free_port
from roles import ROLES, with_accessors
from tokens import TokenMaker, TokenReview

BUILD = os.path.join(os.path.dirname(__file__), "..", "vault", "build")


def find_real_ca():
    """(path, why not): the binary, or None and the reason."""
    for variable in ("BAO", "VAULT"):
        if os.environ.get(variable):
            return os.environ[variable], None
    for name in ("bao", "vault"):
        if shutil.which(name):
            return shutil.which(name), None
    made = subprocess.run([BUILD, "--path"], capture_output=True, text=True, check=False)
    path = made.stdout.strip()
    if made.returncode == 0 and os.access(path, os.X_OK):
        return path, None
    return None, "no bao or vault on PATH, and tests/vault/build has not made one"


def version_of(binary):
    """What the server calls itself: "OpenBao v2.6.2 ..." or "Vault v1.21.4 ..."."""
    return subprocess.run([binary, "version"], capture_output=True, text=True, check=True).stdout.strip()


class RealCa:
    """The server, with a root, an intermediate, roles, policies and every login method."""
    kind = "real"
    mount = "pki_int"

    def __init__(self, binary, folder, prefix=(), audit=True):
        self.folder, self.binary = folder, binary
        self.tls = folder / "tls"
        self.tls.mkdir()
        self.log = open(folder / "server.log", "wb")
        port = free_port()
        self.direct = f"https://127.0.0.1:{port}"
        settings = []
        self.version = version_of(binary)
        if audit and self.version.startswith("OpenBao"):
            # Only OpenBao knows this key, and only with it can an audit device be enabled by the API.
            (folder / "server.hcl").write_text("unsafe_allow_api_audit_creation = true\n")
            settings = [f"-config={folder / 'server.hcl'}"]
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*prefix, binary, "server", "-dev-tls", f"-dev-tls-cert-dir={self.tls}", f"-dev-listen-address=127.0.0.1:{port}",
             "-dev-root-token-id=root", "-dev-no-store-token", *settings], stdout=self.log, stderr=self.log,
            stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "HOME": str(folder)})
        self.ca_file = str(self.tls / "vault-ca.pem")
        scene.wait_for(lambda: os.path.exists(self.ca_file) and "END CERTIFICATE" in open(self.ca_file).read(),
                       "the server's TLS files")
        self.context = ssl.create_default_context(cafile=self.ca_file)
        scene.wait_for(self.is_up, "the server")
        self.proxy = scene.Proxy(("127.0.0.1", port))
        self.address = f"https://127.0.0.1:{self.proxy.port}"
        self.audit = folder / "audit.log"
        self.tokens = TokenMaker(folder)
        self.set_up_pki()
        self.set_up_auth()
        if audit:
            self.call("PUT", "sys/audit/file", {"type": "file", "options": {"file_path": str(self.audit)}})
        self.token_file = folder / "token"
        self.reset()

    # -- the server's API -----------------------------------------------------------------------------

    def call(self, method, path, body=None, token="root"):
        request = urllib.request.Request(f"{self.direct}/v1/{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"X-Vault-Token": token, "X-Vault-Request": "true"})
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=scene.PATIENCE_S) as reply:
                text = reply.read()
        except urllib.error.HTTPError as failure:
            raise AssertionError(f"{method} {path}: {failure.code} {failure.read().decode()}") from failure
        return json.loads(text) if text else {}

    def is_up(self):
        try:
            self.call("GET", "sys/health")
        except (OSError, AssertionError):
            return False
        return True

    def set_up_pki(self):
        for mount in ("pki", "pki_int"):
            self.call("POST", f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
        self.call("POST", "pki/root/generate/internal", {"common_name": "scenario root", "key_type": "ec",
                                                        "ttl": "87600h"})
        self.rotate()
        root = self.call("GET", "pki/cert/ca")["data"]["certificate"]
        self.root_file = self.folder / "root.pem"
        self.root_file.write_text(root + "\n")

    def rotate(self):
        """A new intermediate, which is the default issuer from now on."""
        csr = self.call("POST", "pki_int/intermediate/generate/internal",
                        {"common_name": f"scenario intermediate {time.time_ns()}", "key_type": "ec"})["data"]["csr"]
        signed = self.call("POST", "pki/root/sign-intermediate", {"csr": csr, "format": "pem_bundle",
                                                                 "ttl": "43800h"})["data"]["certificate"]
        imported = self.call("POST", "pki_int/intermediate/set-signed", {"certificate": signed})["data"]
        issuers = self.call("LIST", "pki_int/issuers")["data"]
        newest = [i for i in imported["imported_issuers"] if not issuers["key_info"][i].get("is_default")
                  and imported["mapping"].get(i)]
        if newest:
            self.call("POST", "pki_int/config/issuers", {"default": newest[0]})

    @contextlib.contextmanager
    def another_root(self, name):
        """A new root, given as PEM, and an intermediate of it, which is the default issuer for so long."""
        before = self.call("GET", "pki_int/config/issuers")["data"]["default"]
        root = self.call("POST", "pki/root/rotate/internal", {"common_name": name, "key_type": "ec",
                                                              "ttl": "87600h"})["data"]
        csr = self.call("POST", "pki_int/intermediate/generate/internal",
                        {"common_name": f"{name} intermediate", "key_type": "ec"})["data"]["csr"]
        signed = self.call("POST", f"pki/issuer/{root['issuer_id']}/sign-intermediate",
                           {"csr": csr, "format": "pem_bundle", "ttl": "43800h"})["data"]["certificate"]
        imported = self.call("POST", "pki_int/intermediate/set-signed", {"certificate": signed})["data"]
        newest = [issuer for issuer in imported["imported_issuers"] if imported["mapping"].get(issuer)]
        self.call("POST", "pki_int/config/issuers", {"default": newest[0]})
        try:
            yield root["certificate"] + "\n"
        finally:
            self.call("POST", "pki_int/config/issuers", {"default": before})

    @contextlib.contextmanager
    def brief_issuer(self, ttl):
        """An intermediate that ends so soon, and signs whatever outlives it, is the default issuer for so long."""
        before = self.call("GET", "pki_int/config/issuers")["data"]["default"]
        csr = self.call("POST", "pki_int/intermediate/generate/internal",
                        {"common_name": "brief intermediate", "key_type": "ec"})["data"]["csr"]
        signed = self.call("POST", "pki/root/sign-intermediate", {"csr": csr, "format": "pem_bundle",
                                                                 "ttl": ttl})["data"]["certificate"]
        imported = self.call("POST", "pki_int/intermediate/set-signed", {"certificate": signed})["data"]
        newest = [issuer for issuer in imported["imported_issuers"] if imported["mapping"].get(issuer)]
        self.call("POST", f"pki_int/issuer/{newest[0]}", {"leaf_not_after_behavior": "permit"})
        self.call("POST", "pki_int/config/issuers", {"default": newest[0]})
        try:
            yield
        finally:
            self.call("POST", "pki_int/config/issuers", {"default": before})

    @contextlib.contextmanager
    def crossed_issuer(self):
        """An intermediate of two roots, one of them expired, is the default issuer; the other root's PEM.

        Its chain is set by hand, the expired root's half first, as an operator leaves it behind after a change of root.
        """
        before = self.call("GET", "pki_int/config/issuers")["data"]["default"]
        made = self.call("POST", "pki_int/intermediate/generate/internal", {"common_name": "crossed", "key_type": "ec"})
        roots, halves = [], []
        for name, ttl in (("old root", "5s"), ("young root", "87600h")):
            root = self.call("POST", "pki/root/rotate/internal", {"common_name": name, "key_type": "ec", "ttl": ttl})["data"]
            self.call("POST", f"pki/issuer/{root['issuer_id']}", {"leaf_not_after_behavior": "permit"})
            half = self.call("POST", f"pki/issuer/{root['issuer_id']}/sign-intermediate", {
                "csr": made["data"]["csr"], "format": "pem", "ttl": "43800h"})["data"]
            roots.append(root)
            halves.append(half["certificate"])
        ids = [self.call("POST", "pki_int/issuers/import/cert", {"pem_bundle": pem})["data"]["imported_issuers"][0]
               for pem in [*halves, *(root["certificate"] for root in roots)]]
        for issuer in ids:
            self.call("POST", f"pki_int/issuer/{issuer}", {"leaf_not_after_behavior": "permit"})
        self.call("POST", f"pki_int/issuer/{ids[0]}", {"manual_chain": ids, "leaf_not_after_behavior": "permit"})
        self.call("POST", "pki_int/config/issuers", {"default": ids[0]})
        scene.wait_for(lambda: time.time() > roots[0]["expiration"], "the end of the old root")
        try:
            yield roots[1]["certificate"] + "\n"
        finally:
            self.call("POST", "pki_int/config/issuers", {"default": before})

    def set_up_auth(self):
        self.call("POST", "sys/policies/acl/leafd", {"policy": '''
            path "pki_int/sign/+" { capabilities = ["update"] }
            path "pki_int/issue/+" { capabilities = ["update"] }
            path "pki_int/issuer/+/sign/+" { capabilities = ["update"] }
            path "pki_int/revoke" { capabilities = ["update"] }
            path "pki_int/roles/+" { capabilities = ["read"] }
            path "pki_int/issuer/+" { capabilities = ["read"] }
            path "pki_gone/sign/+" { capabilities = ["update"] }'''})
        self.call("POST", "sys/policies/acl/sign-only", {"policy": '''
            path "pki_int/sign/+" { capabilities = ["update"] }'''})
        self.call("POST", "sys/policies/acl/nothing", {"policy": 'path "secret/none" { capabilities = ["read"] }'})
        for method in ("kubernetes", "jwt", "approle", "cert"):
            self.call("POST", f"sys/auth/{method}", {"type": method})
        public = self.tokens.public_file.read_text()
        self.call("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [public]})
        for role, policy, ttl in (("leafd", "leafd", "10m"), ("powerless", "nothing", "10m"),
                                  ("sign-only", "sign-only", "10m"), ("short", "leafd", "20s"), ("brief", "leafd", "6s")):
            self.call("POST", f"auth/jwt/role/{role}", {
                "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": [policy],
                "bound_subject": "system:serviceaccount:demo:app", "token_ttl": ttl})
        self.review = TokenReview(self.folder, self.tokens, self.tls / "vault-cert.pem", self.tls / "vault-key.pem")
        self.call("POST", "auth/kubernetes/config", {
            "kubernetes_host": self.review.address, "kubernetes_ca_cert": open(self.ca_file).read(),
            "token_reviewer_jwt": self.tokens.make(account="reviewer"), "disable_local_ca_jwt": True})
        self.call("POST", "auth/kubernetes/role/leafd", {
            "bound_service_account_names": ["app"], "bound_service_account_namespaces": ["demo"],
            "audience": "vault", "token_policies": ["leafd"], "token_ttl": "10m"})
        self.call("POST", "auth/jwt/role/few", {
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": ["leafd"],
            "bound_subject": "system:serviceaccount:demo:app", "token_ttl": "10m", "token_num_uses": 5})
        self.call("POST", "auth/jwt/role/single", {
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": ["leafd"],
            "bound_subject": "system:serviceaccount:demo:app", "token_ttl": "10m", "token_num_uses": 1})
        self.call("POST", "auth/approle/role/leafd", {"token_policies": ["leafd"], "token_ttl": "10m"})
        self.role_id = self.call("GET", "auth/approle/role/leafd/role-id")["data"]["role_id"]
        # any ServiceAccount, with what a jwt login says of it under the names that kubernetes has
        self.call("POST", "auth/kubernetes/role/anybody", {
            "bound_service_account_names": ["*"], "bound_service_account_namespaces": ["*"],
            "audience": "vault", "token_policies": ["leafd"], "token_ttl": "10m"})
        self.call("POST", "auth/jwt/role/anybody", {
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": ["leafd"],
            "token_ttl": "10m", "claim_mappings": {
                "/kubernetes.io/namespace": "service_account_namespace",
                "/kubernetes.io/serviceaccount/name": "service_account_name"}})
        for name, settings in ROLES.items():
            self.call("POST", f"pki_int/roles/{name}", with_accessors(settings, self.accessor))
        self.set_up_cert_auth()

    def accessor(self, mount):
        return self.call("GET", f"sys/auth/{mount}")["data"]["accessor"]

    def set_up_cert_auth(self):
        made = self.call("POST", "pki/roles/client", {"allow_any_name": True, "key_type": "ec", "max_ttl": "24h"})
        made = self.call("POST", "pki/issue/client", {"common_name": "client.example.test"})["data"]
        self.client_certificate, self.client_key = self.folder / "client.crt", self.folder / "client.key"
        self.client_certificate.write_text(made["certificate"] + "\n")
        self.client_key.write_text(made["private_key"] + "\n")
        self.client_key.chmod(0o600)
        self.call("POST", "auth/cert/certs/leafd", {"certificate": self.root_file.read_text(),
                                                   "token_policies": ["leafd"], "token_ttl": "10m"})

    # -- what scenarios use ---------------------------------------------------------------------------

    @property
    def auth(self):
        return f"method = jwt\nrole = leafd\ntoken_file = {self.token_file}"

    def secret_id(self):
        self.secret_ids.append(self.call("POST", "auth/approle/role/leafd/secret-id", {})["data"]["secret_id"])
        return self.secret_ids[-1]

    def secrets(self):
        """What whoever talked to this CA since the last reset must not tell: by name. Its tokens are known by their look."""
        return [("a JWT", jwt) for jwt in self.tokens.made] + [("a secret id", secret) for secret in self.secret_ids]

    def requests(self, path):
        """How many requests to paths that begin so were answered since the last reset."""
        count = 0
        text = self.audit.read_text(errors="replace") if self.audit.exists() else ""
        for line in text[:text.rfind("\n") + 1].splitlines():  # the last one may still be being written
            entry = json.loads(line)
            count += entry["type"] == "response" and entry["request"]["path"].startswith(path) \
                and entry["request"].get("remote_address") != "" and entry["time"] > self.since \
                and entry.get("auth", {}).get("display_name") != "root"
        return count

    def drop_tokens(self):
        """Every token that a login gave is worth nothing from now on."""
        for method in ("jwt", "kubernetes", "approle", "cert"):
            self.call("POST", f"sys/leases/revoke-prefix/auth/{method}/login", {})

    def revoked(self, serial):
        return self.call("GET", f"pki_int/cert/{serial}")["data"]["revocation_time"] > 0

    def revoke(self, serial):
        self.call("POST", "pki_int/revoke", {"serial_number": serial})

    def pin_role(self, name):
        """A role whose certificates come from the issuer that is the default one now, whatever comes."""
        issuer = self.call("GET", "pki_int/issuer/default")["data"]["issuer_id"]
        self.call("POST", f"pki_int/roles/{name}", {**ROLES["leafd"], "issuer_ref": issuer})

    def fall_ill(self, ill):
        """The cluster behind the kubernetes auth method is ill: one of the words of TokenReview."""
        self.review.ill = ill

    def reset(self):
        self.proxy.repair()
        self.tokens.made.clear()
        self.secret_ids = []
        self.review.ill = None
        self.token_file.write_text(self.tokens.make() + "\n")
        now_ns = time.time_ns()
        self.since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_ns // 10**9)) + f".{now_ns % 10**9:09d}Z"

    def stop(self):
        self.proxy.cut()
        self.review.stop()
        self.process.terminate()
        self.process.wait()
