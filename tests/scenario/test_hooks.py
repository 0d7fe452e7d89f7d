"""Events reach the operator's commands: the lines on_event. Nothing waits for a command, and nothing is told for ever."""
import base64
import http.server
import json
import os
import re
import shutil
import threading
import time
import urllib.parse

from scene import SOURCE, WEB, wait_for

KINDS = ("issued", "failing", "expiring", "expired", "denied", "refused-by-consumer", "ca-changed")
FROM_LOG = {"time", "level", "event", "message"}


def hook(site, name, then="", first=""):
    """A command that writes what it reads to NAME.told, a line for each event; `first` and `then` are more of it."""
    told, path = site.folder / f"{name}.told", site.folder / f"{name}.sh"
    path.write_text(f"#!/bin/sh\n{first}\ncat >>{told}\n{then}\n")
    path.chmod(0o755)
    return path


def told(site, name):
    path = site.folder / f"{name}.told"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def with_ttl(ttl, role="leafd"):
    return WEB.replace("ttl = 1h", f"ttl = {ttl}").replace("= leafd", f"= {role}")


def test_each_kind_of_event_reaches_a_command(devca, site):
    """With what the log says of it, as one JSON object; once, however often a try fails."""
    lines = "".join(f"on_event = {kind} exec {hook(site, kind)}\n" for kind in KINDS)
    lines += f"on_event = stopping,published exec {hook(site, 'events')} --word\n"
    devca.fault("status", path="pki_int/sign/no-store", times=0, status=400, errors=["not so"])
    devca.fault("status", path="pki_int/sign/web", times=0, status=403, errors=["permission denied"])
    site.configure(devca, {
        "good": WEB, "refused": with_ttl("1h", "no-store"),
        "denied": with_ttl("30m", "web"), "ending": with_ttl("14s", "any-host"),
        "stopped": WEB + "reload = exec /bin/false\n"}, agent=f"ca_poll = 1s\nca_spread = 6s\nlog_level = info\n{lines}")
    run = site.run()
    run.wait_event("published", "ending")
    run.wait_event("published", "good")
    devca.fault("status", path="pki_int/sign/any-host", times=0, status=500, errors=["disk full"])
    looks = devca.requests("pki_int/issuer/default")
    wait_for(lambda: devca.requests("pki_int/issuer/default") > looks + 1, "looks at the issuer")
    devca.rotate()
    run.wait_event("ca-changed")
    for kind in KINDS:
        wait_for(lambda: told(site, kind), f"{kind} to be told")  # pylint: disable=cell-var-from-loop
    wait_for(lambda: {x["cert"] for x in told(site, "failing") if "cert" in x} >= {"refused", "denied", "stopped", "ending"},
             lambda: f"failures of all: {told(site, 'failing')}")
    assert run.terminate() == 0
    assert {x["event"] for x in told(site, "issued")} == {"issued"}
    assert {x["cert"] for x in told(site, "denied")} == {"denied"} and told(site, "denied")[0]["class"] == "denied"
    assert {x["cert"] for x in told(site, "expired")} == {"ending"} == {x["cert"] for x in told(site, "expiring")}
    assert {(x["cert"], x["event"]) for x in told(site, "refused-by-consumer")} == {("stopped", "reload-failed")}
    assert {x["event"] for x in told(site, "ca-changed")} == {"ca-changed"}
    assert {x["event"] for x in told(site, "events")} == {"published", "stopping"}
    for name in (*KINDS, "events"):
        events = told(site, name)
        assert all(FROM_LOG | {"number", "host"} <= set(x) and x["number"] > 0 for x in events), events
        assert [x["number"] for x in events] == sorted({x["number"] for x in events}), events
        logged = [{**x, "number": 0, "host": ""} for x in run.log()]
        assert name == "issued" or all({**x, "number": 0, "host": ""} in logged for x in events), events
    assert len([x for x in told(site, "failing") if x.get("cert") == "refused"]) == 1
    assert not run.events("hook-failed") and not run.events("hook-dropped")


def test_a_hook_that_hangs_delays_nothing_and_is_killed(devca, site):
    """As many as are told at once hang; the consumers' own commands run, one certificate after the other is renewed."""
    hangs = "".join(f"on_event = published, reloaded exec {hook(site, f'hang{n}', 'echo $$ >>' + str(site.folder / 'pids') + '; exec sleep 1000')}\n"
                    for n in range(10))
    marks = site.folder / "marks"
    site.configure(devca, {f"c{n}": with_ttl("30s") + f"reload = exec /bin/sh -c \"echo x >>{marks}\"\n" for n in range(4)},
                   agent=f"on_event_timeout = 2s\n{hangs}")
    run = site.run()
    run.wait_ready()
    for n in range(4):
        run.wait_event("reloaded", f"c{n}", count=2)
    wait_for(lambda: run.events("hook-failed"), "a hook to be killed")
    failed = run.events("hook-failed")[0]
    assert failed["level"] == "warning" and "did not end within 2s and was killed" in failed["message"], failed
    begun = [x for x in run.log() if x["event"] == "wanted"]
    assert begun and not run.events("failed") and not run.events("reload-failed")
    ended = time.monotonic()
    assert run.terminate() == 0
    assert time.monotonic() - ended < 60
    pids = {int(pid) for pid in (site.folder / "pids").read_text().split()}
    wait_for(lambda: not [pid for pid in pids if os.path.exists(f"/proc/{pid}") and
                          "sleep" in open(f"/proc/{pid}/comm", encoding="utf-8").read()], "the hooks to be gone")
    assert [x for x in run.events("hook-dropped") if "exiting before the hook" in x["message"]]


def test_a_hook_that_fails_is_run_again_and_no_hook_is_told_of_it(devca, site):
    """What it printed is in the log. The event is told once, when it succeeds; one that never does is given up."""
    count = site.folder / "count"
    flaky = hook(site, "flaky", first=f"echo x >>{count}; test $(wc -l <{count}) -gt 2 || {{ echo 'desk is closed'; exit 7; }}",
                 then="echo 'ticket 4711'")
    site.configure(devca, {"web": WEB}, agent=f"on_event = issued exec {flaky}\n"
                   f"on_event = failing, advice, bug exec {hook(site, 'others')}\n")
    run = site.run()
    wait_for(lambda: told(site, "flaky"), "the third try")
    failed = run.events("hook-failed")
    assert [(x["level"], x["cert"], x["class"]) for x in failed] == [("warning", "web", "consumer"), ("debug", "web", "consumer")]
    assert "flaky.sh exited with status 7: desk is closed" in failed[0]["message"] and failed[0]["next_try_ms"], failed
    wait_for(lambda: [x for x in run.log() if x["event"] == "detail" and x["message"].endswith("issued: ticket 4711")], "its output")
    assert run.terminate() == 0
    assert len(told(site, "flaky")) == 1 and not told(site, "others")


def test_more_events_than_wait_drop_the_oldest_and_say_so(devca, site):
    """A hook is told what is new; how much it missed is told to people."""
    gate = site.folder / "gate"
    slow = hook(site, "slow", first=f"while ! test -e {gate}; do sleep 0.1; done")
    site.configure(devca, {f"c{n:03}": WEB for n in range(100)}, agent=f"on_event = published exec {slow}\nlog_level = info")
    run = site.run()
    run.wait_ready()
    dropped, = run.wait_event("hook-dropped")
    assert dropped["level"] == "warning" and int(dropped["lost"]) >= 1 and "64 events wait for it" in dropped["message"]
    gate.touch()
    lost = run.wait_event("hook-dropped", count=2)[1]
    assert lost["level"] == "notice" and int(dropped["lost"]) + int(lost["lost"]) == 100 - 64
    events = [x["cert"] for x in told(site, "slow")]
    published = [x["cert"] for x in run.events("published")]
    assert len(events) == 64 and events[0] == published[0] and events[1:] == published[-63:]
    assert run.terminate() == 0


def test_a_command_ends_when_its_hooks_were_told(ca, site):
    """once waits for them, for a limited time; a hook that hangs does not hold it up longer."""
    site.configure(ca, {"web": WEB}, agent=f"on_event = issued, published exec {hook(site, 'late', first='sleep 0.5')}")
    assert site.once().code == 0
    assert [x["event"] for x in told(site, "late")] == ["issued", "published"]
    site.configure(ca, {"other": WEB}, agent=f"on_event = issued exec {hook(site, 'never', first='sleep 1000')}")
    done = site.once()
    assert done.code == 0
    dropped, = done.events("hook-dropped")
    assert "exiting before the hook" in dropped["message"] and "told 1 event" in dropped["message"]


def test_a_hook_gets_a_clean_environment_and_its_line_may_change(devca, site):
    """The event's name and certificate beside PATH. A reload keeps what waits for a line that stays."""
    shown = site.folder / "shown"
    see = hook(site, "see", then=f"env >>{shown}; ls -l /proc/self/fd >>{shown}")
    gate = site.folder / "gate"
    kept = hook(site, "kept", first=f"test -e {gate} || exit 1")
    stays = f"on_event = published exec {kept}\n"
    site.configure(devca, {"web": WEB}, agent=stays + f"on_event = published exec {see}\n")
    run = site.run(environment={"SECRET_OF_OURS": "hidden", "OPENSSL_CONF": "/dev/null"})
    run.wait_event("hook-failed")
    wait_for(lambda: told(site, "see") and shown.exists() and "total" in shown.read_text(), "the hook")
    text = shown.read_text()
    assert set(re.findall(r"^(\w+)=", text, re.M)) <= {"PATH", "LEAFD_EVENT", "LEAFD_CERT", "PWD", "SHLVL", "_", "OLDPWD"}, text
    assert "LEAFD_EVENT=published" in text and "LEAFD_CERT=web" in text
    gate.touch()
    site.configure(devca, {"web": WEB, "more": WEB}, agent=stays)
    run.hangup()
    run.wait_event("published", "more")
    wait_for(lambda: [x["cert"] for x in told(site, "kept")] == ["web", "more"], lambda: f"what waited: {told(site, 'kept')}")
    assert [x["cert"] for x in told(site, "see")] == ["web"]
    assert run.terminate() == 0


def test_a_hook_that_others_may_write_is_not_run(devca, site):
    """Neither when the configuration is read, nor later."""
    mine = hook(site, "mine")
    site.configure(devca, {"web": WEB}, agent=f"on_event = published, damaged exec {mine} SECRET")
    run = site.run()
    wait_for(lambda: told(site, "mine"), "the hook")
    mine.chmod(0o777)
    done = site.command("check")
    assert done.code == 2 and "[agent] on_event:" in done.err and "may be written by everybody" in done.err, done.err
    assert "SECRET" not in done.err
    (site.out() / "tls.crt").unlink()
    run.wait_event("damaged")
    failed = run.wait_event("hook-failed")[0]
    assert "cannot start on_event" in failed["message"] and "may be written by everybody" in failed["message"], failed
    assert run.terminate() == 0
    assert len(told(site, "mine")) == 1


class Desk(http.server.BaseHTTPRequestHandler):
    """A service desk: the table incident of ServiceNow's API, as far as the hook needs it."""
    incidents, asked, ill = [], [], False

    def reply(self, status, result):
        body = json.dumps({"result": result}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_any(self):
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.command, self.path, self.headers.get("Authorization")))
        if self.ill:
            self.reply(503, [])
        elif self.command == "GET":
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["sysparm_query"][0]
            self.reply(200, [{"sys_id": str(n)} for n, x in enumerate(self.incidents)
                             if query == f"correlation_id={x['correlation_id']}^active=true"][:1])
        elif self.command == "POST":
            self.incidents.append({**json.loads(text), "notes": []})
            self.reply(201, {"number": f"INC{len(self.incidents)}"})
        else:
            self.incidents[int(self.path.rsplit("/", 1)[1])]["notes"].append(json.loads(text)["work_notes"])
            self.reply(200, {})

    do_GET = do_POST = do_PATCH = do_any

    def log_message(self, *_):
        pass


def test_the_hook_for_servicenow_keeps_one_incident_for_each_problem(devca, site):
    """Opened by the first problem, noted when it goes on and when it is over; the password is in no argument."""
    for tool in ("curl", "jq"):
        assert shutil.which(tool), f"{tool} is missing; contrib/install-packages test"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    netrc = site.folder / "servicenow.netrc"
    netrc.write_text("machine 127.0.0.1 login leafd password canary-of-the-desk\n")
    netrc.chmod(0o600)
    site.canaries.add("canary-of-the-desk", "the desk's password")
    site.canaries.own.add(str(netrc))
    script = site.folder / "servicenow"
    shutil.copyfile(os.path.join(SOURCE, "contrib/hooks/servicenow"), script)
    script.chmod(0o755)
    Desk.ill = True
    devca.fault("status", path="pki_int/sign/web", times=0, status=400, errors=['not "so"'])
    site.configure(devca, {"good": WEB, "bad": with_ttl("30m", "web")}, agent="log_level = info\non_event = failing, published "
                   f"exec {script} http://127.0.0.1:{server.server_port} {netrc}")
    run = site.run()
    failed = run.wait_event("hook-failed")[0]
    assert "503" in failed["message"], failed
    Desk.ill = False
    wait_for(lambda: Desk.incidents, "an incident")
    devca.call("DELETE", "devca/faults")
    run.hangup()
    run.wait_event("published", "bad")
    wait_for(lambda: Desk.incidents[0]["notes"], "a note")
    incident, = Desk.incidents
    assert incident["short_description"].startswith("bad on ") and incident["short_description"].endswith(": failed")
    assert 'not "so"' in incident["description"] and incident["correlation_id"].endswith(":bad") and incident["urgency"] == "2"
    assert " published: published serial " in incident["notes"][-1]
    assert {x[2] for x in Desk.asked} == {"Basic " + base64.b64encode(b"leafd:canary-of-the-desk").decode()}
    assert run.terminate() == 0
    server.shutdown()
