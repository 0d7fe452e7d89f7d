"""The manifests for Kubernetes: the configuration in each is right."""
import glob
import os

import pytest
import yaml

from scene import SOURCE, templates

MANIFESTS = sorted(glob.glob(os.path.join(SOURCE, "contrib", "k8s", "*.yaml")))


def configurations(path):
    with open(path, encoding="utf-8") as file:
        return [each["data"]["leafd.ini"] for each in yaml.safe_load_all(file)
                if each["kind"] == "ConfigMap" and "leafd.ini" in each["data"]]


@pytest.mark.parametrize("path", MANIFESTS, ids=os.path.basename)
def test_the_configuration_of_a_manifest_is_right(devca, site, path):
    text, = configurations(path)
    for there, here in (("/etc/leafd/vault-ca.pem", devca.ca_file), ("/var/run/secrets/leafd/token", devca.token_file),
                        ("/run/leafd", site.folder)):
        assert there in text
        text = text.replace(there, str(here))
    site.write(f"{text}\n[agent]\ntemplate_directory = {templates()}\n")
    done = site.command("check")
    assert done.code == 0, done.out + done.err
