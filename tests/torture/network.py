"""network: the way to the CA is bad, not the CA: a proxy in user space that cuts, slices, swallows and half closes.

Each point is one fault on one or all connections for a while, then the way is repaired. In the end the certificate has to
be there, no try may hang beyond leafd's own time limit, and nothing but the certificate that was wanted is published.
"""
import selectors
import socket
import struct
import threading
import time

from daemon import Daemon
from place import Place
from reader import read_set

SLICE, FULL = 80, 3000
TIMEOUT_S = 1        # leafd's own, made short
PATIENCE_S = 60      # for an outcome: connect and reply, login and signing, each within TIMEOUT_S
BYTES_OF_A_ROTATION = 9000


class Fault:
    """What befalls the next connections; `at` counts bytes in the direction `back` (to leafd)."""

    def __init__(self, kind, at, back):
        self.kind, self.at, self.back = kind, at, back

    def __str__(self):
        return f"{self.kind} at byte {self.at} {'to' if self.back else 'from'} leafd"


class Way:
    """A proxy between leafd and the CA; `fault` may change at any time."""

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.fault = None
        self.struck = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            threading.Thread(target=self.carry, args=(near,), daemon=True).start()

    def carry(self, near):
        """One connection, until either end or the fault ends it."""
        counts = {True: 0, False: 0}
        try:
            with near, socket.create_connection(self.target) as far, selectors.DefaultSelector() as ready:
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready.register(near, selectors.EVENT_READ, (far, False))
                ready.register(far, selectors.EVENT_READ, (near, True))
                while ready.get_map():
                    for key, _ in ready.select():
                        to, back = key.data
                        data = key.fileobj.recv(65536)
                        if not data:
                            return
                        if not self.pass_on(near, to, data, back, counts):
                            return
        except OSError:
            pass

    def pass_on(self, near, to, data, back, counts):
        """Hands the bytes on, or does what the fault says; whether the connection goes on."""
        fault = self.fault
        before = counts[back]
        counts[back] += len(data)
        if fault is None or fault.back != back or counts[back] <= fault.at:
            to.sendall(data)
            return True
        self.struck += 1
        to.sendall(data[:max(0, fault.at - before)])
        return getattr(self, fault.kind)(near, to, data[max(0, fault.at - before):])

    # -- the faults: what happens from the byte on --------------------------------------------------

    def cut(self, _near, _to, _rest):
        return False

    def reset(self, near, _to, _rest):
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def slice(self, _near, to, rest):
        for byte in rest:
            to.sendall(bytes((byte,)))
        return True

    def black_hole(self, _near, _to, _rest):
        return True  # the rest is lost, nobody is told

    def half_close(self, _near, to, _rest):
        to.shutdown(socket.SHUT_WR)
        return True

    def garble(self, _near, to, rest):
        to.sendall(bytes(byte ^ 0x20 for byte in rest))
        return True

    def drip(self, _near, to, rest):
        for start in range(0, len(rest), 50):
            to.sendall(rest[start:start + 50])
            time.sleep(0.02)  # the fault itself: slower than leafd's time limit allows
        return True


KINDS = ("cut", "reset", "slice", "black_hole", "half_close", "garble", "drip")


class NetworkSuite:
    """A daemon behind the bad way."""

    def __init__(self, draw):
        self.draw = draw
        self.place = Place("network")
        self.way = Way(self.place.ca.port)
        self.place.ca.address = self.way.address
        self.place.vault = f"timeout = {TIMEOUT_S}s\nconnect_timeout = {TIMEOUT_S}s"
        self.place.configure()
        self.daemon = Daemon(self.place)
        self.longest_s, self.first_tries = 0, 0

    def close(self):
        self.daemon.close()
        self.place.close()

    def judge(self, wrong, dns):
        found = read_set(self.place.directory)
        wrong += found.wrong
        if sorted(found.dns) not in dns:
            wrong.append(f"published for {found.dns}")

    def point(self, number):
        wrong, old = [], sorted(self.place.dns())
        self.way.fault = Fault(self.draw.choice(KINDS), int(self.draw.triangular(0, BYTES_OF_A_ROTATION, 0)),
                               self.draw.random() < 0.6)
        where = str(self.way.fault)
        self.place.session = number + 1  # a new session; what is kept of the old connection may be met by the fault, too
        start = time.monotonic()
        self.daemon.rotate()
        told = self.daemon.wait(("failed", "reloaded"), PATIENCE_S)
        self.longest_s = max(self.longest_s, time.monotonic() - start)
        if told is None:
            wrong.append(f"no outcome within {PATIENCE_S} s" if self.daemon.ended() is None else self.daemon.how_it_ended())
        self.first_tries += told is not None and told["event"] == "reloaded"
        self.judge(wrong, (old, sorted(self.place.dns())))
        self.way.fault = None
        self.place.session = -number - 1
        if not self.daemon.settle():
            wrong.append("not issued after the way was repaired")
        self.judge(wrong, (sorted(self.place.dns()),))
        if self.daemon.ended() is not None:
            self.daemon = Daemon(self.place)
        return where, wrong

    def facts(self):
        return f"{self.way.struck} connections struck, {self.first_tries} rotations came through all the same, " \
               f"the longest try took {self.longest_s:.1f} s"


def suite(draw):
    return NetworkSuite(draw)
