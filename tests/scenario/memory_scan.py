"""Looks for secrets in the memory of a running process: whole, in pieces, and as libraries write them."""
import base64
import ctypes
import re

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

# A piece of twice as many bytes, less one, holds one whole window wherever it begins.
WINDOW = 8
PAGE = 4096


class Nv(ctypes.Structure):  # pylint: disable=too-few-public-methods
    """nghttp2_nv of nghttp2.h."""
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_char_p), ("namelen", ctypes.c_size_t),
                ("valuelen", ctypes.c_size_t), ("flags", ctypes.c_uint8)]


def huffman(text):
    """The text as HPACK writes it (RFC 7541 section 5.2), by the library that libcurl uses; b"" if that is no shorter."""
    library = ctypes.CDLL("libnghttp2.so.14")
    library.nghttp2_hd_deflate_hd.restype = ctypes.c_ssize_t
    deflater, room = ctypes.c_void_p(), ctypes.create_string_buffer(len(text) + 64)
    header = Nv(b"x", text, 1, len(text), 1)
    assert library.nghttp2_hd_deflate_new(ctypes.byref(deflater), ctypes.c_size_t(0)) == 0
    length = library.nghttp2_hd_deflate_hd(deflater, room, ctypes.c_size_t(len(room)), ctypes.byref(header), ctypes.c_size_t(1))
    library.nghttp2_hd_deflate_del(deflater)
    # The value stands last, behind its length (section 5.1): 0x80 says that it is coded.
    for at in range(length):
        left = length - at - 1
        if room.raw[at] == 0x80 | left or (room.raw[at] == 0xff and left - 1 == 127 + room.raw[at + 1] < 255):
            return room.raw[at + 1 + (left >= 128):length]
    return b""


def base64_forms(data):
    """How the bytes look inside of any base64 text, wherever they begin in it."""
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * shift + data).rstrip(b"=")
            yield text[4 if shift else 0:-1]


def forms_of_bytes(data):
    return {data, data[::-1], data.hex().encode(), data.hex().upper().encode(), *base64_forms(data)}


def forms_of_text(text):
    data = text.encode()
    return {data, text.encode("utf-16-be"), text.encode("utf-16-le"), data.hex().encode(), *base64_forms(data),
            huffman(data)} - {b""}


def forms_of_key(pem):
    """The private numbers of a key, in every form that a library gives them."""
    key = serialization.load_pem_private_key(pem.encode(), None)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return forms_of_bytes(key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw,
                                                serialization.NoEncryption()))
    numbers = key.private_numbers()
    if not isinstance(key, rsa.RSAPrivateKey):
        return forms_of_bytes(numbers.private_value.to_bytes((key.key_size + 7) // 8, "big"))
    found = set()
    for number in (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp):
        found |= forms_of_bytes(number.to_bytes((number.bit_length() + 7) // 8, "big"))
    return found


class Found:
    """A copy, or a piece of one."""

    def __init__(self, name, address, mapping, locked, around):
        self.name, self.address, self.mapping, self.locked, self.around = name, address, mapping, locked, around

    def __repr__(self):
        return f"{self.name} at {self.address:x} in {self.mapping}{', locked' if self.locked else ''}: {self.around!r}"


def mappings(pid):
    """(begin, end, name, whether it is locked) of all that the process can write."""
    found, last = [], None
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as smaps:
        for line in smaps:
            head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line)
            if head:
                last = [int(head[1], 16), int(head[2], 16), head[4].strip() or "anonymous", False, "w" in head[3]]
                found.append(last)
            elif line.startswith("VmFlags:"):
                last[3] = " lo" in line
    # AddressSanitizer's shadow is terabytes of nothing.
    return [m[:4] for m in found if m[4] and not m[2].startswith("[v") and m[1] - m[0] <= 1 << 32]


def written(memory, begin, end):
    """(address, bytes) of the runs of pages that hold anything but zeros."""
    memory.seek(begin)
    data = memory.read(end - begin)
    start = None
    for at in range(0, len(data) + PAGE, PAGE):
        empty = not data[at:at + PAGE].strip(b"\0")
        if not empty and start is None:
            start = at
        elif empty and start is not None:
            yield begin + start, data[start:at]
            start = None


def scan(pid, secrets):
    """Every place where a piece of a secret lies; `secrets` maps a name to the forms of it."""
    windows, found = {}, {}
    for name, forms in secrets.items():
        for form in forms:
            for at in range(0, len(form) - WINDOW + 1, WINDOW):
                windows.setdefault(form[at:at + WINDOW], (name, at))
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for begin, end, mapping, locked in mappings(pid):
            for start, data in written(memory, begin, end):
                for at in range(len(data) - WINDOW + 1):
                    if data[at:at + WINDOW] in windows:
                        name, behind = windows[data[at:at + WINDOW]]
                        address = start + at - behind
                        found.setdefault((name, address),
                                         Found(name, address, mapping, locked, data[max(at - 48, 0):at + 24]))
    return sorted(found.values(), key=lambda copy: copy.address)


def texts_like(pid, pattern):
    """Every text in the memory of the process that looks like that, once."""
    found = set()
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for begin, end, _, _ in mappings(pid):
            for _, data in written(memory, begin, end):
                found |= set(re.findall(pattern, data))
    return sorted(text.decode() for text in found)
