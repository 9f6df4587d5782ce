"""Fixtures of the end-to-end tests: the real binary behind real servers, in a scratch directory.

BXHOOK names the binary (default: ./bxhook of the project).  Run as root, all of it runs as www-data.
"""

import contextlib
import os
import shutil
from pathlib import Path

import pytest

import bitrix
import modes
from scratch import ROOT, Scratch, Site

LOG_LINES = 60  # of each log, shown with a failure


@pytest.fixture(scope="session")
def program():
    path = Path(os.environ.get("BXHOOK", ROOT / "bxhook")).resolve()
    assert path.is_file(), f"no program {path}: run make first"
    return path


@pytest.fixture(scope="session")
def scratch(program):
    made = Scratch(program)
    yield made
    made.remove()


@pytest.fixture
def site(scratch):
    """A site of this test's own; nothing runs yet."""
    made = Site(scratch)
    yield made
    made.stop()


@pytest.fixture
def quiet(site):
    """A site whose gateway listens and whose worker runs only when the test says so."""
    site.configure(worker="start manual")
    site.serve()
    return site


@contextlib.contextmanager
def hosted_by(mode, scratch):
    made = mode(scratch)
    try:
        yield made
    finally:
        made.site.stop()


@pytest.fixture(scope="session", params=modes.MODES, ids=lambda mode: mode.__name__)
def hosted(request, scratch):
    """A site behind each kind of web server in turn, the probe as its hook."""
    with hosted_by(request.param, scratch) as made:
        made.site.probe()
        yield made


@pytest.fixture(scope="session")
def nginx(scratch):
    """One site behind nginx for all tests that only send to it; its hook is the probe."""
    with hosted_by(modes.nginx_listen, scratch) as made:
        made.site.probe()
        yield made


@pytest.fixture(scope="session")
def samples():
    if not bitrix.SAMPLES.is_dir():
        pytest.skip(f"no samples at {bitrix.SAMPLES}")
    return bitrix.samples()


@pytest.fixture
def need():
    """need("wrk"): the path of a program; a missing one is a failure."""
    def look(name):
        found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
        assert found, f"{name} is not installed: run make deps"
        return found
    return look


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if not report.failed:
        return
    for value in getattr(item, "funcargs", {}).values():
        if not hasattr(value, "logs"):
            continue
        for name, text in value.logs().items():
            tail = text.splitlines()[-LOG_LINES:]
            if tail:
                report.sections.append((f"log {name}", "\n".join(tail)))
