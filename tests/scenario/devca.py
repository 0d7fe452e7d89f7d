"""tests/devca under a scenario: the CA that makes mistakes on request."""
import contextlib
import json
import os
import ssl
import subprocess
import urllib.error
import urllib.request

import scene
from roles import ROLES, with_accessors
from tokens import TokenMaker

DEVCA = os.environ.get("DEVCA", os.path.join(os.path.dirname(__file__), "..", "devca", "devca"))


def ini_value(value):
    return ", ".join(value) if isinstance(value, list) else {True: "yes", False: "no"}.get(value, value)


class DevCa:
    """A devca with the roles of the scenarios."""
    kind = "devca"
    mount = "pki_int"

    def __init__(self, folder, prefix=()):
        self.folder = folder
        self.tokens = TokenMaker(folder)
        roles = folder / "roles.ini"
        with open(roles, "w", encoding="utf-8") as file:
            for name, settings in ROLES.items():
                settings = with_accessors(settings, self.accessor)
                file.write(f"[role {name}]\n" + "".join(f"{k} = {ini_value(v)}\n" for k, v in settings.items()))
            file.write("[auth leafd]\nbound_subject = system:serviceaccount:demo:app\ntoken_ttl = 10m\n"
                       "[auth powerless]\nbound_subject = system:serviceaccount:demo:app\ntoken_ttl = 10m\n"
                       "policy = none\n"
                       "[auth brief]\nbound_subject = system:serviceaccount:demo:app\ntoken_ttl = 6s\n"
                       "[auth sign-only]\nbound_subject = system:serviceaccount:demo:app\ntoken_ttl = 10m\n"
                       "policy = sign\n"
                       "[auth few]\nbound_subject = system:serviceaccount:demo:app\ntoken_num_uses = 5\n"
                       "[auth single]\nbound_subject = system:serviceaccount:demo:app\ntoken_num_uses = 1\n"
                       "[auth short]\nbound_subject = system:serviceaccount:demo:app\ntoken_ttl = 20s\n"
                       "[auth minute]\nbound_subject = system:serviceaccount:demo:app\ntoken_ttl = 1m\n"
                       "[auth anybody]\ntoken_ttl = 10m\n")
        self.log = open(folder / "devca.log", "wb")
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*prefix, DEVCA, "--listen", "127.0.0.1:0", "--directory", str(folder), "--roles", str(roles), "--jwt-key",
             str(self.tokens.public_file)], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        scene.wait_for(lambda: (folder / "address").exists() and (folder / "address").read_text(), "devca")
        self.direct = (folder / "address").read_text().strip()
        self.ca_file = str(folder / "tls-ca.pem")
        self.root_file = folder / "root.pem"
        self.context = ssl.create_default_context(cafile=self.ca_file)
        self.proxy = scene.Proxy(("127.0.0.1", int(self.direct.rsplit(":", 1)[1])))
        self.address = f"https://127.0.0.1:{self.proxy.port}"
        self.token_file = folder / "token"
        self.client_certificate, self.client_key = folder / "client.crt", folder / "client.key"
        self.role_id = (folder / "role-id").read_text().strip()
        self.reset()

    def call(self, method, path, body=None, token=""):
        request = urllib.request.Request(f"{self.direct}/{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"X-Vault-Token": token} if token else {})
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=scene.PATIENCE_S) as reply:
                text = reply.read()
        except urllib.error.HTTPError as failure:
            raise AssertionError(f"{method} {path}: {failure.code} {failure.read().decode()}") from failure
        return json.loads(text) if text else {}

    @staticmethod
    def accessor(mount):
        return f"auth_{mount}_devca"

    # -- what scenarios use ---------------------------------------------------------------------------

    @property
    def auth(self):
        return f"method = jwt\nrole = leafd\ntoken_file = {self.token_file}"

    def issued_tokens(self):
        """The tokens that logins got since the last reset."""
        path = self.folder / "tokens-issued"
        return path.read_text().split()[self.issued_before:] if path.exists() else []

    def secrets(self):
        """What whoever talked to this CA since the last reset must not tell: by name."""
        return [("a JWT", jwt) for jwt in self.tokens.made] + [("a token", token) for token in self.issued_tokens()] + \
            [("the secret id", self.secret_id())]

    def secret_id(self):
        return (self.folder / "secret-id").read_text().strip()

    def all_requests(self):
        return self.call("GET", "devca/requests")["paths"]

    def requests(self, path):
        """How many requests to paths that begin so came since the last reset."""
        return self.counted(path) - sum(n for p, n in self.before.items() if p.split(" ")[1].startswith(path))

    def counted(self, path):
        return sum(n for p, n in self.all_requests().items() if p.split(" ")[1].startswith(path))

    def fault(self, fault, path="pki_int/", times=1, **parameters):
        self.call("POST", "devca/faults", {"path": path, "times": times, "fault": fault, **parameters})

    def rotate(self):
        self.call("POST", "devca/rotate", {})

    @contextlib.contextmanager
    def another_root(self, name):
        """A new root, given as PEM, and an intermediate of it, which is the default issuer for so long."""
        made = self.call("POST", "devca/rotate", {"root": name})
        chain = self.call("GET", f"v1/pki_int/issuer/{made['issuer_id']}/json")["data"]["ca_chain"]
        try:
            yield chain[-1]
        finally:
            self.rotate()

    def pin_role(self, name):
        """The certificates of that role come from the issuer that is the default one now, whatever comes."""
        self.call("POST", "devca/pin", {"role": name})

    def lists_live(self, seconds, old=False):
        """Revocation lists live so long from now on; old ones are not made anew before they end."""
        self.call("POST", "devca/lists", {"life": seconds, "old": old})

    def drop_tokens(self):
        self.call("POST", "devca/tokens/revoke-all", {})

    def revoked(self, serial):
        text = self.call("GET", f"v1/pki_int/cert/{serial}")["data"]
        return text["revocation_time"] > 0

    def revoke(self, serial):
        token = self.call("POST", "v1/auth/jwt/login", {"role": "leafd", "jwt": self.tokens.make()})["auth"]["client_token"]
        self.call("POST", "v1/pki_int/revoke", {"serial_number": serial}, token)

    def fall_ill(self, ill):
        """All illnesses of a cluster look the same to whoever logs in, as from a real server."""
        self.fault("status", path="auth/kubernetes/login", times=1, status=403, errors=["permission denied"])

    def reset(self):
        self.proxy.repair()
        self.call("DELETE", "devca/faults")
        self.lists_live(0)
        self.issued_before = 0
        self.issued_before = len(self.issued_tokens())
        self.tokens.made.clear()
        self.token_file.write_text(self.tokens.make() + "\n")
        self.before = self.all_requests()

    def stop(self):
        self.proxy.cut()
        self.process.terminate()
        assert self.process.wait() == 0, (self.folder / "devca.log").read_text()
