"""Where things lie, and whose they are: nothing comes out through the web, nothing unsafe runs, and
root locks nobody out."""

import json
import os
import stat
import subprocess

import pytest

import bitrix
import client
import leaks
from scratch import AS_ROOT, Site, directory, write
from servers import SHARED_HOST, Apache, NginxInFront, fcgi_script, upload

needs_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")

# nginx in front of Apache, as panels write it.
BY_EXTENSION = r"""
        location / { try_files /nothing @apache; }
        location ~* \.(jpe?g|png|gif|css|js|txt|dat|zip|conf|sh|db)$ { try_files $uri @apache; }
"""
ALL_FILES = """
        location / { try_files $uri @apache; }
        location = /bxhook.fcgi { try_files /nothing @apache; }
"""
ALL_FILES_AND_PROGRAMS = "location / { try_files $uri @apache; }"
DENY_DOT_HT = r"location ~ /\.ht { deny all; }"  # the first that fits holds


@pytest.fixture
def web(scratch):
    """web(inside): a site behind Apache, all in .htbxhook/ or only a script in the document root; open to
    the web server's user, as a careless owner leaves it."""
    made = []

    def make(inside, script=None):
        site = Site(scratch, "places", inside=inside)
        made.append(site)
        upload(site, script or (None if inside else fcgi_script(site)))
        if inside:
            write(site.home / ".htaccess", "Require all denied\n", 0o644, site.user)
        site.hook("any.d/notify.js", "exit 0\n")
        site.hook("ONCRMDEALADD", "exit 0\n")
        for path in (site.home, site.config):
            path.chmod(0o755)
        server = Apache(site, ["fcgid"], SHARED_HOST, path="/bxhook.fcgi")
        client.post(server.url, bitrix.body())
        site.wait_idle()
        return server
    yield make
    for site in made:
        site.stop()


def asked(server):
    """(exit status, {place: message} of the errors) of check --url."""
    done = server.site.run("check", "--url", server.url, "--json", check=False)
    found = json.loads(done.stdout)["problems"]
    return done.returncode, {p["place"].removeprefix(server.root): p for p in found if p["level"] == "error"}


PRIVATE = ["bxhook.conf", "state/queue.db", "state/queue.db-wal", "state/bxhook.log", "hooks/any.d/notify.js",
           "hooks/ONCRMDEALADD", "hooks/", "", ".htaccess"]


def comes_out(server):
    """The private files, as paths in the document root, that a stranger gets."""
    return [f"/.htbxhook/{name}" for name in PRIVATE
            if client_status(server, f"/.htbxhook/{name}") not in (403, 404)]


def client_status(server, path):
    try:
        return server.get(path).status
    except leaks.Leak:
        return 200


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
@pytest.mark.parametrize("static", [None, DENY_DOT_HT + BY_EXTENSION, DENY_DOT_HT + ALL_FILES],
                         ids=["apache", "nginx by extension", "nginx all files"])
def test_nothing_private_comes_out(web, inside, static):
    server = web(inside)
    if static:
        server = NginxInFront(server, static)
    assert comes_out(server) == [] and asked(server) == (0, {})
    assert server.post(bitrix.body()).event


@pytest.mark.parametrize("static, shown", [
    (BY_EXTENSION, {"bxhook.conf", "state/queue.db", "hooks/any.d/notify.js"}),
    (ALL_FILES, {"bxhook.conf", "state/queue.db", "hooks/any.d/notify.js", "hooks/ONCRMDEALADD"})],
    ids=["by extension", "all files"])
def test_check_tells_what_nginx_serves_past_apache(web, static, shown):
    """It does not read .htaccess."""
    server = NginxInFront(web(inside=True), static)
    assert {f"/.htbxhook/{name}" for name in shown} <= set(comes_out(server))
    status, errors = asked(server)
    assert status == 1 and set(errors) == {f"/.htbxhook/{name}" for name in shown}
    assert all("read over the web" in p["message"] and "location ~ /\\.ht" in p["fix"] for p in errors.values())


@pytest.mark.parametrize("inside", [True, False], ids=["binary", "script"])
def test_check_tells_when_the_program_itself_is_served(web, inside):
    server = NginxInFront(web(inside), DENY_DOT_HT + ALL_FILES_AND_PROGRAMS)
    status, errors = asked(server)
    assert status == 1 and list(errors) == ["/bxhook.fcgi"]
    assert "serves the program as a file" in errors["/bxhook.fcgi"]["message"]


def test_check_asks_for_a_hook_that_lies_elsewhere(web):
    """Config and store are outside the document root, the hooks are not."""
    server = web(inside=False)
    site = server.site
    (site.docroot / ".htaccess").unlink()
    write(site.docroot / ".htaccess", "<Files bxhook.fcgi>\nSetHandler fcgid-script\n</Files>\nOptions +ExecCGI\n")
    directory(site.docroot / "my-hooks", 0o755, site.user)
    write(site.docroot / "my-hooks" / "any.sh", "#!/bin/sh\n", 0o755, site.user)
    write(site.config, site.config.read_text().replace("hooks_dir hooks", f"hooks_dir {site.docroot}/my-hooks"), 0o600,
          site.user)
    status, errors = asked(server)
    assert status == 1 and list(errors) == ["/my-hooks/any.sh"]


def warned(site):
    """{path: message} of what check says without asking the web server."""
    found = json.loads(site.run("check", "--json", check=False).stdout)["problems"]
    return {p["place"].removeprefix(f"{site.path}/"): p for p in found
            if "document root" in p["message"] or "serving it" in p["message"]}


def test_check_warns_of_what_lies_below_a_document_root(scratch):
    site = Site(scratch, "places", docroot=scratch.new("web") / "public_html")
    try:
        assert warned(site) == {}
        site.config.rename(site.docroot / "bxhook.conf")
        site.config = site.docroot / "bxhook.conf"
        assert set(warned(site)) == {str(site.docroot / name) for name in ("bxhook.conf", "state/queue.db", "hooks")}
    finally:
        site.stop()


def test_check_sees_a_directory_that_nothing_denies(scratch):
    site = Site(scratch, "places", inside=True)
    try:
        found = warned(site)
        assert set(found) == {f"public/.htbxhook/{name}" for name in ("bxhook.conf", "state/queue.db", "hooks")}
        assert {p["level"] for p in found.values()} == {"error"}
        subprocess.run(["/bin/sh", "-c", found["public/.htbxhook/hooks"]["fix"]], check=True)
        assert warned(site) == {}
    finally:
        site.stop()


# -- what may run

def leave_in(path):
    return f"echo ran >> {path}\n"


def test_what_others_can_write_is_not_run(site):
    """Files, links' targets and directories, by group and by all; what is safe beside them runs."""
    ran = site.out / "ran"
    site.configure(defaults="attempts 1")
    site.serve()
    tool = write(site.run_dir / "tool", "#!/bin/sh\n" + leave_in(ran), 0o757, site.user)
    for name, mode in {"file-all": 0o757, "file-group": 0o775}.items():
        site.hook(f"any.d/{name}", leave_in(ran), mode)
    os.symlink(tool, site.hooks / "any.d" / "link")
    site.hook("ONCRMDEALUPDATE.d/dir", leave_in(ran)).parent.chmod(0o777)
    site.hook("any.d/safe", "exit 0\n")
    site.configure(defaults="attempts 1", more=f"hook tool {{ event * run {tool} }}\n")
    number = client.fastcgi(site.socket, bitrix.body()).event
    site.wait_idle()
    deliveries = {d["hook"]: d for d in site.show(number)["deliveries"]}
    assert deliveries.pop("any.d.safe")["state"] == "done"
    assert {hook: (d["state"], d["attempts"][0]["reason"]) for hook, d in deliveries.items()} == dict.fromkeys(
        ["any.d.file-all", "any.d.file-group", "any.d.link", "ONCRMDEALUPDATE.d.dir", "tool"],
        ("dead", "unsafe permissions"))
    assert not ran.exists()
    checked = json.loads(site.run("check", "--json", check=False).stdout)["problems"]
    assert {p["place"] for p in checked if "unsafe permissions" in p["message"] and p["fix"].startswith("chmod go-w ")} \
        == {f"hook {hook}" for hook in deliveries}
    for problem in checked:
        if "unsafe permissions" in problem["message"]:
            subprocess.run(["/bin/sh", "-c", problem["fix"]], check=True)
    assert site.run("check").returncode == 0


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_nothing_runs_from_a_hooks_directory_others_can_write(site, mode):
    site.configure(defaults="attempts 1")
    site.serve()
    site.hook("any", leave_in(site.out / "ran"))
    site.hooks.chmod(mode)
    number = client.fastcgi(site.socket, bitrix.body()).event
    delivery = site.delivery(number, states=("dead",))
    assert delivery["attempts"][0]["reason"] == "unsafe permissions" and not (site.out / "ran").exists()
    site.hooks.chmod(0o755)
    site.run("retry", number)
    site.delivery(number)


@needs_root
def test_what_belongs_to_another_user_is_not_run(site):
    site.configure(defaults="attempts 1")
    site.serve()
    os.chown(site.hook("any.d/file", leave_in(site.out / "ran")), 65534, 65534)
    os.chown(site.hook("ONCRMDEALUPDATE.d/dir", leave_in(site.out / "ran")).parent, 65534, 65534)
    os.chown(site.hook("any.d/of-root", "exit 0\n"), 0, 0)
    number = client.fastcgi(site.socket, bitrix.body()).event
    site.wait_idle()
    states = {d["hook"]: d["state"] for d in site.show(number)["deliveries"]}
    assert states == {"any.d.file": "dead", "ONCRMDEALUPDATE.d.dir": "dead", "any.d.of-root": "done"}
    assert not (site.out / "ran").exists()


# -- root

FIRST = ["check", "check --print", "status", "list", "show 1", "logs 1/any", "retry 1", "cancel 1", "prune",
         "work --once",
         "trigger ONAPPTEST", "trigger ONAPPTEST --dry-run", "decode", "events", "help", "version", "store status",
         "call profile"]


@needs_root
@pytest.mark.parametrize("log_file", ["", "state/all.log"], ids=["stderr", "file"])
@pytest.mark.parametrize("command", FIRST)
def test_a_first_command_of_root_locks_nobody_out(site, command, log_file):
    site.configure(more=f"log {{ file \"{log_file}\" }}\n")
    site.probe()
    config = [] if command in ("help", "version") else ["--config", site.config]
    subprocess.run([site.binary, *command.split(), *config], env={"PATH": "/usr/bin:/bin"}, input=b"a=1",
                   capture_output=True, timeout=20, umask=0)
    site.serve()
    number = client.fastcgi(site.socket, bitrix.body()).event
    site.run_of(number)
    site.wait_idle()
    state = site.home / "state"
    for path in (state, *state.iterdir()):
        found = path.stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode) & 0o077) == (site.user.pw_uid, 0), path
