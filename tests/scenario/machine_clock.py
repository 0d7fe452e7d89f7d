"""What a machine of its own runs (machine.py): its clock is set, and its kernel gives notice of it."""
import os
import time

import pytest

from scene import WEB, serial_of, snapshot

HOUR = 3600
YEAR = 365 * 24 * HOUR
DAILY = WEB.replace("ttl = 1h", "ttl = 24h")


def set_clock(by_s):
    time.clock_settime(time.CLOCK_REALTIME, time.time() + by_s)


def test_every_step_is_noticed_at_once_and_what_is_due_by_it_is_renewed(devca, site):
    site.configure(devca, {"web": DAILY})
    run = site.run()
    run.wait_ready()
    begin = time.monotonic()
    before, serial = snapshot(site.out(), but="..state"), serial_of(site.out() / "tls.crt")
    for count, step in enumerate((HOUR, -HOUR, -10 * YEAR, 10 * YEAR), 1):
        set_clock(step)
        told = run.wait_event("clock-set", count=count)[-1]
        assert int(told["by_s"]) == pytest.approx(step, abs=2)
    assert snapshot(site.out(), but="..state") == before
    # The CA's clock is this machine's as well.
    devca.token_file.write_text(devca.tokens.make(life_s=20 * HOUR))
    set_clock(14 * HOUR)
    run.wait_event("published", count=2)
    assert serial_of(site.out() / "tls.crt") != serial
    # The token ended by the CA's clock as well: a 403, a login, and the request again.
    assert devca.requests("pki_int/sign") == 3
    with open(f"/proc/{run.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    work_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    assert work_s < (time.monotonic() - begin) / 2 + 1, "it spins"
    assert run.terminate() == 0


def test_a_machine_that_boots_in_1970_runs_on_when_it_learns_the_time(devca, site):
    now = time.time()
    site.configure(devca, {"web": DAILY})
    assert site.once().code == 0
    serial = serial_of(site.out() / "tls.crt")
    # The kernel lets no clock stand before the machine's boot.
    time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_BOOTTIME) + 10)
    run = site.run()
    run.wait_ready()
    time.clock_settime(time.CLOCK_REALTIME, now + 60)
    run.wait_event("clock-set")
    assert run.process.poll() is None
    assert serial_of(site.out() / "tls.crt") == serial
    assert site.status()["web"]["state"] == "fresh"
    assert devca.requests("pki_int/sign") == 1
    assert run.terminate() == 0
