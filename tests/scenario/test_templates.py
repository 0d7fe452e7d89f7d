"""Every template that is shipped: it is read, explains itself, and brings its files."""
import glob
import os
import re

import pytest

from scene import SOURCE

TEMPLATES = sorted(glob.glob(os.path.join(SOURCE, "templates", "*.ini")))
ENVIRONMENT = {"SPIFFE_TRUST_DOMAIN": "example.test"}


def entries(path):
    """The key = value lines below [template]."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return re.findall(r"^(\w+) *= *(.*)$", text[text.index("\n[template]\n"):], re.M)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: os.path.basename(path)[:-4])
def test_a_template_brings_its_files(ca, site, path):
    lines = f"template = {os.path.basename(path)[:-4]}\npki_role = leafd\ndns_names = a.example.test\nttl = 1h\n"
    files = [value.replace("${env.SPIFFE_TRUST_DOMAIN}", "example.test").split() for key, value in entries(path)
             if key == "file"]
    if any(content in ("pkcs12", "truststore") for _, content, *_ in files):
        password = site.folder / "password"
        password.write_text("changeit\n")
        lines += f"keystore_password_file = {password}\n"
    site.environment.update(ENVIRONMENT)
    site.configure(ca, {"web": lines})
    done = site.command("check")
    # The programs that some are told by need not be on this machine.
    assert done.code == 0 or all(re.search(r'reload: ".*" names a program that does not exist', line) for line in done.err.splitlines()), done.err
    site.configure(ca, {"web": lines + "reload = none\nprove = none\n"})
    done = site.once()
    assert done.code == 0, done.err
    assert sorted(name for name in os.listdir(site.out()) if not name.startswith("..")) == sorted(name for name, *_ in files)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: os.path.basename(path)[:-4])
def test_a_template_says_what_it_is_for(path):
    with open(path, encoding="utf-8") as file:
        head = file.read().split("[template]")[0].splitlines()
    assert re.match(r"# \w", head[0]) and head[1] == "#" and len(head) >= 6
    assert all(line.startswith("#") for line in head)
    # A reader on a narrow terminal.
    assert max(map(len, head)) <= 124
