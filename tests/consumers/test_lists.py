"""Revocation lists of a [trust] section under real programs: who was revoked is refused within a poll, nobody else ever is."""
import http.client
import shutil
import ssl
import threading

import pytest

from consumers import Haproxy, Nginx
from scene import openssl, templates, wait_for

CLIENTS = ("good", "bad-0", "bad-1")


class ListNginx(Nginx):
    template = "nginx-lists"
    more = "ssl_client_certificate {out}/../out-clients/ca.crt; ssl_crl {out}/../out-clients/ca.crl; " \
           "ssl_verify_client on; ssl_verify_depth 3; location / {{ return 200; }}"


class ListHaproxy(Haproxy):
    template = "haproxy-lists"

    def configure(self):
        super().configure()
        path, peers = self.folder / "haproxy.cfg", self.out.parent / "out-clients"
        path.write_text(path.read_text().replace(
            "/site.pem\n", f"/site.pem verify required ca-file {peers}/ca.crt crl-file {peers}/ca.crl\n"))


FILES = {ListNginx: "file = fullchain.pem fullchain\nfile = privkey.pem key\n", ListHaproxy: "file = site.pem combined\n"}


def ask(program, certificate, key, root):
    """What a client with that certificate is told: a status, or how it failed."""
    context = ssl.create_default_context(cafile=root)
    context.load_cert_chain(certificate, key)
    connection = http.client.HTTPSConnection("localhost", program.port, context=context, timeout=30)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as failure:
        return repr(failure)
    finally:
        connection.close()


class Asking:
    """A client that asks all the time."""

    def __init__(self, *what):
        self.what, self.failures, self.count = what, [], 0
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self.ask_on)
        self.thread.start()

    def ask_on(self):
        while not self.enough.wait(0.01):
            told = ask(*self.what)
            self.count += 1
            if told != 200:
                self.failures.append(told)

    def stop(self):
        self.enough.set()
        self.thread.join()


def configure(site, ca, program, files):
    request = f"pki_mount = {ca.mount}\npki_role = leafd\nttl = 1h\ndns_names = localhost\n"
    text = f"[vault]\naddress = {ca.address}\nca_file = {ca.ca_file}\n[auth]\n{ca.auth}\n[agent]\nlog_format = json\n" \
           f"template_directory = {templates()}\nca_poll = 2s\n" \
           f"[cert {program.name}]\n{request}directory = {program.out}\n{files}\n"
    for name in CLIENTS:
        text += f"[cert {name}]\n{request}directory = {site.out(name)}\nfile = tls.crt fullchain\nfile = tls.key key\n"
    text += f"[trust clients]\npki_mount = {ca.mount}\ntrust_anchor = {ca.root_file}\ndirectory = {site.out('clients')}\n" \
            f"file = ca.crt ca\nfile = ca.crl crl\n{'crl_mounts = pki' if ca.kind == 'real' else ''}\n{program.section()}"
    site.ca = ca
    site.write(text)


def revoke(ca, certificate):
    serial = openssl("x509", "-in", str(certificate), "-noout", "-serial").strip().split("=")[1].lower()
    ca.revoke(":".join(serial[i:i + 2] for i in range(0, len(serial), 2)))


@pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.template)
def test_who_was_revoked_is_refused_and_nobody_else(site, ca, start, kind):
    program = start(kind)
    configure(site, ca, program, FILES[kind])
    run = site.run()
    run.wait_ready()
    pairs = {}
    for name in CLIENTS:  # leafd replaces what was revoked: these are what a thief has
        pairs[name] = [site.folder / f"{name}.{end}" for end in ("crt", "key")]
        for path, end in zip(pairs[name], ("crt", "key")):
            shutil.copyfile(site.out(name) / f"tls.{end}", path)
    program.start()
    for name in CLIENTS:
        assert ask(program, *pairs[name], ca.root_file) == 200, (name, program.told())
    asking = Asking(program, *pairs["good"], ca.root_file)
    try:
        for name in CLIENTS[1:]:
            revoke(ca, pairs[name][0])
            wait_for(lambda n=name: ask(program, *pairs[n], ca.root_file) != 200, f"{name} to be refused")
        for name in CLIENTS[1:]:
            assert ask(program, *pairs[name], ca.root_file) != 200
        asked = asking.count
        wait_for(lambda: asking.count > asked + 20, "more questions")
    finally:
        asking.stop()
    assert not asking.failures, asking.failures[:3]
    assert program.never_restarted()
    assert len(run.events("published", "clients")) >= 3
    assert run.terminate() == 0
