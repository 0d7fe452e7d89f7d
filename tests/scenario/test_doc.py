"""The pages of doc/: what they configure is right, what they quote is said, and what they link to is there."""
import functools
import glob
import os
import re
import shutil
import subprocess

import pytest
import yaml

from scene import LEAFD, SOURCE, templates

PAGES = sorted(glob.glob(os.path.join(SOURCE, "doc", "*.md")))
HEAD = """[vault]
address = https://vault.example.com:8200
ca_file = /etc/leafd/vault-ca.pem
"""
LOGIN = """
[auth]
method         = approle
role_id_file   = /etc/leafd/role-id
secret_id_file = /etc/leafd/secret-id
"""
CERT = """
[cert any]
template  = generic
pki_role  = web
dns_names = any.example.com
directory = /var/lib/leafd/any
"""


def page_name(path):
    return os.path.basename(path)[:-3]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def blocks(path, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", read(path), re.M | re.S)


def marked(place):
    """(page, number, text) of each block whose first line is the path of a file there."""
    return [pytest.param(text, id=f"{page_name(path)}-{number}") for path in PAGES for number, text in enumerate(blocks(path, "ini"))
            if re.match(place, text)]


def moved(text, folder, devca):
    """The same configuration with files that are there; what a fragment leaves out is added."""
    for section, rest in (("[vault]", HEAD), ("[auth]", LOGIN), ("[cert ", CERT)):
        text += "" if section in text else rest
    text = re.sub(r"(/etc/leafd|/var/lib/leafd[\w-]*|/run/leafd)/", rf"{folder}/", text)
    text = text.replace("/var/run/secrets/leafd/token", str(devca.token_file)).replace(":ssl-cert", ":root")
    return f"{text}\n[agent]\ntemplate_directory = {templates()}\n"


@pytest.mark.parametrize("text", marked(r"# /etc/leafd/\w+\.ini\n"))
def test_a_configuration_is_right(devca, site, text):
    shutil.copyfile(devca.ca_file, site.folder / "vault-ca.pem")
    shutil.copyfile(devca.ca_file, site.folder / "root.pem")
    named = re.findall(r"^(?:role_id|secret_id|keystore_password)_file += /etc/leafd/(.*)$", text, re.M)
    for name in {"role-id", "secret-id", *named}:
        (site.folder / name).write_text("a-word\n")
        (site.folder / name).chmod(0o640)
    site.write(moved(text, site.folder, devca))
    done = site.command("check", environment={"CREDENTIALS_DIRECTORY": str(site.folder)})
    assert done.code == 0, done.out + done.err


@pytest.mark.parametrize("text", marked(r"# /etc/systemd/system/"))
def test_a_drop_in_is_read_by_systemd(tmp_path, text):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    unit, name = re.match(r"# /etc/systemd/system/([\w@.-]+)\.d/([\w-]+\.conf)\n", text).groups()
    for shipped in "leafd", "leafd@", "leafd-ready":
        here = read(os.path.join(SOURCE, "contrib/systemd", f"{shipped}.service.in")).replace("@bindir@", os.path.dirname(os.path.abspath(LEAFD)))
        (tmp_path / f"{shipped}.service").write_text(here)
    target = tmp_path / unit
    if not target.exists():
        target.write_text("[Service]\nExecStart=/bin/true\n")
    (tmp_path / f"{unit}.d").mkdir()
    (tmp_path / f"{unit}.d" / name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", target], capture_output=True, text=True, check=False,
                          env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"})
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_a_page_names_files_that_its_sets_have(path):
    """What a consumer is told to read is what the template writes."""
    files = {}
    for text in blocks(path, "ini"):
        for section in re.split(r"^(?=\[)", text, flags=re.M):
            values = dict(re.findall(r"^(\w+) *= *(.*)$", section, re.M))
            if section.startswith("[cert ") and "directory" in values:
                template = read(os.path.join(SOURCE, "templates", f"{values['template']}.ini"))
                files[values["directory"]] = set(re.findall(r"^file *= *(\S+)", template, re.M))
    for directory, names in files.items():
        for name in re.findall(rf"{directory}/([\w.-]+)", read(path)):
            assert name in names, f"{directory}/{name}"


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_a_link_leads_to_a_file(path):
    for target in re.findall(r"\]\(([^)#]+)", read(path)):
        assert os.path.exists(os.path.join(os.path.dirname(path), target)), target
    for text in blocks(path, "yaml"):
        assert yaml.safe_load(text)


@functools.cache
def said():
    """Every text of the program, with pieces that the compiler joins joined."""
    found = []
    for path in glob.glob(os.path.join(SOURCE, "agent", "**", "*.c"), recursive=True):
        for literal in re.findall(r'"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*', read(path).replace("'\"'", "' '")):
            found.append(re.sub(r'"\s*"', "", literal).replace('\\"', '"'))
    return "\n".join(found)


FOREIGN = {"Could not resolve host", "Read-only file system", "Permission denied"}  # libcurl, the kernel, consumers


def test_troubleshooting_quotes_what_is_said():
    """Each symptom names what leafd says in its own words, so that a reader who searches for them comes here."""
    text = read(os.path.join(SOURCE, "doc", "troubleshooting.md"))
    quotes = {quote for line in re.findall(r"^- \*\*leafd says\*\* .*(?:\n  [^*].*)*", text, re.M) for quote in re.findall(r'"([^"]+)"', line)}
    assert len(quotes) > 20
    missing = [quote for quote in quotes - FOREIGN if quote not in said()]
    assert not missing


def literals(page):
    """The literal blocks of a manual page."""
    text = read(os.path.join(SOURCE, "man", page))
    return [block.replace("\\&", "") for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", text, re.M | re.S)]


def test_the_first_configuration_of_the_manual_is_the_one_that_runs():
    """leafd.ini(5) begins with what README's recipe runs under leafd.service's user and directories."""
    readme = read(os.path.join(SOURCE, "README.md"))
    recipe, = re.findall(r"^cat >/etc/leafd/leafd\.ini <<'END'\n(.*?)^END$", readme, re.M | re.S)
    assert literals("leafd.ini.5")[0] == recipe


def test_the_sections_of_the_manual_are_right(devca, site):
    """What leafd.ini(5) shows first besides; the groups and hosts in it are this machine's."""
    shutil.copyfile(devca.ca_file, site.folder / "vault-ca.pem")
    for name in "role-id", "secret-id":
        (site.folder / name).write_text("a-word\n")
        (site.folder / name).chmod(0o640)
    _, cert, login = literals("leafd.ini.5")[:3]
    for text in (cert.replace(":ledger", ":root").replace("${host.name}", "any"), login):
        site.write(moved(text, site.folder, devca))
        done = site.command("check")
        assert done.code == 0, done.out + done.err
