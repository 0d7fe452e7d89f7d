"""What a scenario is made of: a site with its configuration, a running leafd, a service manager, a proxy."""
import atexit
import functools
import itertools
import json
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from canaries import Canaries

LEAFD = os.environ.get("LEAFD", os.path.join(os.path.dirname(__file__), "..", "..", "leafd"))
SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
with open(LEAFD, "rb") as program:
    SANITIZED = b"__asan_init" in program.read()
os.umask(0o022)  # a configuration that its group may write is refused
PATIENCE_S = float(os.environ.get("LEAFD_TEST_PATIENCE", "180"))


def wait_for(condition, what, patience=PATIENCE_S):
    """The condition's first true value; fails after so many seconds."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience} s in vain: {what() if callable(what) else what}")
        time.sleep(0.02)


@functools.cache
def templates():
    """A copy of leafd's templates that is ours: a checkout may be another user's, whom root's leafd does not trust."""
    folder = tempfile.mkdtemp(prefix="leafd-templates-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chmod(folder, 0o755)
    for name in os.listdir(os.path.join(SOURCE, "templates")):
        shutil.copyfile(os.path.join(SOURCE, "templates", name), os.path.join(folder, name))
    return folder


def openssl(*arguments, data=None):
    done = subprocess.run(["openssl", *arguments], input=data, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"openssl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
PORTS = itertools.cycle([12000 + WORKER % 16 * 1000 + (os.getpid() + i) % 1000 for i in range(1000)])


def free_port():
    """A port that nobody listens at, for a program that is started soon.

    No client is given it meanwhile (ip_local_port_range begins above), and no other worker tries it.
    """
    for port in itertools.islice(PORTS, 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


class Proxy:
    """Forwards TCP to the CA and can be cut: an outage that both kinds of CA survive."""

    def __init__(self, target):
        self.target = target
        self.connections = 0
        self.listener = None
        self.port = free_port()  # while it is cut nobody else may be given it
        self.pairs, self.lost = set(), set()
        self.lock = threading.Lock()
        self.repair()

    def repair(self):
        if self.listener is not None:
            return
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(256)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def cut(self):
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def lose(self):
        """The connections that are there lead nowhere from now on, and nobody is told; new ones are served."""
        with self.lock:
            self.lost |= self.pairs

    def accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target)
            except OSError:
                near.close()
                continue
            with self.lock:
                # What was accepted while the proxy was cut is cut as well.
                served = self.listener is listener
                if served:
                    self.connections += 1
                    self.pairs.add((near, far))
            if not served:
                near.close()
                far.close()
                continue
            threading.Thread(target=self.forward, args=(near, far), daemon=True).start()

    def forward(self, near, far):
        with selectors.DefaultSelector() as ready:
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in ready.select():
                    try:
                        data = key.fileobj.recv(65536)
                        if data and (near, far) not in self.lost:
                            key.data.sendall(data)
                    except OSError:
                        data = b""
                    if not data:
                        with self.lock:
                            self.pairs.discard((near, far))
                        near.close()
                        far.close()
                        return


class Manager:
    """A service manager, as far as sd_notify is concerned."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.lines = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            self.lines += self.socket.recv(65536).decode().splitlines()

    def has(self, line):
        return line in self.lines

    def status(self):
        told = [line for line in self.lines if line.startswith("STATUS=")]
        return told[-1] if told else ""


class Run:
    """A `leafd run` under way; its log is JSON."""

    def __init__(self, site, environment=None):
        self.site = site
        self.manager = Manager(site.folder / f"notify-{len(site.runs)}")
        self.log_path = site.folder / f"log-{len(site.runs)}"
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [LEAFD, "run", "-c", str(site.file)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.log_path, "wb"), env=site.given({"NOTIFY_SOCKET": self.manager.path, **(environment or {})}))
        self.pid = self.process.pid

    def log(self):
        """Every complete line so far."""
        text = self.log_path.read_text()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines() if line.startswith("{")]

    def events(self, event, cert=None):
        return [line for line in self.log() if line["event"] == event and (cert is None or line.get("cert") == cert)]

    def wait_event(self, event, cert=None, count=1, patience=PATIENCE_S):
        def enough():
            assert self.process.poll() is None or len(self.events(event, cert)) >= count, \
                f"leafd ended with {self.process.returncode}: {self.log_path.read_text()[-2000:]}"
            return len(self.events(event, cert)) >= count
        try:
            wait_for(enough, f"{count} x {event} of {cert}", patience)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self.log_path.read_text()[-3000:]}") from failure
        return self.events(event, cert)

    def wait_ready(self, patience=PATIENCE_S):
        """READY=1, and every certificate usable."""
        wait_for(lambda: self.manager.has("READY=1") and re.match(r"STATUS=(\d+) of \1 ", self.manager.status()),
                 lambda: f"READY=1\n{self.manager.status()}\n{self.log_path.read_text()[-3000:]}", patience)

    def hangup(self):
        self.process.send_signal(signal.SIGHUP)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_S)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Done:
    """A command that has ended."""

    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def log(self):
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    def events(self, event):
        return [line for line in self.log() if line["event"] == event]


class Site:
    """A folder, the configuration in it, and what was started for it."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "leafd.ini"
        self.runtime = f"{folder}.run"  # beside it: a test may look at all that is in the folder
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "RUNTIME_DIRECTORY": self.runtime}
        self.environment.update({k: v for k, v in os.environ.items() if k.startswith(("ASAN_", "UBSAN_", "LSAN_"))})
        self.runs = []
        self.canaries = Canaries(folder)
        self.spawned = f"{folder}.spawned"  # beside it: a test may look at all that is in the folder
        self.ca = None

    def write(self, text):
        self.file.write_text(text)
        self.canaries.add_configuration(text)
        return self.file

    def configure(self, ca, certs, auth=None, agent="", defaults="", vault=""):
        """The usual configuration: `certs` maps a name to its lines; {out} is the set's directory."""
        self.ca = ca
        if "log_level" not in agent:
            agent += "\nlog_level = debug"  # every try: what goes on is told to people when it changes
        if "listen" not in agent:
            agent += "\nlisten ="  # the default port is one for all agents of a machine
        text = f"[vault]\naddress = {ca.address}\nca_file = {ca.ca_file}\n{vault}\n[auth]\n{auth or ca.auth}\n" \
               f"[agent]\nlog_format = json\ntemplate_directory = {templates()}\n{agent}\n[defaults]\n{defaults}\n"
        for name, lines in certs.items():
            if "pki_mount" not in lines:
                lines = f"pki_mount = {ca.mount}\n{lines}"
            if "directory =" not in lines:
                lines += f"\ndirectory = {self.out(name)}"
            text += f"\n[cert {name}]\n{lines}\n"
        return self.write(text)

    def out(self, cert="web"):
        return self.folder / f"out-{cert}"

    def command(self, *arguments, environment=None, patience=PATIENCE_S):
        done = subprocess.run([LEAFD, arguments[0], "-c", str(self.file), *arguments[1:]], capture_output=True,
                              text=True, check=False, timeout=patience, stdin=subprocess.DEVNULL, errors="surrogateescape",
                              env=self.given(environment))
        self.canaries.add_files()
        self.canaries.said.append((f"leafd {' '.join(arguments)}",
                                   (done.stdout + done.stderr).encode(errors="surrogateescape")))
        return Done(done)

    def given(self, environment=None):
        """The environment of a leafd whose secrets are known from now on, and whose commands are written down."""
        from preloads import preload  # pylint: disable=import-outside-toplevel
        environment = {**self.environment, **(environment or {})}
        self.canaries.add_environment(environment)
        if self.file.exists():
            self.canaries.add_configuration(self.file.read_text(errors="replace"))
        libraries = [environment["LD_PRELOAD"]] if environment.get("LD_PRELOAD") else []
        libraries += [x for x in preload("spawned")["LD_PRELOAD"].split() if x not in " ".join(libraries).split()]
        return {**environment, "LD_PRELOAD": " ".join(libraries), "SPAWNED": self.spawned}

    def leaks(self, planted=False):
        """What of the secrets of this site got out: nothing, or a line each."""
        for name, secret in self.ca.secrets() if hasattr(self.ca, "secrets") else []:
            self.canaries.add(secret, name)
        if self.file.exists():
            self.canaries.add_configuration(self.file.read_text(errors="replace"))
        for run in self.runs:
            self.canaries.said.append(("notify", "\n".join(run.manager.lines).encode()))
        if os.path.exists(self.spawned):
            with open(self.spawned, "rb") as spawned:
                self.canaries.said.append(("spawned", spawned.read()))
        return self.canaries.leaks(planted)

    def once(self, *arguments, **keywords):
        return self.command("once", *arguments, **keywords)

    def run(self, **keywords):
        run = Run(self, **keywords)
        self.runs.append(run)
        return run

    def status(self, *certs):
        return {row["cert"]: row for row in json.loads(self.command("status", "--json", *certs).out)["certs"]}

    def becomes(self, cert, **wanted):
        """Waits until the row of a certificate says so: a daemon writes its state a moment after it logs."""
        rows = []

        def does():
            rows.append(self.status()[cert])
            return all(rows[-1][key] == value for key, value in wanted.items())

        wait_for(does, lambda: f"{cert} to be {wanted}, not {rows[-1]}")

    def answers(self, command, code):
        """Waits until `leafd status` or `leafd ready` ends with that exit code, for the same reason."""
        wait_for(lambda: self.command(command).code == code, f"leafd {command} to exit with {code}")

    def end(self):
        for run in self.runs:
            if run.process.poll() is None:
                run.process.kill()
                run.process.wait()


# What most scenarios ask for.
WEB = """
pki_role = leafd
ttl = 1h
dns_names = a.example.test, b.example.test
file = tls.crt fullchain
file = tls.key key
file = ca.crt ca
"""


def serial_of(certificate):
    text = openssl("x509", "-in", str(certificate), "-noout", "-serial").strip().split("=")[1].lower()
    return ":".join(text[i:i + 2] for i in range(0, len(text), 2))


def same_key(certificate, key):
    """Whether the two files belong together, by their public keys."""
    return openssl("x509", "-in", str(certificate), "-noout", "-pubkey") == \
        openssl("pkey", "-in", str(key), "-pubout")


def snapshot(folder, but=None):
    """Every name below the folder with what it holds or leads to: equal snapshots are equal trees.

    Names that begin with `but` are left out: "..state" and what becomes of it come and go while leafd runs.
    """
    found = {}
    for where, folders, files in os.walk(folder):
        for name in (n for n in folders + files if but is None or not n.startswith(but)):
            path = os.path.join(where, name)
            about = os.lstat(path)
            if os.path.islink(path):
                found[path] = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] = (oct(about.st_mode), file.read())
    return found


def is_published(folder):
    """Whether anything is published or staged there."""
    return folder.exists() and any(not name.startswith(("..state", "..lock")) for name in os.listdir(folder))
