"""What the agent shows by HTTP: metrics, health, readiness, status and the page, and who may read it."""
import base64
import collections
import concurrent.futures
import contextlib
import datetime
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest
from scene import PATIENCE_S, WEB, free_port, wait_for

ACCEPT_OPEN = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()
        self.text = self.body.decode()

    def json(self):
        return json.loads(self.text)


def ask(port, path, method="GET", headers=None, address="127.0.0.1"):
    connection = http.client.HTTPConnection(address, port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, headers=headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def samples(text):
    """name{labels} -> value of a text in either format."""
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
            if line and not line.startswith("#")}


def resident_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status", encoding="utf-8").read())[1])


def test_what_is_served_is_the_document(devca, site):
    port = free_port()
    certs = {"web": WEB + "reload = exec /bin/true\nprove = exec /bin/true\n", "missing": WEB.replace("= leafd", "= needs-cn")}
    site.configure(devca, certs, agent=f"listen = 127.0.0.1:{port}")
    run = site.run()
    run.wait_event("proven", "web")
    run.wait_event("failed", "missing")
    assert f"127.0.0.1:{port}" in run.wait_event("listening")[0]["message"]
    assert "microhttpd" not in open(f"/proc/{run.pid}/maps", encoding="utf-8").read(), "until a client comes"
    assert ask(port, "/healthz").json() == {"status": "ok"}

    ready = ask(port, "/readyz")
    rows = {row["cert"]: row for row in ready.json()["certs"]}
    assert ready.status == 503 and ready.json()["ready"] is False
    assert rows["web"] == {"cert": "web", "ready": True, "reason": None}
    assert rows["missing"]["ready"] is False and "missing" in rows["missing"]["reason"] and "require_cn" in rows["missing"]["reason"]

    def rows_of(document):
        return [{key: value for key, value in row.items() if key != "doing"} for row in document["certs"]]

    wait_for(lambda: rows_of(ask(port, "/status").json()) == rows_of(json.loads(site.command("status", "--json").out)),
             "the same document")
    document = ask(port, "/status").json()
    assert document["count"] == 2 and document["agent"]["pid"] == run.pid
    page = ask(port, "/").text
    assert page.startswith("<!doctype html>") and "1 not ready, 1 fresh" in page
    assert run.terminate() == 0


def test_metrics_are_read_by_both_parsers_and_count_what_happens(devca, site):
    """In either format, by Prometheus' own parsers, with what the document and the events say."""
    prometheus_parser = pytest.importorskip("prometheus_client.parser")
    open_parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    port = free_port()
    script = site.folder / "fails"
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    certs = {"web": WEB + "reload = exec /bin/true\nprove = exec /bin/true\n", "refused": WEB.replace("= leafd", "= needs-cn"),
             "db": WEB + f"reload = exec {script}\nrollback = no\n"}
    site.configure(devca, certs, agent=f"listen = 127.0.0.1:{port}")
    run = site.run()
    run.wait_event("proven", "web")
    run.wait_event("failed", "refused")
    run.wait_event("reload-failed", "db")

    def value(name, **labels):
        text = ask(port, "/metrics", headers={"Accept": ACCEPT_OPEN}).text
        found = [sample.value for family in open_parser.text_string_to_metric_families(text) for sample in family.samples
                 if sample.name == name and labels.items() <= sample.labels.items()]
        return found[0] if found else None

    wait_for(lambda: value("leafd_proofs_total", cert="web", result="proven") == 1, "the proof to be counted")
    row = site.status()["web"]
    plain, opened = ask(port, "/metrics"), ask(port, "/metrics", headers={"Accept": ACCEPT_OPEN})
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert opened.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in prometheus_parser.text_string_to_metric_families(plain.text)}
    others = {family.name: family for family in open_parser.text_string_to_metric_families(opened.text)}
    assert len(others) == len(families) > 30
    assert all(family.documentation for family in families.values())
    assert opened.text.endswith("# EOF\n")
    here, method = samples(plain.text), re.search(r"method = (\w+)", devca.auth)[1]
    ends = datetime.datetime.fromisoformat(row["not_after"].replace("Z", "+00:00")).timestamp()
    for name, wanted in [('leafd_certificate_not_after_timestamp_seconds{cert="web"}', ends),
                         ('leafd_certificate_ready{cert="web"}', 1), ('leafd_certificate_ready{cert="refused"}', 0),
                         ('leafd_certificate_fresh{cert="web"}', 1), ('leafd_certificate_fresh{cert="db"}', 0),
                         ('leafd_certificate_failing{cert="refused",class="refused"}', 1),
                         ('leafd_certificate_failing{cert="db",class="consumer"}', 1),
                         ('leafd_issuances_total{cert="web"}', 1), ('leafd_issuances_total{cert="refused"}', 0),
                         ('leafd_failures_total{cert="refused",class="refused"}', 1),
                         ('leafd_failures_total{cert="refused",class="transient"}', 0),
                         ('leafd_reloads_total{cert="web",result="ok"}', 1),
                         (f'leafd_logins_total{{method="{method}",result="ok"}}', 1),
                         (f'leafd_logins_total{{method="{method}",result="failed"}}', 0),
                         ('leafd_events_total{event="published"}', 2), ("leafd_certificates", 3),
                         ("leafd_configuration_good", 1), ("leafd_ca_unreachable_seconds", 0), ("leafd_log_lost_total", 0),
                         ('leafd_ca_request_duration_seconds_count{operation="sign",code="200"}', 2),
                         ('leafd_ca_request_duration_seconds_count{operation="sign",code="400"}', 1),
                         ('leafd_ca_request_duration_seconds_count{operation="login",code="200"}', 1),
                         ('leafd_ca_request_duration_seconds_bucket{operation="login",code="200",le="30.0"}', 1)]:
        assert here.get(name) == wanted, f"{name} is {here.get(name)}, not {wanted}"
    assert here['leafd_reloads_total{cert="db",result="failed"}'] >= 1
    assert here["leafd_ca_last_contact_timestamp_seconds"] > 0 and here["leafd_token_expiry_timestamp_seconds"] > 0
    assert here['leafd_certificate_failing_since_timestamp_seconds{cert="refused"}'] > 0
    assert not [name for name in here if name.startswith("leafd_certificate_failing") and '"web"' in name]
    assert 'leafd_certificate_info{cert="web",pki_mount="pki_int",pki_role="leafd",key_type="ecdsa-p256",template=""}' in here
    resident = here["process_resident_memory_bytes"] / 1024
    shown = int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{run.pid}/status", encoding="utf-8").read())[1])
    assert abs(resident - shown) < shown / 2 and here["process_open_fds"] > 5
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=plain.text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    # The CA goes: a word for what failed below HTTP, and how long. A removed certificate is counted no more.
    devca.fault("status", path="", times=0, status=503)
    site.configure(devca, {"web": certs["web"], "new": WEB}, agent=f"listen = 127.0.0.1:{port}")
    assert site.command("reload").code == 0
    run.wait_event("ca-away")
    wait_for(lambda: (value("leafd_ca_unreachable_seconds") or 0) > 0, "the outage to be told")
    assert value("leafd_ca_request_duration_seconds_count", operation="sign", code="503") >= 1
    assert value("leafd_issuances_total", cert="refused") is None and value("leafd_issuances_total", cert="new") == 0
    assert run.terminate() == 0


def test_who_may_read_and_how(devca, site):
    port = free_port()
    site.configure(devca, {"web": WEB}, agent=f"listen = 127.0.0.1:{port}, [::1]:{port}")
    run = site.run()
    run.wait_ready()
    wait_for(lambda: len(run.events("listening")) == 2, "both addresses")
    assert ask(port, "/healthz", address="::1").status == 200
    # DNS rebinding: a page at attacker.example that has its name resolve to this machine reads nothing.
    for host, status in [("attacker.example", 403), (f"attacker.example:{port}", 403), ("localhost", 200), (f"LOCALHOST:{port}", 200),
                         ("127.0.0.1", 200), (f"[::1]:{port}", 200), ("10.1.2.3:80", 200), ("localhost.attacker.example", 403),
                         ("[attacker]", 403), ("", 403)]:
        assert ask(port, "/healthz", headers={"Host": host}).status == status, host
    # Reading only.
    for method, path, status in [("HEAD", "/metrics", 200), ("POST", "/metrics", 405), ("DELETE", "/status", 405), ("PUT", "/", 405),
                                 ("OPTIONS", "/healthz", 405), ("POST", "/v1/reload", 403), ("GET", "/v1/status", 403),
                                 ("GET", "/metrics/", 404), ("GET", "/../etc/passwd", 404), ("GET", "//metrics", 404)]:
        answer = ask(port, path, method)
        assert answer.status == status, (method, path, answer.status)
        assert (answer.headers["Allow"] == "GET, HEAD") == (status == 405) and (answer.body == b"") == (method == "HEAD")
    assert not run.events("config-applied")
    for path in ["/", "/status", "/metrics"]:
        headers = ask(port, path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"] and "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store" and "Access-Control-Allow-Origin" not in headers
    assert ask(port, "/").headers["Refresh"] == "30" and ask(port, "/?refresh=off").headers["Refresh"] is None
    # The style is the one that the policy names, and nothing else comes with the page.
    page = ask(port, "/")
    style = re.search("<style>(.*)</style>", page.text, re.S)[1]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script|javascript:|url\(|src=|@import|https?://", page.text)
    assert run.terminate() == 0


def test_requests_at_the_same_time_share_what_is_read(devca, site):
    """However many ask, the sets are read once a second at most, and ask for what they may: in pages, by whole texts."""
    port = free_port()
    names = [f"c{number:03}" for number in range(250)]
    site.configure(devca, {name: WEB for name in names}, agent=f"listen = 127.0.0.1:{port}")
    run = site.run()
    run.wait_ready()
    before = resident_kb(run.pid)
    assert ask(port, "/healthz").status == 200
    loaded = resident_kb(run.pid)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda i: ask(port, ["/status", "/metrics"][i % 2]), range(300)))
    took = time.monotonic() - began
    assert all(answer.status == 200 for answer in answers)
    documents = {answer.text for answer in answers[::2]}
    assert len({json.loads(each)["read_at"] for each in documents}) == len(documents) <= took + 2
    for document in map(json.loads, documents):
        assert [row["cert"] for row in document["certs"]] == names and document["count"] == 250
    assert len({answer.text for answer in answers[1::2]}) <= took + 2
    page = ask(port, "/").text
    assert page.count("<tbody") == 250 and "250 fresh" in page and ask(port, "/readyz").json()["ready"] is True
    print(f"300 requests in {took:.1f}s, {len(documents)} readings for /status; RSS {before} kB at rest, {loaded} kB with the first "
          f"client, {resident_kb(run.pid)} kB after them all")
    assert run.terminate() == 0


def test_a_port_that_is_taken_is_told_once_and_had_when_it_is_free(devca, site):
    port, other = free_port(), free_port()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        site.configure(devca, {"web": WEB}, agent=f"listen = 127.0.0.1:{port}")
        run = site.run()
        run.wait_ready()
        told = run.wait_event("listen-failed")[0]
        assert told["level"] == "warning" and f"127.0.0.1:{port}" in told["message"] and "in use" in told["message"]
        run.hangup()
        run.wait_event("config-applied")
        assert site.command("status").code == 0 and len(run.events("listen-failed")) == 1
    wait_for(lambda: run.events("listening"), "the port to be had")
    assert run.events("listening")[0]["level"] == "notice" and ask(port, "/healthz").status == 200
    # SIGHUP moves it; nothing listens at the old port.
    site.configure(devca, {"web": WEB}, agent=f"listen = :{other}")
    run.hangup()
    run.wait_event("listening", count=2)
    assert ask(other, "/healthz").status == 200 and ask(other, "/healthz", address="::1").status == 200
    with pytest.raises(OSError):
        ask(port, "/healthz")
    # And nothing is nothing.
    site.configure(devca, {"web": WEB}, agent="listen =")
    assert site.command("reload").code == 0
    with pytest.raises(OSError):
        ask(other, "/healthz")
    assert len(run.events("listen-failed")) == 1 and run.terminate() == 0


def test_the_control_socket_has_the_place_that_it_is_given(devca, site):
    """As in a pod whose root cannot be written: agent and commands are told the same path."""
    place = os.path.join(f"{site.folder}.here", "control.sock")
    given = {"LEAFD_CONTROL_SOCKET": place, "RUNTIME_DIRECTORY": "/proc/nowhere"}
    site.configure(devca, {"web": WEB})
    run = site.run(environment=given)
    run.wait_ready()
    wait_for(lambda: os.path.exists(place), "the socket")
    assert site.command("reload", environment=given).code == 0
    assert json.loads(site.command("status", "--json", environment=given).out)["source"] == "agent"
    assert not run.events("control-failed") and run.terminate() == 0 and not os.path.exists(place)
    done = site.command("reload", environment={"LEAFD_CONTROL_SOCKET": "control.sock"})
    assert done.code == 1 and "LEAFD_CONTROL_SOCKET must be an absolute path" in done.err


def test_silent_and_closed_clients_keep_nobody_out(devca, site):
    """Probes are answered beside clients that say nothing, that stop amid their request, and that have left amid it."""
    port = free_port()
    site.configure(devca, {"web": WEB}, agent=f"listen = 127.0.0.1:{port}")
    run = site.run()
    run.wait_ready()
    assert ask(port, "/healthz").status == 200
    half = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: "

    def connect(first):
        client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        client.sendall(first)
        return client

    def is_open(client):
        try:
            client.setblocking(False)
            return client.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(b"")) for _ in range(300)]
        began = time.monotonic()
        halves = [stack.enter_context(connect(half)) for _ in range(300)]
        for _ in range(600):
            connect(half).close()
        assert ask(port, "/healthz").status == 200
        took = time.monotonic() - began
        statuses = collections.Counter(ask(port, "/healthz").status for _ in range(20))
        left = sum(map(is_open, silent)), sum(map(is_open, halves))
        print(f"the first probe behind 600 halves that have left in {took:.1f}s, then {dict(statuses)}; open: {left[0]} silent, "
              f"{left[1]} halves")
        assert statuses == {200: 20}
        # Each that waits for a second in one of 32 places would make it half a minute, on any machine.
        assert took < 15
        assert left[0] > 100, "the probes did not wait until the silent ones had their turn"
        assert left[1] <= 40, "those that stop amid a request are cut when there are too many"
        # A slow client whose request does come is served.
        slow = stack.enter_context(connect(half))
        slow.sendall(b"x\r\n\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"
    assert run.terminate() == 0


def test_a_flood_of_clients_delays_no_rotation(devca, site):
    """1,000 scrapes at once, and slow, silent and garbage connections all the time, while certificates rotate."""
    port = free_port()
    site.configure(devca, {f"c{i}": WEB.replace("ttl = 1h", "ttl = 8s") for i in range(4)}, agent=f"listen = 127.0.0.1:{port}")
    run = site.run()
    run.wait_ready()
    assert ask(port, "/metrics").status == 200
    before, files = resident_kb(run.pid), len(os.listdir(f"/proc/{run.pid}/fd"))
    rotated = len(run.events("published"))
    starts = [b"", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", os.urandom(300), b"\x16\x03\x01\x02\x00", b"GET " + b"a" * 70000]
    bad = []
    for i in range(300):
        bad.append(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
        bad[-1].setblocking(False)
        with contextlib.suppress(OSError):
            bad[-1].send(starts[i % len(starts)])
    began = time.monotonic()
    statuses, most = collections.Counter(), 0
    with concurrent.futures.ThreadPoolExecutor(1000) as pool:
        def scrape(_):
            try:
                return ask(port, "/metrics").status
            except (OSError, http.client.HTTPException):
                return 0
        scrapes = [pool.submit(scrape, i) for i in range(1000)]
        while not all(each.done() for each in scrapes):
            most = max(most, resident_kb(run.pid))
            for each in bad:
                with contextlib.suppress(OSError):
                    each.send(b"x")
            time.sleep(0.05)
        statuses.update(each.result() for each in scrapes)
    took = time.monotonic() - began
    # A command has its own places: it is answered while the flood goes on.
    assert site.command("reload").code == 0
    run.wait_event("published", count=rotated + 8)
    assert not run.events("failed") and not run.events("expired") and not run.events("expiring"), "no renewal was late"
    most = max(most, resident_kb(run.pid))
    assert len(os.listdir(f"/proc/{run.pid}/fd")) < files + 80
    print(f"1,000 scrapes in {took:.1f}s beside 300 bad connections: {dict(statuses)}; RSS {before} kB before, {most} kB at most; "
          f"{len(run.events('published')) - rotated} rotations")
    assert statuses[200] >= 900, statuses
    if "libasan" not in open(f"/proc/{run.pid}/maps", encoding="utf-8").read():  # it keeps what is freed
        assert most < before + 16 * 1024, (before, most)
    for each in bad:
        each.close()
    wait_for(lambda: ask(port, "/healthz").status == 200, "an answer after the flood")
    assert run.terminate() == 0
