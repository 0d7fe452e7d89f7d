"""contrib/monitoring: rules, dashboard and runbook against promtool, and a real Prometheus that scrapes a real leafd."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.parse
import urllib.request

import pytest
import yaml

from consumers import Nginx
from scene import SOURCE, free_port, wait_for

MONITORING = os.path.join(SOURCE, "contrib", "monitoring")
RULES, TESTS = ("leafd.rules.yml", "vault.rules.yml"), ("leafd.rules.test.yml", "vault.rules.test.yml")


def text_of(name):
    with open(os.path.join(MONITORING, name), encoding="utf-8") as file:
        return file.read()


def alerts():
    """Every alert of both files, by its name."""
    return {rule["alert"]: rule for name in RULES for group in yaml.safe_load(text_of(name))["groups"] for rule in group["rules"]}


def promtool(*arguments, folder=MONITORING):
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (contrib/install-packages consumers)")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# -- what needs no server ---------------------------------------------------------------------------


def test_the_rules_fire_and_do_not_as_their_tests_say():
    promtool("check", "rules", *RULES)
    promtool("test", "rules", *TESTS)
    for name in TESTS:
        cases = [case for test in yaml.safe_load(text_of(name))["tests"] for case in test["alert_rule_test"]]
        rules = [alert for alert in alerts() if alert.startswith("Leafd") == name.startswith("leafd")]
        for alert in rules:
            fires = {bool(case["exp_alerts"]) for case in cases if case["alertname"] == alert}
            assert fires == {True, False}, f"{alert} is tested firing and not firing"


def test_each_alert_tells_what_to_do():
    """Severity, summary, description, and a section of the runbook with failure, meaning and action."""
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text_of("runbook.md"), re.M | re.S))
    assert set(sections) == set(alerts())
    for name, rule in alerts().items():
        notes = rule["annotations"]
        assert rule["labels"]["severity"] in ("warning", "critical") and notes["summary"] and notes["description"].endswith(".")
        assert notes["runbook_url"] == f"https://runbooks.example.com/leafd#{name.lower()}"
        assert re.findall(r"^\*\*(\w+)\.\*\* ", sections[name], re.M) == ["Failure", "Meaning", "Action"], name


def check_expressions(folder, expressions):
    """promtool parses them, as rules; what Grafana puts in stands there as it would."""
    rules = [{"record": f"panel:{i}", "expr": re.sub(r"\$(?!__)\w+", "x", expression).replace("$__rate_interval", "5m")}
             for i, expression in enumerate(expressions)]
    (folder / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", "panels.yml", folder=folder)


def expressions_of(dashboard):
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_the_dashboard_is_whole(tmp_path):
    """As Grafana reads it: schema 39, panels that do not overlap, queries that Prometheus parses, variables that exist."""
    dashboard = json.loads(text_of("grafana-dashboard.json"))
    assert dashboard["schemaVersion"] == 39 and dashboard["uid"] and dashboard["title"] == "leafd"
    assert "id" not in dashboard and "__inputs" not in dashboard, "it can be provisioned as it is"
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    cells, ids = set(), set()
    for panel in dashboard["panels"]:
        assert panel["type"] in ("stat", "table", "timeseries") and panel["title"] and panel["description"].endswith(".")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        place = panel["gridPos"]
        mine = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not mine & cells, panel["title"]
        cells |= mine
        ids.add(panel["id"])
        letters = [target["refId"] for target in panel["targets"]]
        assert len(letters) == len(set(letters)) > 0
        for target in panel["targets"]:
            used = set(re.findall(r"\$(?!__)\{?(\w+)", target["expr"]))
            assert "job" in used and used <= variables, target["expr"]
    assert len(ids) == len(dashboard["panels"])
    check_expressions(tmp_path, expressions_of(dashboard))


def test_the_scrape_examples_are_configurations(tmp_path):
    promtool("check", "config", "--syntax-only", "prometheus-vm.yml")
    # Debian's Prometheus is built without the discovery of Kubernetes: the rest of that file is checked.
    pods = text_of("prometheus-kubernetes.yml")
    assert pods.count("    kubernetes_sd_configs:\n      - role: pod\n") == 1
    (tmp_path / "pods.yml").write_text(pods.replace("    kubernetes_sd_configs:\n      - role: pod\n", ""))
    promtool("check", "config", "--syntax-only", "pods.yml", folder=tmp_path)
    monitor = yaml.safe_load(text_of("podmonitor.yaml"))
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "PodMonitor")
    assert monitor["spec"]["podMetricsEndpoints"][0]["relabelings"][0] == {"targetLabel": "job", "replacement": "leafd"}


# -- a real Prometheus ------------------------------------------------------------------------------


class Prometheus:
    """Scrapes every second what prometheus-kubernetes.yml finds in a pod that has leafd's address; alerts wait seconds, not minutes."""

    def __init__(self, folder, leafd_port):
        self.program = shutil.which("prometheus")
        if self.program is None:
            pytest.skip("prometheus is not installed (contrib/install-packages consumers)")
        self.folder, self.port = folder / "prometheus", free_port()
        self.folder.mkdir()
        rules = re.sub(r"^( +for:) .*$", r"\1 3s", text_of("leafd.rules.yml"), flags=re.M)
        (self.folder / "leafd.rules.yml").write_text(rules)
        pod = {"__meta_kubernetes_pod_annotation_leafd_metrics_scrape": "yes",
               "__meta_kubernetes_pod_annotation_leafd_metrics_port": str(leafd_port), "__meta_kubernetes_pod_ip": "127.0.0.1",
               "__meta_kubernetes_namespace": "shop", "__meta_kubernetes_pod_name": "web-0"}
        other = {**pod, "__meta_kubernetes_pod_annotation_leafd_metrics_scrape": "no", "__meta_kubernetes_pod_name": "other-0"}
        config = yaml.safe_load(text_of("prometheus-kubernetes.yml").replace("30s", "1s"))
        config["scrape_configs"][0].pop("kubernetes_sd_configs")
        config["scrape_configs"][0]["static_configs"] = [{"targets": ["127.0.0.1:80"], "labels": labels} for labels in (pod, other)]
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [self.program, f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.seen, self.states = [], {}

    def told(self):
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def ask(self, path, **query):
        assert self.process.poll() is None, f"prometheus ended: {self.told()}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=60) as reply:
                return json.load(reply)["data"]
        except OSError:
            return None  # not up yet

    def value(self, expression):
        """The one value of an expression; None: there is none."""
        result = (self.ask("query", query=expression) or {}).get("result")
        return float(result[0]["value"][1]) if result else None

    def firing(self):
        """The alerts that fire now, by name and certificate."""
        found = self.ask("alerts") or {"alerts": []}
        now = {(a["labels"]["alertname"], a["labels"].get("cert")): a for a in found["alerts"] if a["state"] == "firing"}
        for key in now:
            if key not in self.seen:
                self.seen.append(key)
        return now

    def fires(self, alert, cert=None):
        wait_for(lambda: (alert, cert) in self.firing(),
                 lambda: f"{alert} of {cert} to fire; {sorted(map(str, self.firing()))}")
        return self.firing().get((alert, cert))

    def is_quiet(self, but=()):
        wait_for(lambda: not [key for key in self.firing() if key[0] not in but], lambda: f"no alert, not {sorted(map(str, self.firing()))}")

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=60)


@pytest.fixture
def prometheus(folder):
    servers = []

    def start(port):
        servers.append(Prometheus(folder, port))
        return servers[-1]
    yield start
    for server in servers:
        server.end()


def check_names(server, folder):
    """The dashboard and the rules name metrics that this leafd serves; those of failures exist while something fails."""
    served = set(server.ask("label/__name__/values"))
    named = set()
    for expression in [*expressions_of(json.loads(text_of("grafana-dashboard.json"))),
                       *(rule["expr"] for name, rule in alerts().items() if name.startswith("Leafd"))]:
        named |= set(re.findall(r"\b(?:leafd|process)_\w+|\bup\b", expression))
    assert named - served == set(), named - served
    check_expressions(folder, expressions_of(json.loads(text_of("grafana-dashboard.json"))))


def run_commands_of_the_runbook(site, name):
    """Each command of leafd is one that leafd has, with the options and arguments that it takes."""
    commands = sorted({line.strip() for line in re.findall(r"^    (?:runuser -u leafd -- )?(leafd .*)$", text_of("runbook.md"), re.M)} |
                      set(re.findall(r"`(leafd [^`]+)`", text_of("runbook.md"))))
    assert len(commands) >= 8
    for command in commands:
        words = command.replace(" web", f" {name}").split()[1:]
        done = site.command(*words)
        assert done.code in (0, 1, 3), (command, done.code, done.out, done.err)


def lines_of(nginx, role="leafd"):
    return f"template = nginx\npki_role = {role}\ndns_names = localhost\nttl = 30s\nrenew_at = 40%\nkeep_previous = 1s\n" \
           f"prove_timeout = 2s\n{nginx.section()}{nginx.proof()}"


def test_a_real_prometheus_sees_rotations_an_outage_and_a_service_that_refuses(ca, site, start, folder, prometheus):
    nginx, port, begin = start(Nginx), free_port(), time.monotonic()
    name, agent = nginx.name, f"listen = 127.0.0.1:{port}"
    site.configure(ca, {name: lines_of(nginx)}, agent=agent)
    run = site.run()
    run.wait_event("published", name)
    nginx.start()
    server = prometheus(port)

    # Rotations: nothing fires.
    wait_for(lambda: (server.value(f'leafd_issuances_total{{cert="{name}"}}') or 0) >= 2 and
             server.value(f'leafd_certificate_served_matches{{cert="{name}"}}') == 1, lambda: f"a rotation\n{server.told()}")
    assert server.value('count(up{job="leafd", instance="shop/web-0"} == 1)') == 1 and server.value("count(up)") == 1
    server.is_quiet()
    # On a slow machine a rotation may take longer than these wait here.
    assert {key[0] for key in server.seen} <= {"LeafdNotProven", "LeafdOldCertificateServed"}, server.seen

    # The CA is away: first that is told, then that nothing is renewed, and all of it is over when it is back.
    ca.proxy.cut()
    told = server.fires("LeafdCaUnreachable")
    assert "issues nothing to shop/web-0" in told["annotations"]["summary"]
    told = server.fires("LeafdCertificateNotRenewed", name)
    assert told["labels"]["severity"] == "warning" and f"{name} at shop/web-0" in told["annotations"]["summary"]
    server.fires("LeafdCertificateExpiring", name)
    ca.proxy.repair()
    server.is_quiet()
    assert not {key[0] for key in server.seen} & {"LeafdDenied", "LeafdRefused", "LeafdLocalFailure", "LeafdAgentGone",
                                                  "LeafdIssuerEndsSoon", "LeafdConfigurationBroken"}, server.seen

    # The service does not take the next one.
    os.kill(nginx.pid, signal.SIGSTOP)
    server.fires("LeafdNotProven", name)
    server.fires("LeafdOldCertificateServed", name)
    check_names(server, folder)
    os.kill(nginx.pid, signal.SIGCONT)
    server.is_quiet()

    # A configuration with errors; one whose login may do nothing; one that names a role which is not there.
    good = site.file.read_text()
    site.write(good + "nonsense = 1\n")
    run.hangup()
    server.fires("LeafdConfigurationBroken")
    site.configure(ca, {name: lines_of(nginx) + "ip_addresses = 192.0.2.1\n"}, agent=agent,
                   auth=ca.auth.replace("role = leafd", "role = powerless"))
    run.hangup()
    server.fires("LeafdDenied", name)
    site.configure(ca, {name: lines_of(nginx, role="missing")}, agent=agent)
    run.hangup()
    assert server.fires("LeafdRefused", name)["labels"]["class"] == "refused"
    run_commands_of_the_runbook(site, name)
    site.write(good)
    run.hangup()
    server.is_quiet()

    # The agent is gone, and comes back.
    assert run.terminate() == 0
    told = server.fires("LeafdAgentGone")
    assert "shop/web-0" in told["annotations"]["summary"]
    site.run()
    server.is_quiet()
    print(f"{time.monotonic() - begin:.0f} s, {len(server.seen)} alerts fired and were over: {server.seen}")
