"""Reading the configuration again beside the work: what the service manager hears, and what a read that hangs holds."""

from preloads import preload
from scene import WEB, wait_for


def reloads(run):
    """What the service manager was told of the start and of reloads, in order."""
    return [line for line in run.manager.lines if line in ("READY=1", "RELOADING=1")]


def test_a_hangup_before_the_first_try_has_ended_does_not_make_it_ready(devca, site):
    site.configure(devca, {"web": WEB})
    devca.fault("delay", path="pki_int/sign", ms=1500)
    run = site.run()
    run.wait_event("logged-in")
    run.hangup()
    run.wait_event("config-applied")
    assert not run.events("published") and reloads(run) == []
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
    assert [line["message"] for line in run.events("config-applied")][-1].endswith("1 certificates")
    assert len(run.events("config-applied")) == 2

    # Nor does one that hangs keep it from ending.
    hung.touch()
    site.configure(devca, {"web": short, "db": WEB + "file = both.pem combined 0640 :hung"})
    run.hangup()
    wait_for(lambda: reloads(run)[-1] == "RELOADING=1", "the reload to be told")
    assert run.terminate() == 0
