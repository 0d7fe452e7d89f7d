"""What was published of others of this kind, tried here: each test names the weakness that it repeats.

The CA is a stand-in that sends whatever a test wants sent. SECURITY.md lists these tests, and those elsewhere that hold
a published weakness, by its number.
"""
import base64
import datetime
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from scene import LEAFD, SANITIZED, SOURCE, snapshot, wait_for

sys.path.insert(0, os.path.join(SOURCE, "tests", "torture"))

import craft_http  # noqa: E402  pylint: disable=wrong-import-position
import stand_in  # noqa: E402  pylint: disable=wrong-import-position

CPU_MOST_S = 2 if not SANITIZED else 20
CERT = "pki_role = leafd\nttl = 3600s\ndns_names = a.example.test\n" \
       "file = tls.crt fullchain\nfile = tls.key key\nfile = about.json metadata\n"


class HostileCa(stand_in.StandIn):
    """A CA that is good until `bend` changes its replies to signings; what it gives is sent, bytes or a document."""
    mount = "pki_int"

    def __init__(self, folder):
        super().__init__(folder)
        self.signings = 0
        self.bend = None
        self.spoil = self.maybe_bend
        self.auth = f"method = jwt\nrole = leafd\ntoken_file = {folder}/jwt"
        (folder / "jwt").write_text("a.b.c\n")
        (folder / "jwt").chmod(0o600)

    def maybe_bend(self, request, good):
        if not request.signs:
            return None
        self.signings += 1
        bent = self.bend(request, good) if self.bend else None
        return stand_in.framed(200, bent) if isinstance(bent, dict) else bent

    def with_data(self, **changed):
        """A reply that is good but for these members of its data."""
        self.bend = lambda _, good: {**good, "data": {**good["data"], **changed}}


@pytest.fixture
def hostile(tmp_path):
    folder = tmp_path / "ca"
    folder.mkdir()
    ca = HostileCa(folder)
    yield ca
    ca.spoil = None


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def costs_little(site):
    """Runs `once`, which has to end soon and of itself."""
    before = processor_seconds()
    done = site.once()
    assert processor_seconds() - before < CPU_MOST_S
    assert done.code in (0, 1, 3), done.err
    return done


# -- what the CA says is run, or named ----------------------------------------------------------------

SAYS = ["$(touch {0})", "`touch {0}`", "x; touch {0} #", "x\n/usr/bin/touch {0}\n", "' && touch {0} && '", "| touch {0}",
        "-exec touch {0} ;", "%(touch {0})s ${{env.HOME}}"]


@pytest.mark.parametrize("says", SAYS)
def test_nothing_that_the_ca_says_is_run(hostile, site, says):
    """CVE-2023-38198: acme.sh gave what a CA had said to the shell's `eval`, and a CA made use of it."""
    flag = site.folder / "flag"
    word = says.format(flag)

    def bent(_, good):
        data = {**good["data"], "serial_number": word, "expiration": word, "not_before": word, "issuer_id": word}
        return {**good, "request_id": word, "lease_id": word, "warnings": [word], "mount_type": word, "data": data,
                word: word}

    hostile.bend = bent
    seen = site.folder / "seen"
    site.configure(hostile, {"web": CERT + f"validate = exec /usr/bin/env\nreload = exec /bin/sh -c \"env > {seen}\"\n"})
    done = site.once()
    assert done.code == 0 and seen.exists(), done.err
    hostile.bend = lambda *_: stand_in.framed(400, {"errors": [word, word]})
    site.configure(hostile, {"other": CERT + "reload = exec /usr/bin/env\n"})
    assert site.once().code == 3
    assert not flag.exists()


PATHS = ["../../escaped", "/tmp/leafd-escaped", "..", ".", "..data", "a/b", "%2e%2e%2fescaped", "x\0y", "tls.key", "~/escaped"]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_that_the_ca_sends_becomes_a_path(hostile, site, path):
    """CVE-2026-40611 (lego), CVE-2020-8567 (Vault's CSI provider), VA-26-168-01 (getssl): names of the server as paths."""
    site.configure(hostile, {"web": CERT})
    outside = snapshot(site.folder)

    def bent(_, good):
        data = {**good["data"], **dict.fromkeys(("serial_number", "issuer_id", "issuer_name", "name", "path", "file"), path)}
        return {**good, "request_id": path, "lease_id": path, "data": data}

    hostile.bend = bent
    done = site.once()
    if "\0" in path:  # no text of JSON for leafd
        assert done.code == 1 and done.events("failed")[0]["class"] == "untrusted", done.err
    else:
        assert done.code == 0, done.err
        assert {name for name in os.listdir(site.out()) if not name.startswith("..")} == {"tls.crt", "tls.key", "about.json"}
    after = {name: what for name, what in snapshot(site.folder).items() if not name.startswith(str(site.out()))}
    assert after == outside
    assert not os.path.lexists("/tmp/leafd-escaped")


# -- what is told ------------------------------------------------------------------------------------

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.Zm9yLW5vYm9keS1lbHNl"
TOKEN = "hvs.CAESIForNobodyElse4711"


@pytest.mark.parametrize("at", ["login", "sign"])
def test_a_ca_that_quotes_the_request_tells_nobody_our_credentials(hostile, site, at):
    """CVE-2022-38149 and CVE-2026-87993 (consul-template), GHSA-444v-8vxr-p36h (OpenBao's agent): secrets in errors."""
    def answer(request, good):
        if at in request.path:
            quoted = [f"bad request: jwt={JWT} token={TOKEN}", f"{{\"jwt\":\"{JWT[:-4]}\"}}", TOKEN[8:], JWT[10:40]]
            return stand_in.framed(400, {"errors": quoted})
        if "login" in request.path:
            return stand_in.framed(200, {**good, "auth": {**good["auth"], "client_token": TOKEN}})
        return None

    hostile.spoil = answer
    jwt = site.folder / "ca" / "jwt"
    jwt.write_text(JWT + "\n")
    site.configure(hostile, {"web": CERT}, agent="log_level = debug")
    done = site.once()
    assert done.code == 3 and "bad request" in done.err, done.err
    told = done.out + done.err + site.command("status").out + site.command("status", "--json").out
    told += "".join(path.read_text() for path in site.out().glob("..state"))
    for secret in (JWT, TOKEN) if at == "sign" else (JWT,):  # no login, no token of ours
        assert not [secret[i:i + 8] for i in range(len(secret) - 7) if secret[i:i + 8] in told]


# -- to whom the token goes ---------------------------------------------------------------------------


def test_a_ca_without_tls_is_refused_before_a_byte_is_sent(site):
    """CVE-2025-54799: lego spoke to a CA by plain HTTP where the address said so."""
    met = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        token = site.folder / "jwt"
        token.write_text("a.b.c\n")
        token.chmod(0o600)
        for scheme in ("http", "HTTP", "ftp", "file", "unix"):
            site.write(f"[vault]\naddress = {scheme}://127.0.0.1:{listener.getsockname()[1]}\n[auth]\nmethod = jwt\n"
                       f"token_file = {token}\n[cert web]\npki_mount = pki_int\n{CERT}directory = {site.out()}\n")
            done = site.once()
            assert done.code == 2 and "https" in done.err, done.err
            with pytest.raises(TimeoutError):
                met.append(listener.accept())
    assert not met


# -- replies that cost, or overflow -------------------------------------------------------------------

BEGIN, END = "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n"
COSTLY_PEM = {
    "begin-again-and-again": BEGIN * 7000,
    "one-dash-short": "----BEGIN CERTIFICATE-----\n" * 7000,
    "no-end": BEGIN + "A" * 200000,
    "dashes": "-" * 200000,
    "empty-ones": (BEGIN + END) * 3500,
    "headers": BEGIN + "Proc-Type: 4,ENCRYPTED\nDEK-Info: " + "A" * 100000 + "\n\n" + END,
    "short-lines": BEGIN + "A\n" * 90000 + END,
    "white-space": " \t\n" * 60000 + BEGIN + END,
    "long-name": "-----BEGIN " + "A" * 200000 + "-----\n",
}


@pytest.mark.parametrize("name", COSTLY_PEM)
def test_pem_that_is_made_to_cost_time_costs_little(hostile, site, name):
    """CVE-2024-12401: cert-manager's PEM decoder took time without end for a text of a megabyte."""
    site.configure(hostile, {"web": CERT})
    for member in ("certificate", "issuing_ca", "ca_chain"):
        hostile.with_data(**{member: [COSTLY_PEM[name]] if member == "ca_chain" else COSTLY_PEM[name]})
        done = costs_little(site)
        if member == "certificate":
            assert done.code == 1 and done.events("failed")[0]["class"] == "untrusted", done.err


def collisions(count):
    """Names that hash alike under djb2, which jansson had: "Ez" and "FY" do."""
    return ["".join("Ez" if number >> bit & 1 else "FY" for bit in range(13)) for number in range(count)]


def test_json_that_is_made_to_cost_time_costs_little(hostile, site):
    """CVE-2013-6401 and CVE-2016-4425: jansson's hash could be foreseen, and its parser recursed without end."""
    assert len(set(collisions(6000))) == 6000
    site.configure(hostile, {"web": CERT})
    for says in (json.dumps({"data": dict.fromkeys(collisions(6000), 0)}).encode(),
                 b'{"data":' + b"[" * 100000 + b"]" * 100000 + b"}", b'{"data":' * 20000 + b"1" + b"}" * 20000):
        hostile.bend = lambda _, __, says=says: stand_in.framed(200, says)
        done = costs_little(site)
        assert done.code == 1 and done.events("failed"), done.err


def test_status_lines_and_lengths_of_any_kind_overflow_nothing(hostile, site):
    """CVE-2018-19115: keepalived copied an HTTP status of any length into a buffer of a fixed one."""
    class First:
        """Draws one line after the other."""

        def __init__(self, number):
            self.number = number

        def choice(self, items):
            return items[self.number % len(items)]

        def random(self):
            return self.number % 2

    site.configure(hostile, {"web": CERT})
    for craft in (craft_http.odd_status_line, craft_http.odd_length, craft_http.odd_headers):
        for number in range(13):
            hostile.bend = lambda _, good, craft=craft, number=number: craft(First(number), good)
            done = site.once()
            assert done.code in (0, 1, 3), (craft, number, done.err)


def tlv(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")) + body


def curve_without_root():
    """A public key whose curve is over 697, which is no prime: for the root of 696 OpenSSL searched without end."""
    prime = 697
    field = tlv(0x30, tlv(0x06, bytes.fromhex("2a8648ce3d0101")), tlv(0x02, prime.to_bytes(2, "big")))
    curve = tlv(0x30, tlv(0x04, (23).to_bytes(2, "big")), tlv(0x04, (696).to_bytes(2, "big")))
    point = b"\x02\x00\x00"
    parameters = tlv(0x30, tlv(0x02, b"\x01"), field, curve, tlv(0x04, point), tlv(0x02, b"\x02\xb9"), tlv(0x02, b"\x01"))
    return tlv(0x30, tlv(0x30, tlv(0x06, bytes.fromhex("2a8648ce3d0201")), parameters), tlv(0x03, b"\0" + point))


def with_curve(pem):
    """The certificate with that key in the place of its own; its signature is no matter here."""
    der = base64.b64decode("".join(pem.splitlines()[1:-1]))
    at = der.index(bytes.fromhex("3059301306072a8648ce3d0201"))
    inner_end = 4 + 4 + int.from_bytes(der[6:8], "big")
    inside = der[8:at] + curve_without_root() + der[at + 91:inner_end]
    made = tlv(0x30, tlv(0x30, inside), der[inner_end:])
    return BEGIN + base64.encodebytes(made).decode() + END


def test_a_curve_over_no_prime_does_not_hang(hostile, site):
    """CVE-2022-0778: OpenSSL never came back from a certificate with such a curve; leafd takes named curves only."""
    site.configure(hostile, {"web": CERT})
    hostile.bend = lambda _, good: {**good, "data": {**good["data"], "certificate": with_curve(good["data"]["certificate"])}}
    done = costs_little(site)
    assert done.code == 1 and done.events("failed")[0]["class"] == "untrusted", done.err
    assert "certificate" in done.events("failed")[0]["message"]
    bad = with_curve(hostile.issuer.pem)
    hostile.with_data(issuing_ca=bad, ca_chain=[bad])
    assert costs_little(site).code == 1


# -- certificates that are of no use ------------------------------------------------------------------


def of_another_key(ca, request, good):
    leaf = ca.issuer.leaf(request.csr.subject, ec.generate_private_key(ec.SECP256R1()).public_key(), names_of(request), 3600)
    return {**good, "data": ca.envelope(leaf.sign(ca.issuer.key, stand_in.hashes.SHA256()))["data"]}


def ended(ca, request, good):
    leaf = ca.issuer.leaf(request.csr.subject, request.csr.public_key(), names_of(request), 3600)
    now = datetime.datetime.now(datetime.timezone.utc)
    leaf._not_valid_before = now - datetime.timedelta(hours=2)  # pylint: disable=protected-access
    leaf._not_valid_after = now - datetime.timedelta(seconds=10)  # pylint: disable=protected-access
    return {**good, "data": ca.envelope(leaf.sign(ca.issuer.key, stand_in.hashes.SHA256()))["data"]}


def names_of(request):
    return request.csr.extensions.get_extension_for_class(stand_in.x509.SubjectAlternativeName).value


@pytest.mark.parametrize("bend", [of_another_key, ended])
def test_what_is_of_no_use_is_neither_stored_nor_asked_for_in_a_loop(hostile, site, bend):
    """cert-manager #8380 and #8610: certificates of another key, or ended ones, were stored, and asked for millions of times."""
    hostile.bend = lambda request, good: bend(hostile, request, good)
    site.configure(hostile, {"web": CERT})
    begin = time.monotonic()
    for _ in range(4):
        run = site.run()
        run.wait_event("ready")
        wait_for(lambda: (site.out() / "..state").exists() and json.loads((site.out() / "..state").read_text()).get("failures"),
                 "the wait to be kept")
        run.kill()
    failed = [line for run in site.runs for line in run.events("failed")]
    assert failed[0]["class"] == "untrusted" and int(failed[0]["next_try_ms"]) >= 1000
    assert 1 <= hostile.signings <= 1 + time.monotonic() - begin
    assert not (site.out() / "tls.key").exists()
    hostile.bend = None


# -- names that are looked up -------------------------------------------------------------------------


class OddNameServer:
    """Answers each question over UDP with the next of its answers, which are no good."""

    ADDRESS = f"127.{os.getpid() >> 8 & 127}.{os.getpid() & 255}.53"  # its own beside other runs

    def __init__(self):
        self.asked = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.ADDRESS, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                question, whom = self.socket.recvfrom(4096)
            except OSError:
                return
            for answer in self.answers(question):
                self.socket.sendto(answer, whom)
            self.asked += 1

    def answers(self, question):
        """Answers in an order that nobody expects, loops, cut and lying ones."""
        ident, asked = question[:2], question[12:question.index(b"\0", 12) + 5]

        def reply(count, records, flags=b"\x81\x80"):
            return ident + flags + b"\0\1" + count.to_bytes(2, "big") + b"\0\0\0\0" + asked + records

        def record(kind, data, name=b"\xc0\x0c"):
            return name + kind.to_bytes(2, "big") + b"\0\1\0\0\0\1" + len(data).to_bytes(2, "big") + data

        loop = record(5, b"\xc0\x0c")
        other = record(1, b"\x7f\0\0\1", b"\5other\4test\0") + record(5, b"\5other\4test\0")
        return [[reply(2, other)], [reply(1, loop)], [reply(65535, loop)], [reply(1, b"")], [question[:7]], [b""],
                [reply(1, record(5, b"\xc0\xff"))], [reply(1, record(1, b"\x7f"))], [reply(1, b"\xc0\x0c" * 700)],
                [reply(0, b"", b"\x80\x00"), reply(9, other * 90)]][self.asked % 10]


def may_mount():
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="root binds port 53 and mounts another resolv.conf")
def test_answers_of_a_name_server_of_any_kind_do_no_harm(hostile, site):
    """GHSA-gx3x-vq4p-mhhv: cert-manager fell over an answer of the DNS in an order that it did not expect."""
    server = OddNameServer()
    resolv, nsswitch = site.folder / "resolv.conf", site.folder / "nsswitch.conf"
    resolv.write_text(f"nameserver {server.ADDRESS}\noptions timeout:1 attempts:1\n")
    nsswitch.write_text("hosts: dns\n")
    names = {f"c{number}": CERT + f"reload = none\nprove = tls n{number}.odd.test:9 sni a.example.test\n" for number in range(10)}
    site.configure(hostile, names)
    script = 'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"'
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", str(resolv), str(nsswitch), LEAFD, "once", "-c",
                           str(site.file)], capture_output=True, text=True, check=False, timeout=120, env=site.environment)
    assert done.returncode in (0, 1), done.stderr
    assert server.asked >= 10
    assert all((site.out(name) / "tls.crt").exists() for name in names), done.stderr
    server.socket.close()
