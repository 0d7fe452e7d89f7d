"""What leafd does before anything else: signals wait, the environment gives no orders, files belong to nobody else."""
import os
import re
import signal
import subprocess

import pytest

from preloads import preload
from scene import LEAFD, PATIENCE_S, WEB, wait_for
from test_auth import login

# An OpenSSL configuration that loads code, as a foreign OPENSSL_CONF would: it leaves a file where it was loaded from.
FOREIGN = r"""
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>

int OSSL_provider_init(const void *handle, const void *in, const void **out, void **context)
{
    (void)handle, (void)in, (void)out, (void)context;
    return 0;
}

__attribute__((constructor)) static void tell(void)
{
    char path[512];
    Dl_info about;

    dladdr((void *)tell, &about);
    snprintf(path, sizeof path, "%s.loaded", about.dli_fname);
    open(path, O_CREAT | O_WRONLY, 0644);
}
"""


def foreign_provider(folder):
    """(openssl.cnf, the file that tells that its provider was loaded)"""
    module = folder / "foreign.so"
    (folder / "foreign.c").write_text(FOREIGN)
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", str(module), str(folder / "foreign.c")], check=True)
    (folder / "openssl.cnf").write_text(
        f"openssl_conf = init\n[init]\nproviders = providers\n[providers]\ndefault = usual\nforeign = foreign\n"
        f"[usual]\nactivate = 1\n[foreign]\nmodule = {module}\nactivate = 1\n")
    return folder / "openssl.cnf", folder / "foreign.so.loaded"


def test_the_environment_of_whoever_starts_it_gives_libraries_no_orders(ca, site):
    configuration, loaded = foreign_provider(site.folder)
    keys = site.folder / "session-keys"
    orders = {"OPENSSL_CONF": str(configuration), "SSLKEYLOGFILE": str(keys)}
    subprocess.run(["openssl", "list", "-providers"], env={**site.environment, **orders}, capture_output=True, check=False)
    assert loaded.exists(), "OpenSSL itself obeys it"
    loaded.unlink()
    site.configure(ca, {"web": WEB})
    assert site.once(environment=orders).code == 0
    assert not keys.exists(), keys.read_text()
    assert not loaded.exists(), "a foreign provider was loaded"


def test_the_token_does_not_stay_in_the_environment(ca, site):
    token = login(ca)
    site.configure(ca, {"web": WEB + "dns_names = ${env.FLAVOUR}.example.test\n"}, auth="method = token")
    run = site.run(environment={"VAULT_TOKEN": token, "BAO_TOKEN": token, "FLAVOUR": "vanilla"})
    run.wait_ready()
    with open(f"/proc/{run.pid}/environ", "rb") as environment:
        seen = environment.read()
    assert token.encode() not in seen
    assert b"FLAVOUR=vanilla" in seen
    site.configure(ca, {"web": WEB + "dns_names = ${env.VAULT_TOKEN}.example.test\n"}, auth="method = token")
    checked = site.command("check", environment={"VAULT_TOKEN": token})
    assert checked.code == 2 and "is a token" in checked.err, checked.err
    assert token not in checked.err + checked.out
    assert run.terminate() == 0


def test_a_signal_of_the_first_milliseconds_waits_for_the_loop(devca, site):
    site.configure(devca, {"web": WEB})
    run = site.run(environment={**preload("early_signal"), "EARLY_SIGNAL": str(int(signal.SIGHUP))})
    run.wait_event("config-applied")
    run.wait_ready()
    assert run.terminate() == 0
    run = site.run(environment={**preload("early_signal"), "EARLY_SIGNAL": str(int(signal.SIGTERM))})
    assert run.process.wait(timeout=PATIENCE_S) == 0
    assert run.events("stopping")


def test_a_command_that_only_looks_can_be_ended(devca, site):
    site.configure(devca, {"web": WEB})
    with subprocess.Popen([LEAFD, "ready", "-w", "1h", "-c", str(site.file)], env=site.environment) as looking:
        try:
            wait_for(lambda: "nanosleep" in open(f"/proc/{looking.pid}/wchan", encoding="ascii").read(), "it to wait")
            looking.send_signal(signal.SIGTERM)
            assert looking.wait(timeout=PATIENCE_S) == -signal.SIGTERM
        finally:
            looking.kill()


def test_closed_standard_files_never_become_files_of_leafd(devca, site):
    """With descriptor 2 closed, the first file that is opened would become it and get what the log says."""
    site.configure(devca, {"web": WEB})
    with subprocess.Popen(["sh", "-c", 'exec "$0" run -c "$1" <&- >&- 2>&-', LEAFD, str(site.file)],
                          env=site.environment) as run:
        try:
            site.becomes("web", state="fresh")
            assert [os.readlink(f"/proc/{run.pid}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3
        finally:
            run.terminate()
        assert run.wait(timeout=PATIENCE_S) == 0


def loads_libcurl():
    """Whether this leafd loads libcurl when it needs it; one with a libcurl of its own has it linked in."""
    with open(LEAFD, "rb") as program:
        return b"cannot load libcurl" in program.read()


def test_only_who_asks_the_ca_loads_libcurl(devca, site):
    if not loads_libcurl():
        pytest.skip("this leafd has libcurl linked in")
    site.configure(devca, {"web": WEB})
    told = site.folder / "loader"

    def loaded_by(*arguments):
        done = site.command(*arguments, environment={"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(told)})
        files = [file.read_text() for file in site.folder.glob("loader.*")]
        for file in site.folder.glob("loader.*"):
            file.unlink()
        assert files, "the loader says nothing"
        return done, any("libcurl" in text for text in files)

    done, loaded = loaded_by("once")
    assert done.code == 0 and loaded
    for command in ("status", "ready", "check"):
        done, loaded = loaded_by(command)
        assert done.code == 0 and not loaded, command

    # The table of its functions cannot be written to, as the linker's own cannot.
    run = site.run()
    run.wait_ready()
    with open(f"/proc/{run.pid}/maps", encoding="utf-8") as file:
        maps = file.read()
    assert re.search(r"^[0-9a-f]+0000-[0-9a-f]+0000 r--p 00000000 00:00 0 *$", maps, re.M), maps


@pytest.mark.parametrize("library, says", [
    (b"no library", "cannot load libcurl: "),
    ("int curl_easy_init(void); int curl_easy_init(void) { return 0; }", " has no curl_")])
def test_a_libcurl_that_cannot_be_used_is_told(devca, site, library, says):
    if not loads_libcurl():
        pytest.skip("this leafd has libcurl linked in")
    folder = site.folder / "lib"
    folder.mkdir()
    if isinstance(library, bytes):
        (folder / "libcurl.so.4").write_bytes(library)
    else:
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", str(folder / "libcurl.so.4"), "-"], input=library.encode(),
                       check=True)
    site.configure(devca, {"web": WEB})
    for command in ("once", "run"):
        done = site.command(command, environment={"LD_LIBRARY_PATH": str(folder)})
        assert done.code == 1 and says in done.err, done.err
    # Whatever else is wrong is told first, and who needs none of it goes on.
    assert site.command("status", environment={"LD_LIBRARY_PATH": str(folder)}).code == 1
    site.file.write_text("[nonsense]\n")
    done = site.command("once", environment={"LD_LIBRARY_PATH": str(folder)})
    assert done.code == 2 and "nonsense" in done.err, done.err
