"""key_source = file PATH: a key that somebody else makes and keeps."""
import pytest

from scene import WEB, openssl, serial_of, wait_for

PUBLIC = WEB.replace("file = tls.key key\n", "")


def make_key(path, curve="P-256", mode=0o600):
    path.write_text(openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}"))
    path.chmod(mode)
    return path


def is_for(certificate, key):
    return openssl("x509", "-in", str(certificate), "-noout", "-pubkey") == openssl("pkey", "-in", str(key), "-pubout")


def test_the_certificate_is_for_the_key_that_is_there(ca, site):
    key = make_key(site.folder / "kept.key")
    before = key.read_text()
    site.configure(ca, {"web": PUBLIC + f"key_source = file {key}", "copy": WEB + f"key_source = file {key}"},
                   agent="files_every = 1s")
    run = site.run()
    run.wait_ready()
    assert is_for(site.out() / "tls.crt", key) and is_for(site.out("copy") / "tls.crt", key)
    assert is_for(site.out("copy") / "tls.crt", site.out("copy") / "tls.key"), "a copy, because a line asks for it"
    assert "PRIVATE" not in "".join(path.read_text() for path in (site.out() / "..data").iterdir())
    assert site.status()["web"]["state"] == "fresh"
    # a changed key: a certificate for it, without anybody's doing
    signed = ca.requests("pki_int/sign/")
    make_key(key)
    wait_for(lambda: is_for(site.out() / "tls.crt", key) and is_for(site.out("copy") / "tls.crt", key), "the new key's")
    run.wait_event("published", "web", count=2)
    run.wait_event("published", "copy", count=2)
    assert ca.requests("pki_int/sign/") == signed + 2
    assert run.terminate() == 0
    # a start finds it fresh
    serial = serial_of(site.out() / "tls.crt")
    assert site.once().code == 0
    assert serial_of(site.out() / "tls.crt") == serial and ca.requests("pki_int/sign/") == signed + 2
    assert key.read_text() != before, "the test's own change, and nobody else's"


@pytest.mark.parametrize("spoil, says", [
    (lambda key: make_key(key, "P-384"), "is not ecdsa-p256; set key_type"),
    (lambda key: make_key(key, mode=0o644), "all users of this machine may read"),
    (lambda key: key.write_text("nonsense"), "key_source: "),
    (lambda key: key.unlink(), "key_source: "),
], ids=["type", "mode", "content", "missing"])
def test_an_unfit_key_is_refused_in_words_and_the_files_stay(devca, site, spoil, says):
    key = make_key(site.folder / "kept.key")
    site.configure(devca, {"web": PUBLIC + f"key_source = file {key}"})
    assert site.once().code == 0
    before = (site.out() / "tls.crt").read_text()
    signed = devca.requests("pki_int/sign/")
    spoil(key)
    site.configure(devca, {"web": PUBLIC.replace("ttl = 1h", "ttl = 2h") + f"key_source = file {key}"})
    done = site.once()
    assert done.code == 1 and says in done.err and str(key) in done.err, done.err
    assert (site.out() / "tls.crt").read_text() == before
    assert devca.requests("pki_int/sign/") == signed, "the CA is not asked for nothing"


def test_what_does_not_go_with_a_key_file(devca, site):
    key = make_key(site.folder / "kept.key")
    for lines, says in ((f"key_source = file {key}\nkey_rotation = always", "cannot be always with key_source = file"),
                        ("key_source = file", "is not one of: local, vault, file PATH"), ("key_source = file kept.key", "is not an absolute path"),
                        ("key_source = files", "local, vault"), ("", "has no line with the key")):
        site.configure(devca, {"web": PUBLIC + lines})
        done = site.command("check")
        assert done.code == 2 and says in done.err, (lines, done.err)
    site.configure(devca, {"web": PUBLIC + f"key_source = file {key}\nkey_rotation = never"})
    assert site.command("check").code == 0
    key.chmod(0o666)
    done = site.command("check")
    assert done.code == 2 and "cannot be trusted" in done.err
