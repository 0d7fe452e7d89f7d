"""What others say, and what is printed: no credential of ours in it, no order for a terminal, no line that we did not write."""
import base64
import http.server
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

from scene import LEAFD, WEB
from test_auth import methods

# What a terminal would obey, and a row of `status` that nobody wrote.
ORDERS = "\x1b[2J\x1b]0;owned\x07\u009b31m\nweb   fresh         in 5h          in 2h           39:dd\x7f"


def told(site):
    """All that a failed try of a certificate left for others to read."""
    state = (site.out() / "..state").read_text()
    return state + site.command("status").out + site.command("status", "--json").out


def leaks_of(secret, text):
    return [secret[at:at + 8] for at in range(len(secret) - 7) if secret[at:at + 8] in text]


@pytest.mark.parametrize("form", [None, "base64", "base64url", "part"])
def test_a_ca_that_quotes_the_credential_tells_it_nobody(devca, site, tmp_path, form):
    form = {} if form is None else {"form": form}
    secret_id = devca.secret_id()
    for method in ("jwt", "approle"):
        site.configure(devca, {"web": WEB}, auth=methods(devca, tmp_path)[method])
        devca.fault("echo", path=f"auth/{method}/login", times=0, status=400, **form)
        done = site.once()
        jwt = (tmp_path / "token").read_text().strip()
        text = done.err + told(site)
        assert done.code != 0 and "no such thing as ***" in text, text
        for secret in (jwt, secret_id):
            assert not leaks_of(secret, text) + leaks_of(base64.b64encode(secret.encode()).decode(), text)
        devca.call("DELETE", "devca/faults")
    site.configure(devca, {"web": WEB})
    devca.fault("echo", path="pki_int/sign", times=0, status=400, **form)
    done = site.once()
    text = done.err + told(site)
    assert done.code != 0 and "no such thing as ***" in text, text
    for token in devca.issued_tokens():
        assert not leaks_of(token, text) + leaks_of(base64.b64encode(token.encode()).decode(), text)


def test_a_good_reply_that_quotes_the_token_takes_it_nowhere(devca, site):
    """The request id goes into two files that everybody may read, and the warnings into the log."""
    devca.fault("echo-beside", path="pki_int/sign", times=0)
    site.configure(devca, {"web": WEB + "file = about.json metadata\n"})
    done = site.once()
    assert done.code == 0, done.err
    text = done.err + (site.out() / "about.json").read_text() + (site.out() / "..data" / "..record").read_text()
    assert "took ****" in done.err
    for token in devca.issued_tokens():
        assert not leaks_of(token, text)


class Parrot(http.server.BaseHTTPRequestHandler):
    """An admin interface that answers with a file."""

    def do_POST(self):  # pylint: disable=invalid-name
        said = self.server.said().encode()
        self.send_response(500)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


def one_line(path):
    return path.read_text().replace("\n", "")


def test_a_consumer_or_command_that_quotes_the_key_tells_it_nobody(ca, site):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    server.said = lambda: "bad key: " + one_line(site.out() / "tls.key")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    script = site.folder / "quote"
    script.write_text("#!/bin/sh\ntr -d '\\n' <${LEAFD_STAGED:-$LEAFD_DIRECTORY}/tls.key\nexit 1\n")
    script.chmod(0o755)
    site.configure(ca, {"web": WEB + f"reload = http POST http://127.0.0.1:{server.server_address[1]}/reload",
                        "told": WEB + f"reload = exec {script}", "asked": WEB + f"validate = exec {script}"})
    done = site.once()
    server.shutdown()
    server.server_close()
    text = done.err + told(site) + (site.out("told") / "..state").read_text() + (site.out("asked") / "..state").read_text()
    assert done.code != 0
    for cert in ("web", "told", "asked"):
        assert any("*" * 40 in line["message"] for line in done.log() if line.get("cert") == cert), done.err
    for cert in ("web", "told"):
        assert not leaks_of(one_line(site.out(cert) / "tls.key").split("-----")[2], text)


def test_a_server_that_quotes_the_key_before_tls_tells_it_nobody(devca, site):
    listener = socket.create_server(("127.0.0.1", 0))
    lines = WEB + f"prove = tls 127.0.0.1:{listener.getsockname()[1]} starttls smtp\n"
    site.configure(devca, {"web": lines})

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            body = "".join(x for x in (site.out() / "tls.key").read_text().splitlines() if "-----" not in x)
            peer.sendall(f"554 no: {body}\r\n".encode())
            peer.close()

    threading.Thread(target=serve, daemon=True).start()
    done = site.once()
    listener.close()
    text = done.err + told(site)
    assert "554 no: ****" in text, text
    body = "".join(x for x in (site.out() / "tls.key").read_text().splitlines() if "-----" not in x)
    assert not leaks_of(body, text)


def forge_state(site):
    """A ..state of somebody else's making, whose error gives orders to a terminal and forges a row."""
    served = {"serial": ORDERS[:30], "not_after": 1, "seen_at": 1, "foreign": True, "chain_verified": False}
    (site.out() / "..state").write_text(json.dumps({
        "version": 2, "class": "transient", "error": ORDERS, "failures": 1, "failed_at": 1, "try_again_at": 2 ** 40,
        "consumer": {"failures": 1, "served": served}, "restart": {"in_order": False}}))


def is_plain(text):
    return all(c == "\n" or " " <= c <= "~" for c in text)


def test_status_gives_a_terminal_no_orders_and_shows_no_row_that_is_not_one(ca, site):
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    forge_state(site)
    table = site.command("status").out
    assert is_plain(table), table
    assert sum(line.startswith("web ") for line in table.splitlines()) == 1, table
    text = site.command("status", "--json").out
    assert is_plain(text), text
    assert json.loads(text)["certs"][0]["failure"]["error"].startswith("\x1b[2J")


def test_the_log_as_text_and_check_give_a_terminal_no_orders(devca, site):
    site.configure(devca, {"web": WEB})
    assert site.once().code == 0
    forge_state(site)
    (site.out() / "..data" / "tls.crt").unlink()
    site.write(site.file.read_text().replace("log_format = json", "log_format = text"))
    done = site.once()
    assert is_plain(done.err), done.err
    templates = site.folder / "templates"
    templates.mkdir()
    (templates / "odd.ini").write_text("file = tls.crt fullchain\nfile = tls.key key\nsubject_organization = a\x1b[2Jb\u009b\n")
    for line in ("template = odd\n", "key_type = \x1b[31mred\n", "\x1b[31mkey = red\n"):
        site.configure(devca, {"web": WEB + line}, agent=f"template_directory = {templates}\n")
        site.write(site.file.read_text().replace(f"template_directory = {os.path.dirname(templates)}/templates\n", ""))
        checked = site.command("check")
        assert is_plain(checked.out + checked.err), checked.out + checked.err
    asked = subprocess.run([LEAFD, "sta\x1b[2Jtus"], env=site.environment, capture_output=True, text=True, check=False)
    assert is_plain(asked.stderr) and asked.returncode == 2


def test_a_process_of_an_odd_name_forges_nothing(devca, site):
    """comm(5) is whatever its owner wants: the message that names it stays one line."""
    with subprocess.Popen(["/usr/bin/python3", "-c",
                           "open('/proc/self/comm', 'w').write('a\\x1b[2J\\nweb')\nprint(flush=True)\ninput()"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as odd:
        odd.stdout.readline()
        pidfile = site.folder / "odd.pid"
        pidfile.write_text(f"{odd.pid}\n")
        site.configure(devca, {"web": WEB + f"reload = signal USR1 pidfile {pidfile}\n"})
        done = site.once()
        said = done.err + site.command("status").out
        odd.stdin.close()
    assert done.code != 0
    assert is_plain(said), said
    assert sum(line.startswith("web") for line in site.command("status").out.splitlines()) == 1


def test_a_crash_leaves_no_core(devca, site):
    """Wherever the kernel would put it: the process is not dumpable, and its limit is nought. SIGABRT, since a sanitizer
    answers SIGSEGV itself."""
    site.configure(devca, {"web": WEB})
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", f"ulimit -c unlimited; exec {LEAFD} run -c {site.file} 2>/dev/null"],
                         site.environment)
    try:
        site.becomes("web", state="fresh")
    finally:
        os.kill(pid, signal.SIGABRT)
        _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) and not os.WCOREDUMP(status)
