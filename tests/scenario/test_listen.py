"""What the agent shows by HTTP: metrics, health, readiness, status and the page, and who may read it."""
import contextlib
import http.client
import json
import os
import re
import socket

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

    wait_for(lambda: ask(port, "/status").json()["certs"] == json.loads(site.command("status", "--json").out)["certs"],
             "the same document")
    document = ask(port, "/status").json()
    assert document["count"] == 2 and document["agent"]["pid"] == run.pid
    page = ask(port, "/").text
    assert page.startswith("<!doctype html>") and "1 broken, 1 fresh" in page
    assert run.terminate() == 0
