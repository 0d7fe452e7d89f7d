"""Files that a configuration names: held against what their keys say when it is read, not when they are used."""
import os
import stat
import subprocess

import pytest

from clocks import DAY, Clock
from scene import LEAFD, PATIENCE_S, openssl
from test_config import CERT, HEAD

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def write(site, text):
    return site.write(text.replace("TEMPLATES", str(site.folder)).replace("OUT", str(site.out())))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with one file for each thing that somebody could name by mistake."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("ca", "other"):
        openssl("req", "-x509", *EC, "-subj", f"/CN={name}", "-days", "1", "-keyout", str(folder / f"{name}.key"),
                "-out", str(folder / f"{name}.pem"))
    openssl("req", *EC, "-subj", "/CN=x", "-keyout", str(folder / "x.key"), "-out", str(folder / "request.pem"))
    openssl("x509", "-in", str(folder / "ca.pem"), "-outform", "der", "-out", str(folder / "ca.der"))
    openssl("pkey", "-in", str(folder / "ca.key"), "-aes256", "-passout", "pass:x", "-out", str(folder / "locked.key"))
    openssl("pkey", "-in", str(folder / "ca.key"), "-pubout", "-out", str(folder / "public.pem"))
    (folder / "empty.pem").write_text("\n")
    (folder / "text.pem").write_text("the CA's certificate\n")
    (folder / "cut.pem").write_text((folder / "ca.pem").read_text()[:200])
    (folder / "second-cut.pem").write_text((folder / "ca.pem").read_text() + (folder / "ca.pem").read_text()[:200])
    (folder / "folder.pem").mkdir()
    (folder / "secret").write_text("CANARY\n")
    for key in folder.glob("*.key"):
        key.chmod(0o600)
    (folder / "open.key").write_bytes((folder / "ca.key").read_bytes())
    (folder / "open.key").chmod(0o604)
    (folder / "writable.key").write_bytes((folder / "ca.key").read_bytes())
    (folder / "writable.key").chmod(0o602)
    (folder / "open.pem").write_bytes((folder / "ca.pem").read_bytes())
    (folder / "open.pem").chmod(0o666)
    (folder / "writable").write_text("CANARY\n")
    (folder / "writable").chmod(0o622)
    return folder


# (name of the file, what is told)
NO_CERTIFICATES = [
    ("empty.pem", "is empty; put certificates into it, as PEM"),
    ("text.pem", "holds no certificate in PEM; it must have -----BEGIN CERTIFICATE-----"),
    ("ca.key", "holds a private key and no certificate; name the file with the certificates"),
    ("public.pem", "holds no certificate in PEM"),
    ("request.pem", "holds a certificate request and no certificate"),
    ("ca.der", "is DER; leafd reads PEM: openssl x509 -inform der"),
    ("cut.pem", "holds a certificate that cannot be read; write the file anew"),
    ("second-cut.pem", "holds a certificate that cannot be read; write the file anew"),
    ("open.pem", "cannot be trusted: MADE/open.pem may be written by everybody, who can change it; chmod o-w it"),
    ("folder.pem", "cannot be read; name a regular file of up to 1 MiB"),
]
VAULT_KEYS = {"ca_file": "ca_file = {}\n", "client_certificate": "client_certificate = {}\nclient_key = MADE/ca.key\n"}
CLIENT_KEYS = [
    ("other.key", "does not fit the certificate in client_certificate; name the key that it was made for"),
    ("locked.key", "is encrypted, and leafd asks for no password; write the key without one"),
    ("ca.pem", "holds no private key in PEM; name the file with -----BEGIN PRIVATE KEY-----"),
    ("empty.pem", "holds no private key in PEM"),
    ("open.key", "is a private key that all users may read; chmod o-r it"),
    ("writable.key", "cannot be trusted: MADE/writable.key may be written by everybody, who can change it; chmod o-w it"),
]
CREDENTIALS = {
    "token_file": ("method = token\ntoken_file = {}", 6),
    "secret_id_file": ("method = approle\nrole_id = x\nsecret_id_file = {}", 7),
    "role_id_file": ("method = approle\nrole_id_file = {}", 6),
}


@pytest.mark.parametrize("file, told", NO_CERTIFICATES, ids=[row[0] for row in NO_CERTIFICATES])
@pytest.mark.parametrize("key", ["ca_file", "client_certificate", "trust_anchor"])
def test_a_file_without_certificates_is_refused(site, made, key, file, told):
    path = made / file
    if key == "trust_anchor":
        write(site, HEAD + CERT + f"trust_anchor = {path}\n")
        where = f"{site.file}:13: [cert web] trust_anchor:"
    else:
        lines = VAULT_KEYS[key].format(path).replace("MADE", str(made))
        write(site, HEAD.replace("[auth]", lines + "[auth]") + CERT)
        where = f"{site.file}:3: [vault] {key}:"
    for command in ("check", "run", "once"):
        done = site.command(command)
        assert done.code == 2
        assert done.err.count("\n") == 1 and done.err.startswith(f'{where} "{path}" ' + told.replace("MADE", str(made))), done.err
    assert not os.path.exists(site.out())


def test_a_trust_anchor_of_all_the_world_is_refused(site, made):
    """Every vetting would refuse it later."""
    (made / "many.pem").write_text((made / "ca.pem").read_text() * 33)
    write(site, HEAD + CERT + f"trust_anchor = {made}/many.pem\n")
    done = site.command("check")
    assert done.code == 2
    assert f'{site.file}:13: [cert web] trust_anchor: "{made}/many.pem" holds 33 certificates in' in done.err
    write(site, HEAD.replace("[auth]", f"ca_file = {made}/many.pem\n[auth]") + CERT)
    assert site.command("check").code == 0


@pytest.mark.parametrize("file, told", CLIENT_KEYS, ids=[row[0] for row in CLIENT_KEYS])
def test_a_client_key_that_is_of_no_use_or_everybodys_is_refused(site, made, file, told):
    write(site, HEAD.replace("[auth]", f"client_certificate = {made}/ca.pem\nclient_key = {made}/{file}\n[auth]") + CERT)
    for command in ("check", "run", "once"):
        done = site.command(command)
        assert done.code == 2
        assert done.err.startswith(f"{site.file}:4: [vault] client_key:"), done.err
        assert told.replace("MADE", str(made)) in done.err
        assert done.err.count("\n") == 1


@pytest.mark.parametrize("key", CREDENTIALS)
def test_a_credential_that_everybody_may_write_is_refused(site, made, key):
    lines, line = CREDENTIALS[key]
    write(site, HEAD.replace("role = leafd", "# a comment\n" + lines.format(made / "writable")) + CERT)
    done = site.command("check")
    assert done.code == 2
    assert done.err == (f"{site.file}:{line}: [auth] {key}: cannot be trusted: {made}/writable may be written by everybody, "
                        "who can change it; chmod o-w it\n")


@pytest.mark.parametrize("key", CREDENTIALS)
def test_a_credential_that_is_not_there_is_advice(site, made, key):
    lines, line = CREDENTIALS[key]
    write(site, HEAD.replace("role = leafd", "# a comment\n" + lines.format(made / "missing")) + CERT)
    done = site.command("check")
    assert done.code == 0, done.err
    assert f"{site.file}:{line}: [auth] warning: the file of {key} cannot be read now: No such file" in done.out


def test_the_token_of_a_pod_that_is_not_there_is_advice(site):
    write(site, HEAD + CERT + "ttl = 1h\n")
    done = site.command("check")
    assert f"{site.file}:3: [auth] warning: the file of token_file cannot be read now: No such file" in done.out
    assert "3 warnings" in done.out  # that, and reload = none, and prove = none


@pytest.mark.parametrize("key", ["token_file", "secret_id_file"])
def test_a_credential_that_everybody_may_read_is_advice(site, made, key):
    lines, line = CREDENTIALS[key]
    (made / "secret").chmod(0o644)
    write(site, HEAD.replace("role = leafd", "# a comment\n" + lines.format(made / "secret")) + CERT)
    done = site.command("check")
    assert done.code == 0, done.err
    assert f"{site.file}:{line}: [auth] warning: all users may read the file of {key}; chmod o-r it" in done.out
    (made / "secret").chmod(0o640)
    assert "all users may read" not in site.command("check").out


def test_a_keystore_password_that_everybody_may_read_is_advice(site, made):
    (made / "secret").chmod(0o644)
    write(site, HEAD + CERT + f"file = k.p12 pkcs12\nkeystore_password_file = {made}/secret\n")
    done = site.command("check")
    assert done.code == 0, done.err
    assert f"{site.file}:14: [cert web] warning: all users may read the file of keystore_password_file" in done.out


@pytest.mark.skipif(os.geteuid() != 0, reason="kubelet is root")
def test_what_kubelet_mounts_is_neither_refused_nor_advice(site, made):
    """It is root's, 0644, behind links into ..data: "everybody" are the containers that mount it."""
    volume = site.folder / "volume"
    (volume / "..2026").mkdir(parents=True)
    (volume / "..data").symlink_to("..2026")
    for name in ("token", "tls.key"):
        (volume / "..2026" / name).write_bytes((made / "ca.key").read_bytes())
        (volume / "..2026" / name).chmod(0o644)
        (volume / name).symlink_to(f"..data/{name}")
    write(site, HEAD.replace("role = leafd", f"role = leafd\ntoken_file = {volume}/token")
          .replace("[auth]", f"client_certificate = {made}/ca.pem\nclient_key = {volume}/tls.key\n[auth]") + CERT)
    done = site.command("check")
    assert done.code == 0, done.err
    assert "everybody" not in done.out
    # defaultMode of 0777 lets nobody write: kubelet mounts volumes of secrets read-only.
    for name in ("token", "tls.key"):
        (volume / "..2026" / name).chmod(0o777)
    read_only = [f"mount --bind {volume} {volume}", f"mount -o remount,bind,ro {volume}", "mount -t tmpfs tmpfs /run"]
    done = mounted(site, *read_only)
    assert done.returncode == 0 and "everybody" not in done.stdout, done.stderr
    assert site.command("check").err.count("may be written by everybody") == 2, "a folder that only looks like a volume"
    (volume / "..2026" / "tls.key").chmod(0o644)
    # Somebody else's is what it is.
    (volume / "..2026" / "token").chmod(0o644)
    os.chown(volume / "..2026" / "token", 65534, 65534)
    assert "token belongs to uid 65534" in site.command("check").err
    done = mounted(site, *read_only)
    assert done.returncode == 0 and "all users may read the file of token_file" in done.stdout, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_the_configuration_in_a_volume_of_mode_0777_is_read(site):
    (site.folder / "..2026").mkdir()
    (site.folder / "..data").symlink_to("..2026")
    write(site, HEAD + CERT)
    site.file.rename(site.folder / "..2026" / "leafd.ini")
    (site.folder / "..2026" / "leafd.ini").chmod(0o777)
    site.file.symlink_to("..data/leafd.ini")
    done = mounted(site, f"mount --bind {site.folder} {site.folder}", f"mount -o remount,bind,ro {site.folder}",
                   "mount -t tmpfs tmpfs /run")
    assert done.returncode == 0, done.stderr


def mounted(site, *steps):
    """leafd check in a mount namespace of its own."""
    script = " && ".join([*steps, f'exec "{LEAFD}" check -c "{site.file}"'])
    return subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False,
                          env=site.environment, timeout=PATIENCE_S)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_on_a_mount_that_is_read_only_nobody_writes(site, made):
    """Everybody may write each of these by its mode: as -v .../tls:/tls:ro of a folder of modes 0666."""
    folder = site.folder / "bound"
    folder.mkdir()
    for name in ("ca.pem", "ca.key", "secret"):
        (folder / name).write_bytes((made / name).read_bytes())
        (folder / name).chmod(0o666)
    write(site, HEAD.replace("role = leafd", f"role = leafd\ntoken_file = {folder}/secret").replace(
        "[auth]", f"ca_file = {folder}/ca.pem\nclient_certificate = {folder}/ca.pem\nclient_key = {folder}/ca.key\n[auth]")
        + CERT + f"trust_anchor = {folder}/ca.pem\nfile = k.p12 pkcs12\nkeystore_password_file = {folder}/secret\n")
    site.file.chmod(0o666)
    bind = f"mount --bind {site.folder} {site.folder}"
    writable = mounted(site, bind)
    assert writable.returncode == 2 and f"{site.file} may be written by everybody" in writable.stderr
    read_only = [bind, f"mount -o remount,bind,ro {site.folder}", "mount -t tmpfs tmpfs /run"]
    done = mounted(site, *read_only)
    assert done.returncode == 0, done.stderr
    assert "[vault] warning: all users may read the file of client_key; chmod o-r it where it is mounted from" in done.stdout
    assert "mode: of a Docker or Podman secret, defaultMode: of a volume" in done.stdout
    # A unit of systemd sees read-only what others may write.
    unit = mounted(site, *read_only, "mkdir -p /run/systemd/system")
    assert unit.returncode == 2 and f"{site.file} may be written by everybody" in unit.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.parametrize("folder", ["/run/secrets", "/var/run/secrets"])
def test_a_key_that_docker_puts_there_for_all_to_read_is_advice(site, made, folder):
    write(site, HEAD.replace(
        "[auth]", f"client_certificate = {made}/ca.pem\nclient_key = {folder}/ca.key\n[auth]") + CERT)
    put = ["mount -t tmpfs tmpfs /run", "{ [ -L /var/run ] || mount --bind /run /var/run; }", "mkdir /run/secrets",
           f"cp {made}/ca.key /run/secrets"]
    done = mounted(site, *put, "chmod 0444 /run/secrets/ca.key")
    assert done.returncode == 0, done.stderr
    assert "warning: all users may read the file of client_key" in done.stdout and "mode: of a Docker" in done.stdout
    assert "everybody" not in mounted(site, *put, "chmod 0400 /run/secrets/ca.key").stdout
    assert mounted(site, *put, "chmod 0666 /run/secrets/ca.key").returncode == 2


def test_openssls_trusted_certificates_are_taken_as_ca_file_alone(ca, site, made):
    """libcurl takes them, and no vetting does."""
    trusted = site.folder / "trusted.pem"
    openssl("x509", "-in", str(ca.ca_file), "-trustout", "-addtrust", "serverAuth", "-out", str(trusted))
    assert "BEGIN TRUSTED CERTIFICATE" in trusted.read_text()
    lines = "pki_role = leafd\ndns_names = a.example.test\nttl = 1h\nfile = tls.crt fullchain\nfile = tls.key key\n"
    text = site.configure(ca, {"web": lines}).read_text()
    site.write(text.replace(f"ca_file = {ca.ca_file}", f"ca_file = {trusted}"))
    done = site.once()
    assert done.code == 0, done.err
    site.configure(ca, {"web": lines + f"trust_anchor = {trusted}\n"})
    done = site.command("check")
    assert done.code == 2 and "holds OpenSSL's TRUSTED CERTIFICATE; write it plain: openssl x509 -in" in done.err


def test_certificates_that_have_ended_are_advice(site, made):
    write(site, HEAD.replace("[auth]", f"ca_file = {made}/ca.pem\n[auth]") + CERT + f"trust_anchor = {made}/other.pem\n")
    assert "have expired" not in site.command("check").out
    clock = Clock(site.folder)
    clock.off_by(2 * DAY)
    done = site.command("check", environment=clock.environment)
    assert done.code == 0, done.err
    assert f"{site.file}:3: [vault] warning: all certificates in ca_file have expired, the last one at 20" in done.out
    assert f"{site.file}:14: [cert web] warning: all certificates in trust_anchor have expired" in done.out


def test_a_default_is_told_once_and_status_does_not_mind(site, made):
    certs = "".join(CERT.replace("web]", f"c{i}]").replace("OUT", f"OUT{i}") for i in range(5))
    write(site, HEAD + f"[defaults]\ntrust_anchor = {made}/empty.pem\n" + certs)
    done = site.command("check")
    assert done.code == 2
    assert done.err.count("\n") == 1 and done.err.startswith(f"{site.file}:8: [defaults] trust_anchor:")
    assert site.command("status").code == 1 and site.command("ready").code == 1


def test_a_wrong_file_of_the_environment_is_told(site, made):
    write(site, HEAD + CERT)
    done = site.command("check", environment={"VAULT_CACERT": str(made / "text.pem")})
    assert done.code == 2
    assert done.err.startswith(f'environment: [vault] ca_file: "{made}/text.pem" holds no certificate in PEM')


def test_a_hangup_refuses_a_file_without_certificates_and_goes_on(ca, site, made):
    lines = "pki_role = leafd\ndns_names = a.example.test\nttl = 1h\nfile = tls.crt fullchain\nfile = tls.key key\n"
    site.configure(ca, {"web": lines})
    run = site.run()
    run.wait_ready()
    site.configure(ca, {"web": lines + f"trust_anchor = {made}/empty.pem\n"})
    run.hangup()
    broken = run.wait_event("config-broken")
    assert "is empty; put certificates into it" in broken[0]["message"]
    assert run.process.poll() is None and site.status()["web"]["state"] == "fresh"
    assert stat.S_IMODE(os.stat(site.out() / "tls.key").st_mode) == 0o600


def test_a_trust_anchor_is_read_once_however_many_sections_name_it(site, made, tmp_path):
    """Two files that alternate over the sections; `check` looks whether they are good, and when they end."""
    for name in "ab":
        (tmp_path / f"{name}.pem").write_text((made / "ca.pem").read_text())
    sections = [CERT.replace("web]", f"c{i}]").replace("OUT", f"OUT/{i}") + f"trust_anchor = {tmp_path}/{'ab'[i % 2]}.pem\n"
                for i in range(100)]
    write(site, HEAD + "".join(sections))
    trace = tmp_path / "trace"
    done = subprocess.run(["strace", "-f", "-e", "trace=open,openat", "-o", trace, LEAFD, "check", "-c", site.file],
                          capture_output=True, text=True, check=False,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # which cannot look while it is traced
    assert done.returncode == 0, done.stderr
    for name in "ab":
        lines = [line for line in trace.read_text().splitlines() if f'"{name}.pem"' in line]
        opened = [line for line in lines if "O_PATH" not in line]
        assert 1 <= len(opened) <= 2, len(opened)
        assert len(lines) <= 12, "it is judged as seldom"
