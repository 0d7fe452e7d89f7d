"""soak: forty certificates of 20 seconds, on a real Vault, for hours of their lives, while something is always broken.

A point is one published set. Meanwhile the way to the CA is cut, slow or garbled, the CA is stopped or sealed, tokens are
revoked, nginx does not listen and the disk is full, one after the other with a pause between. Every set that is published
is read by an independent reader and has to come before the one that it replaces has ended; what leafd takes of memory,
descriptors and threads has to stay where it was (is_flat).
"""
import glob
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from cryptography import x509

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))

from consumer import free_port  # noqa: E402
from daemon import Daemon  # noqa: E402
from network import KINDS, Fault, Way  # noqa: E402
from place import SOURCE  # noqa: E402
from plot import draw  # noqa: E402
from reader import CERTIFICATE, read_set  # noqa: E402
from real_ca import RealCa, find_real_ca  # noqa: E402

SLICE, FULL = 200, 4000
CERTIFICATES, LIFE_S = 40, 20
FAULT_MOST_S = 3.0
PAUSE_LEAST_S, PAUSE_MOST_S = 2.5, 4.0  # so that each certificate has a try in it: one a second, after one that took a second
PATIENCE_S = 60
SAMPLE_S = 0.5
BYTES_OF_A_ROTATION = 9000
DISK_MB = 8

SECTION = """
[cert {name}]
pki_mount = pki_int
pki_role = leafd
ttl = {life}s
dns_names = {name}.example.test
directory = {directory}
file = tls.crt fullchain
file = tls.key key
file = ca.crt ca
file = combined.pem combined
{more}
"""

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
http {{ access_log off; {temporary}
  server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {set}/tls.crt; ssl_certificate_key {set}/tls.key; }} }}
"""


def missing():
    """Why it cannot run here, or None."""
    if os.geteuid() != 0:
        return "a full disk is a file system of its own, which root mounts"
    if shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin") is None:
        return "there is no nginx"
    return find_real_ca()[1]


class SoakPlace:
    """The CA, the way to it, the disk, the consumer, and leafd's configuration."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="torture-soak-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.disk = os.path.join(self.folder, "disk")
        os.mkdir(self.disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "leafd-soak", self.disk], check=True)
        ca_folder = pathlib.Path(self.folder, "ca")
        ca_folder.mkdir()
        self.ca = RealCa(find_real_ca()[0], ca_folder, audit=False)
        self.way = Way(int(self.ca.direct.rsplit(":", 1)[1]))
        self.port = free_port()
        self.log, self.file = os.path.join(self.folder, "log"), os.path.join(self.folder, "leafd.ini")
        self.names = [f"c{number:02}" for number in range(CERTIFICATES)]
        self.nginx = None
        self.configure()

    def directory(self, name):
        return os.path.join(self.disk, name)

    def unseal_key(self):
        """A server in dev mode tells it in its log."""
        with open(os.path.join(self.folder, "ca", "server.log"), encoding="utf-8") as file:
            return re.search(r"Unseal Key: (\S+)", file.read()).group(1)

    def configure(self):
        first = f"reload = signal HUP pidfile {self.folder}/nginx.pid\nprove = tls 127.0.0.1:{self.port}\n" \
                "prove_every = 5s\n"
        sections = "".join(SECTION.format(name=name, life=LIFE_S, directory=self.directory(name),
                                          more=first if name == self.names[0] else "reload = exec /bin/true")
                           for name in self.names)
        with open(self.file, "w", encoding="ascii") as file:
            file.write(f"[vault]\naddress = {self.way.address}\nca_file = {self.ca.ca_file}\n"
                       "timeout = 1s\nconnect_timeout = 1s\n"
                       f"[auth]\nmethod = jwt\nrole = short\ntoken_file = {self.ca.token_file}\n"
                       f"[agent]\nlog_format = json\nlog_level = debug\ntemplate_directory = {SOURCE}/templates\nready_when = all\n{sections}")

    def start_nginx(self):
        """Once there is something for it to serve."""
        file = os.path.join(self.folder, "nginx.conf")
        temporary = "".join(f"{name}_temp_path {self.folder}/t;" for name in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(file, "w", encoding="ascii") as text:
            text.write(NGINX.format(folder=self.folder, temporary=temporary, port=self.port,
                                    set=self.directory(self.names[0])))
        os.chmod(self.folder, 0o755)
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        self.nginx = subprocess.Popen([program, "-c", file, "-e", os.path.join(self.folder, "nginx.log")],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self):
        if self.nginx is not None:
            self.nginx.send_signal(signal.SIGCONT)
            self.nginx.terminate()
            self.nginx.wait()
        self.ca.process.send_signal(signal.SIGCONT)
        self.ca.stop()
        subprocess.run(["umount", self.disk], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)


# -- the faults: each takes the place and a draw, and gives what ends it --------------------------------


def bad_way(place, draw_of):
    place.way.fault = Fault(draw_of.choice(KINDS), int(draw_of.triangular(0, BYTES_OF_A_ROTATION, 0)),
                            draw_of.random() < 0.6)

    def repair():
        place.way.fault = None
    return repair


def stopped_ca(place, _draw):
    place.ca.process.send_signal(signal.SIGSTOP)
    return lambda: place.ca.process.send_signal(signal.SIGCONT)


def sealed_ca(place, _draw):
    place.ca.call("PUT", "sys/seal")
    return lambda: place.ca.call("PUT", "sys/unseal", {"key": place.unseal_key()})


def lost_tokens(place, _draw):
    place.ca.drop_tokens()
    return lambda: None


def deaf_nginx(place, _draw):
    place.nginx.send_signal(signal.SIGSTOP)
    return lambda: place.nginx.send_signal(signal.SIGCONT)


def full_disk(place, _draw):
    filler = os.path.join(place.disk, "filler")
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            pass
    return lambda: os.unlink(filler)


FAULTS = (bad_way, bad_way, bad_way, stopped_ca, sealed_ca, lost_tokens, deaf_nginx, full_disk)


# -- what it takes ------------------------------------------------------------------------------------


class Sample:
    """What leafd holds at a moment."""

    def __init__(self, pid, at_s):
        self.at_s = at_s
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            self.dirty_kb = next(int(line.split()[1]) for line in file if line.startswith("Private_Dirty:"))
        self.rss_kb, self.threads = int(fields["VmRSS"].split()[0]), int(fields["Threads"])
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))


def fifth(samples, number):
    return samples[len(samples) * number // 5:len(samples) * (number + 1) // 5]


GROWTH = {"dirty_kb": (0.05, 256), "rss_kb": (0.05, 256), "descriptors": (0.0, 4), "threads": (0.0, 1)}


def growth_of(samples):
    """For each figure its median in the second and in the last fifth of the time: the first fifth warms up."""
    return {name: tuple(statistics.median(getattr(sample, name) for sample in fifth(samples, part)) for part in (1, 4))
            for name in GROWTH}


def not_flat(samples):
    """What grew by more than a part of itself and some: in words."""
    return [f"{name} grew from {before} to {after}" for name, (before, after) in growth_of(samples).items()
            if after > before * (1 + GROWTH[name][0]) + GROWTH[name][1]]


class SoakSuite:
    """A daemon, its samples, and the fault of the moment."""

    def __init__(self, draw_of):
        self.draw = draw_of
        self.place = SoakPlace()
        self.daemon = Daemon(self.place)
        self.place.start_nginx()
        self.start_s = self.sampled_s = time.monotonic()
        self.repair, self.until_s, self.kind = None, self.start_s + PAUSE_MOST_S, None
        self.ends, self.samples, self.spans, self.counts = {}, [], [], {}
        self.least_left_s = LIFE_S

    def close(self):
        if self.repair is not None:
            self.repair()
        self.daemon.close()
        self.place.close()

    def turn(self):
        """Begins or ends a fault when it is time to, and samples."""
        now_s = time.monotonic()
        if now_s >= self.sampled_s + SAMPLE_S:
            self.sampled_s = now_s
            self.samples.append(Sample(self.daemon.process.pid, now_s - self.start_s))
        if now_s < self.until_s:
            return
        if self.repair is None:
            self.kind = self.draw.choice(FAULTS)
            self.counts[self.kind.__name__] = self.counts.get(self.kind.__name__, 0) + 1
            self.spans.append((now_s - self.start_s, None))
            self.repair = self.kind(self.place, self.draw)
            self.until_s = now_s + self.draw.uniform(0.2, FAULT_MOST_S)
        else:
            self.end_fault()
            self.until_s = time.monotonic() + self.draw.uniform(PAUSE_LEAST_S, PAUSE_MOST_S)

    def end_fault(self):
        repair, self.repair = self.repair, None
        if repair is not None:
            repair()
            self.spans[-1] = (self.spans[-1][0], time.monotonic() - self.start_s)

    def next_published(self):
        """The next event of a published set; None if it does not come."""
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s and self.daemon.ended() is None:
            self.turn()
            told = self.daemon.wait(("published",), 0.05)
            if told is not None:
                return told
        return None

    def judge(self, name):
        """What is wrong with a set, and with the moment that it came."""
        directory = self.place.directory(name)
        found = read_set(directory)
        # The generation may be replaced while it is read: then the next point reads it.
        if found.wrong and found.generation != os.readlink(os.path.join(directory, "..data")):
            return []
        with open(os.path.join(directory, "tls.crt"), "rb") as file:
            leaf = x509.load_pem_x509_certificate(CERTIFICATE.findall(file.read())[0])
        ends_s = leaf.not_valid_after.timestamp() - time.timezone
        left_s = self.ends.get(name, ends_s) - time.time()
        self.ends[name] = ends_s
        self.least_left_s = min(self.least_left_s, left_s)
        return found.wrong + ([f"the one before ended {-left_s:.1f} s ago"] if left_s < 0 else [])

    def point(self, _number):
        told = self.next_published()
        wrong = [f"{self.daemon.how_it_ended()}"] if self.daemon.ended() is not None else \
            [f"nothing was published for {PATIENCE_S} s"] if told is None else self.judge(told["cert"])
        wrong += [f"a line of the log is garbled: {line}" for line in self.daemon.garbled]
        self.daemon.garbled.clear()
        if self.daemon.ended() is not None:
            self.daemon = Daemon(self.place)
        return f"{self.kind.__name__ if self.repair else 'no fault'}, {told['cert'] if told else 'nobody'}", wrong

    def verdict(self):
        """After the last point: nothing is broken any more, and every certificate is there, and nothing has grown."""
        wrong = []
        self.end_fault()
        self.until_s = time.monotonic() + PATIENCE_S
        awaited = set(self.place.names)
        while awaited and time.monotonic() < self.until_s:
            told = self.daemon.wait(("published",), 1)
            if told is not None:
                wrong += self.judge(told["cert"])
                awaited.discard(told["cert"])
        wrong += [f"{', '.join(sorted(awaited))} not renewed after the last fault"] if awaited else []
        left = [path for path in glob.glob(os.path.join(self.place.disk, "*", "..2*"))
                if os.path.basename(path) != os.readlink(os.path.join(os.path.dirname(path), "..data"))]
        wrong += [f"{len(left)} generations besides the published ones"] if len(left) > 2 * CERTIFICATES else []
        return wrong + not_flat(self.samples)

    def facts(self):
        counts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(self.counts.items()))
        growth = growth_of(self.samples)
        return f"{CERTIFICATES} certificates of {LIFE_S} s, {self.samples[-1].at_s / 60:.0f} min; {counts}; at least " \
               f"{self.least_left_s:.1f} s were left; RSS {growth['rss_kb'][0]:.0f} to {growth['rss_kb'][1]:.0f} kB, " \
               f"private dirty {growth['dirty_kb'][0]:.0f} to {growth['dirty_kb'][1]:.0f} kB, " \
               f"{growth['descriptors'][0]:.0f} to {growth['descriptors'][1]:.0f} descriptors"

    def plot(self, folder):
        """The samples as soak.svg."""
        minutes = [sample.at_s / 60 for sample in self.samples]
        spans = [(begin / 60, (end or self.samples[-1].at_s) / 60) for begin, end in self.spans]
        draw(os.path.join(folder, "soak.svg"), minutes, spans, (
            ("Memory in MB", (("RSS", "#1f77b4", [sample.rss_kb / 1024 for sample in self.samples]),
                              ("private dirty", "#d62728", [sample.dirty_kb / 1024 for sample in self.samples]))),
            ("Descriptors and threads", (("descriptors", "#2ca02c", [sample.descriptors for sample in self.samples]),
                                         ("threads", "#9467bd", [sample.threads for sample in self.samples])))))


def suite(draw_of):
    return SoakSuite(draw_of)
