#!/usr/bin/python3
"""bench.py: what leafd costs, beside the CA's own maximum and beside its peers, all in one run.

    LEAFD=./leafd tests/bench/bench.py [--full] [--small LEAFD] [--ca devca|PROGRAM] [--certs N]... [--no-peers]

The short form takes about a minute: 1 and 1,000 certificates, 200 for peers. --full adds 10,000, 1,000 for peers, and more
rounds; it ends within half an hour, or says what it waited for. --small names a second leafd, built with a libcurl of its own
(configure --with-curl), for the first files and the memory of one certificate. The CA is a real server (see
tests/scenario/real_ca.py), or tests/devca. It gets one core and whoever talks to it another, so that neither takes the other's
time: in production they are different machines. Sets go to tmpfs, as in a pod. What a figure says depends on the machine;
compare within one run.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from types import SimpleNamespace

import measure
from measure import Daemon, cpu_of, memory_of, settle, sleeps_of
from peers import find_peers

import scene
from devca import DevCa
from real_ca import RealCa, find_real_ca, version_of

CORES = sorted(os.sched_getaffinity(0))
CA_CORE, CLIENT_CORE = ["taskset", "-c", str(CORES[0])], ["taskset", "-c", str(CORES[-1])]
IN_FLIGHT = 16
MOST_S, FULL_MOST_S = 10 * 60, 30 * 60

LEAFD = """
[vault]
address = {address}
ca_file = {ca}
[auth]
method = token
token_file = {token}
[agent]
max_in_flight = {in_flight}
ready_when = all
[defaults]
pki_mount = pki_int
pki_role = leafd
ttl = 24h
directory = {out}/${{cert.name}}
file = tls.crt fullchain
file = tls.key key
file = ca.crt ca
dns_names = ${{cert.name}}.example.test
"""


class Bench:
    """The CA, the folder, and what everybody who is measured is told."""

    def __init__(self, ca, folder, options):
        self.ca, self.folder, self.options = ca, folder, options
        self.out = folder / "out"
        self.token = folder / "client-token"
        self.token.write_text(self.client_token())
        self.words = {"address": ca.direct, "ca": ca.ca_file, "token": self.token, "out": self.out, "folder": folder}

    def client_token(self):
        path, lease = ("auth/token/create", {"ttl": "8h", "policies": ["leafd"]})
        if self.ca.kind == "devca":
            path, lease = "v1/auth/jwt/login", {"role": "leafd", "jwt": self.ca.tokens.make()}
        return self.ca.call("POST", path, lease)["auth"]["client_token"]

    def fresh(self):
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(mode=0o755)

    def configure(self, certs):
        file = self.folder / "leafd.ini"
        file.write_text(LEAFD.format(in_flight=IN_FLIGHT, **self.words) + "".join(f"[cert c{i}]\n" for i in range(certs)))
        return file


# -- leafd with so many certificates --------------------------------------------------------------------

def measure_issue(bench, config, certs):
    """From an empty disk: all certificates, then idle, then SIGHUP with an unchanged configuration."""
    row = SimpleNamespace(certs=certs)
    bench.fresh()
    daemon = Daemon(CLIENT_CORE, config, bench.folder)
    try:
        row.issue_s = daemon.await_ready()
        count = sum(1 for _ in bench.out.glob("*/tls.crt"))
        if count != certs:
            raise measure.Failed(f"{count} of {certs} sets are there")
        row.issue_cpu_s = settle(daemon.pid)
        row.issue_turn_s, _ = daemon.longest_turn()
        row.busy_mb, _ = memory_of(daemon.pid)
        before = cpu_of(daemon.pid)
        daemon.ask_reload()
        row.reload_s = daemon.await_ready()
        row.reload_cpu_s = settle(daemon.pid) - before
        row.reload_turn_s, row.reload_turn_cpu_s = daemon.longest_turn()
        before = sleeps_of(daemon.pid)
        time.sleep(bench.options.idle_s)  # a while is what is measured
        row.idle_sleeps = sleeps_of(daemon.pid) - before
    finally:
        daemon.stop()
    return row


def measure_restart(bench, config, row):
    """With all of them fresh on disk, and `status` of all."""
    daemon = Daemon(CLIENT_CORE, config, bench.folder)
    try:
        row.restart_s = daemon.await_ready()
        row.restart_cpu_s = settle(daemon.pid)
        row.restart_turn_s, _ = daemon.longest_turn()
        row.rss_mb, row.dirty_mb = memory_of(daemon.pid)
        row.status_s, row.status_cpu_s, code = measure.run([*CLIENT_CORE, scene.LEAFD, "status", "-c", config],
                                                           bench.folder / "status.log")
        if code != 0:
            raise measure.Failed((bench.folder / "status.log").read_text()[-1000:])
    finally:
        daemon.stop()


def measure_certs(bench, certs):
    config = bench.configure(certs)
    row = measure_issue(bench, config, certs)
    measure_restart(bench, config, row)
    return row


def measure_load(bench, requests):
    """Seconds that a plain load generator needs to have one CSR signed so many times."""
    csr = scene.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null",
                        "-subj", "/", "-addext", "subjectAltName=DNS:c1.example.test")
    body = bench.folder / "body.json"
    body.write_text(json.dumps({"csr": csr, "ttl": "86400s"}))
    # devca speaks HTTP/1.1: as many connections as there are streams elsewhere
    ways = ["--h1", "-c", str(IN_FLIGHT)] if bench.ca.kind == "devca" else ["-c", "1", "-m", str(IN_FLIGHT)]
    done = subprocess.run([*CLIENT_CORE, "h2load", "-n", str(requests), *ways, "-d", str(body), "-H",
                           f"X-Vault-Token: {bench.token.read_text()}", "-H", "Content-Type: application/json",
                           f"{bench.ca.direct}/v1/pki_int/sign/leafd"], capture_output=True, text=True, check=True)
    if f"{requests} succeeded" not in done.stdout:
        raise measure.Failed(done.stdout)
    number, unit = re.search(r"finished in ([\d.]+)(ms|s)", done.stdout).groups()
    return float(number) / (1000 if unit == "ms" else 1)


# -- everybody on the same job --------------------------------------------------------------------------

class Ours:
    """leafd, as the peers are seen."""

    def __init__(self, bench, program=scene.LEAFD, name="leafd"):
        self.bench, self.program, self.name = bench, program, name

    def command(self, _words, names, once):
        return [self.program, "once" if once else "run", "-c", self.bench.configure(len(names))]

    @staticmethod
    def files(name):
        return [f"{name}/tls.crt", f"{name}/tls.key", f"{name}/ca.crt"]

    def size_mb(self):
        return os.path.getsize(self.program) / 1e6


def files_of(agent, bench, name):
    names = agent.files(name) if isinstance(agent, Ours) else [f"{name}.pem"]
    return [bench.out / file for file in names]


def start_on(cores, argv, log):
    """Starts it there, without a program in front that would be measured as well."""
    os.sched_setaffinity(0, cores)
    try:
        return subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    finally:
        os.sched_setaffinity(0, CORES)


def first_files(bench, agent, cores):
    """One certificate with a token at hand: (ms from exec to the last file, ms of processor until its end)."""
    bench.fresh()
    argv, files = agent.command(bench.words, ["c0"], True), files_of(agent, bench, "c0")
    with open(bench.folder / "first.log", "wb") as log:
        begin = time.monotonic()
        process = start_on(cores, argv, log)
        try:
            measure.wait_until(lambda: all(file.exists() for file in files), f"the files of {agent.name}", 60, 0.0002)
            seconds = time.monotonic() - begin
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
        finally:
            process.kill()
    return seconds * 1000, (usage.ru_utime + usage.ru_stime) * 1000


def compare_first_files(bench, agents, rounds, where, cores):
    """In turn, so that what disturbs the machine disturbs all."""
    taken = {agent.name: [] for agent in agents}
    for _ in range(rounds):
        for agent in agents:
            taken[agent.name].append(first_files(bench, agent, cores))
    print(f"\nfirst files on {where}: a token at hand, {rounds} rounds in turn; ms from exec to the last file, and of CPU")
    print(f"{'':24} {'best':>8} {'quartile':>9} {'median':>8} {'CPU: best':>11} {'quartile':>9} {'median':>8}")
    for name, figures in taken.items():
        wall, cpu = ((min(one), statistics.quantiles(one, n=4)[0], statistics.median(one)) for one in zip(*figures))
        print(f"{name:24} {wall[0]:8.1f} {wall[1]:9.1f} {wall[2]:8.1f} {cpu[0]:11.1f} {cpu[1]:9.1f} {cpu[2]:8.1f}", flush=True)


def many_at_once(bench, agent, certs):
    """So many from exec to exit: (seconds, processor ms each)."""
    bench.fresh()
    argv = [*CLIENT_CORE, *agent.command(bench.words, [f"c{i}" for i in range(certs)], True)]
    seconds, cpu_s, code = measure.run(argv, bench.folder / "many.log")
    there = sum(file.exists() for i in range(certs) for file in files_of(agent, bench, f"c{i}"))
    if code != 0 or there == 0:
        raise measure.Failed(f"{agent.name}: status {code}, {there} files: "
                             f"{(bench.folder / 'many.log').read_text(errors='replace')[-500:]}")
    return seconds, cpu_s * 1000 / certs


def memory_idle(bench, agent, certs):
    """RSS and private dirty MB of the daemon that keeps so many, at rest."""
    bench.fresh()
    names = [f"c{i}" for i in range(certs)]
    argv = [*CLIENT_CORE, *agent.command(bench.words, names, False)]
    with open(bench.folder / "idle.log", "wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        measure.wait_until(lambda: all(file.exists() for name in names for file in files_of(agent, bench, name)),
                           f"the files of {agent.name}", 120, 0.05)
        settle(process.pid, 1)
        return memory_of(process.pid)
    finally:
        process.kill()
        process.wait()


def compare_many(bench, agents, certs):
    print(f"\nbeside its peers, one file each for peers, three for leafd\n"
          f"{'':24} {'binary':>8} {'RSS of 1':>11} {'dirty':>7} {f'RSS of {certs}':>14} {'dirty':>7} {f'{certs} once':>11} {'CPU each':>9}")
    for agent in agents:
        one, many = memory_idle(bench, agent, 1), memory_idle(bench, agent, certs)
        seconds, cpu_ms = many_at_once(bench, agent, certs)
        print(f"{agent.name:24} {agent.size_mb():5.1f} MB {one[0]:8.1f} MB {one[1]:4.1f} MB {many[0]:11.1f} MB {many[1]:4.1f} MB "
              f"{seconds:9.2f} s {cpu_ms:6.2f} ms", flush=True)


def compare(bench, binary):
    options = bench.options
    agents, missing = [Ours(bench)], []
    if options.small:
        agents.append(Ours(bench, options.small, "leafd, small libcurl"))
    if options.peers:
        peers, missing = find_peers(binary)
        agents += peers
    compare_first_files(bench, agents, options.rounds, "one core", CORES[-1:])
    compare_first_files(bench, agents, options.rounds, "all cores, the CA's as well", CORES)
    compare_many(bench, agents, 1000 if options.full else 200)
    for reason in missing:
        print(f"LEFT OUT 1 peer: {reason}")


# -- the table ------------------------------------------------------------------------------------------

ROWS = [
    ("RSS, everything fresh at start, MB", lambda r: f"{r.rss_mb:.1f}"),
    ("  private dirty, MB", lambda r: f"{r.dirty_mb:.1f}"),
    ("RSS after issuing all, MB", lambda r: f"{r.busy_mb:.1f}"),
    ("issue: CPU per certificate, ms", lambda r: f"{r.issue_cpu_s * 1000 / r.certs:.2f}"),
    ("  from exec to ready, s", lambda r: f"{r.issue_s:.2f}"),
    ("  of the CA's own maximum, %", lambda r: f"{100 * r.load_s / r.issue_s:.0f}" if r.load_s else "-"),
    ("  longest turn of the loop, ms", lambda r: f"{r.issue_turn_s * 1000:.1f}"),
    ("restart: CPU per certificate, ms", lambda r: f"{r.restart_cpu_s * 1000 / r.certs:.3f}"),
    ("  from exec to ready, s", lambda r: f"{r.restart_s:.3f}"),
    ("  longest turn of the loop, ms", lambda r: f"{r.restart_turn_s * 1000:.1f}"),
    ("SIGHUP: CPU per certificate, ms", lambda r: f"{r.reload_cpu_s * 1000 / r.certs:.3f}"),
    ("  until READY, s", lambda r: f"{r.reload_s:.3f}"),
    ("  longest turn of the loop, ms", lambda r: f"{r.reload_turn_s * 1000:.1f}"),
    ("    of it CPU, ms", lambda r: f"{r.reload_turn_cpu_s * 1000:.1f}"),
    ("idle: sleeps of any thread", lambda r: f"{r.idle_sleeps}"),
    ("status of all: s", lambda r: f"{r.status_s:.3f}"),
    ("  CPU, ms", lambda r: f"{r.status_cpu_s * 1000:.0f}"),
]


def print_table(rows, options):
    print(f"{'certificates':36}" + "".join(f"{row.certs:>10}" for row in rows))
    for name, show in ROWS:
        note = f" in {options.idle_s} s" if name.startswith("idle") else ""
        print(f"{name + note:36}" + "".join(f"{show(row):>10}" for row in rows))
    base = next((row for row in rows if row.certs == 1000), None)
    for row in rows:
        if base is not None and row.certs > 1000:
            ratios = [getattr(row, f"{what}_cpu_s") / row.certs / (getattr(base, f"{what}_cpu_s") / 1000)
                      for what in ("issue", "restart", "reload")]
            print(f"CPU per certificate at {row.certs} over that at 1000: issue {ratios[0]:.2f}, restart {ratios[1]:.2f}, "
                  f"SIGHUP {ratios[2]:.2f}")


def report(bench, binary):
    options = bench.options
    name = "tests/devca" if bench.ca.kind == "devca" else version_of(binary).split(",")[0]
    print(f"CA: {name}, on one core; who talks to it, on another core of {os.cpu_count()}; "
          f"{platform.machine()}, Linux {platform.release()}; {IN_FLIGHT} requests in flight\n", flush=True)
    rows = []
    for certs in options.certs:
        load = 0 if certs < 1000 else min(measure_load(bench, certs) for _ in range(2))
        rows.append(measure_certs(bench, certs))
        rows[-1].load_s = load
    print_table(rows, options)
    compare(bench, binary)


def on_late(_number, _frame):
    raise measure.Failed("it takes too long; is the machine busy with something else?")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--full", action="store_true")
    options.add_argument("--small", metavar="LEAFD", type=os.path.abspath, help="one with a libcurl of its own")
    options.add_argument("--ca", help="devca, or a Vault's or OpenBao's program")
    options.add_argument("--certs", type=int, action="append")
    options.add_argument("--no-peers", dest="peers", action="store_false")
    options = options.parse_args()
    options.certs = options.certs or ([1, 1000, 10000] if options.full else [1, 1000])
    options.idle_s, options.rounds = (60, 25) if options.full else (3, 5)
    binary, why = (options.ca, None) if options.ca else find_real_ca()
    if binary is None:
        raise SystemExit(f"bench: no real CA: {why}; --ca devca does without")
    signal.signal(signal.SIGALRM, on_late)
    signal.alarm(FULL_MOST_S if options.full else MOST_S)
    folder = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm", prefix="leafd-bench-"))
    try:
        ca = DevCa(folder, CA_CORE) if binary == "devca" else RealCa(binary, folder, prefix=CA_CORE, audit=False)
        try:
            report(Bench(ca, folder, options), None if binary == "devca" else binary)
        finally:
            ca.stop()
    except measure.Failed as failure:
        raise SystemExit(f"bench: {failure}") from failure
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
