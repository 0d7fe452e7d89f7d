#!/usr/bin/python3
"""pack.py: a folder as a container image: OCI layout, docker archive, and an SBOM. The same folder gives the same bytes."""
import argparse
import hashlib
import io
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tarfile
import time

NOBODY = 65532  # the uid that images without a user database use for "not root"
OWNED = {"./run/leafd": 0o700, "./tmp": 0o1777}  # who runs the image writes here
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "armv7l": "arm"}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def encode(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def add(tar, name, data, epoch):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(data), 0o644, epoch
    tar.addfile(info, io.BytesIO(data))


def layer(root, epoch):
    """A tar of the folder in which nothing depends on when, where and by whom it was made."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            name = f"./{path.relative_to(root)}"
            info = tar.gettarinfo(path, name)
            info.mtime, info.uid, info.gid, info.uname, info.gname = epoch, 0, 0, "", ""
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
            if info.issym():
                info.mode = 0o777
            if name in OWNED:
                info.mode, info.uid, info.gid = OWNED[name], NOBODY, NOBODY
            if info.islnk():
                raise SystemExit(f"{name} is a hard link")
            with path.open("rb") if info.isfile() else io.BytesIO() as content:
                tar.addfile(info, content if info.isfile() else None)
    return buffer.getvalue()


def configuration(data, options):
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(options.epoch))
    return {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()), "os": "linux", "created": created,
        "config": {"Entrypoint": [options.entry], "Cmd": ["run"], "Env": [f"PATH={os.path.dirname(options.entry)}", "RUNTIME_DIRECTORY=/run/leafd"],
                   "User": f"{NOBODY}:{NOBODY}", "WorkingDir": "/",
                   "Labels": {"org.opencontainers.image.title": "leafd", "org.opencontainers.image.version": options.version,
                              "org.opencontainers.image.description": "keeps short-lived certificates fresh on disk"}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(data)}"]},
        "history": [{"created": created, "created_by": "contrib/image/build"}]}


def write_oci(data, config, options):
    """The image layout; returns the digest of its manifest."""
    folder = options.output / "leafd.oci"
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(content, media_type):
        (blobs / sha256(content)).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{sha256(content)}", "size": len(content)}

    manifest = blob(encode({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(encode(config), "config.v1+json"), "layers": [blob(data, "layer.v1.tar")]}), "manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": options.version}
    (folder / "oci-layout").write_bytes(encode({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_bytes(encode({"schemaVersion": 2, "manifests": [manifest]}))
    return manifest["digest"]


def write_docker(data, config, options):
    name = f"{sha256(encode(config))}.json"
    manifest = [{"Config": name, "RepoTags": [options.name], "Layers": ["layer.tar"]}]
    with tarfile.open(options.output / "leafd.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        add(tar, name, encode(config), options.epoch)
        add(tar, "layer.tar", data, options.epoch)
        add(tar, "manifest.json", encode(manifest), options.epoch)


# -- the software bill of materials ---------------------------------------------------------------------


def debian_packages(root):
    """The packages of this machine that a file of the image is from: {name: (version, source)}."""
    own = {f"/{path.relative_to(root)}" for path in root.rglob("*") if path.is_file() and not path.is_symlink()}
    # With /lib a link to /usr/lib, dpkg may know a file by either name.
    names = sorted(own | {f"/usr{name}" for name in own} | {str(pathlib.Path(name).resolve()) for name in own})
    found = {}
    done = subprocess.run(["dpkg-query", "-S", *names], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        package = line.split(":")[0].split(",")[0]
        if package != "leafd" and not line.startswith("diversion"):
            found[package] = None
    for package in found:
        told = subprocess.run(["dpkg-query", "-W", "-f", "${Version} ${source:Package}\n", package], capture_output=True, text=True,
                              check=True)
        found[package] = tuple(told.stdout.splitlines()[0].split())
    found["ca-certificates"] = tuple(subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version} ${source:Package}", "ca-certificates"], capture_output=True, text=True,
        check=True).stdout.split())
    return found


def sbom(digest, options):
    """SPDX 2.3."""
    packages = [{"SPDXID": "SPDXRef-leafd", "name": "leafd", "versionInfo": options.version, "supplier": "NOASSERTION"}]
    for name, (version, source) in sorted(debian_packages(options.root).items()):
        packages.append({"SPDXID": f"SPDXRef-deb-{name.replace('+', '-')}", "name": name, "versionInfo": version,
                         "sourceInfo": f"Debian package, from the source package {source}", "supplier": "Organization: Debian",
                         "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                           "referenceLocator": f"pkg:deb/debian/{name}@{version}"}]})
    for built in options.built:
        name, version = built.split("=", 1)
        packages.append({"SPDXID": f"SPDXRef-source-{name}", "name": name, "versionInfo": version, "supplier": "Organization: Debian",
                         "sourceInfo": "built from Debian's source package for what leafd uses",
                         "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                           "referenceLocator": f"pkg:deb/debian/{name}@{version}?arch=source"}]})
    for package in packages:
        package.update({"downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "NOASSERTION",
                        "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION"})
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"leafd-image-{options.version}", "documentNamespace": f"urn:leafd:image:{digest}",
        "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(options.epoch)),
                         "creators": ["Tool: leafd contrib/image/pack.py"]},
        "packages": packages,
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-leafd"},
                          *({"spdxElementId": "SPDXRef-leafd", "relationshipType": "DEPENDS_ON",
                             "relatedSpdxElement": package["SPDXID"]} for package in packages[1:])]}


def main():
    reader = argparse.ArgumentParser()
    reader.add_argument("--root", type=pathlib.Path, required=True)
    reader.add_argument("--output", type=pathlib.Path, required=True)
    reader.add_argument("--name", required=True)
    reader.add_argument("--built", action="append", default=[], metavar="NAME=VERSION")
    reader.add_argument("--epoch", type=int, required=True)
    options = reader.parse_args()
    program, = [path for path in options.root.rglob("leafd") if path.is_file()]
    options.entry = f"/{program.relative_to(options.root)}"
    options.version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    shutil.rmtree(options.output / "leafd.oci", ignore_errors=True)
    os.umask(0o022)
    data = layer(options.root, options.epoch)
    config = configuration(data, options)
    digest = write_oci(data, config, options)
    write_docker(data, config, options)
    (options.output / "leafd.spdx.json").write_text(json.dumps(sbom(digest, options), indent=1, sort_keys=True) + "\n")
    (options.output / "digest").write_text(f"{digest}\n")
    print(f"{options.name} {digest}, {len(data) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
