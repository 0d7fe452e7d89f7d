"""No secret leaves the process: not by log, status, arguments, environment of others, core or file mode."""
import os
import resource
import subprocess

from test_commands import let_everybody_read
from scene import LEAFD, WEB, wait_for


def secrets_of(ca, site):
    """Every text that must not be seen anywhere: key lines, the login token."""
    found = [ca.token_file.read_text().strip(), ca.token_file.read_text().strip().split(".")[2]]
    for line in (site.out() / "tls.key").read_text().splitlines():
        if "-----" not in line:
            found.append(line)
    return found


def test_nothing_that_leafd_prints_holds_a_secret(ca, site):
    site.configure(ca, {"web": WEB + "reload = exec /usr/bin/env"}, agent="log_level = debug")
    run = site.run()
    run.wait_ready()
    said = run.log_path.read_text() + site.command("status", "--json").out + site.command("check").out
    said += open(f"/proc/{run.pid}/cmdline", encoding="ascii", errors="replace").read()
    for secret in secrets_of(ca, site):
        assert secret not in said
    for name in ("..state",):
        assert not any(s in (site.out() / name).read_text() for s in secrets_of(ca, site))
    record = (site.out() / "..data" / "..record").read_text()
    assert not any(s in record for s in secrets_of(ca, site))
    assert run.terminate() == 0


def test_a_key_is_never_readable_by_others_not_even_for_a_moment(ca, site):
    """Every chmod, open and write of a run, as strace saw them: the mode comes before the content."""
    site.configure(ca, {"web": WEB})
    trace = site.folder / "trace"
    done = subprocess.run(["strace", "-f", "-o", str(trace), "-e", "trace=openat,fchmod,chmod,fchown,write",
                           LEAFD, "once", "-c", str(site.file)], capture_output=True, text=True,
                          check=False, env={**site.environment, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == 0, done.stderr
    lines = trace.read_text().splitlines()
    opened = [i for i, line in enumerate(lines) if '"tls.key"' in line and "O_CREAT" in line]
    assert opened
    for at in opened:
        assert "O_EXCL" in lines[at] and "0600" in lines[at]
        fd = lines[at].rsplit("= ", 1)[1].strip()
        thread = lines[at].split()[0]
        after = [line for line in lines[at + 1:] if line.startswith(thread)]
        modes = next(i for i, line in enumerate(after) if f"fchmod({fd}, 0600)" in line)
        content = next(i for i, line in enumerate(after) if f"write({fd}, " in line)
        assert modes < content


def test_the_process_cannot_be_dumped_and_its_heap_of_secrets_is_locked(ca, site):
    site.configure(ca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    assert resource.prlimit(run.pid, resource.RLIMIT_CORE)[0] == 0
    status = open(f"/proc/{run.pid}/status", encoding="ascii").read()
    locked = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmLck")))
    assert locked >= 256
    assert run.terminate() == 0


def test_equals_may_not_look_into_the_process(devca, site):
    """prctl(PR_SET_DUMPABLE, 0): proc(5) gives the files of such a process to root, whoever it runs as."""
    user = 40001
    site.configure(devca, {"web": WEB})
    let_everybody_read(devca, site)
    site.out().mkdir()
    os.chown(site.out(), user, user)
    as_other = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    with subprocess.Popen([*as_other, LEAFD, "run", "-c", str(site.file)], stderr=subprocess.DEVNULL) as run:
        try:
            site.becomes("web", state="fresh")
            assert os.stat(f"/proc/{run.pid}/environ").st_uid == 0
            looked = subprocess.run([*as_other, "cat", f"/proc/{run.pid}/environ"], capture_output=True, text=True, check=False)
            assert looked.returncode != 0 and "denied" in looked.stderr
        finally:
            run.terminate()


def test_memory_holds_no_key_once_it_is_published(ca, site):
    """What a published key was made of is wiped; only its file has it."""
    site.configure(ca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    key = (site.out() / "tls.key").read_text().splitlines()
    wait_for(lambda: not memory_has(run.pid, key[1].encode()), "the key to be wiped", patience=10)
    assert not memory_has(run.pid, ca.token_file.read_text().strip().split(".")[2].encode()), "the JWT"
    assert run.terminate() == 0


def memory_has(pid, needle):
    """Whether a writable mapping of the process holds the bytes; root may look where others may not."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            begin, end = (int(x, 16) for x in span.split("-"))
            # AddressSanitizer's shadow is terabytes of nothing.
            if "rw" not in rights or "[v" in line or end - begin > 1 << 32:
                continue
            try:
                memory.seek(begin)
                if needle in memory.read(end - begin):
                    return True
            except (OSError, ValueError):
                continue
    return False


def test_commands_of_the_operator_get_a_clean_environment(ca, site, tmp_path):
    script = tmp_path / "show"
    script.write_text(f"#!/bin/sh\nenv >{tmp_path}/env\n")
    script.chmod(0o755)
    site.configure(ca, {"web": WEB + f"reload = exec {script}"})
    assert site.once(environment={"VAULT_TOKEN": "hvs.CANARY"}).code == 0
    seen = (tmp_path / "env").read_text()
    assert "CANARY" not in seen
    assert {line.split("=")[0] for line in seen.splitlines()} <= {
        "PATH", "LEAFD_CERT", "LEAFD_DIRECTORY", "LEAFD_GENERATION", "LEAFD_SERIAL", "LEAFD_SHA256", "PWD", "SHLVL", "_"}
