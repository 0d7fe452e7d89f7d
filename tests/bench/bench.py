#!/usr/bin/python3
"""bench.py: what leafd costs, beside the CA's own maximum and beside Vault's agent, all in one run.

    LEAFD=./leafd tests/bench/bench.py [--certs N]

The CA is a real server (see tests/scenario/real_ca.py). It gets one core and whoever talks to it another, so that neither
takes the other's time: in production they are different machines. Sets go to tmpfs, as in a pod.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))

import scene  # noqa: E402
from real_ca import RealCa, find_real_ca  # noqa: E402

CA_CORE, CLIENT_CORE = ["taskset", "-c", "0"], ["taskset", "-c", "1"]


# -- the one certificate that both agents keep ----------------------------------------------------------

LEAFD_ONE = """
[vault]
address = {address}
ca_file = {ca}
[auth]
method = jwt
role = leafd
token_file = {token}
[agent]
log_format = json
[cert one]
pki_mount = pki_int
pki_role = leafd
ttl = 24h
dns_names = one.example.test
directory = {out}
file = tls.crt fullchain
file = tls.key key
file = ca.crt ca
"""

AGENT_ONE = """
pid_file = "{folder}/agent.pid"
vault {{ address = "{address}"  ca_cert = "{ca}" }}
auto_auth {{
  method "jwt" {{ config = {{ path = "{token}"  role = "leafd"  remove_jwt_after_reading = false }} }}
}}
template_config {{ exit_on_retry_failure = true }}
template {{
  destination = "{out}/tls.pem"
  perms = "0600"
  contents = <<EOT
{{{{ with pkiCert "pki_int/issue/issue-ec" "common_name=one.example.test" "ttl=24h" }}}}{{{{ .Cert }}}}{{{{ .CA }}}}{{{{ .Key }}}}{{{{ end }}}}
EOT
}}
"""


class TimedProxy:
    """Forwards to the CA and adds up how long the client waited for it: from the last byte asked to the first answered."""

    def __init__(self, target):
        self.target, self.waited, self.lock = target, 0.0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(self.target)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asked = [None]
            threading.Thread(target=self.pump, args=(near, far, asked, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(far, near, asked, False), daemon=True).start()

    def pump(self, source, sink, asked, asking):
        while True:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            if not data:
                for end in (source, sink):
                    try:
                        end.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
                return
            now = time.monotonic()
            if asking:
                asked[0] = now
            elif asked[0] is not None:
                with self.lock:
                    self.waited += now - asked[0]
                asked[0] = None
            try:
                sink.sendall(data)
            except OSError:
                return


def memory_of(pid):
    """RSS, PSS and private dirty pages in MB."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(re.search(rf"^{name}: +(\d+)", text, re.M).group(1)) / 1024
            for name in ("Rss", "Pss", "Private_Dirty")}


def wait_until(condition, patience=60):
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("bench: waited in vain")
        time.sleep(0.0005)


def commands(ca, address, folder, out):
    """The two agents on the same job: how to start each, and the file that tells that it is done."""
    words = {"address": address, "ca": ca.ca_file, "token": ca.token_file, "out": out, "folder": folder}
    (folder / "leafd.ini").write_text(LEAFD_ONE.format(**words))
    (folder / "agent.hcl").write_text(AGENT_ONE.format(**words))
    return {
        "leafd": ([scene.LEAFD, "run", "-c", str(folder / "leafd.ini")], out / "tls.crt"),
        "vault agent": ([ca.binary, "agent", "-config", str(folder / "agent.hcl")], out / "tls.pem"),
    }


def fresh(out):
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(mode=0o755)


def measure_one(ca, folder, rounds=9):
    """For each agent: time to the first set less the CA's, and memory when idle."""
    out = folder / "one"
    rows = {}
    for name in ("leafd", "vault agent"):
        own, memory = [], None
        for turn in range(rounds):
            fresh(out)
            proxy = TimedProxy(("127.0.0.1", int(ca.direct.rsplit(":", 1)[1])))
            argv, done = commands(ca, proxy.address, folder, out)[name]
            begin = time.monotonic()
            process = subprocess.Popen([*CLIENT_CORE, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(done.exists)
            own.append(time.monotonic() - begin - proxy.waited)
            if turn == rounds - 1:
                time.sleep(3)  # what was busy comes to rest; measured at rest, not asserted
                memory = memory_of(process.pid)
            process.terminate()
            process.wait()
        rows[name] = {"start_ms": sorted(own)[len(own) // 2] * 1000, **memory}
    return rows


def size_of(name, ca):
    path = scene.LEAFD if name == "leafd" else ca.binary
    return os.path.getsize(os.path.realpath(path)) / 1e6


# -- a thousand certificates ----------------------------------------------------------------------------

def client_token(ca):
    body = json.dumps({"role": "leafd", "jwt": ca.tokens.make()})
    done = subprocess.run(["curl", "-sS", "--cacert", ca.ca_file, "-d", body, f"{ca.direct}/v1/auth/jwt/login"],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["auth"]["client_token"]


def measure_load(ca, folder, certs, in_flight):
    """Seconds that a plain load generator needs to have one CSR signed so many times."""
    csr = subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                          "-keyout", "/dev/null", "-subj", "/", "-addext", "subjectAltName=DNS:c1.example.test"],
                         capture_output=True, text=True, check=True).stdout
    (folder / "body.json").write_text(json.dumps({"csr": csr, "ttl": "86400s"}))
    done = subprocess.run(
        [*CLIENT_CORE, "h2load", "-n", str(certs), "-c", "1", "-m", str(in_flight), "-d", str(folder / "body.json"),
         "-H", f"X-Vault-Token: {client_token(ca)}", "-H", "Content-Type: application/json",
         f"{ca.direct}/v1/pki_int/sign/leafd"], capture_output=True, text=True, check=True)
    assert f"{certs} succeeded" in done.stdout, done.stdout
    number, unit = re.search(r"finished in ([\d.]+)(ms|s)", done.stdout).groups()
    return float(number) / (1000 if unit == "ms" else 1)


def measure_many(ca, folder, certs, in_flight):
    """Seconds that leafd needs from exec to exit for so many certificates."""
    out = folder / "many"
    fresh(out)
    lines = "".join(f"[cert c{i}]\nttl = 24h\n" for i in range(certs))
    config = folder / "many.ini"
    config.write_text(f"""[vault]
address = {ca.direct}
ca_file = {ca.ca_file}
[auth]
{ca.auth}
[agent]
max_in_flight = {in_flight}
[defaults]
pki_mount = pki_int
pki_role = leafd
directory = {out}/${{cert.name}}
file = tls.crt fullchain
file = tls.key key
file = ca.crt ca
dns_names = ${{cert.name}}.example.test
{lines}""")
    begin = time.monotonic()
    done = subprocess.run([*CLIENT_CORE, scene.LEAFD, "once", "-c", str(config)], stderr=subprocess.PIPE, text=True,
                          check=False)
    seconds = time.monotonic() - begin
    assert done.returncode == 0, done.stderr[-1000:]
    assert sum(1 for _ in out.glob("*/tls.crt")) == certs
    process = subprocess.Popen([*CLIENT_CORE, scene.LEAFD, "run", "-c", str(config)], stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if '"ready"' in line:
            break
    memory = memory_of(process.pid)
    process.terminate()
    process.wait()
    return seconds, memory


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--certs", type=int, default=1000)
    options.add_argument("--in-flight", type=int, default=16)
    options = options.parse_args()
    binary, why = find_real_ca()
    if binary is None:
        raise SystemExit(f"bench: no real CA: {why}")
    folder = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm", prefix="leafd-bench-"))
    ca = RealCa(binary, folder, prefix=CA_CORE, audit=False)
    ca.binary = binary
    try:
        report(ca, folder, options)
    finally:
        ca.stop()
        shutil.rmtree(folder, ignore_errors=True)


def report(ca, folder, options):
    version = subprocess.run([ca.binary, "version"], capture_output=True, text=True, check=True).stdout.split(",")[0]
    print(f"CA: {version.strip()}, one core; clients: another core of {os.cpu_count()}\n")
    print("one certificate, login by jwt     RSS MB   PSS MB   private dirty MB   start to set, less CA, ms   binary MB")
    for name, row in measure_one(ca, folder).items():
        print(f"  {name:30} {row['Rss']:8.1f} {row['Pss']:8.1f} {row['Private_Dirty']:18.1f} {row['start_ms']:27.1f} "
              f"{size_of(name, ca):11.1f}")
    print(f"\n{options.certs} certificates, {options.in_flight} requests in flight, best of 3")
    load = min(measure_load(ca, folder, options.certs, options.in_flight) for _ in range(3))
    runs = [measure_many(ca, folder, options.certs, options.in_flight) for _ in range(3)]
    many, memory = min(run[0] for run in runs), runs[-1][1]
    print(f"  the CA's own maximum: one CSR signed by h2load   {load:6.2f} s {options.certs / load:8.0f}/s")
    print(f"  leafd once, from exec to exit                    {many:6.2f} s {options.certs / many:8.0f}/s "
          f"{100 * load / many:6.0f} % of it")
    print(f"  leafd run with them, idle: RSS {memory['Rss']:.1f} MB, private dirty {memory['Private_Dirty']:.1f} MB")


if __name__ == "__main__":
    main()
