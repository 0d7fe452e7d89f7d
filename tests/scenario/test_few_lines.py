"""What goes on is told when it changes: an outage is two lines, a failing certificate speaks when its class or urgency does."""
import collections
import datetime
import time

from scene import WEB, wait_for

FEW = "log_level = info"


def with_ttl(ttl):
    return WEB.replace("ttl = 1h", f"ttl = {ttl}")


def kinds(lines):
    return collections.Counter(line["event"] for line in lines)


def test_an_outage_is_told_when_it_begins_and_when_it_ends(devca, site):
    """With how many certificates waited and how long it took; each certificate tells only how near its own end is."""
    certs = {f"c{number}": with_ttl("14s") for number in range(10)}
    site.configure(devca, {**certs, "long": WEB}, agent=FEW)
    run = site.run()
    run.wait_ready()
    before = len(run.log())
    devca.proxy.cut()
    run.wait_event("ca-away")
    for cert in certs:
        run.wait_event("expired", cert)
    devca.proxy.repair()
    back, = run.wait_event("ca-back")
    for cert in certs:
        wait_for(lambda: len(run.events("published", cert)) > 1, f"{cert} to be renewed")  # pylint: disable=cell-var-from-loop
    lines = run.log()[before:]
    events = [(line["event"], line.get("cert")) for line in lines]
    back_at = events.index(("ca-back", None))
    # Until each has its next certificate: on a busy machine the one after that may be due by now.
    lines = lines[:max(events.index(("published", cert), back_at) for cert in certs) + 1]
    away, = run.events("ca-away")
    assert away["level"] == "warning" and away["class"] == "transient" and away["reason"]
    assert back["level"] == "notice" and int(back["waiting"]) == len(certs) and int(back["away_s"]) >= 5
    assert "10 certificates waited" in back["message"]
    for cert in certs:
        told = kinds(line for line in lines if line.get("cert") == cert)
        assert told["expiring"] == 1 and told["expired"] == 1 and told["failed"] <= 1, told
        assert told["wanted"] <= 2, told
    assert len(lines) <= 8 * len(certs), collections.Counter((x["event"], x["level"]) for x in lines)
    assert not [line for line in lines if line.get("cert") == "long"]
    assert run.terminate() == 0


def test_an_outage_that_many_certificates_do_not_outlast_is_few_lines_for_people(devca, site):
    """At most 20 at notice and above, with names and how many there are; info, and with it hooks, has each of the 50."""
    certs = [f"c{number:02}" for number in range(50)]
    told = site.folder / "told"
    site.configure(devca, {cert: with_ttl("40s") for cert in certs}, agent=FEW + f"\non_event = expired exec /bin/sh -c \"cat >>{told}\"")
    run = site.run()
    run.wait_ready()
    before = len(run.log())
    devca.proxy.cut()
    for cert in certs:
        run.wait_event("expired", cert)
    devca.proxy.repair()
    run.wait_event("ca-back")
    lines = run.log()[before:]
    lines = lines[:[line["event"] for line in lines].index("ca-back") + 1]
    loud = [line for line in lines if line["level"] in ("notice", "warning", "error")]
    assert len(loud) <= 20, collections.Counter((line["event"], line["level"]) for line in loud)
    assert loud[0]["event"] == "ca-away" and loud[-1]["event"] == "ca-back" and int(loud[-1]["waiting"]) == 50
    expired = [line for line in loud if line["event"] == "expired"]
    assert len(expired) >= 4 and "further certificates are logged at info" in expired[2]["message"]
    assert "the same goes for 10 certificates by now" in expired[3]["message"]
    for event in ("expiring", "expired"):
        assert sorted(line["cert"] for line in lines if line["event"] == event) == certs
    wait_for(lambda: len(told.read_text().splitlines()) == 50, "the hook to be told of each")
    assert run.terminate() == 0


def test_a_failing_certificate_speaks_when_its_urgency_rises(devca, site):
    site.configure(devca, {"web": with_ttl("24s")}, agent=FEW)
    run = site.run()
    run.wait_ready()
    devca.fault("status", path="pki_int/sign", times=0, status=500, errors=["disk full"])
    expired, = run.wait_event("expired", "web")
    told = [(line["event"], line["level"]) for line in run.log() if line.get("cert") == "web" and line["event"] in
            ("failed", "expiring", "expired")]
    assert told[-2:] == [("expiring", "error"), ("expired", "error")], told
    assert 1 <= told.count(("failed", "notice")) <= 2 and told.count(("failed", "warning")) == 1, told
    assert told.index(("failed", "warning")) > told.index(("failed", "notice"))
    assert "disk full" in expired["message"] and expired["class"] == "transient"
    devca.call("DELETE", "devca/faults")
    run.wait_event("published", "web", count=2)
    assert run.terminate() == 0


def test_the_end_is_told_when_it_comes_though_no_try_falls_on_it(devca, site, clock):
    """What a role refuses is tried every few minutes; the certificate ends in between.

    The waits are drawn, and one in a hundred ends with the certificate: three certificates, each with a role of its own.
    """
    roles = ("leafd", "any-host", "unstored")
    site.configure(devca, {role: with_ttl("24h").replace("= leafd", f"= {role}") for role in roles}, agent=FEW)
    run = site.run(environment=clock.environment)
    run.wait_ready()
    devca.fault("status", path="pki_int/sign", times=0, status=400, errors=["not so"])
    end_s = max(int(datetime.datetime.fromisoformat(row["end"]).timestamp()) for row in site.status().values())
    clock.off_by(end_s - int(time.time()) - 15, tell=True)
    for role in roles:
        run.wait_event("failed", role)
        run.wait_event("expiring", role)
    seen = {role: [] for role in roles}

    def are_told():
        told = []
        for role in roles:
            tries = devca.requests(f"pki_int/sign/{role}")
            if run.events("expired", role):
                told.append(role)
            else:
                seen[role].append((time.monotonic(), tries))
        return len(told) == len(roles)

    # The step of the clock may make one more try, seconds before the end.
    wait_for(are_told, "the end")
    calm = [role for role in roles if len(seen[role]) > 1 and
            devca.requests(f"pki_int/sign/{role}") == next(tries for at, tries in seen[role] if at >= seen[role][-1][0] - 0.5)]
    assert calm, "no try fell on it"
    for role in roles:
        expired, = run.events("expired", role)
        assert expired["level"] == "error" and expired["class"] == "refused" and "not so" in expired["reason"], expired
        assert {"serial", "end", "generation"} <= set(expired)
    assert run.terminate() == 0


def test_a_consumer_that_goes_on_failing_is_told_once(ca, site):
    site.configure(ca, {"web": WEB + "reload = exec /bin/false\n"}, agent=FEW)
    run = site.run()
    run.wait_event("reload-failed")
    wait_for(lambda: (site.status()["web"]["failure"] or {}).get("reload_failures", 0) >= 3, "three tries")
    assert len(run.events("reload-failed")) == 1
    run.hangup()
    run.wait_event("reload-failed", count=2)
    assert run.terminate() == 0
