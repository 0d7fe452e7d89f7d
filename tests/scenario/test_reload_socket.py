"""HAProxy takes a new certificate at its runtime API, without a reload of the process."""
import os
import shutil
import socket
import subprocess

import pytest

from scene import free_port, openssl, serial_of, wait_for

HAPROXY = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
CONFIG = """
global
    stats socket {folder}/ha.sock mode 600 level {level}
    pidfile {folder}/ha.pid
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 10s
frontend web
    bind 127.0.0.1:{port} ssl crt {out}/site.pem {more}
    http-request return status 200
"""
LINES = """
pki_role = leafd
ttl = {ttl}
dns_names = {name}
key_type = {key_type}
directory = {out}
file = site.pem combined
reload = socket {folder}/ha.sock set ssl cert {out}/site.pem << site.pem
reload = socket {folder}/ha.sock commit ssl cert {out}/site.pem
"""


class HaProxy:
    """A real HAProxy and what its runtime API says."""

    def __init__(self, folder, out, level="admin", more=""):
        self.folder, self.port, self.socket = folder, free_port(), str(folder / "ha.sock")
        config = folder / "ha.cfg"
        config.write_text(CONFIG.format(folder=folder, out=out, port=self.port, level=level, more=more))
        self.process = subprocess.Popen([HAPROXY, "-db", "-f", str(config)])  # pylint: disable=consider-using-with
        wait_for(self.listens, "HAProxy to listen")

    def listens(self):
        assert self.process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=10).close()
            return True
        except OSError:
            return False

    def say(self, text):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.socket)
            connection.sendall(text.encode())
            answer = b""
            while True:
                part = connection.recv(65536)
                if not part:
                    return answer.decode()
                answer += part

    def has_transaction(self):
        """Aborting for a name that does not exist tells whether one is open, and of which."""
        return "No ongoing transaction" not in self.say("abort ssl cert /no/such\n")

    def serial(self, name="a.example.test"):
        shown = openssl("s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", name, data="")
        text = openssl("x509", "-noout", "-serial", data=shown).strip().split("=")[1].lower()
        return ":".join(text[i:i + 2] for i in range(0, len(text), 2))

    def end(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def haproxy():
    """Starts HAProxys and ends them."""
    if HAPROXY is None:
        pytest.skip("haproxy is not installed")
    started = []

    def start(*arguments, **keywords):
        started.append(HaProxy(*arguments, **keywords))
        return started[-1]
    yield start
    for one in started:
        one.end()


def lines(site, cert="web", name="a.example.test", ttl="1h", key_type="ecdsa-p256"):
    return LINES.format(folder=site.folder, out=site.out(cert), name=name, ttl=ttl, key_type=key_type)


def issue_first(site, ca, certs):
    """The files that HAProxy wants to find when it starts; it cannot be told yet."""
    site.configure(ca, certs)
    done = site.once()
    assert done.code == 0
    assert "cannot connect to" in done.events("awaited")[0]["message"]


@pytest.mark.parametrize("key_type", ["ecdsa-p256", "rsa-4096"])
def test_haproxy_serves_every_rotation_and_is_never_reloaded(ca, site, haproxy, key_type):
    issue_first(site, ca, {"web": lines(site, ttl="20s", key_type=key_type)})
    proxy = haproxy(site.folder, site.out())
    first = proxy.serial()
    run = site.run()
    run.wait_event("reloaded", count=3, patience=600)
    assert proxy.serial() != first
    ca.proxy.cut()  # no rotation from now on but the one that is under way
    wait_for(lambda: [line["event"] for line in run.log() if line["event"] in ("published", "reloaded")][-1] == "reloaded",
             "HAProxy to be told of the last one")
    run.terminate()
    # What the process serves is what is on the disk: no rotation was lost between the two.
    assert proxy.serial() == serial_of(site.out() / "site.pem")
    assert not run.events("reload-failed")
    assert proxy.process.poll() is None and not proxy.has_transaction()
    assert "BEGIN" not in run.log_path.read_text()


def test_many_certificates_of_one_haproxy_are_not_mixed_up(ca, site, haproxy):
    """Each holds its transaction open for a while: the others have every chance to break in."""
    names = [f"c{i}" for i in range(5)]
    certs = {name: lines(site, name, f"{name}.example.test").replace(
        f"reload = socket {site.folder}/ha.sock commit",
        f"reload = exec /bin/sleep 0.3\nreload = socket {site.folder}/ha.sock commit") for name in names}
    issue_first(site, ca, certs)
    more = " ".join(f"crt {site.out(name)}/site.pem" for name in names[1:])
    proxy = haproxy(site.folder, site.out(names[0]), more=more)
    for name in names:
        shutil.rmtree(site.out(name))
    done = site.once()
    assert done.code == 0, done.err
    for name in names:
        assert proxy.serial(f"{name}.example.test") == serial_of(site.out(name) / "site.pem")
    assert not proxy.has_transaction()


def test_haproxy_takes_the_ca_file_as_well(ca, site, haproxy):
    api = f"reload = socket {site.folder}/ha.sock"
    text = (lines(site).replace("file = site.pem combined\n", "file = site.pem combined\nfile = ca.pem ca\n")
            + f"{api} set ssl ca-file {site.out()}/ca.pem << ca.pem\n"
            + f"{api} commit ssl ca-file {site.out()}/ca.pem\n")
    issue_first(site, ca, {"web": text})
    proxy = haproxy(site.folder, site.out(), more=f"ca-file {site.out()}/ca.pem verify optional")
    shutil.rmtree(site.out())
    done = site.once()
    assert done.code == 0, done.events("reload-failed")
    assert proxy.serial() == serial_of(site.out() / "site.pem")
    assert proxy.say("abort ssl ca-file /no/such\n").strip() == "No ongoing transaction!"


def test_a_transaction_that_somebody_left_open_is_aborted_and_the_next_try_goes_well(ca, site, haproxy):
    certs = {name: lines(site, name, f"{name}.example.test") for name in ("web", "db")}
    issue_first(site, ca, certs)
    proxy = haproxy(site.folder, site.out(), more=f"crt {site.out('db')}/site.pem")
    before = proxy.serial("db.example.test")
    shutil.rmtree(site.out("web"))
    site.configure(ca, {"web": certs["web"]})
    pem = (site.out("db") / "site.pem").read_text()
    assert "Transaction created" in proxy.say(f"set ssl cert {site.out('db')}/site.pem <<\n{pem}\n")
    run = site.run()
    run.wait_event("reloaded", cert="web")
    run.terminate()
    assert proxy.serial("web.example.test") == serial_of(site.out("web") / "site.pem")
    assert proxy.serial("db.example.test") == before


def test_a_commit_that_is_refused_leaves_no_transaction(ca, site, haproxy):
    text = lines(site).replace("file = site.pem combined\n", "file = site.pem combined\nfile = part.pem fullchain\n")
    issue_first(site, ca, {"web": text})
    proxy = haproxy(site.folder, site.out())
    before = proxy.serial()
    # The certificate without its key.
    site.configure(ca, {"web": text.replace("<< site.pem", "<< part.pem")})
    done = site.once()
    assert done.code == 1
    message = done.events("reload-failed")[0]["message"]
    assert "commit ssl cert: the consumer refused it: The transaction must contain at least a certificate" in message
    assert not proxy.has_transaction()
    assert proxy.serial() == before
    site.configure(ca, {"web": text})
    assert site.once().code == 0
    assert proxy.serial() == serial_of(site.out() / "site.pem")


def test_a_socket_without_level_admin_is_told(ca, site, haproxy):
    issue_first(site, ca, {"web": lines(site)})
    haproxy(site.folder, site.out(), level="user")
    done = site.once()
    assert done.code == 1
    message = done.events("reload-failed")[0]["message"]
    assert "set ssl cert: the consumer refused the line; its stats socket needs level admin: Permission denied" in message


def test_a_socket_that_never_answers_meets_the_time_limit(ca, site):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(site.folder / "ha.sock"))
        listener.listen(8)
        site.configure(ca, {"web": lines(site) + "command_timeout = 1s"})
        done = site.once()
    assert done.code == 1
    assert "the consumer did not answer within 1s" in done.events("reload-failed")[0]["message"]
