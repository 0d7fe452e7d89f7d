"""Hostile replies, the inner layers: PEM and X.509. Each craft bends one thing of a certificate that is right else."""
import base64
import datetime
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from craft_http import body_of, whole
from stand_in import Authority, colons, name_of, pem, start_of

DAY_S = 86400


class Signing:
    """What a craft has in its hands: the draw, the request, the good reply and the CA."""

    def __init__(self, draw, request, good, authority, root):
        self.draw, self.good, self.authority, self.root = draw, good, authority, root
        self.csr = request.csr
        self.key = self.csr.public_key()
        self.names = self.csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    def reply(self, certificate=None, chain=None, issuing=None):
        copy = json.loads(json.dumps(self.good))
        if certificate is not None:
            copy["data"]["certificate"] = certificate
        if chain is not None:
            copy["data"]["ca_chain"] = chain
        if issuing is not None:
            copy["data"]["issuing_ca"] = issuing
        return whole(body_of(copy))

    def leaf(self, names=None, key=None, subject=None):
        return self.authority.leaf(subject or self.csr.subject, key or self.key, names or self.names, DAY_S)

    def send(self, builder, authority=None):
        leaf = builder.sign((authority or self.authority).key, hashes.SHA256())
        return self.reply(pem(leaf))


# -- PEM ----------------------------------------------------------------------------------------------


def broken_pem(signing):
    draw, text = signing.draw, signing.good["data"]["certificate"]
    at = draw.randrange(len(text))
    return signing.reply(draw.choice((
        text[:at], text[at:], text[:at] + draw.choice("=-#\0\u00e9 \n") + text[at + 1:], text.replace("CERTIFICATE", "CERTIFICATE REQUEST"),
        text.replace("-----END", "----END"), text.replace("BEGIN", "BEGIN TRUSTED"), text + "\n" + text, text * 200,
        text.replace("\n", ""), text.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1),
        "-----BEGIN CERTIFICATE-----\n" + "A" * 200000 + "\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\n" * 5000,
        signing.csr.public_bytes(serialization.Encoding.PEM).decode(),
        key_pem())))


def key_pem():
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def in_pem(der):
    text = base64.b64encode(der).decode()
    lines = "\n".join(text[i:i + 64] for i in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----"


def der_of(signing):
    return bytearray(x509.load_pem_x509_certificate(signing.good["data"]["certificate"].encode())
                     .public_bytes(serialization.Encoding.DER))


def broken_der(signing):
    draw, der = signing.draw, der_of(signing)
    for _ in range(draw.choice((1, 1, 1, 2, 8))):
        at = draw.randrange(len(der))
        kind = draw.randrange(4)
        if kind < 2:
            der[at] ^= 1 << draw.randrange(8)
        elif kind == 2:
            der[at] = draw.choice((0, 0x7f, 0x80, 0x84, 0xff))
        else:
            del der[at:at + draw.randrange(1, 20)]
    return signing.reply(in_pem(bytes(der)))


def odd_chain(signing):
    draw, good = signing.draw, signing.good["data"]
    issuer, root = good["ca_chain"]
    other = Authority("somebody else").pem
    return signing.reply(chain=draw.choice(([], [other], [good["certificate"]], [root] * 60, [""], [issuer[:-30]], [key_pem()],
                                            [issuer + "\n" + key_pem()], [other] * 12 + [issuer])),
                         issuing=draw.choice((other, "", "x", issuer[:200], good["certificate"], key_pem())))


# -- X.509 --------------------------------------------------------------------------------------------


def wrong_key(signing):
    other = signing.draw.choice((ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1()),
                                 rsa.generate_private_key(65537, 1024)))
    return signing.send(signing.leaf(key=other.public_key()))


def wrong_names(signing):
    draw, asked = signing.draw, list(signing.names)
    extra = draw.choice((x509.DNSName("extra.example"), x509.DNSName("*.example.test"), x509.UniformResourceIdentifier("spiffe://x"),
                         x509.RFC822Name("a@example.test"), x509.DNSName("a.example.test\0.evil"), x509.DNSName(""),
                         x509.DirectoryName(name_of("x")), x509.DNSName("a" * 60000), x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
                         x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")))
    names = draw.choice((asked[:1], asked + [extra], [extra], asked + [extra] * 500, asked[1:] + [extra]))
    return signing.send(signing.leaf(names=x509.SubjectAlternativeName(names)))


def wrong_subject(signing):
    return signing.send(signing.leaf(subject=name_of(signing.draw.choice(("wrong.example", "a.example.test\0", "x" * 64)))))


def wrong_time(signing):
    """Too old or too far ahead; what begins within a day is right to be waited for."""
    now = datetime.datetime.now(datetime.timezone.utc)
    start, end = signing.draw.choice(((-9, -1), (-1, -0.0001), (2, 3), (400, 800), (-40000 + 23000, -1), (9000, 90000),
                                      (-0.1, 0.00005)))
    return signing.send(bare(signing, now, start, end))


def bare(signing, now, start, end):
    """All extensions of a good leaf, and its own times."""
    builder = start_of(signing.csr.subject, signing.authority.certificate.subject, signing.key, DAY_S)
    builder._not_valid_before = (now + datetime.timedelta(days=start)).replace(tzinfo=None, microsecond=0)  # pylint: disable=protected-access
    builder._not_valid_after = (now + datetime.timedelta(days=end)).replace(tzinfo=None, microsecond=0)  # pylint: disable=protected-access
    return builder.add_extension(signing.names, False).add_extension(x509.BasicConstraints(False, None), True)


def wrong_use(signing):
    draw = signing.draw
    builder = start_of(signing.csr.subject, signing.authority.certificate.subject, signing.key, DAY_S) \
        .add_extension(signing.names, False)
    kind = draw.randrange(5)
    if kind == 0:
        builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    elif kind == 1:
        builder = builder.add_extension(x509.KeyUsage(False, False, False, True, True, False, False, False, False), True)
    elif kind == 2:
        builder = builder.add_extension(x509.ExtendedKeyUsage([draw.choice((
            ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.OCSP_SIGNING))]), False)
    elif kind == 3:
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
    else:
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"),
                                                                   draw.randbytes(9)), True)
    return signing.send(builder)


def wrong_signer(signing):
    draw = signing.draw
    stranger = Authority(draw.choice(("torture intermediate", "somebody else")))
    kind = draw.randrange(4)
    if kind == 0:
        return signing.send(signing.leaf(), stranger)
    if kind == 1:
        return signing.reply(pem(stranger.leaf(signing.csr.subject, signing.key, signing.names, DAY_S)
                                 .sign(stranger.key, hashes.SHA256())), [stranger.pem], stranger.pem)
    if kind == 2:
        middle = signing.authority.sign(name_of("leaf that signs"), stranger.key.public_key(), signing.names, DAY_S)
        leaf = start_of(signing.csr.subject, middle.subject, signing.key, DAY_S).add_extension(signing.names, False) \
            .sign(stranger.key, hashes.SHA256())
        return signing.reply(pem(leaf), [pem(middle), signing.authority.pem, signing.root.pem], pem(middle))
    return signing.reply(signing.authority.pem)


def weak_hash(signing):
    """Signed with SHA-1: cryptography refuses to, so the name of the hash is bent, and the signature with it."""
    der = der_of(signing)
    sha256, sha1 = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040103")
    return signing.reply(in_pem(bytes(der).replace(sha256, sha1 if len(sha1) == len(sha256) else sha256[:-1] + b"\x01")))


def known_serial(signing):
    """A number that is odd in itself; the reply is good else, so only a changed signature makes it bad."""
    der = der_of(signing)
    at = bytes(der).find(b"\x02\x14")
    if at >= 0:
        der[at + 2] = signing.draw.choice((0xff, 0x80))
    return signing.reply(in_pem(bytes(der)))


PEM = (broken_pem, broken_der, broken_der, broken_der, odd_chain)
X509 = (wrong_key, wrong_names, wrong_names, wrong_subject, wrong_time, wrong_use, wrong_signer, weak_hash, known_serial)
__all__ = ["PEM", "X509", "Signing", "colons"]
