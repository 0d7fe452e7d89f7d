"""The independent reader: what a consumer finds in a set's directory, without a line of leafd's own code.

It opens the set as a careful consumer does, through one handle of the published directory, and by path as a careless
one does, and says what is wrong in words. An empty list is a good set.
"""
import os
import re
import shutil
import stat
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\n.+?-----END CERTIFICATE-----\n", re.S)
GENERATION = re.compile(r"\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.[0-9a-f]{6}$")
NAMES = ("ca.crt", "combined.pem", "tls.crt", "tls.key")
PRIVATE = ("combined.pem", "tls.key")


class Found:
    """What is published: nothing at all, or a set; `wrong` tells what is broken."""

    def __init__(self):
        self.wrong = []
        self.published = False
        self.serial = None
        self.dns = ()
        self.generation = None
        self.leftovers = []

    def check(self, holds, what):
        if not holds:
            self.wrong.append(what)
        return holds


def spki(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_at(name, folder):
    fd = os.open(name, os.O_RDONLY, dir_fd=folder)
    with open(fd, "rb") as file:
        return file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode)


def check_pair(found, where, certificates, key_pem):
    """Whole PEM blocks, the issuer of the leaf among them, and the key of the leaf."""
    blocks = CERTIFICATE.findall(certificates)
    if not found.check(len(blocks) >= 2 and b"".join(blocks) == certificates, f"{where}: {len(blocks)} whole certificates"):
        return None
    try:
        leaf, *issuers = (x509.load_pem_x509_certificate(block) for block in blocks)
        key = serialization.load_pem_private_key(key_pem, None)
    except ValueError as failure:
        found.wrong.append(f"{where}: {failure}")
        return None
    found.check(spki(leaf.public_key()) == spki(key.public_key()), f"{where}: key and certificate do not match")
    found.check(leaf.issuer in [issuer.subject for issuer in issuers], f"{where}: the chain does not fit")
    return leaf


def check_handle(found, folder):
    """All files through one handle: they have to be of one set."""
    try:
        inside = os.open("..data", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
    except OSError as failure:
        found.wrong.append(f"..data: {failure.strerror}")
        return
    try:
        texts = {}
        for name in NAMES:
            texts[name], mode = read_at(name, inside)
            found.check(mode == (0o600 if name in PRIVATE else 0o644), f"{name} has mode {mode:o}")
        leaf = check_pair(found, "the handle", texts["tls.crt"], texts["tls.key"])
        found.check(texts["combined.pem"] == texts["tls.crt"] + texts["tls.key"], "combined.pem is another set")
        found.check(len(CERTIFICATE.findall(texts["ca.crt"])) >= 1, "ca.crt holds no certificate")
        if leaf is not None:
            found.serial = leaf.serial_number
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            found.dns = tuple(names.get_values_for_type(x509.DNSName))
    except OSError as failure:
        found.wrong.append(f"the handle: {failure}")
    finally:
        os.close(inside)


def check_names(found, path, folder):
    """Once something is published every file is there by its path; the combined file is whole by it."""
    visible = [name for name in os.listdir(folder) if not name.startswith("..") and not name.endswith(".leafd-new")]
    for name in visible:
        about = os.lstat(os.path.join(path, name))
        if found.check(stat.S_ISLNK(about.st_mode), f"{name} is no link") and found.published:
            found.check(os.path.isfile(os.path.join(path, name)), f"{name} leads nowhere")
    if found.published:
        missing = [name for name in NAMES if name not in visible]
        found.check(not missing, f"{', '.join(missing)} cannot be seen")
    combined = os.path.join(path, "combined.pem")
    if os.path.isfile(combined):
        with open(combined, "rb") as file:
            text = file.read()
        cut = text.find(b"-----BEGIN PRIVATE KEY-----")
        check_pair(found, "combined.pem by path", text[:cut], text[cut:])


def check_secrecy(found, path):
    """No file that holds a key, in whatever state it is, may be read by others."""
    for where, _, names in os.walk(path):
        for name in names:
            try:
                about = os.lstat(os.path.join(where, name))
            except FileNotFoundError:
                continue  # leafd goes on meanwhile
            if stat.S_ISREG(about.st_mode) and name in PRIVATE:
                found.check(stat.S_IMODE(about.st_mode) == 0o600, f"{where}/{name} has mode {about.st_mode:o}")


def read_set(path):
    """What stands in that directory now."""
    found = Found()
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return found
    try:
        try:
            found.generation = os.readlink("..data", dir_fd=folder)
            found.published = True
        except FileNotFoundError:
            pass
        if found.published:
            check_handle(found, folder)
        check_names(found, path, folder)
        check_secrecy(found, path)
        found.leftovers = [name for name in sorted(os.listdir(folder))
                           if name not in NAMES + ("..data", "..state", "..lock", found.generation)]
    finally:
        os.close(folder)
    return found


def check_settled(found, previous_allowed):
    """After a restart nothing is left of what was interrupted, but the generation before the published one."""
    for name in NAMES:
        found.check(found.published, "nothing is published")
    strays = [name for name in found.leftovers if not GENERATION.match(name)]
    found.check(not strays, f"left behind: {', '.join(strays)}")
    old = len(found.leftovers) - len(strays)
    found.check(old <= previous_allowed, f"{old} old generations are left behind")


# -- the reader on trial ------------------------------------------------------------------------------


def edit(name, change):
    def spoil(path):
        file = os.path.join(path, "..data", name)
        with open(file, "rb") as old:
            text = old.read()
        with open(file, "wb") as new:
            new.write(change(text))
    return spoil


def other_key(_text):
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


SPOILS = {
    "another key": edit("tls.key", other_key),
    "a cut certificate": edit("tls.crt", lambda text: text[:-100]),
    "an empty file": edit("tls.crt", lambda text: b""),
    "another combined file": edit("combined.pem", lambda text: text[:-100]),
    "a readable key": lambda path: os.chmod(os.path.join(path, "..data", "tls.key"), 0o644),
    "a missing file": lambda path: os.unlink(os.path.join(path, "..data", "ca.crt")),
    "a dangling ..data": lambda path: (os.unlink(os.path.join(path, "..data")),
                                       os.symlink("..gone", os.path.join(path, "..data"))),
    "a missing name": lambda path: os.unlink(os.path.join(path, "tls.crt")),
    "a file in a link's place": lambda path: (os.unlink(os.path.join(path, "tls.crt")),
                                              open(os.path.join(path, "tls.crt"), "wb").close()),
}


def prove_reader(path):
    """A reader that finds no fault proves nothing: it has to accept that set and object to each of its spoiled copies."""
    assert read_set(path).published and not read_set(path).wrong, read_set(path).wrong
    for what, spoil in SPOILS.items():
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "set")
            shutil.copytree(path, copy, symlinks=True)
            spoil(copy)
            assert read_set(copy).wrong, f"the reader overlooks {what}"
