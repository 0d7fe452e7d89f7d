"""The audit file: what was issued, refused, proven and revoked, a JSON line each; the CA's own audit log has the request ids."""
import grp
import json
import os
import re

from scene import WEB, serial_of, wait_for
from test_prove import Consumer

GROUP = grp.getgrgid(1).gr_name


def audit(site, path=None):
    path = path or site.folder / "audit.json"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def of(lines, **wanted):
    return [line for line in lines if all(line.get(key) == value for key, value in wanted.items())]


def agent(site, more=""):
    return f"audit_file = {site.folder}/audit.json\n{more}"


def test_each_issuance_is_found_in_the_audit_log_of_the_ca(ca, site):
    """By the request id; and refused ones and a revocation are there as well. A link, a FIFO and a bad mode are not written."""
    site.configure(ca, {"a": WEB, "b": WEB, "refused": WEB.replace("= leafd", "= wants-rsa")},
                   agent=agent(site, "audit_fsync = yes"))
    done = site.once()
    assert done.code == 3
    assert site.command("revoke", "--no-reissue", "a").code == 0
    lines = audit(site)
    issued = of(lines, outcome="issued")
    assert {line["cert"] for line in issued} == {"a", "b"}
    for line in issued:
        assert line["serial"] == serial_of(site.out(line["cert"]) / "tls.crt")
        assert line["names"] == "a.example.test b.example.test" and line["pki_mount"] == ca.mount and line["pki_role"] == "leafd"
        assert line["issuer"].startswith("CN=") and line["not_before"] < line["time"] < line["not_after"], line
        if ca.kind == "real":
            assert of_ca(ca, line["request_id"]) == [f"{ca.mount}/sign/leafd"], line
        else:
            assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", line["request_id"])
    assert len({line["request_id"] for line in issued}) == 2
    refused, = of(lines, cert="refused")
    assert refused["outcome"] == "refused" and refused["event"] == "failed" and "rsa" in refused["message"]
    revoked, = of(lines, outcome="revoked")
    assert revoked["serial"] == of(issued, cert="a")[0]["serial"] and revoked["cert"] == "a"
    path = site.folder / "audit.json"
    assert path.stat().st_mode & 0o7777 == 0o600
    for spoil in (lambda: path.chmod(0o622), lambda: (path.unlink(), path.symlink_to(site.folder / "elsewhere")),
                  lambda: (path.unlink(), os.mkfifo(path, 0o600))):
        spoil()
        failed, *_ = site.once("b").events("audit-failed")
        assert failed["level"] == "error" and str(path) in failed["message"]
    assert not (site.folder / "elsewhere").exists()


def of_ca(ca, request_id):
    text = ca.audit.read_text(errors="replace")
    entries = [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]
    return [entry["request"]["path"] for entry in entries if entry["type"] == "response" and entry["request"]["id"] == request_id]


def test_lines_wait_for_a_file_that_cannot_be_written_and_it_may_be_renamed(devca, site):
    """Certificates are issued all the same; what waited is written when it works again, a torn line is ended."""
    folder = site.folder / "log"
    path = folder / "audit.json"
    site.configure(devca, {"web": WEB}, agent=f"audit_file = {path}\naudit_group = {GROUP}\n")
    run = site.run()
    run.wait_ready()
    failed, = run.wait_event("audit-failed")[:1]
    assert failed["level"] == "error" and "No such file" in failed["message"]
    folder.mkdir()
    run.wait_event("audit-back")
    assert [line["outcome"] for line in audit(site, path)] == ["issued"]
    assert path.stat().st_mode & 0o7777 == 0o640 and path.stat().st_gid == 1
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"torn":')
    path.rename(folder / "audit.json.1")
    site.configure(devca, {"web": WEB, "more": WEB}, agent=f"audit_file = {folder}/audit.json.1\n")
    run.hangup()
    run.wait_event("published", "more")
    wait_for(lambda: (folder / "audit.json.1").read_text().count("\n") == 3, "the line")
    torn, more = (folder / "audit.json.1").read_text().splitlines()[1:]
    assert torn == '{"torn":' and json.loads(more)["cert"] == "more"
    (folder / "audit.json.1").rename(folder / "audit.json.2")
    site.configure(devca, {"web": WEB, "more": WEB, "last": WEB}, agent=f"audit_file = {folder}/audit.json.1\n")
    run.hangup()
    run.wait_event("published", "last")
    wait_for(lambda: [line["cert"] for line in audit(site, folder / "audit.json.1")] == ["last"], "a new file")
    assert run.terminate() == 0


def test_a_proof_is_evidence(devca, site, tmp_path):
    """When and where it was made, what was served up to which certificate, by which TLS; also a proof that fails."""
    consumer = Consumer(tmp_path, site.out())
    site.configure(devca, {"web": WEB + consumer.lines}, agent=agent(site))
    assert site.once().code == 0
    proven, = of(audit(site), cert="web", event="proven")
    assert proven["outcome"] == "proven" and proven["serial"] == serial_of(site.out() / "tls.crt")
    assert proven["address"] == f"127.0.0.1:{consumer.port}" and proven["tls_version"] == "TLSv1.3"
    assert proven["top"] == of(audit(site), event="issued")[0]["issuer"] and proven["mutual"] == "no" and proven["time"] < proven["not_after"]
    consumer.answer("exit 0")
    site.configure(devca, {"web": WEB + consumer.hasty.replace(str(consumer.script), "/bin/true") + "ip_addresses = 192.0.2.7\n"},
                   agent=agent(site))
    assert site.once().code == 1
    failed = of(audit(site), outcome="not-proven")[0]
    assert failed["served"] == proven["serial"] != failed["serial"] and failed["address"] == proven["address"], failed
    assert failed["class"] == "consumer" and failed["tls_version"] == "TLSv1.3"
    consumer.end()
