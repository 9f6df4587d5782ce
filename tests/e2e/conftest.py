"""Fixtures of the end-to-end tests: the real binary behind real servers, in a scratch directory.

BXHOOK names the binary (default: ./bxhook of the project).  Run as root, all of it runs as www-data.
"""

import contextlib
import os
import resource
import shutil
import signal
from pathlib import Path

import pytest

import bitrix
import client
import hosts
import modes
import postgres
import proxy
import sanitizers
from lost import Lost
from scratch import ROOT, Scratch, Site, wait_for

# Who is started in the background ignores it, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

LOG_LINES = 60  # of each log, shown with a failure

# Some tests hold thousands of connections; a login's usual limit is 1,024.
DESCRIPTORS = 20_000
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE,
                   (DESCRIPTORS if most == resource.RLIM_INFINITY else min(DESCRIPTORS, most), most))


@pytest.fixture(scope="session")
def program():
    path = Path(os.environ.get("BXHOOK", ROOT / "bxhook")).resolve()
    assert path.is_file(), f"no program {path}: run make first"
    return path


@pytest.fixture(scope="session")
def scratch(program):
    sanitizers.prepare()
    made = Scratch(program)
    yield made
    made.remove()


@pytest.fixture(autouse=True)
def no_report():
    """What a sanitizer found fails the test in which it did."""
    yield
    found = sanitizers.take()
    assert not found, "\n".join(found)


@pytest.fixture
def slack(program):
    """KB that sanitizers need beside the program's own memory: what is freed is held back for a while."""
    return 32 * 1024 if sanitizers.are_in(program) else 0


@pytest.fixture
def not_sanitized(program):
    """For tests of what a sanitizer has no answer to but to end the program."""
    if sanitizers.are_in(program):
        pytest.skip("not with sanitizers")


@pytest.fixture
def store(request):
    """The kind of store of `site`; hosts.BOTH_STORES makes a test run with each."""
    return getattr(request, "param", "sqlite")


@pytest.fixture
def site(scratch, store, request):
    """A site of this test's own; nothing runs yet."""
    if store == "postgresql":
        made = hosts.Host(scratch, request.getfixturevalue("database"))
    else:
        made = Site(scratch)
    yield made
    made.stop()


def serve_when_ready(site):
    """On a loaded machine a gateway's first connection to PostgreSQL takes longer than a request may."""
    site.serve()
    wait_for(lambda: client.fastcgi(site.socket, method="GET").body == b"bxhook: ready\n", "the gateway's store")


@pytest.fixture
def quiet(site):
    """A site whose gateway listens and whose worker runs only when the test says so."""
    site.configure(worker="start manual")
    serve_when_ready(site)
    return site


@pytest.fixture
def full(site):
    """A site with an event in every state, long names and wide characters in it."""
    site.configure(worker="start manual", backoff="1h", portals="portal {\n token " + bitrix.TOKEN + "\n}\n", more=(
        "hook a-hook-with-a-rather-long-name { event ONCRMDEAL* run /bin/sh arg -c arg "
        "\"echo '\u0441\u0434\u0435\u043b\u043a\u0430 \u65e5\u672c\u8a9e '{data.FIELDS.ID}' " + "long " * 40 + "'; exit 1\" "
        "unless { data.FIELDS.ID 666 } }\n"
        "hook merges { event ONCRMLEADUPDATE run /bin/true coalesce yes delay 1h }\n"))
    site.hook("ONTASKADD", "echo done\n")
    site.hook("ONUSERADD", "echo gone >&2; exit 65\n")
    serve_when_ready(site)
    for code, number in (("ONCRMDEALUPDATE", "6675"), ("ONCRMDEALUPDATE", "6675"),
                         ("ONCRMDEALADD", "\u65e5\u672c\u8a9e\u30c6\u30b9\u30c8"),
                         ("ONCRMDEALADD", "666"), ("ONCRMLEADUPDATE", "7"), ("ONCRMLEADUPDATE", "7"),
                         ("ONTASKADD", "1"),
                         ("ONUSERADD", "1")):
        body = bitrix.event(code, id=number, domain="a-rather-long-name-of-a-portal.bitrix24.com")
        assert client.fastcgi(site.socket, bitrix.encode(body)).status == 200
    site.run("work", "--once")
    site.run("trigger", "ONAPPTEST", "--set", "data.TEXT=" + "\u0446\u0432\u0435\u0442 " * 50)
    return site


@pytest.fixture(scope="session")
def server(scratch):
    """The PostgreSQL server of all tests that do it no harm, so that nothing of it need reach the disk."""
    made = postgres.Server(scratch).create("fsync = off").start()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def fresh_store(server, scratch):
    """A database with a store nobody used, for others to begin with."""
    made = postgres.Database(server)
    hosts.make_store(scratch, made)
    return made


@pytest.fixture
def database(server, fresh_store):
    """A PostgreSQL store of this test's own.  It goes with the server: to drop one takes a checkpoint."""
    return postgres.Database(server, fresh_store)


@pytest.fixture(scope="session")
def lost(scratch, server, fresh_store):
    """Lost workers: while their lease ends there is time for other tests."""
    way = proxy.Proxy(server.port)
    made = Lost(scratch, postgres.Database(server, fresh_store), way)
    yield made
    way.release()
    made.hosts.stop()
    way.stop()


@contextlib.contextmanager
def hosted_by(mode, scratch, make=Site):
    made = mode(scratch, make)
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


@pytest.fixture(params=modes.MODES, ids=lambda mode: mode.__name__)
def hosted_on_postgresql(request, scratch, database):
    """A site of this test's own behind each of them, on a PostgreSQL store; the probe is its hook."""
    def make(scratch, name, **options):
        return hosts.Host(scratch, database, name, **options)
    with hosted_by(request.param, scratch, make) as made:
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
