"""Under systemd the log goes to the journal, with fields; journald runs in a mount namespace of the test, or is played."""
import json
import os
import subprocess
import sys

import pytest

from scene import LEAFD, PATIENCE_S, SOURCE, WEB

JOURNALD = "/lib/systemd/systemd-journald"

# Runs in a namespace of its own: starts journald, runs leafd with standard error connected to it as systemd.exec(5) does, and
# prints what journalctl shows of it, as JSON; the catalog is leafd's alone.
JOURNAL = r"""
import json, os, shutil, socket, subprocess, sys, time
catalog, daemon, *command = sys.argv[1:]
shown = "/usr/lib/systemd/catalog"
for folder in ("/run", "/var/log", "/var/lib/systemd", shown):
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
for folder in ("/run/systemd/journal", "/run/systemd/journald.conf.d", "/run/log/journal"):
    os.makedirs(folder)
with open("/run/systemd/journald.conf.d/test.conf", "w") as file:
    file.write("[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nRateLimitBurst=0\n")
shutil.copy(catalog, shown)
subprocess.run(["journalctl", "--update-catalog"], check=True)
# It ends with this process, and would take leafd's RUNTIME_DIRECTORY for its own.
journald = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", daemon], env={"PATH": os.environ["PATH"]})
try:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    while stream.connect_ex("/run/systemd/journal/stdout") != 0:
        assert journald.poll() is None
        time.sleep(0.02)
    stream.sendall(b"leafd\n\n6\n1\n0\n0\n0\n")
    about = os.fstat(stream.fileno())
    done = subprocess.run(command, stderr=stream, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "JOURNAL_STREAM": f"{about.st_dev}:{about.st_ino}"})
    subprocess.run(["journalctl", "--sync"], check=True)
    def journal(*options):
        return subprocess.run(["journalctl", "--no-pager", *options, "-t", "leafd"], capture_output=True, text=True).stdout
    entries = [json.loads(line) for line in journal("-o", "json").splitlines()]
    shown = {"errors": journal("-p", "err", "-o", "cat"), "explained": journal("-x", "LEAFD_EVENT=published"), "short": journal()}
    print(json.dumps({"code": done.returncode, "entries": entries, **shown}))
finally:
    journald.terminate()
    journald.wait()
"""


def journal_of(site, *command):
    """What a real journald has of a command: its exit code, its entries, and what journalctl shows."""
    if not os.path.exists(JOURNALD):
        pytest.skip("journald is not installed")
    catalog = os.path.join(os.path.dirname(LEAFD), "contrib", "systemd", "leafd.catalog")
    ran = subprocess.run(["unshare", "--mount", sys.executable, "-c", JOURNAL, catalog, JOURNALD, LEAFD, *command, "-c", str(site.file)],
                         capture_output=True, text=True, check=False, env=site.environment, timeout=PATIENCE_S)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_journal_gets_fields(ca, site):
    """A real journald: the certificate's name begins the message, fields are leafd's own, and journalctl -x explains."""
    site.configure(ca, {"web": WEB})
    site.file.write_text(site.file.read_text().replace("log_format = json", "log_format = auto"))
    told = journal_of(site, "once")
    assert told["code"] == 0, told
    entry, = [entry for entry in told["entries"] if entry.get("LEAFD_EVENT") == "published"]
    assert entry["MESSAGE"].startswith("web: published serial ")
    assert entry["LEAFD_CERT"] == "web" and entry["PRIORITY"] == "5" and len(entry["MESSAGE_ID"]) == 32
    assert {"LEAFD_SERIAL", "LEAFD_NOT_AFTER", "LEAFD_DUE", "LEAFD_GENERATION"} <= set(entry)
    assert " web: published serial " in told["short"], "as journalctl shows it"
    for entry in told["entries"]:
        own = {name for name in entry if not name.startswith(("_", "LEAFD_", "SYSLOG_"))}
        assert own == {"MESSAGE", "MESSAGE_ID", "PRIORITY"}, "neither CODE_FILE nor names that others use"
    assert "Subject: A certificate is in place on disk" in told["explained"], told["explained"]
    assert "Documentation: man:leafd(8)" in told["explained"] and "Action: none." in told["explained"]


def test_errors_of_the_start_have_the_priority_of_errors(ca, site):
    """Standard error has priority 6 unless a line says otherwise, and `journalctl -p err` would not show why it ended."""
    site.configure(ca, {"web": WEB + "nonsense = 1\nmore = 2\n"})
    told = journal_of(site, "run")
    assert told["code"] == 2, told
    assert {entry["PRIORITY"] for entry in told["entries"]} == {"3"}
    lines = told["errors"].splitlines()
    assert len([line for line in lines if line.startswith(str(site.file))]) == 2 and "nonsense" in lines[0], told["errors"]
    assert "<3>" not in told["errors"], "the prefix is journald's"
    assert "<3>" not in site.command("check").err, "nobody else gets it"


def test_the_catalog_explains_every_event(site, tmp_path):
    """As journalctl compiles it: each MESSAGE_ID of event.c has a subject and an action."""
    import re  # pylint: disable=import-outside-toplevel
    with open(os.path.join(SOURCE, "agent", "base", "event.c"), encoding="utf-8") as file:
        known = dict(re.findall(r'^    \[EVENT_\w+\] = \{"([\w-]+)", \w+,\s+"([0-9a-f]{32})"', file.read(), re.M))
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    made = subprocess.run([os.path.join(SOURCE, "contrib/systemd/make-catalog"), os.path.join(SOURCE, "agent/base/event.c"),
                           os.path.join(SOURCE, "man/leafd.8")], capture_output=True, text=True, check=True)
    (folder / "leafd.catalog").write_text(made.stdout)
    subprocess.run(["journalctl", f"--root={tmp_path}", "--update-catalog"], check=True, capture_output=True)
    shown = subprocess.run(["journalctl", f"--root={tmp_path}", "--dump-catalog"], check=True, capture_output=True, text=True).stdout
    entries = dict(re.findall(r"^-- ([0-9a-f]{32})\n(.*?)(?=^-- |\Z)", shown, re.M | re.S))
    assert set(entries) == {number for name, number in known.items() if name != "detail"} and len(entries) > 40
    for number, text in entries.items():
        assert re.match(r"Subject: [A-Z][^\n.]+\n", text) and "\nAction: " in text, (number, text)
        assert not re.search(r"^\.|\s[.,;]", text, re.M), (number, text)


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
