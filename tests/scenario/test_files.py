"""What leafd must keep whole it looks at: names, links, directories, modes and contents that somebody else changed."""
import os
import shutil
import signal
import stat
import subprocess

import pytest
from preloads import preload
from scene import WEB, serial_of, wait_for


def files_of(site, cert="web"):
    """What must be whole: every name with what it leads to or holds, but leafd's own notes and the generation's name."""
    found = {}
    for name in ("tls.crt", "tls.key", "ca.crt"):
        path = site.out(cert) / name
        about = os.stat(path)
        found[name] = (os.readlink(path), stat.S_IMODE(about.st_mode), about.st_uid, path.read_bytes())
    return found


def remove_name(site):
    os.unlink(site.out() / "tls.crt")


def replace_name(site):
    os.unlink(site.out() / "tls.crt")
    os.symlink("..data/ca.crt", site.out() / "tls.crt")


def remove_data(site):
    os.unlink(site.out() / "..data")


def change_mode(site):
    (site.out() / "tls.key").chmod(0o644)
    site.canaries.own.add(str(site.out()))


def corrupt_certificate(site):
    path = site.out() / "tls.crt"
    path.write_bytes(path.read_bytes().replace(b"A", b"B", 1))


def remove_file(site):
    os.unlink(os.path.realpath(site.out() / "ca.crt"))


def change_owner(site):
    """Only where the section names one, its owner is leafd's to keep."""
    os.chown(site.out() / "other.key", 40001, -1)


def remove_link(site):
    os.unlink(site.folder / "elsewhere.key")


DAMAGES = {"name-removed": remove_name, "name-replaced": replace_name, "data-removed": remove_data, "mode": change_mode,
           "content": corrupt_certificate, "file-removed": remove_file, "owner": change_owner, "link-removed": remove_link}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_changed_is_told_and_mended_without_the_ca(ca, site, damage):
    site.configure(ca, {"web": WEB + f"link = {site.folder}/elsewhere.key tls.key\nfile = other.key key 0600 0\n"},
                   agent="files_every = 1s")
    run = site.run()
    run.wait_ready()
    before, serial = files_of(site), serial_of(site.out() / "tls.crt")
    # While the CA is away: nothing that is whole needs it.
    ca.proxy.cut()
    run.process.send_signal(signal.SIGSTOP)
    DAMAGES[damage](site)
    state = site.status()["web"]
    run.process.send_signal(signal.SIGCONT)
    assert state["state"] == ("missing" if damage == "data-removed" else "damaged") and state["detail"], state
    run.wait_event("damaged", "web")
    site.becomes("web", state="fresh")
    assert files_of(site) == before
    assert os.stat(site.out() / "other.key").st_uid == 0
    assert (site.folder / "elsewhere.key").read_bytes() == before["tls.key"][3]
    assert serial_of(site.out() / "tls.crt") == serial
    assert not run.events("failed") and ca.requests("pki_int/sign/") == 1
    assert run.terminate() == 0


def test_a_removed_name_is_noticed_at_once_and_a_hangup_reads_all(ca, site):
    site.configure(ca, {"web": WEB}, agent="files_every = 0")
    run = site.run()
    run.wait_ready()
    before = files_of(site)
    remove_name(site)
    run.wait_event("damaged", "web")
    site.becomes("web", state="fresh")
    # Content is nothing that the directory's watch tells.
    corrupt_certificate(site)
    run.hangup()
    run.wait_event("damaged", "web", count=2)
    site.becomes("web", state="fresh")
    assert files_of(site) == before
    assert run.terminate() == 0


def test_a_key_that_is_lost_is_replaced(ca, site):
    site.configure(ca, {"web": WEB}, agent="files_every = 1s")
    run = site.run()
    run.wait_ready()
    serial = serial_of(site.out() / "tls.crt")
    shutil.rmtree(site.out())
    run.wait_event("published", "web", count=2)
    assert "damaged" in {line["event"] for line in run.log()}
    site.becomes("web", state="fresh")
    assert serial_of(site.out() / "tls.crt") != serial
    assert run.terminate() == 0


def test_what_is_damaged_while_the_ca_fails_is_mended_and_the_ca_is_not_asked_sooner(devca, site):
    site.configure(devca, {"web": WEB}, agent="files_every = 1s")
    run = site.run()
    run.wait_ready()
    before = files_of(site)
    devca.fault("status", path="pki_int/sign/", times=0, status=400)
    site.configure(devca, {"web": WEB + "ip_addresses = 192.0.2.1"}, agent="files_every = 1s")
    run.hangup()
    run.wait_event("failed", "web")
    asked = devca.requests("pki_int/sign/")
    change_mode(site)
    run.wait_event("published", "web", count=2)
    wait_for(lambda: files_of(site) == before, "the files to be as they were")
    assert devca.requests("pki_int/sign/") == asked
    assert run.terminate() == 0


def test_what_leafd_itself_does_is_no_damage_and_wakes_nobody(devca, site):
    """Four renewals, with looks all the while: nothing is found, and between them nothing is written."""
    site.configure(devca, {"web": WEB.replace("ttl = 1h", "ttl = 10s") + "keep_previous = 1s\n"}, agent="files_every = 1s")
    run = site.run()
    run.wait_event("published", "web", count=4)
    assert not run.events("damaged") and not run.events("bug") and not run.events("failed")
    assert run.terminate() == 0


@pytest.mark.parametrize("damage", ["content", "file-removed", "mode", "name-removed"])
def test_what_was_changed_while_no_agent_looked_is_told(ca, site, damage):
    site.configure(ca, {"web": WEB})
    assert site.once().code == 0
    DAMAGES[damage](site)
    done = site.once()
    assert done.code == 0 and len(done.events("damaged")) == 1, done.err
    assert done.events("damaged")[0]["level"] == "warning"
    run = site.run()
    run.wait_ready()
    DAMAGES[damage](site)
    # The configuration is another one: it is the reading that finds the damage, or a look just before.
    site.configure(ca, {"web": WEB + "ip_addresses = 192.0.2.1"})
    run.hangup()
    run.wait_event("published", "web")
    assert len(run.events("damaged")) == 1
    assert run.terminate() == 0


def test_a_key_that_others_could_read_is_told_however_often_it_happens(ca, site):
    site.configure(ca, {"web": WEB}, agent="files_every = 1s")
    run = site.run()
    run.wait_ready()
    for number in range(1, 6):
        change_mode(site)
        run.hangup()
        told = run.wait_event("damaged", "web", count=number)[-1]
        assert told["level"] == "warning" and "the mode of tls.key was changed to 0644, and others may have read the key" in told["message"]
        site.becomes("web", state="fresh")
    assert run.terminate() == 0


def test_what_is_being_published_is_no_damage(ca, site):
    """The looks begin with the rename, and the worker that renamed is not back yet."""
    site.configure(ca, {"web": WEB}, agent="files_every = 1s")
    run = site.run(environment=preload("slow_swap"))
    run.wait_ready()
    for number in range(1, 4):
        site.configure(ca, {"web": WEB + f"ip_addresses = 192.0.2.{number}"}, agent="files_every = 1s")
        run.hangup()
        run.wait_event("published", "web", count=number + 1)
    assert not run.events("damaged") and not run.events("failed")
    # The looks go on, and what somebody does is seen as before.
    remove_name(site)
    run.wait_event("damaged", "web")
    site.becomes("web", state="fresh")
    assert run.terminate() == 0


def test_whoever_goes_on_changing_files_does_not_keep_leafd_busy(ca, site):
    site.configure(ca, {"web": WEB}, agent="files_every = 1s")
    run = site.run()
    run.wait_ready()
    vandal = subprocess.Popen(["sh", "-c", f"while :; do rm -f {site.out()}/tls.crt; ln -s /dev/null {site.out()}/x; "
                                           f"mv {site.out()}/x {site.out()}/y; rm {site.out()}/y; done"],
                              stderr=subprocess.DEVNULL)
    try:
        run.wait_event("damaged", "web")
        # The looks are 1, 2, 4, 8 s apart by now; each may repair.
        begin = ticks(run.pid)
        wait_for(lambda: len(run.events("found", "web")) >= 3, lambda: f"three looks, not {run.log_path.read_text()}")
        assert ticks(run.pid) - begin < 500, "five seconds of a processor"
    finally:
        vandal.kill()
        vandal.wait()
    site.becomes("web", state="fresh")
    assert ca.requests("pki_int/sign/") == 1
    assert run.terminate() == 0


def ticks(pid):
    """What the process has used of a processor, in hundredths of a second."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return sum(int(word) for word in file.read().rsplit(")", 1)[1].split()[11:13])


def inotify_instances(pid):
    found = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += "inotify" in os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            pass
    return found


def test_all_sets_share_one_watch_and_idle_sets_hold_two_descriptors(devca, site):
    site.configure(devca, {f"c{i}": WEB for i in range(40)})
    run = site.run()
    run.wait_ready()
    assert inotify_instances(run.pid) == 1
    wait_for(lambda: len(os.listdir(f"/proc/{run.pid}/fd")) < 2 * 40 + 40, "the connections to be closed")
    assert run.terminate() == 0


def test_it_goes_on_without_a_watch(devca, site):
    """Where the user's inotify instances are used up the regular look finds the damage."""
    site.configure(devca, {"web": WEB}, agent="files_every = 1s")
    run = site.run(environment=preload("no_inotify"))
    run.wait_ready()
    assert inotify_instances(run.pid) == 0
    before = files_of(site)
    remove_name(site)
    run.wait_event("damaged", "web")
    site.becomes("web", state="fresh")
    assert files_of(site) == before
    assert run.terminate() == 0


def test_a_name_of_somebody_else_is_told_and_left(ca, site):
    site.configure(ca, {"web": WEB}, agent="files_every = 1s")
    run = site.run()
    run.wait_ready()
    os.unlink(site.out() / "tls.crt")
    (site.out() / "tls.crt").write_text("mine")
    run.wait_event("damaged", "web")
    assert "not made by leafd" in run.wait_event("failed", "web")[0]["message"]
    assert (site.out() / "tls.crt").read_text() == "mine"
    os.unlink(site.out() / "tls.crt")
    site.becomes("web", state="fresh")
    assert ca.requests("pki_int/sign/") == 1
    assert run.terminate() == 0


def test_a_directory_that_others_may_write_by_now_is_told(ca, site):
    site.configure(ca, {"web": WEB}, agent="files_every = 1s")
    run = site.run()
    run.wait_ready()
    site.out().chmod(0o777)
    run.wait_event("damaged", "web")
    row = site.status()["web"]
    assert row["state"] == "damaged" and "may be written by everybody" in row["detail"] and row["usable"]
    assert "may be written by everybody" in run.wait_event("failed", "web")[0]["message"]
    site.out().chmod(0o755)
    run.hangup()
    site.becomes("web", state="fresh")
    assert run.terminate() == 0


def test_a_directory_whose_name_is_no_utf8_takes_no_words_away(devca, site):
    """JSON is UTF-8, paths are any bytes: one odd byte of a path must not silence the status, the state or the log."""
    directory = os.fsencode(site.folder) + b"/caf\xe9"
    site.configure(devca, {"web": WEB + "directory = @@", "db": WEB})
    site.file.write_bytes(site.file.read_bytes().replace(b"@@", directory))
    assert site.once().code == 0
    rows = site.status()
    assert rows["web"]["state"] == rows["db"]["state"] == "fresh"
    assert rows["web"]["directory"] == f"{site.folder}/caf?"
