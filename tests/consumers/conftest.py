"""Fixtures of the consumer tests: real programs on loopback, fed by the built leafd, with certificates of seconds.

They stand on what tests/scenario is made of (scene, real_ca, devca). The CA is a real Vault or OpenBao where the machine has
one, else tests/devca. The programs change to users of their own, as in real life, so root is needed.
"""
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "scenario"))

import scene  # noqa: E402  pylint: disable=wrong-import-position
from devca import DevCa  # noqa: E402  pylint: disable=wrong-import-position
from real_ca import RealCa, find_real_ca  # noqa: E402  pylint: disable=wrong-import-position


def pytest_report_header(config):
    real, _ = find_real_ca()
    return [f"leafd: {scene.LEAFD}", f"CA of the consumer tests: {real or 'tests/devca'}"]


@pytest.fixture(scope="session")
def ca_server(tmp_path_factory):
    real, _ = find_real_ca()
    server = RealCa(real, tmp_path_factory.mktemp("ca")) if real else DevCa(tmp_path_factory.mktemp("ca"))
    yield server
    server.stop()


@pytest.fixture
def ca(ca_server):
    ca_server.reset()
    yield ca_server
    ca_server.reset()


@pytest.fixture
def folder():
    """A folder that every user may pass through, unlike pytest's own."""
    if os.geteuid() != 0:
        pytest.skip("the consumer tests need root: their programs change to users of their own")
    path = Path(tempfile.mkdtemp(prefix="leafd-consumer-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def site(folder):
    place = scene.Site(folder)
    yield place
    place.end()


@pytest.fixture
def start(site, ca):
    """Sets up a program of consumers.py; ends it after the test, before its folder goes."""
    programs = []

    def set_up(kind):
        programs.append(kind(site, ca))
        return programs[-1]

    yield set_up
    for program in programs:
        program.end()
