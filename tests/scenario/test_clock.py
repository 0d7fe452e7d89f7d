"""The clock is wrong, or is set: nothing valid is lost, nothing spins, and leafd says what it sees."""
import json
import os
import re
import signal
import time

import pytest

import machine
from clocks import DAY, HOUR, YEAR
from scene import WEB, serial_of, snapshot, wait_for

DAILY = WEB.replace("ttl = 1h", "ttl = 24h")  # due after 9.6 to 13.2 hours
STEPS = {"an-hour": HOUR, "a-day": DAY, "ten-years": 10 * YEAR}
WATCHDOG = {"WATCHDOG_USEC": "1000000"}


def published_set(site):
    """What the consumer sees, and everything that belongs to it."""
    return snapshot(site.out(), but="..state")


def cpu_s(run):
    with open(f"/proc/{run.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pass_time(run, pings=6):
    """Until the daemon has told its watchdog so often that it lives: seconds of its own life, not of ours."""
    told = run.manager.lines.count("WATCHDOG=1")
    wait_for(lambda: run.manager.lines.count("WATCHDOG=1") >= told + pings, "the watchdog to be told")


def status(site, clock):
    return json.loads(site.command("status", "--json", environment=clock.environment).out)["certs"][0]


@pytest.fixture
def start(site, clock):
    def start_it():
        return site.run(environment={**clock.environment, **WATCHDOG})
    return start_it


@pytest.mark.parametrize("sign", [1, -1], ids=["forward", "back"])
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_clock_that_is_set_wrong_and_right_again_costs_nothing(devca, site, clock, start, step, sign):
    site.configure(devca, {"web": DAILY})
    run = start()
    run.wait_ready()
    before, signed, work = published_set(site), devca.requests("pki_int/sign"), cpu_s(run)
    clock.off_by(sign * step, tell=True)
    told = run.wait_event("clock-set")[0]
    assert int(told["by_s"]) == pytest.approx(sign * step, abs=2)
    if sign * step >= DAY:
        # By this clock it has ended, and so has whatever the CA signs now.
        assert run.wait_event("failed")[0]["class"] == "untrusted"
    pass_time(run)
    assert published_set(site) == before
    clock.off_by(0, tell=True)
    run.wait_event("clock-set", count=2)
    wait_for(lambda: status(site, clock)["state"] == "fresh" and not run.manager.status().count("1 failing"), "all is well")
    assert published_set(site) == before
    assert devca.requests("pki_int/sign") - signed <= 4
    assert cpu_s(run) - work < 1.5
    assert run.terminate() == 0


def test_a_kernel_whose_clock_is_set_tells_leafd(tmp_path):
    """The same with a kernel's own notice, on a machine whose clock may be set: machine_clock.py, inside of it."""
    why = machine.missing()
    if why:
        pytest.skip(why)
    console = machine.run_inside(tmp_path, "tests/scenario/machine_clock.py")
    if "machine: up" not in console:
        pytest.skip(f"no machine can be started here: {console[-300:]}")
    assert "machine: ended with 0" in console and "2 passed" in console, console[-4000:]


def test_what_is_due_by_the_clock_as_it_was_set_is_renewed_at_once_and_once(ca, site, clock, start):
    site.configure(ca, {"web": DAILY})
    run = start()
    run.wait_ready()
    before, signed = serial_of(site.out() / "tls.crt"), ca.requests("pki_int/sign")
    clock.off_by(14 * HOUR, tell=True)
    run.wait_event("published", count=2)
    assert serial_of(site.out() / "tls.crt") != before
    assert "is due" in run.events("wanted")[-1]["message"]
    pass_time(run)
    assert ca.requests("pki_int/sign") == signed + 1
    assert run.terminate() == 0


def test_a_machine_that_boots_in_1970_serves_what_it_has(devca, site, clock, start):
    site.configure(devca, {"web": DAILY})
    assert site.once().code == 0
    before, requests = published_set(site), devca.requests("")
    clock.stand_at(10)
    run = start()
    run.wait_event("ready")
    assert status(site, clock)["state"] == "early", "what is not valid by this clock is not called fresh"
    pass_time(run)
    clock.off_by(0, tell=True)
    run.wait_event("clock-set")
    pass_time(run)
    assert published_set(site) == before
    assert devca.requests("pki_int/sign") == 1 and devca.requests("auth/") == 1, requests
    assert status(site, clock)["state"] == "fresh"
    assert run.terminate() == 0


def test_a_machine_that_boots_in_1970_without_a_certificate_gets_one_when_its_clock_is_set(ca, site, clock, start):
    site.configure(ca, {"web": DAILY})
    clock.stand_at(10)
    run = start()
    failed = run.wait_event("login-failed")[0]
    assert failed["class"] == "untrusted" and "check this machine's clock" in failed["message"]
    assert ca.requests("auth/") == 0
    clock.off_by(0, tell=True)
    run.wait_ready()
    # The first failure's wait is up to a minute for what is not trusted; this one is of seconds.
    assert len(run.events("published")) == 1 and run.events("clock-set")
    assert run.terminate() == 0


def test_a_clock_that_is_set_all_the_time_does_not_make_leafd_ask_all_the_time(devca, site, clock, start):
    site.configure(devca, {"web": DAILY})
    devca.fault("wrong-key", path="pki_int/sign", times=0)
    run = start()
    run.wait_event("failed")
    for i in range(30):
        clock.off_by(HOUR * ((i + 1) % 2), tell=True)
        run.wait_event("clock-set", count=i + 1)
    pass_time(run, pings=20)
    assert devca.requests("pki_int/sign") <= 6
    assert cpu_s(run) < 3
    assert run.terminate() == 0


def test_a_process_that_slept_past_the_end_of_its_certificate_renews_at_once(ca, site):
    site.configure(ca, {"web": WEB.replace("ttl = 1h", "ttl = 8s")})
    run = site.run()
    run.wait_ready()
    run.process.send_signal(signal.SIGSTOP)
    before = serial_of(site.out() / "tls.crt")
    wait_for(lambda: site.status()["web"]["state"] == "expired", "the certificate to expire")
    run.process.send_signal(signal.SIGCONT)
    wait_for(lambda: serial_of(site.out() / "tls.crt") != before, "a new certificate")
    assert run.terminate() == 0


# -- a certificate of the future ----------------------------------------------------------------------


def hold(devca, site, start, seconds):
    """A run that serves one certificate and holds the next; the events so far, the serial that serves."""
    site.configure(devca, {"web": DAILY})
    run = start()
    run.wait_ready()
    before = serial_of(site.out() / "tls.crt")
    devca.fault("future", path="pki_int/sign", seconds=seconds, times=1)
    site.configure(devca, {"web": DAILY + "ip_addresses = 192.0.2.1"})
    run.hangup()
    run.wait_event("held")
    return run, before


def held_generation(site):
    """What the state on disk names; None before there is one."""
    state = site.out() / "..state"
    return json.loads(state.read_text())["held"] if state.exists() else None


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_a_hold_survives_a_restart_and_costs_no_other_certificate(devca, site, clock, start, end):
    run, before = hold(devca, site, start, HOUR)
    held = wait_for(lambda: held_generation(site), "the hold to be noted")
    signed = devca.requests("pki_int/sign")
    for _ in range(3):
        getattr(run, end)()
        run = start()
        run.wait_event("held")
        run.wait_ready()
        assert serial_of(site.out() / "tls.crt") == before
    clock.off_by(HOUR + 10, tell=True)
    run.wait_event("published")
    assert os.readlink(site.out() / "..data") == held
    assert serial_of(site.out() / "tls.crt") != before
    assert devca.requests("pki_int/sign") == signed
    assert status(site, clock)["state"] == "fresh"
    wait_for(lambda: held_generation(site) == "", "the note to be gone")
    assert run.terminate() == 0


def test_once_leaves_what_is_early_for_the_next_run(devca, site, clock):
    site.configure(devca, {"web": DAILY})
    devca.fault("future", path="pki_int/sign", seconds=HOUR, times=1)
    for _ in range(2):
        done = site.once(environment=clock.environment)
        assert done.code == 1
        assert len(done.events("held")) == 1 and not done.events("published")
    clock.off_by(HOUR + 10)
    done = site.once(environment=clock.environment)
    assert done.code == 0 and done.events("published"), done.err
    assert devca.requests("pki_int/sign") == 1


def test_a_hold_goes_on_when_the_section_changes_in_nothing_that_matters_to_it(devca, site, clock, start):
    run, before = hold(devca, site, start, HOUR)
    signed = devca.requests("pki_int/sign")
    site.configure(devca, {"web": DAILY + "ip_addresses = 192.0.2.1\nkeep_previous = 5s"})
    run.hangup()
    run.wait_event("held", count=2)
    assert devca.requests("pki_int/sign") == signed
    assert serial_of(site.out() / "tls.crt") == before
    site.configure(devca, {"web": DAILY + "ip_addresses = 192.0.2.2"})
    run.hangup()
    run.wait_event("published", count=2)
    assert devca.requests("pki_int/sign") == signed + 1
    generations = [name for name in os.listdir(site.out()) if name.startswith("..2")]
    assert len(generations) <= 2, "what was held is swept"
    assert run.terminate() == 0


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
def test_what_was_held_beyond_its_end_is_never_published(devca, site, clock, start, restart):
    run, before = hold(devca, site, start, HOUR)
    wait_for(lambda: held_generation(site), "the hold to be noted")
    if restart:
        run.kill()
        clock.off_by(3 * DAY)
        run = start()
    else:
        clock.off_by(3 * DAY, tell=True)
    assert run.wait_event("failed")[0]["class"] == "untrusted"
    assert serial_of(site.out() / "tls.crt") == before
    generations = [name for name in os.listdir(site.out()) if name.startswith("..2")]
    assert len(generations) == 1, "what was held is swept, what is published stays"
    clock.off_by(0, tell=True)
    wait_for(lambda: status(site, clock)["state"] == "fresh", "a certificate as the section wants it")
    assert run.terminate() == 0


def test_a_clock_set_back_after_a_hold_ended_does_not_keep_files_from_being_mended(devca, site, clock, start):
    site.configure(devca, {"web": DAILY})
    run = start()
    run.wait_ready()
    before = serial_of(site.out() / "tls.crt")
    clock.off_by(-HOUR, tell=True)
    run.wait_event("clock-set")
    site.configure(devca, {"web": DAILY.replace("file = ca.crt ca", "file = roots.crt ca")})
    run.hangup()
    wait_for((site.out() / "roots.crt").exists, "the file as the section wants it")
    assert serial_of(site.out() / "tls.crt") == before
    assert not run.events("held")
    assert run.terminate() == 0


# -- the CA's clock and ours --------------------------------------------------------------------------


def ask_again(ca, site, run, host):
    """Makes the running leafd ask the CA for something."""
    count = len(run.events("published"))
    site.configure(ca, {"web": DAILY + f"ip_addresses = 192.0.2.{host}"})
    run.hangup()
    run.wait_event("published", count=count + 1)


def test_a_skew_against_the_ca_is_told_once_and_again_when_it_changes(ca, site, clock, start):
    site.configure(ca, {"web": DAILY})
    clock.off_by(HOUR)
    run = start()
    run.wait_ready()
    told = run.wait_event("clock-skew")
    assert int(told[0]["skew_s"]) == pytest.approx(-HOUR, abs=60)
    assert told[0]["level"] == "warning" and "ahead of the CA's" in told[0]["message"]
    ask_again(ca, site, run, 1)
    assert len(run.events("clock-skew")) == 1

    def shown():
        return json.loads(site.command("status", "--json").out)["agent"]["clock_skew_s"]

    assert shown() == pytest.approx(-HOUR, abs=60)
    assert re.search(r"This machine's clock is (1h|59m\d+s) ahead of the CA's", site.command("status").out)
    clock.off_by(3 * HOUR, tell=True)
    run.wait_event("clock-set")
    assert shown() == pytest.approx(-3 * HOUR, abs=60)
    ask_again(ca, site, run, 2)
    told = run.wait_event("clock-skew", count=2)
    assert int(told[1]["skew_s"]) == pytest.approx(-3 * HOUR, abs=60)
    clock.off_by(0, tell=True)
    run.wait_event("clock-set", count=2)
    assert shown() == 0 and "This machine's clock" not in site.command("status").out, "before the CA answers again"
    ask_again(ca, site, run, 3)
    run.wait_event("clock-agrees")
    ask_again(ca, site, run, 4)
    assert len(run.events("clock-skew")) == 2 and len(run.events("clock-agrees")) == 1
    assert run.terminate() == 0


def test_a_clock_that_agrees_is_no_news(ca, site, clock):
    site.configure(ca, {"web": DAILY})
    done = site.once(environment=clock.environment)
    assert done.code == 0
    assert not done.events("clock-skew") and not done.events("clock-agrees")


def test_check_online_tells_a_skew(ca, site, clock):
    site.configure(ca, {"web": DAILY})
    clock.off_by(HOUR)
    done = site.command("check", "--online", environment=clock.environment)
    assert done.code == 0
    assert "ahead of the CA's" in done.out


def test_a_ca_that_takes_long_is_no_clock_that_is_wrong(ca, site, clock, start):
    """Its Date is written when it answers at last, over HTTP/2 as over HTTP/1.1."""
    site.configure(ca, {"web": DAILY})
    run = start()
    run.wait_ready()
    site.configure(ca, {"web": DAILY + "ip_addresses = 192.0.2.1"})
    ca.process.send_signal(signal.SIGSTOP)
    try:
        run.hangup()
        run.wait_event("wanted", count=2)
        end = time.monotonic() + 8
        wait_for(lambda: time.monotonic() > end, "the CA to have been slow for 8 s")
    finally:
        ca.process.send_signal(signal.SIGCONT)
    run.wait_event("published", count=2)
    assert not run.events("clock-skew"), run.events("clock-skew")
    assert run.terminate() == 0
