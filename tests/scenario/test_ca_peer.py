"""Whom leafd takes for the CA, and where its token goes: names in certificates, and redirects."""
import contextlib
import http.server
import ssl
import threading

import pytest

from scene import WEB, openssl


# -- a server of our own ----------------------------------------------------------------------------------------------


class Listener:
    """A TLS server with a certificate made to order; it counts connections and keeps the requests."""

    def __init__(self, folder, name, extension):
        self.folder, self.connections, self.requests = folder, 0, []
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
            """Keeps what comes, and has nothing to give."""

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                listener.requests.append((self.command, self.path, dict(self.headers), body))
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()

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
