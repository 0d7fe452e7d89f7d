"""Every format, read by tools that are not leafd's: openssl, python3-cryptography, and Java's own keystore code."""
import os
import shutil
import stat
import subprocess

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from scene import WEB, openssl, serial_of

PASSWORD = "change it"

ALL = WEB + """
file = key.p12 pkcs12
file = trust.p12 truststore
file = tls.der certificate-der
file = key.der key-der
file = sds.yaml envoy-sds
file = sds-ca.yaml envoy-sds-ca
"""

# Loads a keystore as servers and clients do; prints what it finds.
JAVA = """
import java.io.FileInputStream;
import java.security.Key;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.util.Collections;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

public class Load {
    static KeyStore load(String path, char[] password) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (FileInputStream in = new FileInputStream(path)) {
            store.load(in, password);
        }
        return store;
    }

    public static void main(String[] args) throws Exception {
        char[] password = args[2].toCharArray();
        KeyStore keys = load(args[0], password), trust = load(args[1], password);
        KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm()).init(keys, password);
        for (String alias : Collections.list(keys.aliases()))
            System.out.println("key " + alias + " " + keys.isKeyEntry(alias) + " "
                + keys.getKey(alias, password).getAlgorithm() + " " + keys.getCertificateChain(alias).length);
        for (String alias : Collections.list(trust.aliases()))
            System.out.println("trust " + alias + " " + trust.isCertificateEntry(alias));
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(trust);
        X509TrustManager manager = (X509TrustManager) factory.getTrustManagers()[0];
        String alias = keys.aliases().nextElement();
        X509Certificate[] chain = java.util.Arrays.copyOf(keys.getCertificateChain(alias),
            keys.getCertificateChain(alias).length, X509Certificate[].class);
        manager.checkServerTrusted(chain, "ECDHE_ECDSA");
        System.out.println("accepted " + manager.getAcceptedIssuers().length);
    }
}
"""


@pytest.fixture
def password_file(site):
    path = site.folder / "password"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="session")
def java(tmp_path_factory):
    """Runs the program above; a machine without Java says so."""
    for tool in ("java", "javac", "keytool"):
        if shutil.which(tool) is None:
            pytest.skip(f"JAVA LEFT OUT: {tool} is missing; contrib/install-packages consumers")
    folder = tmp_path_factory.mktemp("java")
    (folder / "Load.java").write_text(JAVA)
    subprocess.run(["javac", "-d", str(folder), str(folder / "Load.java")], check=True)
    return lambda *arguments: subprocess.run(["java", "-Xshare:auto", "-cp", str(folder), "Load", *map(str, arguments)],
                                             capture_output=True, text=True, check=False)


def with_password(lines, password_file):
    return f"{lines}\nkeystore_password_file = {password_file}\n"


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def leaf_of(site):
    return x509.load_pem_x509_certificate((site.out() / "tls.crt").read_bytes())


def public_of(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def certificates_in(path):
    return x509.load_pem_x509_certificates(path.read_bytes()) if hasattr(x509, "load_pem_x509_certificates") else \
        [x509.load_pem_x509_certificate(("-----BEGIN CERTIFICATE-----" + part).encode())
         for part in path.read_text().split("-----BEGIN CERTIFICATE-----")[1:]]


def names_in(path):
    """The common names of the certificates in a PEM file, sorted."""
    return sorted(c.subject.rfc4514_string() for c in certificates_in(path))


def check_keystores(site, alias):
    """Both PKCS#12 files, as python3-cryptography understands them."""
    leaf = leaf_of(site)
    store = pkcs12.load_pkcs12((site.out() / "key.p12").read_bytes(), PASSWORD.encode())
    assert store.cert.certificate == leaf
    assert store.cert.friendly_name == alias.encode()
    assert public_of(store.key.public_key()) == public_of(leaf.public_key())
    assert [c.certificate for c in store.additional_certs] == certificates_in(site.out() / "tls.crt")[1:]
    trust = pkcs12.load_pkcs12((site.out() / "trust.p12").read_bytes(), PASSWORD.encode())
    assert trust.key is None
    found = [c.certificate for c in trust.additional_certs]
    assert sorted(c.subject.rfc4514_string() for c in found) == names_in(site.out() / "ca.crt")


def test_every_format_is_what_other_tools_expect(ca, site, password_file):
    site.configure(ca, {"web": with_password(ALL, password_file)})
    done = site.once()
    assert done.code == 0, done.err
    leaf = leaf_of(site)
    check_keystores(site, "web")
    for name, mode in (("key.p12", 0o600), ("key.der", 0o600), ("trust.p12", 0o644), ("tls.der", 0o644),
                       ("sds.yaml", 0o644), ("sds-ca.yaml", 0o644)):
        assert mode_of(site.out() / name) == mode
    assert x509.load_der_x509_certificate((site.out() / "tls.der").read_bytes()) == leaf
    key = serialization.load_der_private_key((site.out() / "key.der").read_bytes(), None)
    assert public_of(key.public_key()) == public_of(leaf.public_key())
    assert site.once().code == 0
    assert ca.requests("pki_int/sign/") == 1, "a sound set is left alone"
    assert site.status()["web"]["state"] == "fresh"


@pytest.mark.parametrize("encryption, wanted", [
    ("modern", ["PBES2, PBKDF2, AES-256-CBC, Iteration 10000, PRF hmacWithSHA256", "MAC: sha256, Iteration 10000"]),
    ("legacy", ["pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 10000", "MAC: sha1, Iteration 10000"]),
])
def test_keystores_are_locked_as_asked(ca, site, password_file, encryption, wanted):
    site.configure(ca, {"web": with_password(ALL, password_file) + f"keystore_encryption = {encryption}\n"
                                                                   "keystore_alias = tomcat\n"})
    done = site.once()
    assert done.code == 0, done.err
    check_keystores(site, "tomcat")
    for name in ("key.p12", "trust.p12"):
        path = str(site.out() / name)
        told = subprocess.run(["openssl", "pkcs12", "-in", path, "-passin", f"file:{password_file}", "-info", "-noout"],
                              capture_output=True, text=True, check=True).stderr
        for words in wanted:
            assert words in told, told
        wrong = subprocess.run(["openssl", "pkcs12", "-in", path, "-passin", "pass:changeit", "-noout"],
                               capture_output=True, text=True, check=False)
        assert wrong.returncode != 0 and "invalid password" in wrong.stderr
    text = openssl("pkcs12", "-in", str(site.out() / "trust.p12"), "-passin", f"file:{password_file}", "-nokeys")
    assert "2.16.840.1.113894.746875.1.1" in text or "Trusted key usage (Oracle)" in text, text


@pytest.mark.parametrize("encryption", ["modern", "legacy"])
def test_java_takes_both_keystores(ca, site, password_file, java, encryption):
    site.configure(ca, {"web": with_password(ALL, password_file) + f"keystore_encryption = {encryption}\n"})
    assert site.once().code == 0
    done = java(site.out() / "key.p12", site.out() / "trust.p12", PASSWORD)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("key web true EC ")
    assert int(lines[0].split()[-1]) >= 2
    trusted = certificates_in(site.out() / "ca.crt")
    assert [line.split()[2] for line in lines if line.startswith("trust ca-")] == ["true"] * len(trusted)
    assert f"accepted {len(trusted)}" in lines
    assert java(site.out() / "key.p12", site.out() / "trust.p12", "another").returncode != 0
    listed = [subprocess.run(["keytool", "-list", "-keystore", str(site.out() / name), "-storetype", "PKCS12",
                              "-storepass:file", str(password_file)], capture_output=True, text=True, check=True).stdout
              for name in ("key.p12", "trust.p12")]
    assert "web, " in listed[0] and "PrivateKeyEntry" in listed[0]
    assert listed[1].count("trustedCertEntry") == len(trusted)


@pytest.mark.parametrize("key_type, begin", [("ecdsa-p256", "-----BEGIN EC PRIVATE KEY-----"),
                                             ("rsa-2048", "-----BEGIN RSA PRIVATE KEY-----"),
                                             ("ed25519", "-----BEGIN PRIVATE KEY-----")])
def test_keys_are_encoded_as_asked(ca, site, key_type, begin):
    lines = WEB + f"file = key.der key-der\nkey_type = {key_type}\n"
    site.configure(ca, {"web": lines})
    assert site.once().code == 0
    pem, der = (site.out() / "tls.key").read_bytes(), (site.out() / "key.der").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    assert key.private_bytes(serialization.Encoding.PEM, *form) == pem
    assert key.private_bytes(serialization.Encoding.DER, *form) == der
    site.configure(ca, {"web": lines + "key_encoding = traditional\n"})
    if key_type == "ed25519":
        done = site.once()
        assert done.code == 2 and "write key_encoding = pkcs8" in done.err
        return
    assert site.once().code == 0
    pem, der = (site.out() / "tls.key").read_bytes(), (site.out() / "key.der").read_bytes()
    assert pem.decode().startswith(begin)
    form = (serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    assert key.private_bytes(serialization.Encoding.PEM, *form) == pem
    assert key.private_bytes(serialization.Encoding.DER, *form) == der
    assert ca.requests("pki_int/sign/") == 1, "another encoding needs no other certificate"


def test_envoy_finds_its_files(ca, site):
    lines = "pki_role = leafd\nttl = 1h\ndns_names = a.example.test\ntemplate = envoy\n"
    site.configure(ca, {"web": lines})
    done = site.once()
    assert done.code == 0, done.err
    out = str(site.out())
    told = yaml.safe_load((site.out() / "sds.yaml").read_text())
    secret = {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"}
    assert told == {"resources": [{**secret, "name": "web", "tls_certificate": {
        "watched_directory": {"path": out}, "certificate_chain": {"filename": f"{out}/tls.crt"},
        "private_key": {"filename": f"{out}/tls.key"}}}]}
    told = yaml.safe_load((site.out() / "sds-ca.yaml").read_text())
    assert told == {"resources": [{**secret, "name": "web-ca", "validation_context": {
        "watched_directory": {"path": out}, "trusted_ca": {"filename": f"{out}/ca.crt"}}}]}
    site.configure(ca, {"web": lines + "sds_name = leaf\nsds_ca_name = peers\n"})
    assert site.once().code == 0
    assert yaml.safe_load((site.out() / "sds.yaml").read_text())["resources"][0]["name"] == "leaf"
    assert yaml.safe_load((site.out() / "sds-ca.yaml").read_text())["resources"][0]["name"] == "peers"
    assert ca.requests("pki_int/sign/") == 1


def opens_with(path, password):
    return subprocess.run(["openssl", "pkcs12", "-in", str(path), "-passin", f"pass:{password}", "-noout"],
                          capture_output=True, check=False).returncode == 0


def test_another_password_needs_no_other_certificate(ca, site, password_file):
    site.configure(ca, {"web": with_password(ALL, password_file)})
    run = site.run()
    run.wait_ready()
    serial = serial_of(site.out() / "tls.crt")
    password_file.write_text("another one\n")
    run.hangup()
    run.wait_event("published", count=2)
    for name in ("key.p12", "trust.p12"):
        assert opens_with(site.out() / name, "another one") and not opens_with(site.out() / name, PASSWORD)
    assert run.terminate() == 0
    password_file.write_text("a third\n")
    done = site.once()
    assert done.code == 0
    assert "keystore_password_file does not hold the password" in done.events("wanted")[0]["message"]
    assert opens_with(site.out() / "key.p12", "a third")
    assert serial_of(site.out() / "tls.crt") == serial
    assert ca.requests("pki_int/sign/") == 1
    assert "another one" not in done.err + run.log_path.read_text()


def test_a_keystore_may_be_the_only_file(ca, site, password_file):
    lines = with_password("pki_role = leafd\nttl = 1h\ndns_names = a.example.test\nfile = key.p12 pkcs12\n",
                          password_file)
    site.configure(ca, {"web": lines})
    assert site.once().code == 0
    assert site.once().code == 0
    assert ca.requests("pki_int/sign/") == 1
    site.configure(ca, {"web": lines + "file = meta.json metadata\nkeystore_alias = other\n"})
    assert site.once().code == 0
    assert (site.out() / "meta.json").exists()
    assert ca.requests("pki_int/sign/") == 1, "the key was found in the keystore"
    # Locked under a password that is gone, the key is lost, and a new one is the only way.
    password_file.write_text("another one\n")
    done = site.once()
    assert done.code == 0
    assert "no other file holds the key" in done.events("wanted")[0]["message"]
    assert opens_with(site.out() / "key.p12", "another one")
    assert ca.requests("pki_int/sign/") == 2


def go_on_later(site, clock, minutes):
    """A run of `once` so many minutes ahead."""
    clock.off_by(minutes * 60)
    done = site.once(environment=clock.environment)
    assert done.code == 0, done.err


def test_the_trust_in_a_new_root_overlaps_with_the_old_one_real(real_ca_server, site, clock, password_file):
    ca = real_ca_server
    ca.reset()
    lines = with_password(ALL, password_file) + "renew_at = 5%\nca_overlap = 15m\n"
    site.configure(ca, {"web": lines})
    assert site.once().code == 0
    old = names_in(site.out() / "ca.crt")
    old_leaf = site.folder / "old.crt"
    old_leaf.write_bytes((site.out() / "tls.crt").read_bytes())
    assert len(old) == 1
    with ca.another_root("a new root"):
        go_on_later(site, clock, 10)
        assert names_in(site.out() / "ca.crt") == sorted(old + ["CN=a new root"])
        check_keystores(site, "web")
        # Peers with a leaf of the old root are trusted, and those with a leaf of the new one.
        for peer in (old_leaf, site.out() / "tls.crt"):
            openssl("verify", "-CAfile", str(site.out() / "ca.crt"), "-untrusted", str(peer), str(peer))
        # Written anew for another reason, it keeps both; renewed within the overlap too.
        site.configure(ca, {"web": lines + "file = meta.json metadata\n"})
        go_on_later(site, clock, 10)
        assert len(names_in(site.out() / "ca.crt")) == 2
        go_on_later(site, clock, 20)
        assert len(names_in(site.out() / "ca.crt")) == 2
        go_on_later(site, clock, 30)
        assert names_in(site.out() / "ca.crt") == ["CN=a new root"]
        check_keystores(site, "web")
    go_on_later(site, clock, 40)
    assert names_in(site.out() / "ca.crt") == sorted(old + ["CN=a new root"]), "and the same way back"


def test_a_trust_anchor_alone_decides_what_is_trusted_real(real_ca_server, site, clock):
    ca = real_ca_server
    ca.reset()
    both = site.folder / "anchors.pem"
    both.write_text(ca.root_file.read_text())
    lines = WEB + f"renew_at = 5%\ntrust_anchor = {both}\n"
    site.configure(ca, {"web": lines})
    assert site.once().code == 0
    with ca.another_root("another new root") as root:
        both.write_text(root)
        go_on_later(site, clock, 10)
        assert names_in(site.out() / "ca.crt") == ["CN=another new root"]
