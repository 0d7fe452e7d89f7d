"""A pod of a manifest, without a kubelet: its containers in chroots, with the volumes that the manifest names."""
import json
import os
import shutil
import subprocess
import tarfile
import time

import yaml

from scene import PATIENCE_S, wait_for
from vm import call

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Pod:
    """The one Deployment of a manifest; `maps` are ConfigMaps from elsewhere, `images` archives by name."""

    def __init__(self, place, manifest, maps, images):
        self.place, self.images = place, images
        with open(place.folder / manifest, encoding="utf-8") as file:
            documents = list(yaml.safe_load_all(file))
        self.maps = {**maps, **{each["metadata"]["name"]: each["data"] for each in documents if each["kind"] == "ConfigMap"}}
        deployment, = [each for each in documents if each["kind"] == "Deployment"]
        self.namespace = deployment["metadata"]["namespace"]
        self.spec = deployment["spec"]["template"]["spec"]
        context = self.spec["securityContext"]
        assert self.spec["shareProcessNamespace"] and context["runAsNonRoot"]
        self.user = f"{context['runAsUser']}:{context['runAsGroup']}"
        self.folder = place.folder / "pod"
        self.folder.mkdir()
        self.volumes = {volume["name"]: self.make_volume(volume) for volume in self.spec["volumes"]}
        self.configurations = {}

    # -- volumes --------------------------------------------------------------------------------------

    def make_volume(self, volume):
        """The directory that stands for it; what a kubelet writes is written as it does, behind `..data`."""
        path = self.folder / f"volume-{volume['name']}"
        path.mkdir()
        call("mount", "-t", "tmpfs", "-o", "mode=0777", "tmpfs", path)
        if "emptyDir" in volume:
            return path
        sources = volume["projected"]["sources"] if "projected" in volume else [{"configMap": volume["configMap"]}]
        (path / "..now").mkdir()
        (path / "..data").symlink_to("..now")
        for source in sources:
            for name, text in self.project(source).items():
                (path / "..now" / name).write_text(text)
                (path / name).symlink_to(f"..data/{name}")
        return path

    def project(self, source):
        if "configMap" in source:
            return self.maps[source["configMap"]["name"]]
        asked = source["serviceAccountToken"]
        return {asked["path"]: self.place.tokens.make(self.namespace, self.spec["serviceAccountName"], asked["audience"],
                                                      asked["expirationSeconds"])}

    # -- containers -----------------------------------------------------------------------------------

    def path(self, container, path):
        return str(self.folder / container) + path

    def make_container(self, container):
        """A root with the image and the mounts, and the image's configuration; nginx comes from this machine."""
        root = self.folder / container["name"]
        root.mkdir()
        image = self.images.get(container["image"])
        if image is None:
            assert container["image"].startswith("nginx:"), container["image"]
            call("mount", "--rbind", "/", root)
            logs = root / "var/log/nginx"
            call("mount", "-t", "tmpfs", "-o", "mode=0777", "tmpfs", logs)
            (root / "run/leafd").mkdir(exist_ok=True)
            configuration = {"Entrypoint": [], "Env": [f"PATH={SYSTEM_PATH}"]}
        else:
            with tarfile.open(image) as archive:
                described, = json.load(archive.extractfile("manifest.json"))
                configuration = json.load(archive.extractfile(described["Config"]))["config"]
                assert described["RepoTags"] == [container["image"]]
                archive.extract("layer.tar", self.folder)
            call("tar", "-C", root, "-xf", self.folder / "layer.tar")
            shutil.copyfile("/etc/hosts", root / "etc/hosts")  # which a kubelet writes
            for mount in container["volumeMounts"]:
                os.makedirs(f"{root}{mount['mountPath']}", exist_ok=True)
            call("mount", "--bind", root, root)
            call("mount", "-o", "remount,bind,ro", root)
            call("mount", "-t", "proc", "proc", root / "proc")
            call("mount", "--rbind", "/dev", root / "dev")
        assert container["securityContext"]["readOnlyRootFilesystem"]
        for mount in container["volumeMounts"]:
            source, target = self.volumes[mount["name"]], f"{root}{mount['mountPath']}"
            call("mount", "--bind", source / mount["subPath"] if "subPath" in mount else source, os.path.realpath(target))
            if mount.get("readOnly"):
                call("mount", "-o", "remount,bind,ro", os.path.realpath(target))
        configuration["Env"] += [f"{each['name']}={each['value']}" for each in container.get("env", [])]
        self.configurations[container["name"]] = configuration

    def words(self, container, command):
        environment = self.configurations[container]["Env"]
        return ["env", "-i", *environment, "/usr/bin/setpriv", "--no-new-privs", "/usr/sbin/chroot", f"--userspec={self.user}", "--groups=",
                str(self.folder / container), *command]

    def start_container(self, container):
        self.make_container(container)
        entry = container.get("command") or self.configurations[container["name"]]["Entrypoint"]
        self.place.start(*self.words(container["name"], [*entry, *container.get("args", [])]), log=f"{container['name']}.log")

    def start(self):
        """The sidecar, then what waits for its startup probe, as often as the probe says at most."""
        for container in self.spec["initContainers"]:
            assert container["restartPolicy"] == "Always"
            self.start_container(container)
            command = self.words(container["name"], container["startupProbe"]["exec"]["command"])
            wait_for(lambda: subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0, "the startup probe")  # pylint: disable=cell-var-from-loop
        for container in self.spec["containers"]:
            self.start_container(container)

    def run(self, container, command):
        """What the command prints in the container once it succeeds, as `kubectl exec` does."""
        end = time.monotonic() + PATIENCE_S
        while True:
            done = subprocess.run(self.words(container, command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode == 0 or time.monotonic() > end:
                break
            time.sleep(0.1)
        print(done.stdout, flush=True)
        assert done.returncode == 0, f"exit status {done.returncode}"
        return done.stdout
