"""serve.py, as README.md types it."""

import contextlib
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pages
import pytest

from . import commands, console

HERE = Path(__file__).resolve().parent
PAGE = "tests/portal/README.md"
SERVE = "tests/portal/serve.py"
PORT = "127.0.0.1:8443"


@contextlib.contextmanager
def serving(folder, url, *options):
    """serve.py start, once it listens; and what it printed until then."""
    popen = subprocess.Popen([sys.executable, str(HERE / "serve.py"), "--folder", str(folder), "start", url,
                              "--port", "0", *options], stdout=subprocess.PIPE, text=True)
    try:
        lines = []
        for line in popen.stdout:
            lines.append(line)
            if line.startswith("rest {"):
                break
        yield lines
    finally:
        popen.kill()
        popen.wait()
        popen.stdout.close()


def terminal(folder, lines, handler):
    """Where the page's commands are typed."""
    address = re.search(r"https://(127\.0\.0\.1:\d+)", "".join(lines))[1]
    site = SimpleNamespace(scratch=SimpleNamespace(bin="/usr/bin"), config="/nowhere", env={}, user=None)
    return pages.Terminal(site, {SERVE: f"{sys.executable} {HERE / 'serve.py'} --folder {folder}", PORT: address,
                                 "http://127.0.0.1:8080/bitrix24": handler.url,
                                 "/tmp/bxhook-portal-1000": str(folder)})


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "f"
    made.mkdir(mode=0o700)
    return made


def test_the_page_s_session(folder, handler):
    first, second, third = pages.blocks(PAGE, "sh", "To try hooks")
    handler.answer = lambda body: b'{"status":"ok","event":%s}' % (b"null" if "ONAPPINSTALL" in body else b"1")
    with serving(folder, handler.url) as lines:
        typed = terminal(folder, lines, handler)
        shown = re.sub(r"(client_\w+ +)\S+", r"\1X", typed.real(first)).splitlines()[1:]
        assert re.sub(r"(client_\w+ +)\S+", r"\1X", "".join(lines)).splitlines() == shown
        typed.see(second)
        typed.type(f"{SERVE} install")
        register(typed, folder, handler, "bizproc.robot.add", CODE="my_robot")
        register(typed, folder, handler, "messageservice.sender.add", CODE="my_sms", TYPE="SMS")
        before, returned, shown = third.partition(f"$ {SERVE} returned\n")
        typed.see(before)
        assert returned and without_id(typed.type(f"{SERVE} returned")) == without_id(shown)


def without_id(text):
    return re.sub(r"[0-9a-f]{32}", "ID", text)


def register(typed, folder, handler, method, **fields):
    """As the application does, with the token that its installation brought."""
    token = re.findall(r"access_token%5D=([^&]+)", handler.bodies[-1])[-1]
    fields |= {"NAME": "x", "HANDLER": handler.url, "auth": token}
    data = "&".join(f"{name}={value}" for name, value in fields.items())
    url = f"https://{PORT}/acme/rest/{method}"
    assert '"result": true' in typed.type(f"curl -s --cacert {folder}/ca.pem -d '{data}' {url}")


def test_the_application_is_the_same_at_the_next_start(folder, handler):
    started = []
    for _ in range(2):
        with serving(folder, handler.url) as lines:
            started.append([line for line in lines if "client_" in line])
    assert started[0] == started[1] and len(started[0]) == 2


def test_every_command_does_what_it_says(folder, handler):
    handler.answer = b"BX24.installFinish()"
    with serving(folder, handler.url) as lines:
        typed = terminal(folder, lines, handler)
        for command, shown in [
                ("page", "installed: yes"), ("robot r DEAL_7 a=b", "r -> "), ("sms s +100 hello", "SMS -> "),
                ("sms s +100 hello --robot", "SMS -> "), ("registered", "registered nothing"),
                ("other pay_form", "pay_form -> .*: 200"),
                ("returned", r"r: waits for an answer\ns: message \w+: no status yet"),
                ("bind ONAPPUNINSTALL", "ONAPPUNINSTALL"),
                ("outgoing ONTASKADD", r"^[0-9a-f]{32}$"), ("event ONTASKADD --robot", "ONTASKADD -> .*: 200"),
                ("rename best", "/best/rest/"), ("step 2h", "UTC"), ("fail html --times 2", "next 2 of all"),
                ("fail slow seconds=0.1", "next 1"), ("fail edit 'change[result.ADMIN]=x' --method profile", "profile"),
                ("mend", "well"), ("requests 'crm.*'", "^$"), ("uninstall", "ONAPPUNINSTALL -> .*: 200")]:
            assert re.search(shown, typed.type(f"{SERVE} {command}"), re.MULTILINE), command
        assert [body.split("&")[0] for body in handler.bodies[-2:]] == ["event=ONTASKADD", "event=ONAPPUNINSTALL"]


@pytest.mark.parametrize("command, said", [
    ("uninstall", "not installed: type install"), ("bind ONNOTHING", "no event ONNOTHING"),
    ("event ONTASKADD x", "'x' is not NAME=VALUE"), ("event ONTASKADD", "nobody has bound"),
    ("event ONTASKADD --user 9", "no user 9: there are 1 2"), ("show 7", "no request 7"), ("step 5", "not a duration"),
    ("fail html times=2", "times is not a value of a fault"), ("fail html colour=red", "html: got an unexpected"),
    ("fail redirect", "redirect: missing"), ("bind ONTASKADD", "not installed"),
    ("other x", "not installed"), ("nothing", "invalid choice")])
def test_mistakes(served, command, said):
    assert said in served.type(f"{SERVE} {command}", check=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "f"
    folder.mkdir(mode=0o700)
    with serving(folder, "http://127.0.0.1:9/") as lines:
        yield terminal(folder, lines, SimpleNamespace(url="http://127.0.0.1:9/"))


def test_every_command_is_done_by_something():
    assert set(commands.COMMANDS) - {"start"} == set(console.DO)


def run(*arguments):
    done = subprocess.run([sys.executable, str(HERE / "serve.py"), *map(str, arguments)], capture_output=True,
                          text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def test_nothing_is_served(folder):
    status, said = run("--folder", folder, "install")
    assert status == 1 and "nothing is served with" in said and "serve.py start" in said


def test_a_folder_where_others_can_write_is_refused(folder):
    folder.chmod(0o733)
    status, said = run("--folder", folder, "start", "http://127.0.0.1:9/")
    assert status == 1 and "not a directory where only you can write" in said


def test_others_may_read_the_certificate_alone(folder):
    folder.rmdir()
    with serving(folder, "http://127.0.0.1:9/"):
        modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
    assert modes == {folder.name: 0o711, "ca.pem": 0o644, "key.pem": 0o600, "app.json": 0o600, "control": 0o600}


def test_a_port_in_use(folder, cloud):
    status, said = run("--folder", folder, "start", "http://127.0.0.1:9/", "--port", cloud.port)
    assert status == 1 and "Address already in use: name another with --port" in said
