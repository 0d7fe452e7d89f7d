"""Libraries to preload, each a C file beside this one: a machine that behaves otherwise, for one leafd."""
import os
import subprocess

from scene import LEAFD, SANITIZED

FOLDER = os.path.dirname(os.path.abspath(__file__))
MADE = os.path.join(os.path.dirname(os.path.abspath(LEAFD)), "tests", "scenario")
COMPILE = ["-std=gnu17", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror",
           "-shared", "-fPIC"]


def build(name, folder=FOLDER):
    """The library, compiled if it is older than its source; several test processes may want it at once."""
    source, made = os.path.join(folder, f"{name}.c"), os.path.join(MADE, f"{name}.so")
    if not os.path.exists(made) or os.path.getmtime(made) < os.path.getmtime(source):
        os.makedirs(MADE, exist_ok=True)
        subprocess.run(["cc", *COMPILE, "-o", f"{made}.{os.getpid()}", source], check=True)
        os.rename(f"{made}.{os.getpid()}", made)
    return made


def preload(name, folder=FOLDER):
    """The environment of a leafd with that library: AddressSanitizer has to come before every other."""
    first = []
    if SANITIZED:
        linked = subprocess.run(["ldd", LEAFD], capture_output=True, text=True, check=True).stdout
        first = [word for word in linked.split() if word.startswith("/") and "/libasan" in word]
    return {"LD_PRELOAD": " ".join([*first, build(name, folder)])}
