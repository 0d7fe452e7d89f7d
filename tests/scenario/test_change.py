"""SIGHUP and restarts: only what changed is done anew, and only as much of it as is needed."""
import calendar
import json
import os
import stat
import time

import pytest
from attacker import ATTACKER, as_attacker, needs_root, open_the_way
from scene import WEB, openssl, same_key, serial_of, snapshot, wait_for


def test_hangup_issues_what_is_added_and_leaves_what_is_removed(ca, site):
    site.configure(ca, {"one": WEB, "two": WEB})
    run = site.run()
    run.wait_ready()
    site.configure(ca, {"two": WEB, "three": WEB})
    run.hangup()
    run.wait_event("published", "three")
    run.wait_event("forgotten", "one")
    assert (site.out("one") / "tls.crt").exists()
    assert len(run.events("published", "two")) == 1
    assert ca.requests("pki_int/sign/") == 3
    wait_for(lambda: run.manager.lines.count("READY=1") == 2, "READY again")
    assert any(line.startswith("MONOTONIC_USEC=") for line in run.manager.lines)
    assert run.terminate() == 0


def test_hangup_reissues_only_what_asks_the_ca_for_something_else(ca, site):
    site.configure(ca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    serial, key = serial_of(site.out() / "tls.crt"), (site.out() / "tls.key").read_text()

    # Other files and modes: written anew from what is there.
    site.configure(ca, {"web": WEB.replace("file = ca.crt ca", "file = both.pem combined 0640")})
    run.hangup()
    run.wait_event("published", count=2)
    assert serial_of(site.out() / "both.pem") == serial
    assert (site.out() / "tls.key").read_text() == key
    assert stat.S_IMODE(os.stat(site.out() / "both.pem").st_mode) == 0o640
    assert not (site.out() / "ca.crt").is_symlink()
    assert ca.requests("pki_int/sign/") == 1

    # Another renewal rule: nothing but another date.
    site.configure(ca, {"web": WEB.replace("file = ca.crt ca", "file = both.pem combined 0640") + "renew_before = 5m"})
    before = site.status()["web"]["renewal"]
    run.hangup()
    run.wait_event("config-applied", count=2)
    run.wait_event("found")
    assert site.status()["web"]["renewal"] > before or run.events("found")
    assert ca.requests("pki_int/sign/") == 1

    # Other names: another certificate.
    site.configure(ca, {"web": WEB + "ip_addresses = 192.0.2.1"})
    run.hangup()
    run.wait_event("published", count=3)
    assert serial_of(site.out() / "tls.crt") != serial
    assert ca.requests("pki_int/sign/") == 2
    assert run.terminate() == 0


def test_two_that_change_directories_are_no_conflict(ca, site):
    """Also while the one that is to leave still has its consumer to tell."""
    one, two = site.folder / "one", site.folder / "two"
    other = WEB.replace("a.example", "c.example") + "reload = exec /bin/sleep 0.2"
    site.configure(ca, {"web": WEB + f"directory = {one}", "db": other + f"\ndirectory = {two}"})
    run = site.run()
    run.wait_event("published", count=2)
    site.configure(ca, {"web": WEB + f"directory = {two}", "db": other + f"\ndirectory = {one}"})
    run.hangup()
    run.wait_event("published", count=4)
    assert not run.events("failed")
    for folder, name in ((one, "c.example.test"), (two, "a.example.test")):
        assert f"DNS:{name}" in openssl("x509", "-in", str(folder / "tls.crt"), "-noout", "-ext", "subjectAltName")
        assert same_key(folder / "tls.crt", folder / "tls.key")
    run.wait_ready()
    assert run.terminate() == 0


def test_a_broken_file_changes_nothing(ca, site):
    site.configure(ca, {"web": WEB.replace("ttl = 1h", "ttl = 10s")})
    run = site.run()
    run.wait_ready()
    site.file.write_text(site.file.read_text() + "\n[cert db]\nnonsense\n")
    run.hangup()
    broken = run.wait_event("config-broken")[0]
    assert "the old one stays" in broken["message"] and f"{site.file}:" in broken["message"]
    run.wait_event("published", count=len(run.events("published")) + 1)
    assert run.terminate() == 0


def test_a_changed_login_is_used_from_then_on(ca, site):
    site.configure(ca, {"web": WEB}, auth=ca.auth.replace("role = leafd", "role = nobody"))
    run = site.run()
    run.wait_event("login-failed")
    site.configure(ca, {"web": WEB})
    run.hangup()
    run.wait_event("published")
    assert run.terminate() == 0


def test_a_restart_takes_over_changes_like_a_hangup(ca, site):
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    serial = serial_of(site.out() / "tls.crt")
    site.configure(ca, {"web": WEB + "file = meta.json metadata"})
    assert site.once().code == 0
    assert serial_of(site.out() / "tls.crt") == serial and (site.out() / "meta.json").exists()
    site.configure(ca, {"web": WEB + "ttl = 2h".replace("ttl", "# ttl") + "\nissuer = default"})
    assert site.once().code == 0
    assert serial_of(site.out() / "tls.crt") != serial


def test_damage_is_mended_from_what_is_sound(ca, site):
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    serial = serial_of(site.out() / "tls.crt")
    (site.out() / "tls.key").chmod(0o644)
    assert site.status()["web"]["state"] == "damaged"
    done = site.once()
    assert done.code == 0
    assert "the mode of tls.key was changed" in done.events("wanted")[0]["message"]
    assert stat.S_IMODE(os.stat(site.out() / "tls.key").st_mode) == 0o600
    assert serial_of(site.out() / "tls.crt") == serial
    os.unlink(os.path.realpath(site.out() / "ca.crt"))
    assert site.once().code == 0
    assert (site.out() / "ca.crt").exists()
    assert ca.requests("pki_int/sign/") == 1
    os.unlink(os.path.realpath(site.out() / "tls.key"))
    assert site.once().code == 0
    assert ca.requests("pki_int/sign/") == 2
    assert serial_of(site.out() / "tls.crt") != serial


def test_revoke_takes_back_and_has_it_issued_anew(ca, site):
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    serial = serial_of(site.out() / "tls.crt")
    done = site.command("revoke", "web")
    assert done.code == 0, done.err
    assert f"revoked serial {serial}" in done.out
    assert ca.revoked(serial)
    assert serial_of(site.out() / "tls.crt") != serial
    assert site.status()["web"]["state"] == "fresh"


def test_revoke_beside_a_running_agent_makes_that_one_issue(ca, site):
    site.configure(ca, {"web": WEB, "other": WEB})
    run = site.run()
    run.wait_ready()
    serial = serial_of(site.out() / "tls.crt")
    done = site.command("revoke", "web")
    assert done.code == 0, done.err
    assert f"[cert web] revoked serial {serial}" in done.out and "[cert web] renewed: serial" in done.out
    assert serial_of(site.out() / "tls.crt") != serial
    assert len(run.events("published", "web")) == 2 and len(run.events("published", "other")) == 1

    # One that cannot reach the agent revokes by itself, and the agent notices.
    done = site.command("revoke", "web", environment={"RUNTIME_DIRECTORY": str(site.folder / "elsewhere")})
    assert done.code == 0 and "the running agent issues a new certificate" in done.out, done.err
    run.wait_event("published", "web", count=3)
    assert len(run.events("published", "other")) == 1
    wait_for(lambda: site.status()["web"]["state"] == "fresh", "web to be fresh")
    assert run.terminate() == 0


def test_revoke_ends_the_pause_of_a_running_agent(devca, site):
    """What was refused is waited with for minutes; what is revoked must not be served for so long."""
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    devca.fault("status", path="pki_int/sign/", times=0, status=400)
    site.configure(devca, {"web": WEB + "ip_addresses = 192.0.2.1"})
    run.hangup()

    def pauses():
        """After the first failure that drew a pause which is longer than a slow machine takes for the rest."""
        failed = run.events("failed")
        return int(failed[-1]["next_try_ms"]) > 30000 and len(failed) if failed else 0

    failures = wait_for(pauses, "a long pause", patience=200)
    devca.call("DELETE", "devca/faults")
    begin, pause_s = time.monotonic(), int(run.events("failed")[-1]["next_try_ms"]) / 1000
    assert site.command("revoke", "web").code == 0
    run.wait_event("published", count=2)
    assert time.monotonic() - begin < pause_s and len(run.events("failed")) == failures
    assert run.terminate() == 0


def test_revoke_without_reissue_leaves_the_files(ca, site):
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    serial = serial_of(site.out() / "tls.crt")
    assert site.command("revoke", "--no-reissue", "web").code == 0
    assert ca.revoked(serial)
    assert serial_of(site.out() / "tls.crt") == serial


def test_revoke_without_reissue_is_obeyed_by_a_running_agent(ca, site):
    """Not at once, not when it is due, not at a hangup or a restart; only when somebody asks for it."""
    site.configure(ca, {"web": WEB.replace("ttl = 1h", "ttl = 20s"), "other": WEB}, agent="ca_poll = 1s\nca_spread = 6s")
    run = site.run()
    run.wait_ready()
    done = site.command("revoke", "--no-reissue", "web")
    assert done.code == 0 and "no other certificate is issued until" in done.out, done.out + done.err
    run.wait_event("withdrawn", "web")
    serial = serial_of(site.out() / "tls.crt")
    row = site.status("web")["web"]
    assert row["state"] == "revoked" and "not replaced until" in row["detail"], row
    run.hangup()
    run.wait_event("config-applied")
    wait_for(lambda: time.time() > calendar.timegm(time.strptime(row["not_after"], "%Y-%m-%dT%H:%M:%SZ")) + 1, "its end")
    assert serial_of(site.out() / "tls.crt") == serial and site.status("web")["web"]["state"] == "revoked"
    assert run.terminate() == 0
    again = site.run()
    again.wait_event("withdrawn", "web")
    assert site.command("revoke", "web").code == 0
    again.wait_event("published", "web")
    assert site.status()["web"]["state"] != "revoked"
    assert again.terminate() == 0


def test_once_replaces_what_was_revoked_for_good_only_by_name(ca, site):
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    assert site.command("revoke", "--no-reissue", "web").code == 0
    done = site.once()
    assert done.code == 3 and done.events("withdrawn"), done.err
    done = site.once("--wait", "1h")  # no wait brings another certificate
    assert done.code == 3 and done.events("withdrawn"), done.err
    assert site.status()["web"]["state"] == "revoked"
    assert site.once("web").code == 0
    assert site.status()["web"]["state"] == "fresh"
    assert ca.requests("pki_int/sign/") == 2


def test_revoke_of_nothing_is_told(ca, site):
    site.configure(ca, {"web": WEB})
    done = site.command("revoke", "web")
    assert done.code != 0
    assert "web" in done.err
    assert site.command("revoke").code == 2


def test_revoke_sends_the_certificate_where_its_serial_is_not_known(ca, site):
    """A role with no_store keeps no certificate: the CA answers 400 to its serial number."""
    site.configure(ca, {"web": WEB.replace("= leafd", "= no-store")})
    assert site.once().code == 0
    serial = serial_of(site.out() / "tls.crt")
    done = site.command("revoke", "web")
    assert done.code == 0, done.err
    assert f"revoked serial {serial}" in done.out
    assert ca.revoked(serial)
    assert serial_of(site.out() / "tls.crt") != serial


# -- whose certificate it is -------------------------------------------------------------------------

def others_certificate(devca, site, web):
    """A site with a certificate of db, and a section web; the serial number of db's."""
    site.folder.chmod(0o755)
    site.configure(devca, {"db": WEB.replace("a.example.test, b.example.test", "db.example.test"), "web": web})
    assert site.once("db").code == 0
    return serial_of(site.out("db") / "tls.crt")


def revocations(devca):
    return [path for path in devca.all_requests() if "revoke" in path or "sys/" in path]


def refuses_to_revoke(devca, site, serial, *told):
    before, asked = snapshot(site.folder, but="log"), revocations(devca)
    done = site.command("revoke", "--no-reissue", "web")
    assert done.code != 0 and not done.out, done.out
    assert all(text in done.err for text in told), done.err
    assert not devca.revoked(serial) and revocations(devca) == asked
    assert snapshot(site.folder, but="log") == before


@needs_root
def test_revoke_follows_nobody_elses_links(devca, site):
    home = site.folder / "home"
    home.mkdir()
    os.chown(home, ATTACKER, ATTACKER)
    serial = others_certificate(devca, site, WEB + f"directory = {home}/x/out-db\n")
    open_the_way(home)
    assert as_attacker("ln", "-s", site.folder, home / "x").returncode == 0
    refuses_to_revoke(devca, site, serial, "home belongs to uid 4242", "run leafd as uid 4242")


@needs_root
@pytest.mark.parametrize("whose", ["set", "generation", "record"])
def test_revoke_believes_no_notes_that_others_may_write(devca, site, whose):
    serial = others_certificate(devca, site, WEB)
    assert site.once("web").code == 0
    generation = site.out() / os.readlink(site.out() / "..data")
    (generation / "..record").write_text((site.out("db") / "..data" / "..record").read_text())
    path = {"set": site.out(), "generation": generation, "record": generation / "..record"}[whose]
    os.chown(path, ATTACKER, ATTACKER)
    refuses_to_revoke(devca, site, serial, f"{path.name} belongs to uid {ATTACKER}")
    os.chown(path, 0, 0)


def test_revoke_takes_nothing_back_that_is_not_the_sections(devca, site):
    """Its names decide; and the path of the CA is one, whatever is noted."""
    serial = others_certificate(devca, site, WEB)
    assert site.once("web").code == 0
    record = site.out() / "..data" / "..record"
    own = record.read_text()
    record.write_text((site.out("db") / "..data" / "..record").read_text())
    refuses_to_revoke(devca, site, serial, f"serial {serial}, is not for the names of the section: a.example.test is missing")
    for mount in ("sys/../pki_int/../sys/x?y=", "/pki_int", "pki_int/", "pki_int//", "..", ""):
        record.write_text(json.dumps({**json.loads(own), "request": {**json.loads(own)["request"], "pki_mount": mount}}))
        refuses_to_revoke(devca, site, serial, "..record", "names no mount of the CA as pki_mount")
    # More names than it was issued for, or fewer, make it nobody else's.
    record.write_text(own)
    for lines in (WEB + "ip_addresses = 192.0.2.1\n", WEB.replace(", b.example.test", "")):
        serial = serial_of(site.out() / "tls.crt")
        site.configure(devca, {"web": lines})
        assert site.command("revoke", "web").code == 0
        assert devca.revoked(serial) and serial_of(site.out() / "tls.crt") != serial
