"""The consumer is told of every new set; what it could not be told is not forgotten."""
import datetime
import http.server
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from scene import LEAFD, PATIENCE_S, WEB, free_port, serial_of, wait_for

RECORD = "#!/bin/sh\necho \"$@ $LEAFD_CERT $LEAFD_DIRECTORY $LEAFD_GENERATION$LEAFD_STAGED\" >>{}\nexit $(cat {})\n"


@pytest.fixture
def recorder(tmp_path):
    """A command that notes how it was called; its exit status can be set."""
    class Recorder:
        """A script, its notes and its exit status."""
        script, notes, status = tmp_path / "record", tmp_path / "notes", tmp_path / "status"

        def calls(self):
            return self.notes.read_text().splitlines() if self.notes.exists() else []
    recorder = Recorder()
    recorder.status.write_text("0")
    recorder.script.write_text(RECORD.format(recorder.notes, recorder.status))
    recorder.script.chmod(0o755)
    return recorder


def test_a_command_is_run_with_what_it_needs_to_know(ca, site, recorder):
    site.configure(ca, {"web": WEB + f"reload = exec {recorder.script} one \"two words\""})
    assert site.once().code == 0
    generation = os.readlink(site.out() / "..data")
    assert recorder.calls() == [f"one two words web {site.out()} {site.out()}/{generation}"]
    assert site.once().code == 0
    assert len(recorder.calls()) == 1, "told once, not at every run"


def test_several_lines_run_in_order_and_stop_at_a_failure(ca, site, recorder):
    site.configure(ca, {"web": WEB + f"reload = exec {recorder.script} first\nreload = exec /bin/false\n"
                                     f"reload = exec {recorder.script} third"})
    done = site.once()
    assert done.code == 1
    assert [call.split()[0] for call in recorder.calls()] == ["first"]
    failed = done.events("reload-failed")[0]
    assert failed["class"] == "consumer" and "/bin/false exited with status 1" in failed["message"]
    assert site.status()["web"]["state"] == "not-reloaded"
    assert site.command("status").code == 1


def test_a_failed_reload_is_retried_without_a_new_certificate(ca, site, recorder):
    recorder.status.write_text("1")
    site.configure(ca, {"web": WEB + f"reload = exec {recorder.script} x"})
    run = site.run()
    run.wait_event("reload-failed", count=2)
    recorder.status.write_text("0")
    run.wait_event("reloaded")
    assert ca.requests("pki_int/sign/") == 1
    site.becomes("web", state="fresh")
    assert run.terminate() == 0


def test_a_reload_that_a_crash_cut_off_is_made_up_for(ca, site, recorder):
    recorder.status.write_text("1")
    site.configure(ca, {"web": WEB + f"reload = exec {recorder.script} x"})
    run = site.run()
    run.wait_event("reload-failed")
    run.kill()
    recorder.status.write_text("0")
    run = site.run()
    run.wait_event("reloaded")
    assert ca.requests("pki_int/sign/") == 1
    assert run.terminate() == 0


def test_a_command_has_the_limits_of_whoever_started_leafd(devca, site, tmp_path):
    """What it starts may be the consumer itself."""
    limits, told, script = "ulimit -Sn; ulimit -Hn; ulimit -Hc", tmp_path / "limits", tmp_path / "tell"
    script.write_text(f"#!/bin/sh\n({limits}) >{told}\n")
    script.chmod(0o755)
    site.configure(devca, {"web": WEB + f"reload = exec {script}"})
    ran = subprocess.run(["/bin/sh", "-c", f'ulimit -Sn 700; {limits}; exec "$@"', "sh", LEAFD, "once", "-c", site.file],
                         capture_output=True, text=True, check=False, env=site.environment)
    assert ran.returncode == 0, ran.stderr
    assert told.read_text() == ran.stdout and ran.stdout.startswith("700\n")


def test_a_command_whose_interpreter_is_gone_is_a_failure_and_nobody_to_wait_for(devca, site):
    script = site.folder / "orphan"
    script.write_text("#!/nowhere/interpreter\n")
    script.chmod(0o755)
    site.configure(devca, {"web": WEB + f"reload = exec {script}"})
    done = site.once()
    assert done.code != 0 and done.events("reload-failed") and not done.events("awaited"), done.err


def test_a_command_over_its_time_is_killed(ca, site):
    site.configure(ca, {"web": WEB + "reload = exec /bin/sleep 1000\ncommand_timeout = 1s"})
    done = site.once()
    assert done.code == 1
    assert "did not end within 1s and was killed" in done.events("reload-failed")[0]["message"]


def test_validate_sees_the_staged_set_and_may_veto(ca, site, recorder):
    lines = WEB + f"validate = exec {recorder.script} check\n"
    site.configure(ca, {"web": lines})
    assert site.once().code == 0
    before = serial_of(site.out() / "tls.crt")
    staged = recorder.calls()[0].split()[-1]
    assert os.path.basename(staged) == os.readlink(site.out() / "..data")
    recorder.status.write_text("1")
    site.configure(ca, {"web": lines + "ip_addresses = 192.0.2.1"})
    done = site.once()
    assert done.code == 1
    assert done.events("failed")[0]["class"] == "consumer"
    assert serial_of(site.out() / "tls.crt") == before
    assert [name for name in os.listdir(site.out()) if name.startswith("..2")] == [os.path.basename(staged)], \
        "the vetoed set and its key are gone"
    recorder.status.write_text("0")
    assert site.once().code == 0
    assert serial_of(site.out() / "tls.crt") != before


@pytest.fixture
def admin():
    """An admin interface that notes what it is asked; its status can be set."""
    class Admin(http.server.BaseHTTPRequestHandler):
        """Answers POST with `status` and two lines."""
        requests, status = [], 204

        def do_POST(self):  # pylint: disable=invalid-name
            """What http.server calls for a POST."""
            Admin.requests.append((self.path, dict(self.headers)))
            self.send_response(Admin.status)
            self.end_headers()
            if Admin.status != 204:
                self.wfile.write(b"key does not fit\nsecond line\n")

        def log_message(self, *_):  # pylint: disable=arguments-differ
            """Says nothing."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Admin)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Admin.port = server.server_address[1]
    yield Admin
    server.shutdown()
    server.server_close()


def test_an_admin_interface_is_told_without_the_token(ca, site, admin):
    site.configure(ca, {"web": WEB + f"reload = http POST http://127.0.0.1:{admin.port}/reload?x=y"})
    assert site.once().code == 0
    (path, headers), = admin.requests
    assert path == "/reload?x=y" and headers["Content-Length"] == "0"
    assert not [name for name in headers if name.lower().startswith("x-vault")]


def test_an_admin_interface_that_refuses_is_told_again(ca, site, admin):
    admin.status = 400
    site.configure(ca, {"web": WEB + f"reload = http POST http://127.0.0.1:{admin.port}/reload?token=s3cret"})
    run = site.run()
    run.wait_event("reload-failed", count=2)
    admin.status = 204
    run.wait_event("reloaded")
    assert run.terminate() == 0
    told = run.events("reload-failed")[0]["message"]
    assert "the answer is status 400: key does not fit" in told and "second line" not in told and "s3cret" not in told


CONSUMER = f"cons-{os.getpid()}"  # tests run side by side, and signal by name


def start_listening(tmp_path):
    """A process by the name of CONSUMER that ends with 7 when it is told."""
    os.symlink("/bin/sh", tmp_path / CONSUMER)
    process = subprocess.Popen(  # pylint: disable=consider-using-with
        [tmp_path / CONSUMER, "-c", "trap 'exit 7' USR1; echo; while :; do sleep 0.05; done"], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_a_process_that_the_signal_would_end_is_spared(ca, site, tmp_path):
    """The pidfile may name another one, to which SIGHUP means what it means by default."""
    process = subprocess.Popen(["env", "--default-signal=HUP", "/bin/sleep", "1000"])  # pylint: disable=consider-using-with
    try:
        (tmp_path / "odd.pid").write_text(f"{process.pid}\n")
        site.configure(ca, {"web": WEB + f"reload = signal HUP pidfile {tmp_path}/odd.pid"})
        done = site.once()
        assert done.code == 1
        failed = done.events("reload-failed")[0]
        assert failed["class"] == "consumer"
        assert f"process {process.pid} (sleep) does not catch SIGHUP, which would terminate it" in failed["message"]
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_process_is_signalled_by_name(ca, site, tmp_path):
    process = start_listening(tmp_path)
    try:
        site.configure(ca, {"web": WEB + f"reload = signal USR1 process {CONSUMER}"})
        assert site.once().code == 0
        assert process.wait(timeout=PATIENCE_S) == 7
    finally:
        process.kill()
        process.wait()


def test_without_a_system_bus_a_unit_is_a_failure_that_is_tried_again(ca, site, tmp_path):
    site.configure(ca, {"web": WEB + "reload = unit nginx.service"})
    run = site.run(environment={"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/no-bus"})
    failed = run.wait_event("reload-failed", count=2)[0]
    assert failed["class"] == "consumer"
    assert "unit nginx.service: cannot reach the system bus" in failed["message"]
    assert ca.requests("pki_int/sign/") == 1
    assert run.terminate() == 0


def test_a_pidfile_that_is_not_there_yet_is_looked_for_again(ca, site, tmp_path):
    pidfile = tmp_path / "late.pid"
    site.configure(ca, {"web": WEB + f"reload = signal USR1 pidfile {pidfile}"})
    run = site.run()
    assert "late.pid" in run.wait_event("awaited")[0]["message"]
    # The state is saved beside the stages, a moment after the event.
    wait_for(lambda: (site.status()["web"]["failure"] or {}).get("class") == "consumer", "the failure to be kept")
    process = start_listening(tmp_path)
    try:
        pidfile.write_text(f"{process.pid}\n")
        run.wait_event("reloaded")
        assert process.wait(timeout=PATIENCE_S) == 7
        assert ca.requests("pki_int/sign/") == 1
    finally:
        process.kill()
        process.wait()
    assert run.terminate() == 0


@pytest.mark.parametrize("line", ["signal HUP process leafd-nobody", "signal HUP pidfile {folder}/stale.pid",
                                  "http POST http://127.0.0.1:{port}/reload", "http POST unix:{folder}/admin:/reload"])
def test_a_consumer_that_starts_after_leafd_is_ready_is_waited_for(ca, site, tmp_path, line):
    """Else a sidecar that is not ready before its consumer runs, and a consumer that waits for the sidecar, wait for ever."""
    ended = subprocess.Popen(["/bin/true"])  # pylint: disable=consider-using-with
    ended.wait()
    (tmp_path / "stale.pid").write_text(f"{ended.pid}\n")
    site.configure(ca, {"web": WEB + "reload = " + line.format(folder=tmp_path, port=free_port())})
    run = site.run()
    run.wait_event("awaited")
    run.wait_ready()
    site.answers("ready", 0)
    assert run.terminate() == 0
    assert site.once().code == 0


def test_a_pidfile_is_believed_after_the_clock_was_set_forward(ca, site, tmp_path):
    """The file tells the wall clock of then: the process looks younger than it, and has its name."""
    process = start_listening(tmp_path)
    try:
        pidfile = tmp_path / f"{CONSUMER}.pid"
        pidfile.write_text(f"{process.pid}\n")
        os.utime(pidfile, (time.time() - 3600, time.time() - 3600))
        site.configure(ca, {"web": WEB + f"reload = signal USR1 pidfile {pidfile}"})
        run = site.run()
        run.wait_event("reloaded")
        assert process.wait(timeout=PATIENCE_S) == 7
    finally:
        process.kill()
        process.wait()
    assert run.terminate() == 0


def test_a_command_that_writes_without_end_is_ended_and_stalls_nobody(ca, site):
    site.configure(ca, {"endless": WEB + "reload = exec /usr/bin/yes\ncommand_timeout = 1s", "web": WEB})
    run = site.run()
    run.wait_event("published", "web")
    failed = run.wait_event("reload-failed", "endless")[0]
    assert "did not end within 1s" in failed["message"]
    assert run.terminate() == 0


def test_a_pidfile_of_another_process_is_not_believed(ca, site, tmp_path):
    process = subprocess.Popen(["/bin/sleep", "1000"])  # pylint: disable=consider-using-with
    try:
        pidfile = tmp_path / "old.pid"
        pidfile.write_text(f"{process.pid}\n")
        os.utime(pidfile, (time.time() - 3600, time.time() - 3600))
        site.configure(ca, {"web": WEB + f"reload = signal TERM pidfile {pidfile}"})
        done = site.once()
        assert done.code == 0, "as for a pidfile of no process: nobody is there"
        assert "is stale" in done.events("awaited")[0]["message"]
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


# -- many certificates of one consumer ----------------------------------------------------------------

MANY = """
import os, signal, socket, ssl, sys
folder, contexts, told = sys.argv[1], {}, [0]

def load(*_):
    told[0] += 1
    contexts.clear()
    with open(f"{folder}/told", "w") as note:
        note.write(str(told[0]))

def choose(connection, name, _):
    set_of = f"{folder}/out-{name.split('.')[0]}"
    if name not in contexts and told[0] > 0:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{set_of}/tls.crt", f"{set_of}/tls.key")
        contexts[name] = context
    connection.context = contexts.get(name, connection.context)

signal.signal(signal.SIGHUP, load)
listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=256)
first = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
first.sni_callback = choose
with open(f"{folder}/many.pid", "w") as pidfile:
    pidfile.write(f"{os.getpid()}\\n")
while True:
    near, _ = listener.accept()
    try:
        near.settimeout(5)
        tls = first.wrap_socket(near, server_side=True)
        tls.recv(1)
        tls.close()
    except OSError:
        near.close()
"""


def test_fifty_certificates_of_one_consumer_are_a_handful_of_signals(ca, site, tmp_path):
    """Each signal tells of all that was published before it, and each certificate is proven for itself."""
    count, port = 50, free_port()
    consumer = subprocess.Popen(["python3", "-c", MANY, tmp_path, str(port)])  # pylint: disable=consider-using-with
    try:
        wait_for((tmp_path / "many.pid").exists, "the consumer to listen")
        lines = WEB.replace("a.example.test, b.example.test", "${cert.name}.example.test") + \
            f"reload = signal HUP pidfile {tmp_path}/many.pid\nprove = tls 127.0.0.1:{port}\n"
        site.configure(ca, {f"c{i}": lines for i in range(count)})
        run = site.run()
        run.wait_event("proven", count=count)
        assert run.terminate() == 0
        assert len({line["cert"] for line in run.events("reloaded")}) == count
        # Where the machine is so busy that a proof comes too late, the reload is tried again.
        again = [line for line in run.log() if line["event"] in ("reload-failed", "proof-failed", "proof-lost")]
        # Signals are a fifth of a second apart, however long the CA takes for fifty certificates; the log has whole seconds.
        begin, end = (datetime.datetime.fromisoformat(run.events(event)[at]["time"])
                      for event, at in (("published", 0), ("reloaded", -1)))
        assert int((tmp_path / "told").read_text()) <= 3 + 5 * ((end - begin).total_seconds() + 1) + len(again)
    finally:
        consumer.kill()
        consumer.wait()


# -- off the loop -------------------------------------------------------------------------------------

class Neighbour:
    """A consumer at Unix sockets: a line, an admin interface, and TLS with the files as they are."""

    def __init__(self, folder, out):
        self.folder, self.out = folder, out
        for name, answer in (("line", self.say), ("admin", self.reply), ("tls", self.shake)):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(folder / name))
            listener.listen(8)
            threading.Thread(target=self.serve, args=(listener, answer), daemon=True).start()

    @staticmethod
    def serve(listener, answer):
        while True:
            near, _ = listener.accept()
            try:
                answer(near)
            except OSError:
                pass
            near.close()

    @staticmethod
    def say(near):
        near.recv(4096)
        near.sendall(b"done\n\n")

    @staticmethod
    def reply(near):
        near.recv(4096)
        near.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    def shake(self, near):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.out / "tls.crt", self.out / "tls.key")
        with context.wrap_socket(near, server_side=True) as tls:
            tls.recv(1)


def test_the_loop_walks_no_path_of_a_consumer(devca, site, tmp_path):
    """Each may lie on a mount that hangs: a worker walks it."""
    Neighbour(tmp_path, site.out())
    process = start_listening(tmp_path)
    trace = tmp_path / "trace"
    try:
        (tmp_path / "neighbour.pid").write_text(f"{process.pid}\n")
        site.configure(devca, {"web": WEB + f"reload = socket {tmp_path}/line reload\n"
                                         f"reload = http POST unix:{tmp_path}/admin:/reload\n"
                                         f"reload = signal USR1 pidfile {tmp_path}/neighbour.pid\n"
                                         f"prove = tls unix:{tmp_path}/tls\n"})
        done = subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=file,connect", LEAFD, "once", "-c", site.file],
                              capture_output=True, text=True, check=False,
                              env={**site.environment, "ASAN_OPTIONS": "detect_leaks=0"})
        assert done.returncode == 0, done.stderr
        assert '"event":"proven"' in done.stderr
        assert process.wait(timeout=PATIENCE_S) == 7
    finally:
        process.kill()
        process.wait()
    calls = [line.split(maxsplit=1) for line in trace.read_text().splitlines()]
    loop = calls[0][0]
    for path in (f"{tmp_path}/line", f"{tmp_path}/admin", f"{tmp_path}/neighbour.pid", f"{tmp_path}/tls",
                 f"/proc/{process.pid}/"):
        walks = [(thread, call) for thread, call in calls if f'"{path}' in call or
                 (f'"{os.path.basename(path)}"' in call and "openat(" in call)]
        assert walks, f"somebody looks at {path}"
        assert not [call for thread, call in walks if thread == loop], f"the loop looks at {path}"


# -- a real nginx -------------------------------------------------------------------------------------

NGINX = """
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {out}/fullchain.pem;
        ssl_certificate_key {out}/privkey.pem;
        location / {{ return 200 "fine\\n"; }}
    }}
}}
"""


class Nginx:
    """A real nginx that serves a set, with a client that asks without a pause."""

    def __init__(self, folder, out):
        self.port = free_port()
        self.pidfile = folder / "nginx.pid"
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, out=out, port=self.port))
        self.command = ["/usr/sbin/nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
        self.process = None
        self.serials, self.failures, self.stop_asking = [], [], threading.Event()

    def start(self):
        self.process = subprocess.Popen(self.command)  # pylint: disable=consider-using-with
        wait_for(lambda: self.pidfile.exists() and self.serial(), "nginx")

    def serial(self):
        try:
            pem = ssl.get_server_certificate(("127.0.0.1", self.port), timeout=PATIENCE_S)
        except OSError as failure:
            self.failures.append(failure)
            return None
        done = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=pem, capture_output=True, text=True,
                              check=True)
        return done.stdout.strip()

    def ask_on(self):
        while not self.stop_asking.is_set():
            serial = self.serial()
            if serial and (not self.serials or self.serials[-1] != serial):
                self.serials.append(serial)

    def end(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=PATIENCE_S)


def test_nginx_serves_every_rotation_without_a_failed_handshake(ca, site, tmp_path):
    lines = f"""
template = nginx
pki_role = leafd
dns_names = localhost
ttl = 20s
reload = signal HUP pidfile {tmp_path}/nginx.pid
prove = none
"""
    site.configure(ca, {"web": lines})
    done = site.once()
    assert done.code == 0 and done.events("awaited"), "nginx does not run yet: it reads the files when it starts"
    nginx = Nginx(tmp_path, site.out())
    nginx.start()
    nginx.failures.clear()
    run = site.run()
    asking = threading.Thread(target=nginx.ask_on)
    asking.start()
    try:
        run.wait_event("reloaded", count=4, patience=600)
        wait_for(lambda: len(nginx.serials) >= 4, "nginx to serve four certificates")
    finally:
        nginx.stop_asking.set()
        asking.join()
        run.terminate()
        nginx.end()
    assert not nginx.failures
