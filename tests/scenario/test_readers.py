"""Two thousand readers, who dawdle between certificate and key, while the set rotates two hundred times."""
import hashlib
import multiprocessing
import os

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from scene import wait_for

READERS, PROCESSES, ROTATIONS = 2000, 4, 200
LINES = """
pki_role = leafd
ttl = 1h
dns_names = a.example.test
keep_previous = 20s
file = tls.crt fullchain
file = tls.key key
file = both.pem combined
"""


def content_at(directory, name):
    with open(os.open(name, os.O_RDONLY, dir_fd=directory), "rb") as file:
        return file.read()


def read_on(folder, count, enough, found):
    """`count` readers in turn: one opens the generation and reads the certificate, and comes back for the key only when
    all the others have had their turn. What belongs together is told by content, each pair once."""
    pairs, combined, waiting, rounds = {}, {}, [], 0
    while not enough.is_set() or waiting:
        still = []
        for directory, certificate in waiting:
            try:
                key = content_at(directory, "tls.key")
                pairs.setdefault((hashlib.sha256(certificate).digest(), hashlib.sha256(key).digest()), (certificate, key))
            except FileNotFoundError:
                pass  # the generation went while this reader slept longer than keep_previous: it opens the next one
            os.close(directory)
        for _ in range(0 if enough.is_set() else count):
            directory = os.open(folder / "..data", os.O_RDONLY | os.O_DIRECTORY)
            try:
                still.append((directory, content_at(directory, "tls.crt")))
            except FileNotFoundError:
                os.close(directory)
            both = (folder / "both.pem").read_bytes()
            combined.setdefault(hashlib.sha256(both).digest(), both)
        waiting = still
        rounds += 1
    found.put((list(pairs.values()), list(combined.values()), rounds))


def belong_together(certificate, key):
    public = load_pem_private_key(key, None).public_key()
    leaf = x509.load_pem_x509_certificate(certificate)
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return leaf.public_key().public_bytes(*form) == public.public_bytes(*form)


def test_two_thousand_readers_never_see_a_mixed_pair(devca, site):
    site.configure(devca, {"web": LINES})
    run = site.run()
    run.wait_ready()
    enough, found = multiprocessing.Event(), multiprocessing.Queue()
    readers = [multiprocessing.Process(target=read_on, args=(site.out(), READERS // PROCESSES, enough, found))
               for _ in range(PROCESSES)]
    for reader in readers:
        reader.start()
    try:
        generation = os.readlink(site.out() / "..data")
        for number in range(ROTATIONS):
            site.configure(devca, {"web": LINES + f"ip_addresses = 192.0.2.{number % 250 + 1}"})
            run.hangup()
            before = generation
            wait_for(lambda: os.readlink(site.out() / "..data") != before, f"rotation {number}")  # pylint: disable=W0640
            generation = os.readlink(site.out() / "..data")
    finally:
        enough.set()
        results = [found.get() for _ in readers]
        for reader in readers:
            reader.join()
    pairs = {(certificate, key) for result in results for certificate, key in result[0]}
    combined = {both for result in results for both in result[1]}
    assert all(result[2] > 1 for result in results)
    assert len(pairs) > ROTATIONS // 4 and len(combined) > ROTATIONS // 4, "the readers saw the rotations"
    assert all(belong_together(certificate, key) for certificate, key in pairs)
    for both in combined:
        at = both.index(b"-----BEGIN PRIVATE KEY-----")
        assert belong_together(both[:at], both[at:])
    assert run.terminate() == 0
    print(f"{len(pairs)} pairs, {len(combined)} combined files, {[result[2] for result in results]} rounds")
