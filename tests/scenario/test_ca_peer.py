"""Whom leafd takes for the CA, and where its token goes: names in certificates, and redirects."""
import contextlib
import http.server
import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from real_ca import find_real_ca, version_of
from scene import LEAFD, PATIENCE_S, WEB, Proxy, is_published, openssl, wait_for, free_port


# -- a server of our own ----------------------------------------------------------------------------------------------


class Listener:
    """A TLS server with a certificate made to order; it counts connections and keeps the requests."""

    def __init__(self, folder, name, extension):
        self.folder, self.connections, self.requests = folder, 0, []
        self.reply = lambda *_: (503, {}, b"")
        self.ca_file = folder / "own-ca.pem"
        if not self.ca_file.exists():
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=own CA", "-keyout", str(folder / "own-ca.key"), "-out", str(self.ca_file))
        (folder / "extension").write_text(f"subjectAltName = {extension}\n" if extension else "keyUsage = digitalSignature\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", str(folder / "own.key"), "-out", str(folder / "own.csr"))
        openssl("x509", "-req", "-in", str(folder / "own.csr"), "-CA", str(self.ca_file), "-CAkey",
                str(folder / "own-ca.key"), "-CAcreateserial", "-days", "2", "-extfile", str(folder / "extension"),
                "-out", str(folder / "own.pem"))
        listener = self

        class Server(http.server.ThreadingHTTPServer):
            """One that counts."""

            def get_request(self):
                connection, where = super().get_request()
                listener.connections += 1
                return listener.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), where

            def handle_error(self, request, client_address):
                pass

        class Handler(http.server.BaseHTTPRequestHandler):
            """Keeps what comes."""

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                listener.requests.append((self.path, dict(self.headers), body))
                status, headers, reply = listener.reply(self.command, self.path, self.headers, body)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(reply))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_POST = answer

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "own.pem", folder / "own.key")
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def listening(folder, name="localhost", extension="DNS:localhost, IP:127.0.0.1"):
    listener = Listener(folder, name, extension)
    try:
        yield listener
    finally:
        listener.stop()


# -- names in certificates --------------------------------------------------------------------------------------------

NAMELESS = {"none": ("localhost", ""), "uri": ("localhost", "URI:spiffe://example.test/ca"),
            "mail": ("127.0.0.1", "email:ca@example.test")}


@pytest.mark.parametrize("kind", NAMELESS)
def test_a_ca_whose_certificate_has_its_name_as_common_name_only_hears_nothing(devca, site, tmp_path, kind):
    """RFC 9525 section 2; libcurl takes the common name where there is neither a DNS name nor an address."""
    name, extension = NAMELESS[kind]
    with listening(tmp_path, name, extension) as server:
        site.configure(devca, {"web": WEB})
        site.write(site.file.read_text().replace(devca.address, f"https://{name}:{server.port}")
                   .replace(devca.ca_file, str(server.ca_file)))
        done = site.once()
        message = done.events("login-failed")[0]["message"]
        assert "neither a DNS name nor an IP address as subjectAltName" in message, message
        assert f"the server is https://{name}:{server.port}" in message
        assert done.events("login-failed")[0]["class"] == "untrusted"
        assert server.connections > 0 and not server.requests


def test_a_ca_with_a_name_and_another_common_name_is_heard(devca, site, tmp_path):
    with listening(tmp_path, "another.example.test", "DNS:localhost") as server:
        site.configure(devca, {"web": WEB})
        site.write(site.file.read_text().replace(devca.address, f"https://localhost:{server.port}")
                   .replace(devca.ca_file, str(server.ca_file)))
        assert "the CA answered 503" in site.once().events("login-failed")[0]["message"]
        assert server.requests


def test_a_consumers_interface_that_has_its_name_as_common_name_only_is_not_asked(devca, site, tmp_path):
    """reload = http and prove = http go the same way."""
    with listening(tmp_path, "localhost", "") as server:
        ca = openssl("x509", "-in", str(server.ca_file))
        (tmp_path / "anchor.pem").write_text(devca.root_file.read_text() + ca)
        url = f"https://localhost:{server.port}/reload"
        site.configure(devca, {
            "told": WEB + f"trust_anchor = {tmp_path}/anchor.pem\nreload = http POST {url}\n",
            "seen": WEB + f"trust_anchor = {tmp_path}/anchor.pem\nprove = http {url} certs[*].serial\nprove_timeout = 1s\n"})
        done = site.once()
        for event, cert in (("reload-failed", "told"), ("awaited", "seen")):
            message = next(line for line in done.events(event) if line["cert"] == cert)["message"]
            assert "neither a DNS name nor an IP address as subjectAltName" in message, message
        assert server.connections > 0 and not server.requests


# -- redirects --------------------------------------------------------------------------------------------------------


def trust_both(devca, site, server, vault=""):
    """A ca_file that vouches for the CA and for a server of somebody else's, as a company's root does."""
    both = site.folder / "both.pem"
    both.write_text(open(devca.ca_file, encoding="ascii").read() + server.ca_file.read_text())
    site.configure(devca, {"web": WEB}, vault=vault)
    site.write(site.file.read_text().replace(f"ca_file = {devca.ca_file}", f"ca_file = {both}"))


@pytest.mark.parametrize("where, event, stolen", [("auth/jwt/login", "login-failed", "eyJ"), ("pki_int/sign", "failed", "hvs.")])
def test_a_redirect_to_a_host_that_nobody_named_takes_nothing_there(devca, site, tmp_path, where, event, stolen):
    """Neither JWT nor token, not even a connection; and the message has the line that would let it."""
    with listening(tmp_path) as thief:
        line = f"redirects = localhost:{thief.port}"
        for vault, says in (("", line), ("redirects = vault.example.test, other.example.test:8200", line + " in [vault] of leafd.ini as one more line"),
                            ("redirects = localhost:1", line), ("redirects = no", line + " in [vault] of leafd.ini in place of no")):
            trust_both(devca, site, thief, vault)
            devca.fault("redirect", path=where, times=1, location=f"https://localhost:{thief.port}/v1/{where}")
            done = site.once()
            message = done.events(event)[0]["message"]
            assert says in message and f"redirected by {devca.address} to https://localhost:{thief.port}:" in message, message
            told, = done.events("redirected")
            assert (told["from"], told["to"], told["followed"]) == \
                (devca.address.split("//")[1], f"localhost:{thief.port}", "no"), told
            assert done.code == 1 and done.events(event)[0]["class"] == "transient"
            assert not is_published(site.out())
        assert thief.connections == 0 and not thief.requests
        # With that line it goes there: so the server could have had it.
        trust_both(devca, site, thief, f"redirects = LOCALHOST.\n{line}")
        devca.fault("redirect", path=where, times=1, location=f"https://localhost:{thief.port}/v1/{where}")
        told, = site.once().events("redirected")
        assert told["followed"] == "yes" and told["level"] == "notice"
        (_, headers, body), = thief.requests
        assert stolen in headers.get("X-Vault-Token", "") + body.decode()


def test_redirects_within_the_host_of_the_address_are_followed_and_told_once(devca, site):
    """By default at any port; by `no` not even these. What is the same again is told once."""
    location = f"{devca.direct}/v1/pki_int/issuer/default/sign/leafd"
    for vault in ("", "redirects = same-host", "redirects = vault.example.test"):
        certs = [f"{name}-{len(vault)}" for name in "abc"]
        site.configure(devca, {name: WEB for name in certs}, vault=vault)
        devca.fault("redirect", path="pki_int/sign", times=len(certs), location=location)
        done = site.once()
        assert done.code == 0 and len(done.events("published")) == 3, done.err
        assert [line["followed"] for line in done.events("redirected")] == ["yes"], done.err
    site.configure(devca, {"none": WEB}, vault="redirects = no")
    devca.fault("redirect", path="pki_int/sign", times=1, location=location)
    assert "in place of no" in site.once().events("failed")[0]["message"]


def test_a_redirect_that_brings_a_user_along_is_refused(devca, site):
    site.configure(devca, {"web": WEB})
    for user in ("somebody@", "somebody:secret@", ":secret@"):
        location = devca.direct.replace("https://", f"https://{user}") + "/v1/pki_int/sign/leafd"
        devca.fault("redirect", path="pki_int/sign", times=1, location=location)
        done = site.once()
        assert "a URL with a user in it" in done.events("failed")[0]["message"], user
        assert done.events("failed")[0]["class"] == "untrusted"


def test_the_name_to_verify_holds_for_redirects_within_the_host(devca, site, tmp_path):
    """Where tls_server_name says who answers at the address, the same one answers at its other port."""
    with listening(tmp_path, "x", "DNS:vault.example.test") as server:
        site.configure(devca, {"web": WEB}, vault="tls_server_name = vault.example.test")
        site.write(site.file.read_text().replace(devca.address, f"https://127.0.0.1:{server.port}")
                   .replace(devca.ca_file, str(server.ca_file)))
        server.reply = lambda command, path, *_: (503, {}, b"") if path == "/there" else \
            (307, {"Location": f"https://127.0.0.1:{server.port}/there"}, b"")
        assert "the CA answered 503" in site.once().events("login-failed")[0]["message"]
        assert [path for path, _, _ in server.requests] == ["/v1/auth/jwt/login", "/there"]


def test_after_a_redirect_that_is_not_followed_a_new_connection_may_lead_to_the_leader(devca, site):
    """Behind a balancer each connection leads to one of the servers, and the next one may be the right one."""
    site.configure(devca, {"web": WEB})
    devca.fault("redirect", path="pki_int/sign", times=1, location="https://localhost:1/v1/pki_int/sign/leafd")
    before = devca.proxy.connections
    run = site.run()
    run.wait_event("published")
    assert devca.proxy.connections == before + 2
    assert run.terminate() == 0


# -- a real standby ---------------------------------------------------------------------------------------------------


class Pair:
    """Two real servers over Raft, and a front that keeps the standby from forwarding: it has to redirect."""

    def __init__(self, binary, folder, own):
        self.folder, self.own, self.binary, self.processes = folder, own, binary, []
        self.context = ssl.create_default_context(cafile=str(own.ca_file))
        self.ports = [free_port(), free_port()]
        self.leader_door = Proxy(("127.0.0.1", self.ports[0]))
        self.start(0, self.leader_door.port)
        made = self.call(0, "PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self.key, self.token = made["keys"][0], made["root_token"]
        self.call(0, "PUT", "sys/unseal", {"key": self.key})
        wait_for(lambda: self.health(0) == 200, "a leader")
        self.start(1, self.ports[1])
        self.call(1, "PUT", "sys/storage/raft/join", {"leader_api_addr": f"https://localhost:{self.ports[0]}",
                                                      "leader_ca_cert": own.ca_file.read_text()})
        wait_for(self.unseal_standby, "a standby")
        self.call(0, "POST", "sys/mounts/pki_int", {"type": "pki"})
        self.call(0, "POST", "pki_int/root/generate/internal", {"common_name": "pair", "key_type": "ec", "ttl": "8760h"})
        self.call(0, "POST", "pki_int/roles/leafd", {"allow_any_name": True, "key_type": "any", "require_cn": False})

    def start(self, number, api_port):
        place, cluster = self.folder / f"node-{number}", free_port()
        (place / "raft").mkdir(parents=True)
        vault = version_of(self.binary).startswith("Vault")
        (place / "server.hcl").write_text(f'''
            storage "raft" {{
                path = "{place}/raft"
                node_id = "node-{number}"
            }}
            listener "tcp" {{
                address = "127.0.0.1:{self.ports[number]}"
                cluster_address = "127.0.0.1:{cluster}"
                tls_cert_file = "{self.own.folder}/own.pem"
                tls_key_file = "{self.own.folder}/own.key"
            }}
            api_addr = "https://localhost:{api_port}"
            cluster_addr = "https://127.0.0.1:{cluster}"
            {"disable_mlock = true" if vault else ""}
            ''')
        self.processes.append(subprocess.Popen(  # pylint: disable=consider-using-with
            [self.binary, "server", f"-config={place}/server.hcl"], stdout=open(place / "log", "wb"), stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "HOME": str(place)}))
        wait_for(lambda: self.health(number) is not None, "a server")

    def call(self, number, method, path, body=None):
        request = urllib.request.Request(f"https://localhost:{self.ports[number]}/v1/{path}", method=method,
                                         data=json.dumps(body).encode(), headers={"X-Vault-Token": getattr(self, "token", "")})
        with urllib.request.urlopen(request, context=self.context, timeout=PATIENCE_S) as reply:
            text = reply.read()
        return json.loads(text) if text else {}

    def health(self, number):
        try:
            with urllib.request.urlopen(f"https://localhost:{self.ports[number]}/v1/sys/health", context=self.context,
                                        timeout=5) as reply:
                return reply.status
        except urllib.error.HTTPError as answer:
            return answer.code
        except OSError:
            return None

    def unseal_standby(self):
        if self.health(1) == 503:
            try:
                self.call(1, "PUT", "sys/unseal", {"key": self.key})
            except urllib.error.HTTPError:
                pass
        return self.health(1) == 429

    def pass_on(self, command, path, headers, body):
        """What a balancer does: the request as it came, to the standby, with one header more."""
        class Kept(urllib.request.HTTPRedirectHandler):
            """Follows nothing."""

            def redirect_request(self, *_):  # pylint: disable=arguments-differ
                return None

        taken = {name: value for name, value in headers.items() if name.startswith("X-Vault")}
        request = urllib.request.Request(f"https://localhost:{self.ports[1]}{path}", data=body, method=command,
                                         headers={**taken, "X-Vault-No-Request-Forwarding": "true"})
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self.context), Kept)
        try:
            with opener.open(request, timeout=PATIENCE_S) as reply:
                return reply.status, {}, reply.read()
        except urllib.error.HTTPError as answer:
            return answer.code, {"Location": answer.headers["Location"]} if answer.headers["Location"] else {}, answer.read()

    def stop(self):
        self.leader_door.cut()
        for process in self.processes:
            process.kill()
            process.wait()


def test_a_real_standby_that_redirects_is_followed_to_the_leader_that_is_named(site, tmp_path):
    """Over Raft, with forwarding kept from it: by default nothing reaches the leader, named it signs."""
    binary, why = find_real_ca()
    if binary is None:
        pytest.skip(f"no real CA: {why}")
    with listening(tmp_path) as front:
        pair = Pair(binary, tmp_path, front)
        try:
            front.reply = pair.pass_on
            (tmp_path / "token").write_text(pair.token + "\n")
            (tmp_path / "token").chmod(0o600)
            leader = f"localhost:{pair.leader_door.port}"
            for vault, code in (("", 1), (f"redirects = {leader}", 0)):
                site.write(f"[vault]\naddress = https://127.0.0.1:{front.port}\nca_file = {front.ca_file}\n{vault}\n"
                           f"[auth]\nmethod = token\ntoken_file = {tmp_path}/token\n[agent]\nlog_format = json\n"
                           f"[cert web]\npki_mount = pki_int\n{WEB}directory = {site.out()}\n")
                done = site.once()
                assert done.code == code, done.err
                told, = done.events("redirected")
                assert (told["to"], told["followed"]) == (leader, "yes" if vault else "no"), told
                if not vault:
                    assert f"redirects = {leader} in [vault]" in done.events("failed")[0]["message"]
                    assert pair.leader_door.connections == 0
        finally:
            pair.stop()


def test_the_certificates_of_a_directory_are_trusted_by_their_hashes(devca, site):
    folder = site.folder / "cas"
    folder.mkdir()
    shutil.copy(devca.ca_file, folder / "ca.pem")
    subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)
    (folder / "0badc0de.0").write_text("no certificate\n")
    site.configure(devca, {"web": WEB})
    site.write(site.file.read_text().replace(f"ca_file = {devca.ca_file}", f"ca_path = {folder}"))
    done = site.command("once")
    assert done.code == 0, done


def write_root(path):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other",
            "-keyout", os.devnull, "-out", str(path))


def test_a_ca_file_that_changes_is_taken_at_the_next_connection(devca, site):
    ca_file, new = site.folder / "ca.pem", site.folder / "new.pem"
    shutil.copy(devca.ca_file, ca_file)
    site.configure(devca, {"web": WEB.replace("ttl = 1h", "ttl = 12s") + "renew_at = 10%..20%\n"})
    site.write(site.file.read_text().replace(str(devca.ca_file), str(ca_file)))
    run = site.run()
    run.wait_ready()
    write_root(new)
    os.replace(new, ca_file)
    devca.proxy.cut()
    devca.proxy.repair()
    wait_for(lambda: f"verified with ca_file {ca_file}" in json.dumps(run.log()), "the CA to be refused")
    shutil.copy(devca.ca_file, new)
    os.replace(new, ca_file)
    before = len(run.events("published"))
    run.wait_event("published", count=before + 1)
    assert run.terminate() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts another store of the system")
@pytest.mark.skipif(not os.path.exists("/etc/ssl/certs/ca-certificates.crt"), reason="this system keeps its CAs elsewhere")
def test_the_systems_cas_are_in_a_file_or_a_directory_or_both(devca, site):
    """As Debian's libcurl is built; only a subject that the file does not have is looked up in the directory."""
    other = site.folder / "other.pem"
    write_root(other)
    for name, in_file, in_folder, code in (("file", devca.ca_file, None, 0), ("folder", None, devca.ca_file, 0),
                                           ("both", other, devca.ca_file, 0), ("other", other, other, 1),
                                           ("neither", None, None, 1)):
        folder = site.folder / f"cas-{name}"
        folder.mkdir()
        if in_folder:
            shutil.copy(in_folder, folder / "ca.pem")
            subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)
        if in_file:
            shutil.copy(in_file, folder / "ca-certificates.crt")
        site.configure(devca, {name: WEB})
        site.write(site.file.read_text().replace(f"ca_file = {devca.ca_file}", ""))
        done = subprocess.run(["unshare", "--mount", "sh", "-c", 'mount --bind "$1" /etc/ssl/certs && exec "$2" once -c "$3"', "sh",
                               str(folder), LEAFD, str(site.file)], capture_output=True, text=True,
                              check=False, timeout=PATIENCE_S, env=site.given(None))
        assert done.returncode == code, (name, done)
        if name == "neither":
            assert "cannot read the system's CAs in /etc/ssl/certs/ca-certificates.crt: " in done.stderr
            assert "install the system's CA certificates, or set ca_file" in done.stderr


class TlsProxy:
    """An HTTP proxy that is spoken to over TLS; it leads to one server."""

    def __init__(self, certificate, key, target):
        self.tunnels, self.target = 0, target
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.listener = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                threading.Thread(target=self.lead, args=(self.listener.accept()[0],), daemon=True).start()
            except OSError:
                return

    def lead(self, client):
        with contextlib.suppress(OSError), client, socket.create_connection(self.target) as server:
            client.do_handshake()
            asked = b""
            while not asked.endswith(b"\r\n\r\n"):
                asked += client.recv(4096) or b"\r\n\r\n"
            if asked.startswith(b"CONNECT "):
                self.tunnels += 1
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                client.settimeout(0.01)  # what TLS has read already no select(2) shows
                while self.carry(client, server):
                    pass

    @staticmethod
    def carry(client, server):
        try:
            data = client.recv(65536)
            if data:
                server.sendall(data)
            return bool(data)
        except TimeoutError:
            if select.select([server], [], [], 0)[0]:
                client.sendall(server.recv(65536))
            return True


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts another store of the system")
@pytest.mark.skipif(not os.path.exists("/etc/ssl/certs/ca-certificates.crt"), reason="this system keeps its CAs elsewhere")
def test_a_proxy_over_tls_is_verified_with_the_systems_cas_and_the_server_with_ca_file(devca, site, tmp_path):
    with listening(tmp_path) as own:
        proxy = TlsProxy(tmp_path / "own.pem", tmp_path / "own.key", ("127.0.0.1", devca.proxy.port))
        for name, system, named, code in (("each", own.ca_file, devca.ca_file, 0), ("swapped", devca.ca_file, own.ca_file, 1),
                                          ("proxy", own.ca_file, own.ca_file, 1)):
            site.configure(devca, {name: WEB}, vault=f"proxy = {proxy.url}")
            site.write(site.file.read_text().replace(f"ca_file = {devca.ca_file}", f"ca_file = {named}"))
            before = proxy.tunnels
            done = subprocess.run(["unshare", "--mount", "sh", "-c", 'mount --bind "$1" /etc/ssl/certs/ca-certificates.crt && '
                                   'exec "$2" once -c "$3"', "sh", str(system), LEAFD, str(site.file)], capture_output=True, text=True,
                                  check=False, timeout=60, env=site.given(None))
            assert done.returncode == code, (name, done)
            assert (proxy.tunnels > before) == (name != "swapped")
        proxy.listener.close()
