"""doc/envoy-sidecar.md: Envoy accepts the configuration that the page shows."""
import os
import re
import subprocess

import pytest

from envoy import find_envoy

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "doc", "envoy-sidecar.md")


def test_envoy_accepts_the_configuration_of_the_tutorial(tmp_path):
    envoy, why_not = find_envoy()
    if envoy is None:
        pytest.skip(why_not)
    with open(PAGE, encoding="utf-8") as page:
        text, = re.findall(r"^```yaml\n(.*?)^```$", page.read(), re.M | re.S)
    # It watches the directories, which leafd makes.
    (tmp_path / "web").mkdir()
    (tmp_path / "envoy.yaml").write_text(text.replace("/run/leafd", str(tmp_path)))
    for name, resource in ("sds", "web"), ("sds-ca", "web-ca"):
        (tmp_path / "web" / f"{name}.yaml").write_text(
            f'resources:\n- "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n  name: {resource}\n')
    done = subprocess.run([envoy, "--mode", "validate", "-c", tmp_path / "envoy.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and " OK" in done.stdout + done.stderr, done.stderr
