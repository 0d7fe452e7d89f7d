"""Every secret of a scenario is a canary: none of them, nor eight bytes of one, may leave the process.

A site knows what it gave leafd: tokens, JWTs, secret ids, passwords, and the keys that leafd made. At its end all that came
out is searched: what was printed and logged, what the service manager was told, the arguments and the environment of
commands, and every file, but for those of mode 0600 or 0640 and the like with the keys that they are for. Each secret is
searched in pieces of eight bytes, as it is and as base64, base64url and hexadecimal digits.
"""
import base64
import ctypes
import os
import re

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PIECE, LENGTHY, PASSWORD_MOST = 8, 32, 1024
PRIVATE = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----.*?-----END (?:[A-Z]+ )?PRIVATE KEY-----", re.S)
# Tokens that a real server made and showed nobody else.
TOKEN = re.compile(rb"\bhv[sb]\.[A-Za-z0-9_-]{40,}|\bs\.[A-Za-z0-9]{24}\b")
UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DIGITS = re.compile(rb"[0-9a-fA-F]{16,}")
GENERATION = re.compile(r"/\.\.\d{4}_\d\d_[^/]*/")
NAMED = re.compile(r"^\s*(token_file|secret_id_file|keystore_password_file|client_key)\s*=\s*(\S+)", re.M)
IN_ENVIRONMENT = ("VAULT_TOKEN", "BAO_TOKEN")

total = {"tests": 0, "bytes": 0, "canaries": 0, "found": 0}


def pieces_of(data):
    return {data[at:at + PIECE] for at in range(len(data) - PIECE + 1)}


def base64_pieces(data):
    """Of its base64 wherever in a stream it stands: the characters that it alone decides."""
    found = set()
    for before in range(3):
        bits = 8 * before
        text = base64.b64encode(bytes(before) + data)[-(-bits // 6):(bits + 8 * len(data)) // 6]
        found |= pieces_of(text) | pieces_of(text.replace(b"+", b"-").replace(b"/", b"_"))
    return found


def forms_of(data):
    return pieces_of(data) | base64_pieces(data)


def digits_of(data):
    """Eight bytes of it are sixteen digits: eight of those stand in some digest by chance."""
    return {text[at:at + 2 * PIECE] for text in (data.hex().encode(), data.hex().upper().encode())
            for at in range(len(text) - 2 * PIECE + 1)}


def secret_numbers(pem):
    """What only the owner of a key knows, as bytes: the rest of its file is public or the same in all of them."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        return []
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return [key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8, "big")]
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        return [n.to_bytes((n.bit_length() + 7) // 8, "big") for n in (numbers.d, numbers.p, numbers.q, numbers.dmp1)]
    return [key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())]


class Finder:
    """Pieces of secrets, made ready to be searched in C."""
    library = None

    def __init__(self, pieces):
        if Finder.library is None:
            from preloads import build  # pylint: disable=import-outside-toplevel
            Finder.library = ctypes.CDLL(build("canaries"))
            Finder.library.canaries_new.restype = ctypes.c_void_p
            Finder.library.canaries_find.restype = ctypes.c_size_t
        self.it = ctypes.c_void_p(Finder.library.canaries_new(b"".join(pieces), ctypes.c_size_t(len(pieces))))

    def find(self, data):
        """Where the first piece stands, or None."""
        size = ctypes.c_size_t(len(data))
        at = Finder.library.canaries_find(self.it, data, size, ctypes.c_size_t(0))
        return at if at < len(data) else None

    def free(self):
        Finder.library.canaries_free(self.it)


class Canaries:
    """The secrets of one site, and what it gave away."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.credentials, self.keys, self.inputs = {}, {}, set()
        self.whole, self.lengthy, self.identities = set(), set(), set()
        self.said = []
        self.own = set()  # files and directories that a test fills with secrets, or shows to others, itself

    def add(self, data, name):
        data = data.strip() if isinstance(data, bytes) else data.strip().encode()
        if len(data) < PIECE:
            return
        self.whole.add(data)
        if data.startswith(b"ey") and data.count(b".") == 2:
            # Eight characters of head and claims are six bytes of words that stand in certificates as well.
            readable, data = data.rsplit(b".", 1)
            self.lengthy |= {readable[at:at + LENGTHY] for at in range(0, len(readable) - LENGTHY, PIECE)}
        if UUID.fullmatch(data):
            # As random as a third of its characters; the CA's request ids are of the same kind.
            self.lengthy |= {data[at:at + 2 * PIECE] for at in range(len(data) - 2 * PIECE + 1)}
            self.identities.add(data)
            return
        self.credentials.setdefault(data, name)

    def add_configuration(self, text):
        for key, path in NAMED.findall(text):
            self.inputs.add(os.path.realpath(path))
            self.inputs.add(path)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    content = file.read()
                if key == "keystore_password_file" and len(content) > PASSWORD_MOST:
                    continue  # leafd reads none of it
                if key == "client_key":
                    self.add_keys(content, key)
                else:
                    self.add(content, key)

    def add_environment(self, environment):
        for name in IN_ENVIRONMENT:
            self.add((environment or {}).get(name, ""), name)

    def add_keys(self, content, name):
        for pem in PRIVATE.findall(content):
            for number in secret_numbers(pem):
                self.keys.setdefault(number, name)

    def add_files(self):
        """The keys that are in sets now: a generation has its time in its name."""
        for path, _, content in self.files():
            if GENERATION.search(path) and b"PRIVATE KEY" in content:
                self.add_keys(content, os.path.relpath(path, self.folder))

    def files(self):
        for where, folders, names in os.walk(self.folder):
            folders.sort()
            for name in names:
                path = os.path.join(where, name)
                try:
                    mode = os.lstat(path).st_mode
                    if mode & 0o170000 == 0o100000:
                        with open(path, "rb") as file:
                            yield path, mode, file.read()
                except OSError:
                    continue

    def leaks(self, planted=False):
        """What got out, a line each; what a test of this search planted is not counted."""
        before = dict(total)
        self.add_files()
        credentials = Finder(set().union(*(forms_of(secret) for secret in self.credentials)))
        keys = Finder(set().union(*(forms_of(secret) for secret in self.keys)))
        digits = set().union(*(digits_of(secret) for secret in (*self.keys, *self.credentials)))
        found = []
        for what, data in self.said:
            found += self.judge(what, data, (credentials, keys)) + self.judge_digits(what, data, digits)
        for path, mode, data in self.files():
            if path in self.inputs or path.startswith(tuple(self.own)) or os.path.realpath(path) in self.inputs:
                continue
            # What a test put beside the sets to be read, though this configuration names another.
            if os.path.dirname(path) == self.folder and data.strip() in self.whole:
                continue
            may_hold_keys = mode & 0o007 == 0
            found += self.judge(os.path.relpath(path, self.folder), data, (credentials,) if may_hold_keys else (credentials, keys))
            found += self.judge_digits(os.path.relpath(path, self.folder), data, digits)
        for finder in (credentials, keys):
            finder.free()
        total["tests"] += 1
        total["canaries"] += len(self.credentials) + len(self.keys) + len(self.identities)
        total["found"] += len(found)
        if planted:
            total.update(before)
        return found

    @staticmethod
    def judge_digits(what, data, digits):
        return [f"{what}, byte {run.start()}: {run.group()!r} as digits" for run in DIGITS.finditer(data)
                if any(run.group()[at:at + 2 * PIECE] in digits for at in range(len(run.group()) - 2 * PIECE + 1))]

    def judge(self, what, data, finders):
        total["bytes"] += len(data)
        found = []
        for finder in finders:
            at = finder.find(data)
            if at is not None:
                found.append(f"{what}, byte {at}: {data[max(0, at - 60):at + 60]!r}")
        found += [f"{what}: {piece!r} of a JWT, a secret id or a key" for piece in self.lengthy if not found and piece in data]
        token = TOKEN.search(data)
        if token and not found and token.group() not in (b"hvs.nonsense",):
            found.append(f"{what}, byte {token.start()}: a token: {data[max(0, token.start() - 60):token.end()]!r}")
        return found
