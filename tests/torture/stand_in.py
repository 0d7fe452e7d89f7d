"""A stand-in for the CA: as much of Vault's API as one rotation asks for, in threads of the suite itself.

It is faster to start and to rotate against than a real server, and it sends whatever a suite wants sent: `spoil` sees
every request with the good reply and may return other bytes in its place.
"""
import datetime
import http.client
import json
import os
import socket
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

UTC = datetime.timezone.utc
PATIENCE_S = 60


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode().strip()


def colons(number):
    text = f"{number:x}"
    text = "0" * (len(text) % 2) + text
    return ":".join(text[i:i + 2] for i in range(0, len(text), 2))


def start_of(subject, issuer, public_key, life_s, now=None):
    """A certificate to be, with what all of them have."""
    now = now or datetime.datetime.now(UTC)
    return x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key) \
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(seconds=30)) \
        .not_valid_after(now + datetime.timedelta(seconds=life_s))


class Authority:
    """A CA certificate with its key; `parent` None: a root."""

    def __init__(self, name, parent=None):
        self.key = ec.generate_private_key(ec.SECP256R1())
        signer = parent or self
        subject = name_of(name)
        self.certificate = start_of(subject, parent.certificate.subject if parent else subject,
                                    self.key.public_key(), 86400 * 365) \
            .add_extension(x509.BasicConstraints(True, None), True) \
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True) \
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False) \
            .sign(signer.key, hashes.SHA256())
        self.pem = pem(self.certificate)

    def sign(self, subject, public_key, names, life_s):
        return self.leaf(subject, public_key, names, life_s).sign(self.key, hashes.SHA256())

    def leaf(self, subject, public_key, names, life_s):
        """A leaf to be, which a hostile suite may still bend."""
        leaf = start_of(subject, self.certificate.subject, public_key, life_s) \
            .add_extension(x509.BasicConstraints(False, None), True) \
            .add_extension(x509.KeyUsage(True, False, True, False, False, False, False, False, False), True) \
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                           False) \
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
        return leaf.add_extension(names, False) if names is not None else leaf


class Request:
    """One request as it came."""

    def __init__(self, method, path, body):
        self.method, self.path, self.body = method, path, body

    @property
    def csr(self):
        return x509.load_pem_x509_csr(json.loads(self.body)["csr"].encode())

    @property
    def life_s(self):
        return int(json.loads(self.body).get("ttl", "3600s")[:-1])

    @property
    def signs(self):
        return "/sign/" in self.path


def framed(status, document):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return f"HTTP/1.1 {status} {http.client.responses[status]}\r\nContent-Type: application/json\r\n" \
           f"Content-Length: {len(body)}\r\n\r\n".encode() + body


class StandIn:
    """Listens on a port of its own until the suite ends."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.root = Authority("torture root")
        self.issuer = Authority("torture intermediate", self.root)
        self.issued = []  # serials, in order
        self.requests = 0
        self.spoil = None  # (request, good reply as a document) -> bytes to send, or None for the good reply
        self.context = self.make_context()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.address = f"https://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def make_context(self):
        key = ec.generate_private_key(ec.SECP256R1())
        import ipaddress  # pylint: disable=import-outside-toplevel
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = self.root.sign(name_of("torture CA"), key.public_key(), names, 86400)
        self.ca_file = os.path.join(self.folder, "tls-ca.pem")
        pair = os.path.join(self.folder, "tls-pair.pem")
        with open(self.ca_file, "w", encoding="ascii") as file:
            file.write(self.root.pem + "\n")
        with open(pair, "wb") as file:
            file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()) + pem(certificate).encode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        return context

    def accept(self):
        while True:
            plain, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain):
        try:
            plain.settimeout(PATIENCE_S)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.context.wrap_socket(plain, server_side=True) as connection, connection.makefile("rb") as reader:
                while self.serve_one(connection, reader):
                    pass
        except OSError:
            pass

    def serve_one(self, connection, reader):
        """Whether the connection goes on."""
        line = reader.readline(65536).split()
        if len(line) != 3:
            return False
        headers = http.client.parse_headers(reader)
        request = Request(line[0].decode(), line[1].decode(), reader.read(int(headers.get("Content-Length", 0))))
        self.requests += 1
        good = self.answer(request)
        sent = self.spoil(request, good) if self.spoil else None
        connection.sendall(framed(200, good) if sent is None else sent)
        return sent is None

    # -- what a good reply says -----------------------------------------------------------------------

    def answer(self, request):
        if request.signs and b'"csr"' in request.body:
            return self.signed(request)
        if request.path.endswith("/login"):
            return {"request_id": "r", "auth": {"client_token": "hvs.Zq3vT8mK1xWb5nRd", "lease_duration": 36000,
                                               "renewable": False}}
        return {"request_id": "r", "data": {}}

    def signed(self, request):
        csr = request.csr
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        leaf = self.issuer.sign(csr.subject, csr.public_key(), names, request.life_s)
        self.issued.append(colons(leaf.serial_number))
        return self.envelope(leaf)

    def envelope(self, leaf):
        return {"request_id": f"r{self.requests}", "data": {
            "certificate": pem(leaf), "issuing_ca": self.issuer.pem, "ca_chain": [self.issuer.pem, self.root.pem],
            "serial_number": colons(leaf.serial_number), "expiration": int(leaf.not_valid_after.timestamp())}}
