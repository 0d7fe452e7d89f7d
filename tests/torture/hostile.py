"""hostile: a CA that sends anything but what was asked for, to a running daemon.

Replies are crafted from the seed, at the login or at the signing: HTTP framing, JSON, PEM, X.509. Nothing may be
written to the set but a certificate that is right in every respect (a bent byte may have bent nothing), the daemon has
to live, every SETTLE_EVERY-th point a good reply has to be taken, and memory has to be back where it was.
"""
import os
import time

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

import craft_http
import craft_pem
from daemon import Daemon
from place import Place
from reader import CERTIFICATE, read_set
from tools import LEAFD

SLICE, FULL = 600, 12000
SETTLE_EVERY = 50
RSS_MOST_KB = 2048      # what it may grow by, since the first good reply after SETTLE_EVERY points
LEVEL_S = 2
ROUND_S = 60            # a reply is dealt with within; more is a hang

LAYERS = (("http", craft_http.FRAMING), ("json", craft_http.JSON), ("pem", craft_pem.PEM), ("x509", craft_pem.X509))


def is_sanitized():
    """Whether AddressSanitizer is built in: it keeps what is freed, so that the memory says nothing."""
    with open(LEAFD, "rb") as file:
        return b"__asan_init" in file.read()


class HostileSuite:
    """The daemon, and what is sent to it next."""

    def __init__(self, draw):
        self.draw = draw
        self.place = Place("hostile")
        self.anchor = os.path.join(self.place.folder, "tls-ca.pem")
        self.craft, self.at_login, self.sent = None, False, 0
        self.counts = dict.fromkeys((name for name, _ in LAYERS), 0)
        self.taken, self.rss, self.sanitized = 0, None, is_sanitized()
        self.place.more = f"trust_anchor = {self.anchor}"
        self.place.configure()
        self.daemon = self.start()
        self.place.ca.spoil = self.spoil

    def start(self):
        """A daemon at rest."""
        daemon = Daemon(self.place)
        assert daemon.settle(), daemon.how_it_ended()
        return daemon

    def close(self):
        self.daemon.close()
        self.place.close()

    def spoil(self, request, good):
        """Called in the CA's thread for every request."""
        login = request.path.endswith("/login")
        if self.craft is None or login != self.at_login:
            return None
        self.sent += 1
        if self.craft in craft_pem.PEM or self.craft in craft_pem.X509:
            return self.craft(craft_pem.Signing(self.draw, request, good, self.place.ca.issuer, self.place.ca.root))
        return self.craft(self.draw, good)

    def tree(self):
        """What the set holds, byte for byte; ..state is leafd's notebook and not of the set."""
        held = {}
        for where, folders, names in os.walk(self.place.directory):
            for name in folders + names:
                path = os.path.join(where, name)
                if name.startswith("..state"):
                    continue
                held[path] = os.readlink(path) if os.path.islink(path) else None
                if held[path] is None and os.path.isfile(path):
                    with open(path, "rb") as file:
                        held[path] = file.read()
        return held

    def outcome(self, sent):
        """The event that ends the rotation, or None; one of the rotation before may come late, and is none."""
        end = time.monotonic() + ROUND_S
        while True:
            told = self.daemon.wait(("failed", "reloaded", "held"), max(0, end - time.monotonic()))
            late = told is not None and (self.sent == sent or (told["event"] == "reloaded" and sorted(
                read_set(self.place.directory).dns) != sorted(self.place.dns())))
            if not late:
                return told

    def is_right(self, wanted):
        """Why the published set is none that was `wanted`, by this turn or the one before; empty if it is."""
        found = read_set(self.place.directory)
        if found.wrong or sorted(found.dns) not in wanted:
            return [*found.wrong, f"published for {found.dns}"]
        with open(os.path.join(self.place.directory, "tls.crt"), "rb") as file:
            leaf = x509.load_pem_x509_certificate(CERTIFICATE.findall(file.read())[0])
        try:
            self.place.ca.issuer.key.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes,
                                                         ec.ECDSA(leaf.signature_hash_algorithm))
        except InvalidSignature:
            return ["published a certificate that our CA did not sign"]
        return []

    def stays_above(self, level_kb):
        """Whether leafd keeps more memory than that; what the last replies took may be on its way back."""
        end = time.monotonic() + LEVEL_S
        while self.daemon.field("VmRSS") > level_kb and time.monotonic() < end:
            time.sleep(0.01)
        return self.daemon.field("VmRSS") > level_kb

    def point(self, number):
        layer, crafts = self.draw.choice(LAYERS)
        self.at_login = layer in ("http", "json") and self.draw.random() < 0.3
        craft = self.draw.choice(crafts)
        self.counts[layer] += 1
        before, sent, wanted = self.tree(), self.sent, [sorted(self.place.dns())]
        self.place.session = number + 1  # another session: the login is asked for anew and at once
        self.craft = craft
        self.daemon.rotate()
        wanted.append(sorted(self.place.dns()))
        told = self.outcome(sent)
        self.craft = None
        wrong = [] if self.sent > sent else ["the craft was never asked for"]
        if self.daemon.ended() is not None:
            wrong.append(self.daemon.how_it_ended())
        elif told is None:
            wrong.append(f"no outcome within {ROUND_S} s")
        elif self.tree() != before:
            self.taken += 1
            wrong += self.is_right(wanted)
        if number % SETTLE_EVERY == SETTLE_EVERY - 1:
            self.place.session = -number - 1
            if not self.daemon.settle():
                wrong.append("a good reply was not taken")
            elif self.rss is None:
                self.rss = self.daemon.field("VmRSS")
            elif not self.sanitized and self.stays_above(self.rss + RSS_MOST_KB):
                wrong.append(f"memory grew from {self.rss} to {self.daemon.field('VmRSS')} kB")
        if self.daemon.ended() is not None:
            self.daemon = self.start()
        return f"{layer} {craft.__name__}{' at login' if self.at_login else ''}", wrong

    def facts(self):
        counts = ", ".join(f"{number} {name}" for name, number in self.counts.items())
        return f"{counts}; {self.taken} were good by chance, RSS {self.rss} to {self.daemon.field('VmRSS')} kB"


def suite(draw):
    return HostileSuite(draw)
