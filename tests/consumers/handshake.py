"""A client's view: one fresh TLS connection, or one after the other without a pause, and which certificates they showed."""
import socket
import ssl
import struct
import threading

POSTGRES_SSL_REQUEST = struct.pack("!II", 8, 80877103)
# CLIENT_PROTOCOL_41, CLIENT_SSL, CLIENT_SECURE_CONNECTION
MYSQL_CAPABILITIES = 0x200 | 0x800 | 0x8000
LDAP_START_TLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
PAUSE_S = 0.005


def read_reply(reader, last):
    """Lines up to the last one of a reply."""
    while True:
        line = reader.readline()
        if not line:
            raise OSError("the connection ended before TLS")
        if last(line):
            return line


def expect(reply, begin):
    if not reply.startswith(begin):
        raise OSError(f"no TLS, but {reply!r}")


def before_postgres(plain):
    plain.sendall(POSTGRES_SSL_REQUEST)
    expect(plain.recv(1), b"S")


def before_mysql(plain):
    """The greeting tells the capabilities; the answer asks for TLS and nothing else yet."""
    with plain.makefile("rb", buffering=0) as reader:
        length = int.from_bytes(reader.read(4)[:3], "little")
        greeting = b""
        while len(greeting) < length:
            more = reader.read(length - len(greeting))
            if not more:
                raise OSError("the connection ended before TLS")
            greeting += more
    expect(greeting, b"\x0a")
    plain.sendall(b"\x20\0\0\x01" + struct.pack("<IIB23x", MYSQL_CAPABILITIES, 1 << 24, 45))


def before_ldap(plain):
    plain.sendall(LDAP_START_TLS)
    reply = plain.recv(4096)
    if b"\x0a\x01\x00" not in reply:
        raise OSError(f"no TLS, but {reply!r}")


def before_nats(plain):
    with plain.makefile("rb", buffering=0) as reader:
        expect(reader.readline(), b"INFO ")


def before_smtp(plain):
    with plain.makefile("rb", buffering=0) as reader:
        for line in (b"", b"EHLO client.example.test\r\n", b"STARTTLS\r\n"):
            plain.sendall(line)
            expect(read_reply(reader, lambda reply: reply[3:4] != b"-"), b"2")


def before_imap(plain):
    with plain.makefile("rb", buffering=0) as reader:
        expect(reader.readline(), b"* OK")
        plain.sendall(b"a STARTTLS\r\n")
        expect(read_reply(reader, lambda reply: not reply.startswith(b"*")), b"a OK")


BEFORE = {"postgres": before_postgres, "mysql": before_mysql, "ldap": before_ldap, "smtp": before_smtp,
          "imap": before_imap, "nats": before_nats}


class Client:
    """Connects to a program on loopback and believes in the CA's root alone: names, chain and dates are verified."""

    def __init__(self, port, root_file, starttls=None):
        self.port, self.starttls = port, starttls
        self.context = ssl.create_default_context(cafile=str(root_file))

    def serial(self):
        """The serial number that a fresh connection shows, as leafd writes it; OSError if it failed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain:
            if self.starttls:
                BEFORE[self.starttls](plain)
            with self.context.wrap_socket(plain, server_hostname="localhost") as tls:
                digits = tls.getpeercert()["serialNumber"].lower()
        return ":".join(digits[i:i + 2] for i in range(0, len(digits), 2))

    def serial_or_none(self):
        try:
            return self.serial()
        except OSError:
            return None


class Asker:
    """Connects again and again in the background; a context manager. Keeps every failure and each change of serial."""

    def __init__(self, client):
        self.client = client
        self.count, self.serials, self.failures = 0, [], []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.ask_on, daemon=True)

    def ask_on(self):
        while not self.over.wait(PAUSE_S):
            self.count += 1
            try:
                serial = self.client.serial()
            except OSError as failure:
                self.failures.append(failure)
                continue
            if serial not in self.serials[-1:]:
                self.serials.append(serial)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
