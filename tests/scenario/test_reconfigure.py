"""Reading the configuration again beside the work: what the service manager hears, and what a read that hangs holds."""

import os
import shutil
import subprocess

from preloads import preload
from scene import LEAFD, PATIENCE_S, WEB, wait_for


def reloads(run):
    """What the service manager was told of the start and of reloads, in order."""
    return [line for line in run.manager.lines if line in ("READY=1", "RELOADING=1")]


def test_a_hangup_before_the_first_try_has_ended_does_not_make_it_ready(devca, site):
    asked, answer, script = (site.folder / name for name in ("asked", "answer", "ask"))
    script.write_text(f"#!/bin/sh\ntouch {asked}; until [ -e {answer} ]; do sleep 0.02; done\n")
    script.chmod(0o755)
    site.configure(devca, {"web": WEB + f"validate = exec {script}\ncommand_timeout = 10m\n"})
    run = site.run()
    wait_for(asked.exists, "the first try")
    run.hangup()
    run.wait_event("config-applied")
    assert not run.events("published") and reloads(run) == []
    answer.touch()
    run.wait_ready()
    assert reloads(run) == ["READY=1"]
    run.hangup()
    wait_for(lambda: reloads(run) == ["READY=1", "RELOADING=1", "READY=1"], lambda: reloads(run))
    assert any(line.startswith("MONOTONIC_USEC=") for line in run.manager.lines)
    assert run.terminate() == 0


def test_a_read_that_hangs_holds_nothing_but_itself(devca, site):
    # A certificate of seconds, a watchdog of a second, and a name server that does not answer.
    short = WEB.replace("ttl = 1h", "ttl = 6s")
    site.configure(devca, {"web": short})
    hung = site.folder / "hung"
    run = site.run(environment={**preload("name_service"), "HUNG": str(hung), "WATCHDOG_USEC": "1000000"})
    run.wait_ready()
    hung.touch()
    site.configure(devca, {"web": short, "db": WEB + "file = both.pem combined 0640 :hung"})
    run.hangup()
    wait_for(lambda: run.manager.has("RELOADING=1"), "the reload to be told")
    fed = run.manager.lines.count("WATCHDOG=1")
    run.wait_event("published", "web", count=len(run.events("published")) + 2)
    wait_for(lambda: run.manager.lines.count("WATCHDOG=1") > fed + 2, "signs of life")
    assert not run.events("config-applied") and reloads(run) == ["READY=1", "RELOADING=1"]

    # Two more make one more read, which is of what the file says by then.
    run.hangup()
    run.hangup()
    wait_for(lambda: reloads(run).count("RELOADING=1") >= 2, "the next reload to be told")
    site.configure(devca, {"web": short})
    hung.unlink()
    run.wait_event("config-applied", count=2)
    wait_for(lambda: reloads(run)[-1] == "READY=1", "the end of the reload")
    assert reloads(run).count("READY=1") == 2
    assert [line["message"] for line in run.events("config-applied")][-1].endswith(" 1 certificate")
    assert len(run.events("config-applied")) == 2

    # Nor does one that hangs keep it from ending.
    hung.touch()
    site.configure(devca, {"web": short, "db": WEB + "file = both.pem combined 0640 :hung"})
    run.hangup()
    wait_for(lambda: reloads(run)[-1] == "RELOADING=1", "the reload to be told")
    assert run.terminate() == 0


def test_a_file_that_changes_during_a_reload_keeps_its_end_from_nobody(devca, site):
    """What was asked for has been read and applied; whoever waits for that does not wait for the next notice."""
    watching = "watch_config = yes\n"
    group = {"web": WEB + "file = both.pem combined 0640 :hung"}
    site.configure(devca, group, agent=watching)
    hung = site.folder / "hung"
    run = site.run(environment={**preload("name_service"), "HUNG": str(hung)})
    run.wait_ready()
    hung.touch()
    run.hangup()
    wait_for(lambda: reloads(run)[-1] == "RELOADING=1", "the reload to be told")
    site.configure(devca, group, agent=watching)  # the same text: a change, and no news
    wait_for(lambda: any("files of the configuration have changed" in line["message"] for line in run.events("detail")),
             "the change to be noticed")
    hung.unlink()
    wait_for(lambda: reloads(run)[-1] == "READY=1", "the end of the reload")
    assert run.terminate() == 0


def switch(volume, name, text):
    """What kubelet does with the volume of a ConfigMap: a new directory, and one rename that turns to it."""
    folder = volume / f"..2026_{name}"
    folder.mkdir()
    (folder / "leafd.ini").write_text(text)
    link = volume / "..data_tmp"
    link.symlink_to(folder.name)
    before = os.readlink(volume / "..data") if (volume / "..data").is_symlink() else None
    link.rename(volume / "..data")
    if before is None:
        (volume / "leafd.ini").symlink_to("..data/leafd.ini")
    else:
        shutil.rmtree(volume / before)


def test_a_changed_configmap_is_taken_over_and_a_broken_one_told_once(devca, site):
    volume = site.folder / "config"
    volume.mkdir()
    watched = "watch_config = yes"
    one = site.configure(devca, {"web": WEB}, agent=watched).read_text()
    two = site.configure(devca, {"web": WEB, "db": WEB}, agent=watched).read_text()
    site.file.unlink()
    site.file = volume / "leafd.ini"
    switch(volume, "1", one)
    run = site.run()
    run.wait_ready()
    switch(volume, "2", two)
    run.wait_event("published", "db")
    assert len(run.events("config-applied")) == 1

    # Broken, and broken in the same way again, and the old text in a new directory: nothing more.
    switch(volume, "3", two + "\nnonsense = 1\n")
    run.wait_event("config-broken")
    assert site.command("reload").code == 2 and len(run.events("config-broken")) == 1, "a reload by hand adds nothing"
    wait_for(lambda: "; the configuration on disk is not in use: " in run.manager.status(), run.manager.status)
    switch(volume, "4", two + "\nnonsense = 1\n")
    assert not run.events("config-good")
    switch(volume, "5", two)
    assert "in use" in run.wait_event("config-good")[0]["message"] and len(run.events("config-applied")) == 1
    wait_for(lambda: "the configuration" not in run.manager.status(), "the status to forget the errors")
    switch(volume, "6", two + "\nnonsense = 2\nmore = 3\n")
    run.wait_event("config-broken", count=2)
    switch(volume, "7", one)
    run.wait_event("config-applied", count=2)
    run.wait_event("forgotten", "db")
    assert len(run.events("config-broken")) == len(run.wait_event("config-good", count=2)) == 2

    # No longer wanted: the last change that is noticed by itself.
    switch(volume, "8", one.replace(watched, ""))
    run.wait_event("config-applied", count=3)
    switch(volume, "9", two)
    run.hangup()
    run.wait_event("config-applied", count=4)
    wait_for(lambda: reloads(run) == ["READY=1"] + 2 * ["RELOADING=1", "READY=1"], lambda: reloads(run))
    assert run.terminate() == 0


def test_edited_files_and_includes_are_noticed_and_others_are_not(devca, site):
    site.configure(devca, {"web": WEB}, agent="watch_config = yes\ninclude = conf.d/*.ini")
    main = site.file.read_text()
    folder = site.folder / "conf.d"
    run = site.run()
    run.wait_ready()
    # Neither another file beside it, nor the same text once more.
    (site.folder / "notes.txt").write_text("x")
    site.file.write_text(main)
    section = f"[cert db]\npki_mount = {devca.mount}\n{WEB}\ndirectory = {site.out('db')}\n"
    folder.mkdir()
    run.hangup()  # the folder was not there before
    run.wait_event("config-applied")
    (folder / "db.ini").write_text(section)
    run.wait_event("published", "db")
    # As editors save: a new file, and a rename over the old one.
    (folder / ".db.ini.swp").write_text("garbage")
    (folder / "db.new").write_text(section.replace("[cert db]", "[cert mail]").replace("out-db", "out-mail"))
    (folder / "db.new").rename(folder / "db.ini")
    run.wait_event("published", "mail")
    run.wait_event("forgotten", "db")
    (folder / "db.ini").unlink()
    run.wait_event("forgotten", "mail")
    assert len(run.wait_event("config-applied", count=4)) == 4 and not run.events("config-broken")
    assert run.terminate() == 0


def test_a_link_that_leads_to_another_configuration_is_noticed_and_the_agent_is_still_found(devca, site):
    """As a release is switched: the link's own directory is not watched, and nothing changes in the one that is."""
    for name in "first", "second":
        (site.folder / name).mkdir()
    (site.folder / "current").symlink_to("first")
    site.file = site.folder / "current" / "leafd.ini"
    site.configure(devca, {"web": WEB}, agent="watch_config = yes")
    run = site.run()
    run.wait_ready()
    shutil.copy(site.file, site.folder / "second")
    with open(site.folder / "second" / "leafd.ini", "a", encoding="utf-8") as file:
        file.write(f"\n[cert db]\npki_mount = {devca.mount}\n{WEB}\ndirectory = {site.out('db')}\n")
    (site.folder / "next").symlink_to("second")
    os.rename(site.folder / "next", site.folder / "current")
    run.wait_event("published", "db")
    done = site.command("reload")
    assert done.code == 0 and "2 certificates" in done.out, done.err
    done = subprocess.run([LEAFD, "reload", "-c", "leafd.ini"], cwd=site.file.parent, capture_output=True, text=True, check=False,
                          timeout=PATIENCE_S, env=site.given({"PWD": str(site.file.parent)}))
    assert done.returncode == 0, done.stderr
    assert len([name for name in os.listdir(site.runtime) if name.endswith(".sock")]) == 1
    # It goes on noticing where the link leads now.
    with open(site.file, "a", encoding="utf-8") as file:
        file.write(f"\n[cert api]\npki_mount = {devca.mount}\n{WEB}\ndirectory = {site.out('api')}\n")
    run.wait_event("published", "api")
    assert run.terminate() == 0


def test_without_inotify_it_is_told_and_a_signal_does_the_same(devca, site):
    site.configure(devca, {"web": WEB}, agent="watch_config = yes")
    run = site.run(environment=preload("no_inotify"))
    run.wait_ready()
    assert any("watch_config: cannot watch" in line["message"] and "SIGHUP" in line["message"]
               for line in run.wait_event("advice"))
    site.configure(devca, {"web": WEB, "db": WEB}, agent="watch_config = yes")
    run.hangup()
    run.wait_event("published", "db")
    assert run.terminate() == 0
