"""The CA is away, slow, or wrong: what is in place stays, and leafd says what it does."""
import datetime
import json
import math
import os
import re
import shutil
import time
import urllib.request

import pytest

from preloads import preload
from scene import WEB, free_port, is_published, openssl, serial_of, snapshot, wait_for


def test_a_restart_with_a_valid_generation_is_ready_without_the_ca(ca, site):
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    serial = serial_of(site.out() / "tls.crt")
    ca.proxy.cut()
    run = site.run()
    run.wait_ready()
    assert run.wait_event("found")[0]["serial"] == serial
    assert not run.events("login-failed") and not run.events("failed")
    assert site.command("ready").code == 0
    assert run.terminate() == 0


def test_without_a_generation_it_retries_says_so_and_recovers(ca, site):
    ca.proxy.cut()
    site.configure(ca, {"web": WEB})
    run = site.run()
    failed = run.wait_event("failed", count=2)
    assert failed[0]["class"] == "transient"
    assert "next try in" in failed[0]["message"] and "no usable certificate is in place" in failed[0]["message"]
    assert site.command("ready").code == 1
    wait_for(lambda: "1 failing" in run.manager.status(), "the status to tell")
    ca.proxy.repair()
    run.wait_ready()
    assert site.command("ready").code == 0
    assert run.terminate() == 0


def test_a_connection_that_leads_nowhere_is_not_used_again(ca, site):
    """A middlebox forgot it, or the node behind it is gone: the kernel would go on sending for a quarter of an hour."""
    patience = "timeout = 3s\nconnect_timeout = 3s"
    site.configure(ca, {"web": WEB, "other": WEB}, vault=patience)
    run = site.run()
    run.wait_ready()
    ca.proxy.lose()
    connections = ca.proxy.connections
    more = WEB + "ip_addresses = 192.0.2.1"
    site.configure(ca, {"web": more, "other": more}, vault=patience)
    run.hangup()
    for name in ("web", "other"):
        run.wait_event("published", name, count=2)
        failed = len(run.events("failed", name))
        assert 1 <= failed <= ca.proxy.connections - connections, "the first try finds out, each further one has its own connection"
    assert run.terminate() == 0


def test_name_servers_that_hang_stop_nothing_but_what_asked_them(devca, site):
    """libcurl waits for the thread that asks them if it is let, and the whole loop with it."""
    deaf = preload("deaf_names")
    site.configure(devca, {"web": WEB})
    run = site.run(environment=deaf)
    run.wait_ready()
    site.configure(devca, {"web": WEB}, vault="timeout = 1s\nconnect_timeout = 1s")
    text = site.file.read_text().replace("https://127.0.0.1", "https://ca.deaf.test")
    site.write(text + "ip_addresses = 192.0.2.1\n")
    run.hangup()
    run.wait_event("failed", "web", count=2)
    assert "timed out" in run.wait_event("login-failed")[0]["message"]
    assert run.terminate() == 0
    assert site.once(environment=deaf).code == 1


def test_a_consumer_whose_name_servers_hang_does_not_keep_leafd_from_ending(devca, site):
    site.configure(devca, {"web": WEB + "prove = tls web.deaf.test:443\nprove_timeout = 2s\n"})
    run = site.run(environment=preload("deaf_names"))
    run.wait_event("awaited", "web")
    assert run.terminate() == 0


def test_a_node_that_is_not_well_is_not_asked_again_over_the_same_connection(devca, site):
    """Behind one address there may be three, and the next connection leads to another."""
    site.configure(devca, {"web": WEB})
    devca.fault("status", path="pki_int/sign", times=1, status=503, errors=["Vault is sealed"])
    connections = devca.proxy.connections
    run = site.run()
    run.wait_event("published")
    assert len(run.events("failed")) == 1
    assert devca.proxy.connections == connections + 2
    assert run.terminate() == 0


def test_once_exits_1_without_the_ca_and_waits_for_it_when_told_to(ca, site):
    ca.proxy.cut()
    site.configure(ca, {"web": WEB})
    done = site.once()
    assert done.code == 1
    assert [line["class"] for line in done.events("failed")] == ["transient"], "one try, and no wait for another"
    assert site.once("--wait", "3s").code == 1
    import threading  # pylint: disable=import-outside-toplevel
    threading.Timer(2, ca.proxy.repair).start()
    assert site.once("-w", "60s", patience=240).code == 0


def logged_s(line):
    """When a line was logged, in seconds since 1970."""
    return datetime.datetime.fromisoformat(line["time"]).timestamp()


def told_ready(run):
    wait_for(lambda: run.manager.has("READY=1"), "READY=1")


def test_a_boot_does_not_hang_on_a_ca_that_is_away(ca, site):
    """The service manager hears of ready and of the reason; `leafd ready` says what is usable."""
    ca.proxy.cut()
    site.configure(ca, {"web": WEB})
    run = site.run()
    told_ready(run)
    wait_for(lambda: re.match(r"STATUS=0 of 1 certificates usable, 1 failing; web, next try 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d \w+: .*"
                              r"127\.0\.0\.1", run.manager.status()), run.manager.status)
    assert site.command("ready").code == 1
    ca.proxy.repair()
    site.answers("ready", 0)
    assert run.terminate() == 0


def test_ready_when_all_waits_for_what_fails(ca, site):
    ca.proxy.cut()
    site.configure(ca, {"web": WEB}, agent="ready_when = all")
    run = site.run()
    run.wait_event("failed")
    assert not run.manager.has("READY=1")
    ca.proxy.repair()
    run.wait_ready()
    assert run.terminate() == 0


@pytest.mark.parametrize("fault", ["login", "sign"])
def test_one_outage_counts_as_the_try_of_all(devca, site, fault):
    """More certificates than permits, and a CA that is silent: the first failure is enough for READY."""
    if fault == "login":
        devca.fault("delay", path="auth/", times=0, ms=600000)
    else:
        devca.fault("delay", path="pki_int/sign", times=0, ms=600000)
    site.configure(devca, {f"web{i}": WEB for i in range(12)}, agent="max_in_flight = 1", vault="timeout = 2s\nconnect_timeout = 1s")
    run = site.run()
    told_ready(run)
    run.wait_event("ready")
    events = [line["event"] for line in run.log()]
    before = run.log()[:events.index("ready")]
    if fault == "login":
        assert len([line for line in before if line["event"] == "login-failed"]) <= 2, "nobody waited for a login of each"
    else:
        assert len({line["cert"] for line in before if line["event"] == "failed"}) < 12, "nobody waited for the others' tries"
    assert run.terminate() == 0


def test_a_certificate_that_fails_does_not_stop_the_others(ca, site):
    site.configure(ca, {"good": WEB, "bad": WEB.replace("leafd", "needs-cn")})
    run = site.run()
    run.wait_event("published", "good")
    run.wait_event("failed", "bad")
    told_ready(run)
    site.becomes("good", state="fresh")
    site.becomes("bad", state="missing")
    assert run.terminate() == 0


def test_an_expired_certificate_is_not_deleted_while_the_ca_is_away(ca, site):
    site.configure(ca, {"web": WEB.replace("ttl = 1h", "ttl = 6s")})
    run = site.run()
    run.wait_ready()
    ca.proxy.cut()
    before = serial_of(site.out() / "tls.crt")
    wait_for(lambda: site.status()["web"]["state"] == "expired", "the certificate to expire")
    assert (site.out() / "tls.key").exists()
    assert site.command("ready").code == 1
    ca.proxy.repair()
    wait_for(lambda: serial_of(site.out() / "tls.crt") != before, "a new certificate")
    wait_for(lambda: site.command("ready").code == 0, "ready")
    assert run.terminate() == 0


def long_wait(line):
    """Whether the wait that a failure drew is longer than a slow machine needs for a few starts: of 300 s, the bound of a
    refusal, one in fifty is shorter than 6 s."""
    return int(line["next_try_ms"]) > 60000


def test_a_crash_loop_does_not_hammer_the_ca(ca, site):
    """The wait after a failure outlives the process."""
    site.configure(ca, {"web": WEB.replace("leafd", "needs-cn").replace("ttl = 1h", "ttl = 24h")})
    run = site.run()
    while not long_wait(run.wait_event("failed")[0]):
        run.kill()
        shutil.rmtree(site.out())
        run = site.run()
    wait_for(lambda: site.status()["web"]["failure"], "the failure in the state")
    run.kill()
    asked = ca.requests("pki_int/sign/")
    for _ in range(5):
        run = site.run()
        waits, = run.wait_event("waits")
        assert waits["level"] == "info" and waits["class"] == "refused" and "ago was: POST" in waits["message"]
        run.kill()
        assert not run.events("failed"), "an old failure is no new one"
    assert ca.requests("pki_int/sign/") <= asked + 1
    assert site.status()["web"]["failure"]["failures"] >= 1


def test_a_restart_by_a_person_asks_at_once_and_a_loop_of_them_does_not(ca, site):
    site.configure(ca, {"web": WEB.replace("leafd", "needs-cn").replace("ttl = 1h", "ttl = 24h")})

    def starts(times):
        """Starts one after the other, each of which asks at once and once; whether all waits that they drew are long."""
        asked = ca.requests("pki_int/sign/")
        for _ in range(times):
            run = site.run()
            failed = run.wait_event("failed")[0]
            assert not run.events("waits")
            assert run.terminate() == 0
            if not long_wait(failed):
                return False
        assert ca.requests("pki_int/sign/") == asked + times
        return True

    while not starts(4):
        shutil.rmtree(site.out())
    asked = ca.requests("pki_int/sign/")
    run = site.run()
    run.wait_event("waits")
    assert not run.events("failed")
    assert run.terminate() == 0
    assert ca.requests("pki_int/sign/") == asked


def test_what_was_put_right_is_tried_at_once_after_a_crash_and_while_it_runs(ca, site):
    good = ca.token_file.read_text()
    ca.token_file.write_text(ca.tokens.make(life_s=-1000))
    site.configure(ca, {"web": WEB.replace("ttl = 1h", "ttl = 24h")})
    run = site.run()
    # A wait that is over before the file is looked at would prove nothing.
    wait_for(lambda: any(int(line["next_try_ms"]) > 20000 for line in run.events("failed")), "a long wait", 200)
    wait_for(lambda: site.status()["web"]["failure"] is not None, "the state")
    run.kill()
    ca.token_file.write_text(good)
    run = site.run()
    run.wait_event("published")
    assert not run.events("waits")
    assert run.terminate() == 0
    ca.token_file.write_text(ca.tokens.make(life_s=-1000))
    site.configure(ca, {"other": WEB.replace("ttl = 1h", "ttl = 24h")})
    run = site.run()
    failed = wait_for(lambda: [line for line in run.events("failed") if int(line["next_try_ms"]) > 25000], "a long wait", 200)
    ca.token_file.write_text(good)
    published = run.wait_event("published")[0]
    assert logged_s(published) < logged_s(failed[0]) + int(failed[0]["next_try_ms"]) / 1000, "not when the wait was over"
    assert run.terminate() == 0


# -- faults that only devca makes ---------------------------------------------------------------------

SAID = [
    # fault, its parameters, class, exit code, what the log says
    ("status", {"status": 400}, "refused", 3, "answered 400"),
    ("status", {"status": 403}, "denied", 3, "answered 403"),
    ("status", {"status": 404}, "refused", 3, "answered 404"),
    ("status", {"status": 405}, "refused", 3, "answered 405"),
    ("status", {"status": 412}, "transient", 1, "answered 412"),
    ("status", {"status": 429}, "transient", 1, "answered 429"),
    ("status", {"status": 472}, "transient", 1, "answered 472"),
    ("status", {"status": 473}, "transient", 1, "answered 473"),
    ("status", {"status": 500}, "transient", 1, "answered 500"),
    ("status", {"status": 502, "body": "<html>bad gateway</html>"}, "transient", 1, "answered 502: out of order"),
    ("status", {"status": 503, "errors": ["Vault is sealed"]}, "transient", 1, "answered 503: Vault is sealed"),
    ("broken-json", {}, "untrusted", 1, "is no JSON object"),
    ("duplicate-keys", {}, "untrusted", 1, "is no JSON object"),
    ("deep-json", {}, "untrusted", 1, "is no JSON object"),
    ("not-json", {}, "untrusted", 1, "is no JSON object"),
    ("empty", {}, "untrusted", 1, "holds no certificate"),
    ("oversized", {}, "untrusted", 1, "larger than 262144 bytes"),
    ("cut", {}, "transient", 1, "POST /v1/pki_int/sign/leafd"),
    ("wrapped", {}, "untrusted", 1, "is wrapped"),
]


@pytest.mark.parametrize("fault, parameters, kind, code, says", SAID,
                         ids=[f"{f}-{p.get('status', '')}".rstrip("-") for f, p, *_ in SAID])
def test_each_failure_of_the_ca_has_its_class_and_changes_nothing(devca, site, fault, parameters, kind, code, says):
    site.configure(devca, {"web": WEB})
    assert site.once().code == 0
    before = snapshot(site.out())
    site.configure(devca, {"web": WEB + "ip_addresses = 192.0.2.1"})
    devca.fault(fault, path="pki_int/sign", times=0, **parameters)
    done = site.once()
    assert done.code == code, done.err
    failed = done.events("failed")[0]
    assert failed["class"] == kind
    assert says in failed["message"], failed["message"]
    after = snapshot(site.out())
    after.pop(str(site.out() / "..state"), None)
    assert after == before
    devca.call("DELETE", "devca/faults")
    assert site.once().code == 0


def test_a_500_is_retried_as_what_mends_itself_however_often_it_comes(devca, site):
    """A full audit device answers so, and so does a mount without an issuer: only the words name both."""
    site.configure(devca, {"web": WEB.replace("ttl = 1h", "ttl = 2s")})
    devca.fault("status", path="pki_int/sign", times=0, status=500, errors=["no default issuer currently configured"])
    run = site.run()
    failed = run.wait_event("failed", count=6)
    assert {line["class"] for line in failed} == {"transient"}
    assert all("role is set wrongly" not in line["message"] for line in failed[:3])
    assert all("or the role is set wrongly" in line["message"] for line in failed[3:])
    assert run.terminate() == 0


def test_once_makes_a_last_try_before_the_wait_is_over(devca, site):
    """The CA is ill for a part of the wait; the next try by the backoff would come far behind its end."""
    site.configure(devca, {"web": WEB})
    devca.fault("status", path="pki_int/sign", times=1, status=429, retry_after=600)
    begin = time.monotonic()
    done = site.once("--wait", "20s")
    assert done.code == 0, done.err
    assert int(done.events("failed")[0]["next_try_ms"]) > 20000
    assert time.monotonic() - begin < 20
    devca.fault("status", path="pki_int/sign", times=0, status=400)
    site.configure(devca, {"other": WEB})
    begin = time.monotonic()
    done = site.once("--wait", "20s")
    assert done.code == 3, done.err
    assert len(done.events("failed")) >= 2, "the first try, the last, and what a short backoff drew between"
    assert time.monotonic() - begin < 20, "nothing is left to be waited for"


def test_retry_after_is_obeyed(devca, site):
    site.configure(devca, {"web": WEB})
    devca.fault("status", path="pki_int/sign", times=1, status=429, retry_after=4)
    run = site.run()
    failed = run.wait_event("failed")[0]
    # The jitter of a first failure is up to 5 s, and no wait is shorter on a machine that has just booted.
    assert 4000 <= int(failed["next_try_ms"]) <= 10000
    run.wait_event("published")
    assert run.terminate() == 0


def test_retry_after_of_a_login_holds_for_every_certificate(devca, site):
    # Two are on their way at once: the others come later.
    site.configure(devca, {f"c{number}": WEB for number in range(20)}, agent="max_in_flight = 1")
    devca.fault("status", path="auth/jwt/login", times=1, status=429, retry_after=4)
    run = site.run()
    failed_at, again_at = (logged_s(run.wait_event(event)[0]) for event in ("login-failed", "logged-in"))
    # The log tells of the failure a moment after it, in whole seconds.
    assert again_at - failed_at >= 3
    assert len(run.events("login-failed")) == 1
    run.wait_ready()
    assert run.terminate() == 0


def test_a_standby_that_redirects_is_followed_once_and_over_tls_only(devca, site):
    site.configure(devca, {"web": WEB})
    devca.fault("redirect", path="pki_int/sign", times=1, location=f"{devca.direct}/v1/pki_int/sign/leafd")
    assert site.once().code == 0
    for name, location, says in (
            ("plain", f"http://127.0.0.1:{devca.proxy.port}/v1/pki_int/sign/leafd", "without https"),
            ("twice", f"{devca.direct}/v1/pki_int/sign/leafd", "redirected twice"),
            ("foreign", "https://localhost:1/v1/pki_int/sign/leafd?ticket=secret", "onnect")):
        site.configure(devca, {name: WEB}, vault="redirects = localhost")
        devca.fault("redirect", path="pki_int/sign", times=2, location=location)
        done = site.once()
        assert done.code == 1
        message = done.events("failed")[0]["message"]
        assert says in message
        source = devca.direct if name == "twice" else devca.address
        assert f"redirected by {source} to {location.split('/v1')[0]}:" in message, message
        assert "secret" not in message
        assert not is_published(site.out(name))
        devca.call("DELETE", "devca/faults")


def test_a_slow_ca_is_waited_for_only_so_long(devca, site):
    site.configure(devca, {"web": WEB}, vault="timeout = 2s\nconnect_timeout = 1s")
    devca.fault("delay", path="pki_int/sign", times=1, ms=600000)
    done = site.once()
    assert done.code == 1
    assert done.events("failed")[0]["class"] == "transient"
    devca.call("DELETE", "devca/faults")
    site.configure(devca, {"web": WEB})
    assert site.once().code == 0


def test_what_fails_is_told_as_failing_while_it_is_tried_again(devca, site):
    """A try may take as long as its timeout: the reason stays in `systemctl status` meanwhile."""
    site.configure(devca, {"web": WEB}, vault="timeout = 3s\nconnect_timeout = 3s")
    devca.fault("delay", path="pki_int/sign", times=0, ms=20000)
    run = site.run()
    run.wait_event("failed", count=3)
    told = [line for line in run.manager.lines if line.startswith("STATUS=")]
    told = told[[" 1 failing; " in line for line in told].index(True):]
    assert all(" 1 failing; " in line and "; web, " in line for line in told), told
    assert any("being tried again now: " in line for line in told), told
    devca.call("DELETE", "devca/faults")
    site.configure(devca, {"web": WEB})
    run.hangup()
    run.wait_ready()
    wait_for(lambda: "failing" not in run.manager.status(), run.manager.status)
    assert run.terminate() == 0


def test_a_login_without_a_token_is_a_failure(devca, site):
    site.configure(devca, {"web": WEB})
    devca.fault("no-token", path="auth/jwt/login", times=0)
    done = site.once()
    assert done.code == 3
    assert "second factor" in done.events("login-failed")[0]["message"]


def test_a_failing_login_is_tried_again_in_time_for_the_certificate_that_ends_first(devca, site):
    """However long logins have failed, one is made at least every sixteenth of what is left."""
    site.configure(devca, {"web": WEB.replace("ttl = 1h", "ttl = 30s\nrenew_at = 10%..11%")})
    run = site.run()
    run.wait_ready()
    devca.fault("status", path="auth/jwt/login", times=0, status=503)
    devca.drop_tokens()
    wait_for(lambda: site.status()["web"]["state"] == "expired", "the certificate to expire")
    assert len(run.events("login-failed")) >= 9
    assert run.terminate() == 0


def test_a_ca_whose_certificate_is_not_trusted_gets_no_token(devca, site, tmp_path):
    """Neither a foreign CA, nor the system's store, nor another name is accepted."""
    other = tmp_path / "other.pem"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other",
            "-keyout", str(tmp_path / "other.key"), "-out", str(other))
    for name, vault in (("foreign", f"ca_file = {other}"), ("system", ""),
                        ("name", f"ca_file = {devca.ca_file}\ntls_server_name = vault.example.test")):
        site.write(f"[vault]\naddress = {devca.address}\n{vault}\n[auth]\n{devca.auth}\n[agent]\nlog_format = json\n"
                   f"[cert {name}]\n{WEB}\npki_mount = pki_int\ndirectory = {site.out(name)}\n")
        done = site.once()
        assert done.code == 1, name
        assert done.events("failed")[0]["class"] == "untrusted", done.err
        told = done.events("login-failed")[0]["message"]
        assert devca.address in told
        assert {"foreign": f"verified with ca_file {other}", "system": "verified with the system's CAs",
                "name": f"by the name vault.example.test, verified with ca_file {devca.ca_file}"}[name] in told, told
    assert devca.requests("auth/") == 0


def test_a_server_name_may_differ_from_the_address(devca, site):
    site.configure(devca, {"web": WEB}, vault="tls_server_name = localhost")
    assert site.once().code == 0


def test_proxies_of_the_environment_are_not_used(devca, site):
    site.configure(devca, {"web": WEB})
    bad = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}
    assert site.once(environment=bad).code == 0


def test_a_configured_proxy_is_not_passed_by_for_the_environments_sake(devca, site):
    site.configure(devca, {"web": WEB}, vault="proxy = http://127.0.0.1:9")
    done = site.once(environment={"no_proxy": "*", "NO_PROXY": "127.0.0.1"})
    assert done.code == 1
    assert "127.0.0.1 port 9" in done.events("login-failed")[0]["message"]
    assert devca.requests("login") == 0


def test_files_are_mended_while_the_ca_is_away_and_a_renewal_is_due(devca, site):
    lines = WEB.replace("1h", "2m") + "renew_at = 5%\n"
    site.configure(devca, {"web": lines})
    run = site.run()
    run.wait_ready()
    devca.proxy.cut()
    run.wait_event("failed")
    serial = serial_of(site.out() / "tls.crt")
    (site.out() / "..data" / "ca.crt").unlink()
    site.configure(devca, {"web": lines + "file = all.pem combined\n"})
    wait_for(lambda: (site.out() / "..data" / "ca.crt").exists(), "the lost file")
    run.hangup()
    wait_for(lambda: (site.out() / "all.pem").exists(), "the further file")
    assert serial_of(site.out() / "all.pem") == serial
    devca.proxy.repair()
    wait_for(lambda: serial_of(site.out() / "all.pem") != serial, "the renewal")
    assert run.terminate() == 0


def wait_until_due(site):
    due = site.status()["web"]["renewal"]
    wait_for(lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) > due, "the renewal to be due")


def test_what_was_published_since_is_not_mended(devca, site):
    site.configure(devca, {"web": WEB.replace("1h", "60s") + "renew_at = 10%\n"})
    assert site.once().code == 0
    wait_until_due(site)
    (site.out() / "..data" / "ca.crt").unlink()
    run = site.run()
    run.wait_event("published")
    devca.proxy.cut()
    run.wait_event("failed")
    published = len(run.events("published"))
    run.wait_event("failed", count=3)
    assert len(run.events("published")) == published
    assert run.terminate() == 0


def test_files_that_cannot_be_mended_are_no_reason_not_to_tell_the_consumer(devca, site):
    tell, check = site.folder / "tell", site.folder / "check"
    for script in (tell, check):
        script.write_text(f"#!/bin/sh\necho x >>{site.folder}/called-{script.name}\n[ {script.name} = check ]\n")
        script.chmod(0o755)
    lines = WEB.replace("1h", "60s") + f"renew_at = 10%\nvalidate = exec {check}\nreload = exec {tell}\n"
    site.configure(devca, {"web": lines})
    assert site.once().code == 1, "the consumer cannot be told"
    check.write_text("#!/bin/sh\nexit 1\n")
    wait_until_due(site)
    (site.out() / "..data" / "ca.crt").unlink()
    devca.proxy.cut()
    run = site.run()
    run.wait_event("reload-failed")
    assert [line["class"] for line in run.events("failed")][:2] == ["transient", "consumer"]
    site.becomes("web", reload="failed")
    assert site.status()["web"]["failure"]["class"] == "transient"
    assert run.terminate() == 0


def test_files_that_are_spoiled_again_and_again_do_not_hasten_the_tries(devca, site):
    """A reload that changes them, say: they are repaired after ever longer pauses, and the CA is asked when it is its turn."""
    spoil = site.folder / "spoil"
    spoil.write_text("#!/bin/sh\nchmod 0640 $LEAFD_GENERATION/tls.key\n")
    spoil.chmod(0o755)
    site.configure(devca, {"web": WEB.replace("1h", "5m") + f"renew_at = 5%\nreload = exec {spoil}\n"})
    run = site.run()
    run.wait_event("reloaded")
    devca.proxy.cut()
    failed = run.wait_event("failed", count=4)
    moments = [logged_s(line) for line in failed]
    for before, after, line in zip(moments, moments[1:], failed):
        assert after - before >= int(line["next_try_ms"]) / 1000 - 1, "times have whole seconds"
    repaired = [logged_s(line) for line in run.events("reloaded")]
    assert 2 <= len(repaired) < 4 + math.log2(repaired[-1] - repaired[0] + 1), repaired
    assert site.status()["web"]["failure"]["failures"] >= 3
    assert run.terminate() == 0


def test_a_full_disk_costs_one_certificate_and_not_one_at_every_try(devca, site, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    assert os.system(f"mount -t tmpfs -o size=64k,mode=755 tmpfs {small}") == 0
    try:
        (small / "filler").write_bytes(b"x" * 56 * 1024)
        site.configure(devca, {"web": WEB + f"directory = {small}"})
        run = site.run()
        failed = run.wait_event("failed", count=3)
        assert all(line["class"] == "local" for line in failed)
        assert "No space left" in failed[0]["message"]
        assert devca.requests("pki_int/sign") == 1
        assert [n for n in os.listdir(small) if n.startswith("..2")] == []
        (small / "filler").unlink()
        run.wait_ready()
        assert run.terminate() == 0
    finally:
        assert os.system(f"umount {small}") == 0


def test_files_of_others_are_told_and_left_alone(devca, site):
    site.out().mkdir(mode=0o755)
    (site.out() / "tls.key").write_text("somebody's key")
    site.configure(devca, {"web": WEB})
    done = site.once()
    assert done.code == 1
    assert "tls.key was not made by leafd" in done.events("failed")[0]["message"]
    assert (site.out() / "tls.key").read_text() == "somebody's key"
    assert devca.requests("pki_int/") == 0


def test_a_disk_that_cannot_be_written_costs_no_certificate_and_is_no_damage(devca, site, tmp_path):
    """A full disk keeps no state, so that each process is the first to meet it."""
    small = tmp_path / "small"
    small.mkdir()
    assert os.system(f"mount -t tmpfs -o size=96k,mode=755 tmpfs {small}") == 0
    try:
        lines = WEB + f"directory = {small}\n"
        site.configure(devca, {"web": lines})
        run = site.run()
        run.wait_ready()
        run.kill()
        with open(small / "filler", "wb", buffering=0) as filler:
            with pytest.raises(OSError):
                while True:
                    filler.write(b"x" * 512)
        site.configure(devca, {"web": lines + "ip_addresses = 192.0.2.1\n"})
        for _ in range(3):
            run = site.run()
            assert "No space left" in run.wait_event("failed")[0]["message"]
            run.kill()
        assert devca.requests("pki_int/sign") == 1
        (small / "filler").unlink()
        run = site.run()
        run.wait_event("published")
        # Not while it still writes its notes, a moment after the event.
        wait_for(lambda: os.system(f"mount -o remount,ro {small} 2>/dev/null") == 0, "the notes to be written")
        run.hangup()
        run.wait_event("config-applied")
        site.configure(devca, {"web": lines + "ip_addresses = 192.0.2.2\n"})
        run.hangup()
        assert "Read-only file system" in run.wait_event("failed")[0]["message"]
        assert not run.events("damaged")
        assert os.system(f"mount -o remount,rw {small}") == 0
        run.hangup()
        run.wait_event("published", count=2)
        assert run.terminate() == 0
    finally:
        os.system(f"umount -l {small}")


def test_a_directory_that_others_may_write_is_refused(devca, site):
    site.out().mkdir()
    site.out().chmod(0o777)
    site.configure(devca, {"web": WEB})
    done = site.once()
    assert done.code == 1
    assert "may be written by everybody" in done.events("failed")[0]["message"]
    assert devca.requests("pki_int/") == 0


def test_a_directory_that_is_replaced_is_opened_anew(devca, site):
    site.configure(devca, {"web": WEB.replace("ttl = 1h", "ttl = 10s")})
    run = site.run()
    run.wait_ready()
    os.rename(site.out(), str(site.out()) + "-moved")
    wait_for(lambda: (site.out() / "tls.crt").exists(), "a set in the new directory")
    assert run.terminate() == 0


WRONG_ROLES = [
    # role, the section's lines, what the log says
    ("wants-rsa", "", ("role requires keys of type rsa", "set key_type = rsa-2048")),
    ("request-names", "", ("a.example.test is missing", "request_names = yes")),
    ("client-only", "usage = server", ("lacks serverAuth", "server_flag")),
    ("needs-cn", "", ("common_name", "set common_name")),
    ("no-such-role", "", ("unknown role", "check pki_mount and pki_role")),
]


@pytest.mark.parametrize("role, lines, says", WRONG_ROLES, ids=[case[0] for case in WRONG_ROLES])
def test_a_role_that_is_set_wrongly_is_refused_with_the_remedy(ca, site, role, lines, says):
    """Nobody is asked again and again for it, and the exit status sends for a person."""
    site.configure(ca, {"web": WEB.replace("pki_role = leafd", f"pki_role = {role}") + lines})
    done = site.once()
    assert done.code == 3, done.err
    failed = done.events("failed")[0]
    assert failed["class"] == "refused"
    for words in says:
        assert words in failed["message"], failed["message"]
    assert not is_published(site.out())


def agent_of(site):
    return json.loads(site.command("status", "--json").out)["agent"]


def unreachable_s(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return float(re.search(r"^leafd_ca_unreachable_seconds (\S+)$", answer.read().decode(), re.M).group(1))


def test_an_outage_that_nothing_waits_for_ends(devca, site):
    """A renewal by hand failed while the certificates are fresh: no try of theirs follows for hours."""
    port = free_port()
    site.configure(devca, {"web": WEB, "db": WEB}, agent=f"listen = 127.0.0.1:{port}")
    run = site.run()
    run.wait_ready()
    devca.proxy.cut()
    done = site.command("renew", "--all")
    assert done.code == 1 and "0 of 2 renewed, 2 failed" in done.out and "next try" not in done.err, done.err
    assert done.err.count("; not repeated: the certificate in place is fresh") == 2
    wait_for(lambda: site.command("status").out.splitlines()[-1].startswith("2 fresh; CA unreachable since "), "the outage to be told")
    assert agent_of(site)["ca_away_class"] == "transient" and agent_of(site)["ca_unreachable_since"]
    devca.proxy.repair()
    away, back = run.wait_event("ca-away")[0], run.wait_event("ca-back")[0]
    assert "the CA is unreachable" in away["message"] and int(back["waiting"]) == 0
    told = agent_of(site)
    assert told["ca_away_since"] is told["ca_unreachable_since"] is told["ca_away_class"] is None
    assert site.command("status").out.splitlines()[-1] == "2 fresh" and unreachable_s(port) == 0
    assert all("next_try_ms" not in line and "not repeated" in line["message"] for line in run.events("failed"))

    # So does one that an edit has ended.
    devca.proxy.cut()
    good = site.file.read_text()
    site.write(good.replace("b.example", "c.example"))
    assert site.command("reload").code == 0
    run.wait_event("ca-away", count=2)
    site.write(good)
    assert site.command("reload").code == 0
    devca.proxy.repair()
    run.wait_event("ca-back", count=2)
    assert run.terminate() == 0


def test_any_answer_ends_an_outage_of_the_connection(devca, site):
    site.configure(devca, {"web": WEB}, agent="ca_poll = 1s")
    run = site.run()
    run.wait_ready()
    devca.proxy.cut()
    assert site.command("renew", "web").code == 1
    devca.fault("status", path="sys/health", times=0, status=503)
    devca.proxy.repair()
    run.wait_event("ca-back")
    assert run.terminate() == 0


def test_wrong_credentials_and_a_ca_that_is_not_trusted_are_no_unreachable_ca(devca, site):
    port = free_port()
    devca.fault("status", path="auth/", times=0, status=403, errors=["no such secret"])
    site.configure(devca, {"web": WEB, "db": WEB}, agent=f"listen = 127.0.0.1:{port}")
    run = site.run()
    run.wait_event("failed", "web")
    run.wait_event("failed", "db")
    told = agent_of(site)
    assert told["ca_away_since"] and told["ca_away_class"] == "denied" and told["ca_unreachable_since"] is None, told
    assert re.search(r"^2 failing: login denied since \d\d:\d\d$", site.command("status").out, re.M)
    assert "the CA denies the login" in run.events("ca-away")[-1]["message"] and unreachable_s(port) == 0

    # The same outage, of another kind.
    text = site.file.read_text()
    wrong = site.folder / "wrong.crt"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", os.devnull, "-out", str(wrong),
            "-subj", "/CN=other", "-days", "1")
    site.write(re.sub(r"(?m)^ca_file = .*$", f"ca_file = {wrong}", text))
    assert site.command("reload").code == 0
    wait_for(lambda: agent_of(site)["ca_away_class"] == "untrusted", "the other kind")
    assert agent_of(site)["ca_unreachable_since"] is None and unreachable_s(port) == 0
    wait_for(lambda: re.search(r"^2 failing: CA not trusted since \d\d:\d\d$", site.command("status").out, re.M), "both to fail for it")

    # Unreachable is what does not answer.
    site.write(text)
    devca.proxy.cut()
    assert site.command("reload").code == 0
    wait_for(lambda: re.search(r"^2 failing: CA unreachable since \d\d:\d\d$", site.command("status").out, re.M), "the outage to be told")
    assert agent_of(site)["ca_unreachable_since"]
    wait_for(lambda: unreachable_s(port) > 0, "the outage to be measured")
    devca.proxy.repair()
    devca.call("DELETE", "devca/faults")
    run.wait_ready()
    run.wait_event("ca-back")
    assert run.terminate() == 0
