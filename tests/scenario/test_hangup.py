"""SIGHUP with a changed section, in each state that a certificate can be in: adopted before anything wrong is published."""
import subprocess

import pytest
from preloads import preload
from scene import WEB, wait_for

OTHER = "ip_addresses = 192.0.2.7\n"


def has_other(site, cert):
    file = site.out(cert) / "tls.crt"
    return file.exists() and "192.0.2.7" in subprocess.run(["openssl", "x509", "-in", file, "-noout", "-ext", "subjectAltName"],
                                                           capture_output=True, text=True, check=False).stdout


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def published_since_applied(run, cert):
    """What was published behind the first configuration that was taken over."""
    log = run.log()
    applied = next(i for i, line in enumerate(log) if line["event"] == "config-applied")
    return [line for line in log[applied:] if line["event"] == "published" and line["cert"] == cert]


# What holds it in that state, and what tells that it is there. "reading" and "staging" last a tenth of a second.
def queued(devca, site, run):
    wait_for(lambda: devca.requests("auth/jwt/login") == 1, "the login")


def signing(devca, site, run):
    wait_for(lambda: devca.requests("pki_int/sign/") == 1, "the request")


def making_key(devca, site, run):
    run.wait_event("logged-in")


def reading(devca, site, run):
    run.wait_event("started")


def validating(devca, site, run):
    wait_for(lambda: (site.folder / "asked").exists(), "the command")


def publishing(devca, site, run):
    wait_for(lambda: (site.out() / "..data").is_symlink(), "the rename")


@pytest.mark.parametrize("state,lines,fault,library,most", [
    (reading, "", None, "slow_mkdir", 1), (queued, "", ("auth/jwt/login", 700), None, 1),
    (making_key, "key_type = rsa-3072\n", None, None, 1), (signing, "", ("pki_int/sign", 700), None, 1),
    (signing, "", None, "slow_mkdir", 1), (validating, "validate = exec {folder}/ask\n", None, None, 1),
    (publishing, "", None, "slow_swap", 2)], ids=["reading", "queued", "making-key", "signing", "staging", "validating", "publishing"])
def test_a_changed_section_is_adopted_while_a_certificate_is_on_its_way(devca, site, state, lines, fault, library, most):
    """What was asked for with the old one is never published behind it, but for what is in place already."""
    script(site.folder / "ask", f"touch {site.folder}/asked; while [ ! -e {site.folder}/go ]; do sleep 0.01; done")
    lines = WEB + lines.format(folder=site.folder)
    site.configure(devca, {"web": lines})
    if fault:
        devca.fault("delay", path=fault[0], times=1, ms=fault[1])
    run = site.run(environment=preload(library) if library else None)
    state(devca, site, run)
    site.configure(devca, {"web": lines + OTHER})
    run.hangup()
    run.wait_event("config-applied")
    (site.folder / "go").touch()
    wait_for(lambda: has_other(site, "web"), "the certificate of the new section", patience=600)
    site.becomes("web", state="fresh")

    def only_published():
        """The names are there a moment before the event."""
        published = {line["generation"] for line in run.events("published")}
        return {path.name for path in site.out().glob("..2*")} <= published
    wait_for(only_published, "what was staged for nobody to go")
    assert 1 <= len(published_since_applied(run, "web")) <= most
    assert not run.events("failed") and not run.events("bug")
    assert run.terminate() == 0


def test_a_changed_section_is_adopted_while_certificates_wait_and_while_consumers_are_told(devca, site):
    """Idle, held, backing off and withdrawn; reloading, proving, backing off, and while a set is rolled back."""
    folder = site.folder
    for name in ("reloading", "proving", "back"):
        script(folder / name, f"echo $LEAFD_GENERATION >>{folder}/{name}.log; while [ ! -e {folder}/go ]; do sleep 0.01; done")
    script(folder / "failing", f"[ -e {folder}/go ]")
    certs = {"idle": WEB, "held": WEB, "withdrawn": WEB,
             "backing-off": WEB.replace("pki_role = leafd", "pki_role = nobody"),
             "reloading": WEB + f"reload = exec {folder}/reloading\ncommand_timeout = 10m\n",
             "proving": WEB + f"prove = exec {folder}/proving\nprove_timeout = 10m\ncommand_timeout = 10m\n",
             "failing": WEB + f"reload = exec {folder}/failing\n"}
    early = {name: certs.pop(name) for name in ("held",)}
    site.configure(devca, certs)
    run = site.run()
    run.wait_event("ready")
    assert site.command("revoke", "--no-reissue", "withdrawn").code == 0
    devca.fault("future", path="pki_int/sign", seconds=3600, times=1)
    site.configure(devca, {**certs, **early})
    run.hangup()
    for event, cert in (("held", "held"), ("failed", "backing-off"), ("withdrawn", "withdrawn"), ("reload-failed", "failing")):
        run.wait_event(event, cert)
    wait_for(lambda: (folder / "reloading.log").exists() and (folder / "proving.log").exists(), "the commands")
    asked = devca.requests("pki_int/sign/leafd")
    site.configure(devca, {name: lines.replace("nobody", "leafd") + OTHER for name, lines in {**certs, **early}.items()})
    run.hangup()
    for name in {**certs, **early}:
        wait_for(lambda name=name: has_other(site, name), f"the certificate of {name}")
    # The commands of the consumers still run: nobody waited for them.
    (folder / "go").touch()
    for name in {**certs, **early}:
        site.becomes(name, state="fresh")
    assert devca.requests("pki_int/sign/leafd") == asked + len(certs) + len(early), "one request for each"
    for name in ("reloading", "proving"):
        told = (folder / f"{name}.log").read_text().splitlines()
        assert told[-1] == str(site.out(name) / (site.out(name) / "..data").readlink()), "it was told of what is in place"
    assert not run.events("bug")
    assert run.terminate() == 0
