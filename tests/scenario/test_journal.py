"""Under systemd the log goes to the journal, with fields; its socket is played by the test, in a mount namespace."""
import json
import os
import subprocess
import sys

from scene import LEAFD, WEB

# Runs in a namespace of its own: makes journald's socket, runs leafd with standard error "connected to the journal",
# prints every datagram as JSON.
JOURNAL = r"""
import json, os, socket, subprocess, sys
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/systemd"], check=True)
os.makedirs("/run/systemd/journal")
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
journal.settimeout(0.2)
read, write = os.pipe()
about = os.fstat(write)
done = subprocess.Popen(sys.argv[1:], stderr=write, env={**os.environ, "JOURNAL_STREAM": f"{about.st_dev}:{about.st_ino}"})
entries = []
while True:
    try:
        lines = journal.recv(65536).decode().splitlines()
        entries.append(dict(line.split("=", 1) for line in lines if "=" in line))
    except socket.timeout:
        if done.poll() is not None:
            break
print(json.dumps({"code": done.returncode, "entries": entries}))
"""


def test_the_journal_gets_fields(ca, site):
    os.makedirs("/run/systemd", exist_ok=True)
    site.configure(ca, {"web": WEB})
    site.file.write_text(site.file.read_text().replace("log_format = json", "log_format = auto"))
    ran = subprocess.run(["unshare", "--mount", sys.executable, "-c", JOURNAL, LEAFD, "once", "-c", str(site.file)],
                         capture_output=True, text=True, check=False, env=site.environment)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["code"] == 0
    published = [entry for entry in told["entries"] if entry.get("LEAFD_EVENT") == "published"]
    assert len(published) == 1
    entry = published[0]
    assert entry["CERT"] == "web" and entry["PRIORITY"] == "5"
    assert len(entry["MESSAGE_ID"]) == 32 and "published serial" in entry["MESSAGE"]
    assert {"SERIAL", "NOT_AFTER", "DUE"} <= set(entry)
    assert ran.stderr == "", "nothing goes to standard error then"


# A journald that has stopped reading: its queue is full before leafd starts.
DEAF_JOURNAL = r"""
import os, socket, subprocess, sys
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/systemd"], check=True)
os.makedirs("/run/systemd/journal")
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
filler.setblocking(False)
try:
    while True:
        filler.sendto(b"MESSAGE=filler", "/run/systemd/journal/socket")
except BlockingIOError:
    pass
about = os.fstat(sys.stderr.fileno())
done = subprocess.run(sys.argv[1:], env={**os.environ, "JOURNAL_STREAM": f"{about.st_dev}:{about.st_ino}"}, timeout=30)
print(done.returncode)
"""


def test_a_journal_that_nobody_reads_holds_up_nothing(devca, site):
    os.makedirs("/run/systemd", exist_ok=True)
    site.configure(devca, {"web": WEB})
    site.file.write_text(site.file.read_text().replace("log_format = json", "log_format = auto"))
    ran = subprocess.run(["unshare", "--mount", sys.executable, "-c", DEAF_JOURNAL, LEAFD, "once", "-c", str(site.file)],
                         capture_output=True, text=True, check=False, env=site.environment)
    assert ran.returncode == 0, ran.stderr[-500:]
    assert ran.stdout.split() == ["0"], "it ended of itself"
