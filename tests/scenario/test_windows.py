"""Every window of the agent tells the same of a fault: JSON, table, metrics, page, readiness and the manager's status."""
import html
import json
import re

from preloads import preload
from scene import WEB, free_port, wait_for
from test_listen import ask


def rows_of_table(text):
    """The lines of each certificate in the table of `leafd status`."""
    rows, name = {}, None
    for line in text.split("\n\n")[0].splitlines()[1:]:
        if not line.startswith(" "):
            name = line.split()[0]
            rows[name] = []
        rows[name].append(line.strip())
    return {name: "\n".join(lines) for name, lines in rows.items()}


def rows_of_page(text):
    """The text of each certificate on the page."""
    parts = re.findall(r'<th scope="row">([^<]*)(.*?)</tbody>', text, re.S)
    return {name: html.unescape(re.sub("<[^>]*>", "\n", part)) for name, part in parts}


def windows(site, run, port):
    """What each window shows of each certificate; and that they agree on what fails, and why."""
    shown = {}
    rows = {row["cert"]: row for row in json.loads(site.command("status", "--json").out)["certs"]}
    over_http = {row["cert"]: row for row in ask(port, "/status").json()["certs"]}
    ready = {row["cert"]: row for row in ask(port, "/readyz").json()["certs"]}
    metrics, page = ask(port, "/metrics").text, rows_of_page(ask(port, "/").text)
    table, told = rows_of_table(site.command("status").out), run.manager.status()
    counted = re.search(r"(\d+) failing", told)
    agree = (int(counted[1]) if counted else 0) == sum(row["failing"] for row in rows.values())
    for name, row in rows.items():
        error = (row["failure"] or {}).get("error", "")
        wanted = (row["failure"] or {}).get("class") if row["failing"] else None
        gauge = re.search(f'^leafd_certificate_failing{{cert="{name}",class="(.*)"}} 1$', metrics, re.M)
        since = f'leafd_certificate_failing_since_timestamp_seconds{{cert="{name}"}}' in metrics
        whole = site.command("status", name).out
        shown[name] = row, table[name], page[name]
        agree &= over_http[name]["failing"] == row["failing"] and over_http[name]["advice"] == row["advice"]
        agree &= (gauge[1] if gauge else None) == wanted and since == row["failing"]
        agree &= all(("failed " in text and error in text) == row["failing"] for text in (table[name], whole))
        agree &= ("next try" in page[name] and error in page[name]) == row["failing"]
        agree &= ready[name]["ready"] == row["ready"] and (row["ready"] or not row["failing"] or error in ready[name]["reason"])
    return shown if agree else None


def wait_to_agree(site, run, port, condition, what):
    """Waits until all windows agree, and it is so; what they show then."""
    seen = []

    def does():
        seen.append(windows(site, run, port))
        return seen[-1] is not None and condition(seen[-1])

    wait_for(does, lambda: f"{what}: {seen[-1]}, {site.command('status').out}, {run.manager.status()}")
    return seen[-1]


def test_all_windows_tell_the_same_of_each_fault(devca, site):
    port, disk, flag = free_port(), site.folder / "disk", site.folder / "full"
    disk.mkdir()
    full = WEB + f"directory = {disk}/set\n"
    certs = {"full": full, "refused": WEB.replace("= leafd", "= needs-cn"), "well": WEB,
             "told": WEB + f"reload = signal HUP pidfile {site.folder}/none.pid\n",
             "seen": WEB + f"reload = exec /bin/true\nprove = tls 127.0.0.1:{free_port()}\n"}
    site.configure(devca, certs, agent=f"listen = 127.0.0.1:{port}")
    run = site.run(environment={**preload("full_disk"), "FULL": str(disk), "FULL_WHILE": str(flag)})
    run.wait_event("published", "full")
    run.wait_event("failed", "refused")
    run.wait_event("awaited", "told")
    run.wait_event("awaited", "seen")
    flag.touch()
    certs["full"] = full.replace("b.example", "c.example")
    site.configure(devca, certs, agent=f"listen = 127.0.0.1:{port}")
    assert site.command("reload").code == 0
    run.wait_event("failed", "full")

    def fails(shown):
        return {name: row["failure"]["class"] for name, (row, _, _) in shown.items() if row["failing"]} == {
            "full": "local", "refused": "refused"}

    shown = wait_to_agree(site, run, port, fails, "only the disk and the CA to fail")
    row, _, page = shown["full"]
    assert "No space left on device" in row["failure"]["error"] and "check disk" in row["advice"] and "check disk" in page
    for name, follows in (("told", "it is reloaded when it runs"), ("seen", "it is checked when it runs")):
        row, table, page = shown[name]
        assert row["awaited"] and row["advice"].startswith("start the consumer"), row
        for text in (table, page):
            assert "waits for the consumer: " in text and follows in text, text
            assert "start the consumer" in text or "now: " in text, text
            assert "failed " not in text, text
    assert "running agent" not in site.command("status").out, "the agent has just answered"
    flag.unlink()
    assert site.command("retry", "full").code == 0
    wait_to_agree(site, run, port, lambda shown: not shown["full"][0]["failing"] and shown["full"][0]["state"] == "fresh",
                  "the certificate to be written")
    assert run.terminate() == 0


def test_a_certificate_that_is_held_is_shown_and_what_failed_before_is_over(devca, site):
    port = free_port()
    site.configure(devca, {"web": WEB}, agent=f"listen = 127.0.0.1:{port}")
    run = site.run()
    run.wait_event("published")
    devca.fault("status", path="pki_int/sign", times=1, status=400, errors=["no"])
    site.configure(devca, {"web": WEB.replace("b.example", "e.example")}, agent=f"listen = 127.0.0.1:{port}")
    assert site.command("reload").code == 0
    run.wait_event("failed")
    wait_to_agree(site, run, port, lambda shown: shown["web"][0]["failing"], "the refusal")
    devca.fault("future", path="pki_int/sign", times=1, seconds=600)
    assert "is held" in site.command("renew", "web").err
    shown = wait_to_agree(site, run, port, lambda shown: shown["web"][0]["held"], "what is held")
    row, table, page = shown["web"]
    assert not row["failing"] and row["failure"] is None and row["held_until"] > row["not_before"]
    assert "a new certificate is held until " in table and "a new certificate is held until " in page
    assert "held until" in site.command("status", "web").out
    assert run.terminate() == 0


def test_a_fresh_certificate_that_is_renewed_says_so(devca, site):
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_event("published")
    site.becomes("web", state="fresh", doing=None)
    devca.fault("delay", path="pki_int/sign", times=1, ms=600000)
    assert site.command("renew", "--wait", "1s", "web").code != 0
    shown = site.command("status", "web").out
    assert shown.startswith("web: fresh\n") and "    now: waiting for the CA's signature\n" in shown, shown
    assert run.terminate() == 0
