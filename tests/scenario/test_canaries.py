"""The search for canaries finds what is planted, wherever it leaves, whole and in pieces."""
import base64

import pytest

from canaries import base64_pieces, pieces_of, secret_numbers
from scene import WEB, Site, openssl

SECRET = "hvs.CAESIJzR8Fq0tXWc3mP7yQ2uVb9KdLsN4aEoGhTi6k"


def planted(folder, data, name="somewhere", mode=0o644):
    """What the search says of a site where one file holds `data`."""
    (folder / name).parent.mkdir(parents=True)
    site = Site(folder)
    site.canaries.add(SECRET, "planted")
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    (folder / name).chmod(mode)
    return site.leaks(planted=True)


@pytest.mark.parametrize("form", ["whole", "eight bytes", "base64", "base64url", "hex", "escaped around"])
def test_a_planted_secret_is_found_in_every_form(tmp_path, form):
    raw = SECRET.encode()
    text = {"whole": raw, "eight bytes": raw[20:28], "base64": base64.b64encode(b"x" + raw), "hex": raw.hex().encode(),
            "base64url": base64.urlsafe_b64encode(b"xy" + raw), "escaped around": b'{"a":"\\u0020' + raw + b'"}'}[form]
    assert len(planted(tmp_path / "site", b"before " + text + b" after")) == 1
    assert planted(tmp_path / "clean", b"before " + raw[20:27] + b" after") == []


def test_a_planted_key_is_found_and_the_file_that_it_is_for_is_not(tmp_path):
    pem = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    name = "out-web/..2026_11_21_21_00_00.4f2a91/tls.key"
    assert planted(tmp_path / "private", pem, name, 0o600) == []
    assert planted(tmp_path / "group", pem, name, 0o640) == []
    assert len(planted(tmp_path / "open", pem, name, 0o644)) == 1
    for algorithm in ("RSA", "ED25519"):
        assert len(planted(tmp_path / algorithm, openssl("genpkey", "-algorithm", algorithm), name)) == 1
    assert openssl("pkey", "-pubout", data=pem) and secret_numbers(pem.encode())


@pytest.mark.parametrize("door", ["out", "err", "notify", "argv", "environment", "state", "log"])
def test_every_door_is_searched(devca, tmp_path, door):
    folder = tmp_path / "site"
    folder.mkdir()
    site = Site(folder)
    site.canaries.add(SECRET, "planted")
    script = folder / "command"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    line = f"reload = exec {script} {SECRET[10:30] if door == 'argv' else ''}\n"
    name = SECRET[10:30] if door == "environment" else "web"
    site.configure(devca, {name: WEB + line})
    site.file.write_text(site.file.read_text())
    site.canaries.own.add(str(site.file))
    if door in ("out", "err"):
        done = site.command("nonsense" if door == "err" else "status", *([SECRET] if door == "err" else []))
        site.canaries.said[-1] = (door, (done.out + done.err).encode() + SECRET[4:20].encode())
    else:
        run = site.run()
        run.wait_ready()
        run.wait_event("reloaded")
        if door == "notify":
            run.manager.lines.append("STATUS=" + SECRET[5:13])
        assert run.terminate() == 0
        if door == "log":
            with open(run.log_path, "a", encoding="ascii") as log:
                log.write(SECRET[:12] + "\n")
        if door == "state":
            with open(site.out() / "..state", "a", encoding="ascii") as state:
                state.write(SECRET[-8:])
    leaks = site.leaks(planted=True)
    assert leaks, "nothing was found"
    places = {"argv": "spawned", "environment": "spawned", "state": "..state", "log": "log-0"}
    assert any(leak.startswith(places.get(door, door)) or places.get(door, door) in leak for leak in leaks), leaks
    site.end()


def test_pieces_of_base64_are_those_that_the_secret_alone_decides():
    raw = SECRET.encode()
    for before in range(3):
        stream = base64.b64encode(b"abc"[:before] + raw + b"zzz")
        assert len(pieces_of(stream) & base64_pieces(raw)) >= len(raw) * 4 // 3 - 9
    assert not pieces_of(base64.b64encode(b"quite another text of some length")) & base64_pieces(raw)
