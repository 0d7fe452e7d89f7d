"""Fixtures of the scenario tests: the built program against a real CA.

Every scenario that takes `ca` runs twice, against tests/devca and against a real Vault or OpenBao server. A machine
that cannot have the real one runs the first half and says so in one loud line.
"""
import hashlib
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import canaries  # noqa: E402  pylint: disable=wrong-import-position
import scene  # noqa: E402  pylint: disable=wrong-import-position
from clocks import Clock  # noqa: E402  pylint: disable=wrong-import-position
from devca import DevCa  # noqa: E402  pylint: disable=wrong-import-position
from real_ca import RealCa, find_real_ca  # noqa: E402  pylint: disable=wrong-import-position


def pytest_report_header(config):
    real, why = find_real_ca()
    return [f"leafd: {scene.LEAFD}", f"real CA: {real}" if real else f"REAL CA LEFT OUT: {why}"]


QUICK = {"test_config.py", "test_named_files.py", "test_templates.py"}  # hundreds of tests that wait for nothing


def pytest_collection_modifyitems(items):
    """Spreads the tests that wait long over the workers.

    A worker is given unbroken parts of the list. In the order of the files one of them has test_auth and test_ca_change, and
    the others wait for it. What shares a fixture of its module stays together; the quick ones fill up the end.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return

    def place(item):
        fixtures = item._fixtureinfo.name2fixturedefs.values()  # pylint: disable=protected-access
        shares = any(fixture.scope == "module" for fixtures_of in fixtures for fixture in fixtures_of)
        return item.path.name in QUICK, hashlib.md5((item.path.name if shares else item.nodeid).encode()).hexdigest()

    items.sort(key=place)


def pytest_sessionfinish(session):
    """A worker of pytest-xdist tells its part."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["canaries"] = dict(canaries.total)


def pytest_testnodedown(node):
    for name, count in getattr(node, "workeroutput", {}).get("canaries", {}).items():
        canaries.total[name] += count


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(
        "canaries: {tests} searches, {canaries} secrets, {bytes} bytes that left the processes: {found} found".format(**canaries.total))


@pytest.fixture(scope="session")
def real_ca_server(tmp_path_factory):
    path, why = find_real_ca()
    if path is None:
        pytest.skip(f"no real CA: {why}")
    server = RealCa(path, tmp_path_factory.mktemp("real-ca"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def devca_server(tmp_path_factory):
    server = DevCa(tmp_path_factory.mktemp("devca"))
    yield server
    server.stop()


@pytest.fixture(params=["devca", "real"])
def ca(request):
    """A CA behind a proxy that can be cut; faultless and reachable at the start of every test."""
    server = request.getfixturevalue("devca_server" if request.param == "devca" else "real_ca_server")
    server.reset()
    yield server
    server.reset()


@pytest.fixture
def devca(devca_server):
    """The CA that makes mistakes on request."""
    devca_server.reset()
    yield devca_server
    devca_server.reset()


@pytest.fixture
def site(tmp_path, request):
    """A folder with a configuration; ends every leafd that it started."""
    place = scene.Site(tmp_path)
    yield place
    place.end()
    leaks = place.leaks()
    assert not leaks, "secrets got out:\n" + "\n".join(leaks)


@pytest.fixture
def clock(tmp_path):
    """A clock for those leafd that are started with its environment; right until it is set."""
    return Clock(tmp_path)
