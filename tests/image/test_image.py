"""The image as Kubernetes runs it: any uid, a read-only root, no capabilities."""
import hashlib
import json
import re
import tarfile
from pathlib import Path

import pytest

from scene import wait_for

MOST_BYTES = 20_000_000


def layer_of(image):
    with tarfile.open(image / "leafd.tar") as archive:
        layer = json.load(archive.extractfile("manifest.json"))[0]["Layers"][0]
        return tarfile.open(fileobj=archive.extractfile(layer)).getmembers(), archive.getmember(layer).size


def test_the_image_is_small_and_holds_no_shell_and_nothing_that_others_may_write(image):
    members, size = layer_of(image)
    names = [member.name.removeprefix("./") for member in members]
    assert size <= MOST_BYTES
    assert "usr/bin/leafd" in names and "usr/share/leafd/templates/nginx.ini" in names
    assert not [name for name in names if name.startswith(("bin/", "sbin/", "usr/sbin/")) or name.endswith(("/sh", "/bash", "/perl"))]
    assert [name for name in names if name.startswith("usr/bin/")] == ["usr/bin/leafd"]
    assert [m.name for m in members if m.mode & 0o002 and not m.issym()] == ["./tmp"]
    assert not [m.name for m in members if m.mode & 0o6000]
    print(f"image: {size / 1e6:.1f} MB")


def test_the_layout_is_whole_and_the_archive_is_the_same_image(image):
    def blob(digest):
        data = (image / "leafd.oci/blobs" / digest.replace(":", "/")).read_bytes()
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == digest
        return data

    index = json.loads((image / "leafd.oci/index.json").read_text())
    assert index["manifests"][0]["digest"] == (image / "digest").read_text().strip()
    manifest = json.loads(blob(index["manifests"][0]["digest"]))
    config = json.loads(blob(manifest["config"]["digest"]))
    assert [f"sha256:{hashlib.sha256(blob(layer['digest'])).hexdigest()}" for layer in manifest["layers"]] == \
        config["rootfs"]["diff_ids"]
    with tarfile.open(image / "leafd.tar") as archive:
        listed = json.load(archive.extractfile("manifest.json"))[0]
        assert json.load(archive.extractfile(listed["Config"])) == config


def test_the_bill_of_materials_names_every_library(image):
    bill = json.loads((image / "leafd.spdx.json").read_text())
    packages = {package["name"] for package in bill["packages"]}
    assert {"leafd", "libc6", "libssl3", "libsystemd0", "libjansson4", "libidn2-0", "libinih1", "libnghttp2-14", "ca-certificates",
            "curl", "libmicrohttpd"} <= packages
    assert all(package["versionInfo"] for package in bill["packages"])
    members, _ = layer_of(image)
    libraries = {Path(m.name).name for m in members if re.search(r"\.so(\.|$)", m.name)} - {"libmicrohttpd.so.12", "legacy.so"}
    assert len(libraries) <= len(packages) + 2, "libcrypto, libssl and the dynamic linker share packages"


CONFIGURATION = """[vault]
address = {address}
ca_file = /etc/leafd/ca.pem
[auth]
{auth}
[cert web]
template = nginx-pod
pki_mount = pki_int
pki_role = leafd
ttl = 1h
dns_names = web.example.test
directory = /run/leafd/web
reload = none
prove = none
"""


@pytest.fixture(params=[65532, 1000770000])
def pod(request, devca, tmp_path):
    """The folders of a pod: configuration, token, and a volume of fsGroup, for the uid of the image and one that a platform gives."""
    uid = request.param
    etc, token, run = (tmp_path / "pod" / name for name in ("etc", "token", "run"))
    for folder in (etc, token, run):
        folder.mkdir(mode=0o755, parents=True)
    auth = "method = kubernetes\nrole = leafd\ntoken_file = /var/run/secrets/leafd/token"
    (etc / "leafd.ini").write_text(CONFIGURATION.format(address=devca.direct, auth=auth))
    (etc / "ca.pem").write_text(Path(devca.ca_file).read_text())
    (token / "token").write_text(devca.token_file.read_text())
    (token / "token").chmod(0o644)
    run.chmod(0o777)
    volumes = [f"{etc}:/etc/leafd:ro", f"{token}:/var/run/secrets/leafd:ro", f"{run}:/run/leafd"]
    return uid, volumes, run


def test_it_issues_once_as_an_init_container(podman, name, pod):
    uid, volumes, run = pod
    done = podman.run(name, "once", uid=uid, volumes=volumes, options=["--rm"])
    assert (run / "web/..data").is_symlink(), done.stderr
    keys = [path for path in (run / "web").glob("*/*key*") if not path.is_symlink()]
    assert keys and all(path.stat().st_mode & 0o777 == 0o600 and path.stat().st_uid == uid for path in keys)


def test_it_runs_as_a_sidecar_and_answers_its_probes(podman, name, pod):
    uid, volumes, _ = pod
    container = podman.run(name, uid=uid, volumes=volumes, options=["-d"]).stdout.strip()
    try:
        wait_for(lambda: podman.call("exec", container, "/usr/bin/leafd", "ready", check=False).returncode == 0,
                 lambda: podman.call("logs", container, check=False).stderr)
        told = json.loads(podman.call("exec", container, "/usr/bin/leafd", "status", "--json").stdout)
        assert told["source"] == "agent" and told["certs"][0]["state"] == "fresh", told
        pid = podman.call("inspect", "-f", "{{.State.Pid}}", container).stdout.strip()
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^CapEff:\s+0+$", status, re.M) and re.search(rf"^Uid:\s+{uid}\b", status, re.M)
        print(f"uid {uid}: {re.search(r'VmRSS:.*', status).group()}")
        podman.call("stop", "-t", "20", container)
        assert podman.call("inspect", "-f", "{{.State.ExitCode}}", container).stdout.strip() == "0"
    finally:
        podman.call("rm", "-f", container, check=False)
