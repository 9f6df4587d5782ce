"""The upload for shared hosting, by hands that can only use FTP: it takes every right to run away, and
whoever uploads types no command.

BXHOOK_ZIP names a packed upload; without it the same is laid out around the program as it was built.
BXHOOK_SHIM is a program to put in the place of bxhook, which becomes bxhook.real.
"""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pytest

import bitrix
import client
from scratch import AS_ROOT, ROOT, Site, as_user, directory, give, wait_for, write
from servers import SHARED_HOST, Apache, NginxInFront, group_of, suexec_docroot
from test_places import ALL_FILES, BY_EXTENSION, PRIVATE, client_status

needs_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")


class Uploaded(Site):
    """A site that holds what FTP brought, and nothing else."""

    def __init__(self, scratch, docroot=None, user=None):
        super().__init__(scratch, "upload", inside=True, docroot=docroot, user=user)
        shutil.rmtree(self.docroot)
        unpacked = self.unpack()
        shutil.copytree(unpacked, self.docroot)
        if os.environ.get("BXHOOK_SHIM"):
            (self.home / "bxhook").rename(self.home / "bxhook.real")
            shutil.copy(os.environ["BXHOOK_SHIM"], self.home / "bxhook")
        for path in [self.docroot, *self.docroot.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
            give(path, self.user)
        if os.environ.get("BXHOOK_SHIM"):
            (self.home / "bxhook.real").chmod(0o755)
        self.binary = self.home / "bxhook"
        self.out = directory(self.home / "out", 0o755, self.user)

    def unpack(self):
        place = self.path / "unpacked" / "bxhook"
        if os.environ.get("BXHOOK_ZIP"):
            zipfile.ZipFile(os.environ["BXHOOK_ZIP"]).extractall(place.parent)
        else:
            place.parent.mkdir()
            subprocess.run([ROOT / "packaging" / "upload.sh", self.binary, place], check=True)
        return place

    def edit(self, path, old, new):
        text = path.read_text()
        assert text.count(old) == 1, f"{path} has not one {old!r}"
        path.write_text(text.replace(old, new))

    def give_token(self):
        self.edit(self.config, 'token ""', f'token "{bitrix.TOKEN}"')

    def move_outside(self):
        """The better place, and the line that says so."""
        self.home.rename(self.path / "bxhook")
        self.edit(self.docroot / "bxhook.fcgi", "home=.htbxhook\n", f"home={self.path}/bxhook\n")
        self.home = self.path / "bxhook"
        self.home.chmod(0o755)
        self.config, self.binary, self.out = self.home / "bxhook.conf", self.home / "bxhook", self.home / "out"

    def mark_executable(self, name="bxhook.fcgi"):
        (self.docroot / name).chmod(0o755)

    def enable_sample(self, name):
        hook = self.home / "hooks" / name
        (self.home / "hooks" / f"{name}.sample").rename(hook)
        hook.chmod(0o755)

    def log_lines(self):
        return (self.home / "state" / "bxhook.log").read_text().splitlines()


def apache(site, modules, path="/bxhook.fcgi"):
    who = f"SuexecUserGroup {site.user.pw_name} {group_of(site.user)}\n" if "suexec" in modules else ""
    return Apache(site, modules, who + SHARED_HOST, path=path)


@pytest.fixture
def upload(scratch):
    """upload(suexec=False): an Uploaded."""
    made = []

    def make(suexec=False):
        docroot = user = None
        if suexec:
            top = suexec_docroot()
            assert top and top.is_dir(), "suEXEC is not installed: make deps"
            docroot = Path(tempfile.mkdtemp(prefix="bxhook-e2e-", dir=top))
            os.rmdir(docroot)  # the site makes it, for its user
            user = pwd.getpwnam("nobody")
        made.append(Uploaded(scratch, docroot, user))
        return made[-1]
    yield make
    for site in made:
        site.stop()


@pytest.mark.parametrize("outside", [False, True], ids=["inside", "outside"])
@pytest.mark.parametrize("modules, name", [
    (["fcgid"], "bxhook.fcgi"), (["cgid", "rewrite"], "bxhook.cgi"),
    pytest.param(["fcgid", "suexec"], "bxhook.fcgi", marks=needs_root),
    pytest.param(["cgid", "suexec"], "bxhook.cgi", marks=needs_root)], ids="-".join)
def test_two_lines_and_a_browser_are_enough(upload, modules, name, outside):
    """The steps of README.txt; ".sample" taken off a hook; the gateway starts the worker."""
    site = upload("suexec" in modules)
    if outside:
        site.move_outside()
    (site.docroot / "bxhook.fcgi").rename(site.docroot / name)
    site.mark_executable(name)
    server = apache(site, modules, f"/{name}")
    assert server.get().body == b"bxhook: not ready, see its log\n"
    assert site.home.stat().st_mode & 0o777 == 0o700
    assert any("portal 1: token: is empty" in line for line in site.log_lines())
    assert server.post(bitrix.body()).status == 503
    site.give_token()
    wait_for(lambda: server.get().body == b"bxhook: ready\n", site.log)
    site.enable_sample("any.sh")
    assert server.post(bitrix.body()).event == 1
    events = site.home / "hooks" / "events.log"
    wait_for(lambda: events.exists() and bitrix.TOKEN in events.read_text(), site.log)
    assert site.wait_idle()["deliveries"]["done"] == 1
    for private in PRIVATE:
        assert client_status(server, f"/.htbxhook/{private}") in (403, 404), private
    (site.home / "hooks" / "events.log").unlink()  # holds the token, as the sample says


@needs_root
@pytest.mark.parametrize("static", [BY_EXTENSION, ALL_FILES], ids=["by extension", "all files"])
def test_nginx_in_front_gets_nothing_private(upload, static):
    """It reads no .htaccess; but the first start closed the directory to all but its owner."""
    site = upload(suexec=True)
    site.mark_executable()
    site.give_token()
    server = NginxInFront(apache(site, ["fcgid", "suexec"]), static)
    assert server.get().body == b"bxhook: ready\n"
    assert server.post(bitrix.body()).event == 1
    assert [name for name in PRIVATE if client_status(server, f"/.htbxhook/{name}") not in (403, 404)] == []
    site.wait_idle()


@pytest.mark.parametrize("module", ["fcgid", "cgid"])
def test_a_script_that_may_not_run_says_so_in_the_browser(upload, module):
    """The words are the .htaccess file's: nothing of ours runs."""
    site = upload()
    answer = apache(site, [module, "rewrite"]).get()
    assert answer.status == 503 and b"bxhook.fcgi" in answer.body and b"755" in answer.body, answer


@needs_root
@pytest.mark.parametrize("module", ["fcgid", "cgid"])
def test_a_program_that_may_not_run_says_so(upload, module):
    """Where the script cannot fix it: the file is somebody else's."""
    site = upload()
    site.mark_executable()
    os.chown(site.binary, 0, 0)
    server = apache(site, [module])
    answer = server.get()
    assert answer.status in (500, 503) and b"755" in answer.body, answer
    assert module == "cgid" or b".htbxhook/bxhook" in answer.body, answer
    assert server.post(bitrix.body()).status == answer.status
    assert "the program may not run: set the permissions of the file bxhook to 755" in site.log_lines()[-1]
    site.binary.chmod(0o755)
    site.give_token()
    wait_for(lambda: server.get().body == b"bxhook: ready\n", site.log)


@pytest.mark.parametrize("file", ["bxhook.fcgi", ".htbxhook/bxhook"])
def test_what_was_uploaded_in_text_mode_is_to_be_uploaded_again(upload, file):
    """Line ends of Windows in the script; in the program whatever an FTP program took for one."""
    site = upload()
    site.mark_executable()
    site.give_token()
    path = site.docroot / file
    good = path.read_bytes()
    path.write_bytes(good.replace(b"\n", b"\r\n"))
    server = apache(site, ["fcgid"])
    answer = server.get()
    assert answer.status == 500 and b"in binary mode" in answer.body, answer
    path.unlink()
    write(path, good, 0o755, site.user)
    wait_for(lambda: server.get().body == b"bxhook: ready\n", site.log)


@pytest.mark.parametrize("wrong", ["home=", ".htbxhook is missing"])
@pytest.mark.parametrize("module", ["fcgid", "cgid"])
def test_a_wrong_place_is_told(upload, module, wrong):
    """The script says so as CGI; mod_fcgid does not understand it, and the words are the .htaccess file's."""
    site = upload()
    site.mark_executable()
    if wrong == "home=":
        site.edit(site.docroot / "bxhook.fcgi", "home=.htbxhook\n", "home=/nowhere/bxhook\n")
    else:
        shutil.rmtree(site.home)
        site.out = directory(site.path / "out", 0o755, site.user)
    server = apache(site, [module])
    answer = server.get()
    assert answer.status in (500, 503) and b"home=" in answer.body, answer
    assert (b"the program is missing" if module == "cgid" else wrong.encode()) in answer.body, answer
    assert f"'{'/nowhere/bxhook' if wrong == 'home=' else '.htbxhook'}/bxhook'" in server.errors()


@pytest.mark.parametrize("handlers, status", [("AddHandler fcgid-script .fcgi\n", 403), ("", 200)],
                         ids=["a host with a handler", "a host without"])
def test_a_forgotten_htaccess_is_told(upload, handlers, status):
    """Nothing of ours answers: Apache alone does, as the papers say it."""
    site = upload()
    site.mark_executable()
    site.give_token()
    (site.docroot / ".htaccess").rename(site.docroot / "htaccess")
    server = Apache(site, ["fcgid"], handlers + SHARED_HOST, path="/bxhook.fcgi")
    answer = server.get()
    shown = b"Forbidden" if status == 403 else b"#!/bin/sh"
    assert answer.status == status and shown in answer.body, answer
    (site.docroot / "htaccess").rename(site.docroot / ".htaccess")
    wait_for(lambda: server.get().body == b"bxhook: ready\n", site.log)


@pytest.mark.parametrize("module", ["fcgid", "cgid"])
def test_an_upgrade_that_lost_its_permissions_runs(upload, module):
    site = upload()
    site.mark_executable()
    site.give_token()
    server = apache(site, [module])
    assert server.post(bitrix.body()).event == 1
    site.wait_idle()
    new = site.home / "bxhook.new"
    shutil.copy(site.binary, new)
    give(new, site.user)
    new.chmod(0o644)
    new.rename(site.binary)
    # The gateway that runs leaves when it sees the new file.
    wait_for(lambda: server.post(bitrix.body()).status == 200 and os.access(site.binary, os.X_OK), site.log)
    site.wait_idle()


def test_what_a_hook_printed_is_in_a_file(upload):
    """The only place for those who have no shell; the examples came along."""
    site = upload()
    site.mark_executable()
    site.give_token()
    server = apache(site, ["fcgid"])
    example = site.home / "examples" / "moved-deal.sh"
    hook = site.home / "hooks" / "ONCRMDEALMOVETOCATEGORY.sh"
    shutil.copy(example, hook)
    give(hook, site.user)
    hook.chmod(0o755)
    event = bitrix.event("ONCRMDEALMOVETOCATEGORY", "7", fields={"STAGE_ID": "C1:WON"})
    assert server.post(bitrix.encode(event)).event == 1
    site.wait_idle()
    text = (site.home / "state" / "outputs" / "1-ONCRMDEALMOVETOCATEGORY-1.txt").read_text()
    assert text.endswith("deal 7 is won: here the invoice would be sent\n")
    assert client_status(server, "/.htbxhook/state/outputs/1-ONCRMDEALMOVETOCATEGORY-1.txt") in (403, 404)


RETRY = "retry --state dead,waiting --yes"
LIST = "list --state dead,waiting"


def by_cron(site, words, check=True):
    """What `bxhook WORDS` prints, as a line of cron: it has no directory and hardly an environment.  WORDS may go
    on with `; bxhook ...`."""
    line = f"bxhook {words}".replace("bxhook ", f"{site.binary} ")
    done = subprocess.run(["/bin/sh", "-c", line], cwd="/", env={"PATH": "/usr/bin:/bin"},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30,
                          **as_user(site.user))
    assert not check or done.returncode == 0, done
    return done.stdout


@pytest.fixture
def cron(upload):
    """cron(): an upload whose hooks only cron runs, and the web server before it."""
    site = upload()
    site.mark_executable()
    site.give_token()
    site.config.write_text(site.config.read_text() + "worker { start manual }\n")
    return site, apache(site, ["cgid"])


def script(site, name, text, mode=0o755):
    return write(site.home / "hooks" / name, f"#!/bin/sh\n{text}\n", mode, site.user)


def test_cron_runs_the_script_that_may_run_now(cron):
    """Of an event that was skipped, while no worker runs; and of one that failed."""
    site, server = cron
    hook = script(site, "ONCRMDEALADD.sh", "exit 75", 0o644)
    assert server.post(bitrix.body("ONCRMDEALADD")).event == 1
    mail = by_cron(site, "work --once", check=False)
    assert "skipped" in mail and "not executable" in mail, mail
    hook.chmod(0o755)
    assert "failed delivery=1/ONCRMDEALADD" in by_cron(site, "work --once")
    hook.chmod(0o644)
    by_cron(site, RETRY)
    mail = by_cron(site, "work --once", check=False)
    assert "failed delivery=1/ONCRMDEALADD" in mail and "not executable" in mail, mail
    script(site, "ONCRMDEALADD.sh", "exit 0")
    by_cron(site, RETRY)
    by_cron(site, "work --once")
    assert site.status()["deliveries"]["done"] == 1


def test_what_cron_did_is_in_its_mail_or_in_the_log(cron):
    """The setting of the paper; and its lines in one."""
    site, server = cron
    script(site, "ONCRMDEALADD.sh", "exit 78")
    assert server.post(bitrix.body("ONCRMDEALADD")).event == 1
    mail = by_cron(site, f"work --once; bxhook {LIST}")
    assert "dead delivery=1/ONCRMDEALADD" in mail and mail.splitlines()[-1].startswith("1/ONCRMDEALADD"), mail
    assert "dead delivery" not in "\n".join(site.log_lines())
    site.edit(site.config, 'file ""', 'file "state/bxhook.log"')
    assert server.post(bitrix.body("ONCRMDEALADD")).event == 2
    assert "delivery=" not in by_cron(site, "work --once")
    assert any("dead delivery=2/ONCRMDEALADD" in line for line in site.log_lines())


def named_command(text):
    """The one command of ours that a log's TEXT names, in quotes or after fix=, without the program's path."""
    [words] = re.findall(r"""(?:fix="|')(?:\S*/)?bxhook ([^"']+)""", text)
    return words


def test_cron_runs_the_command_that_the_log_names(cron):
    """With the whole path: for an event whose script is gone, and for a script that may not run beside another."""
    site, server = cron
    hook = script(site, "ONCRMDEALADD.sh", "exit 75")
    assert server.post(bitrix.body("ONCRMDEALADD")).event == 1
    by_cron(site, "work --once")
    hook.unlink()
    by_cron(site, RETRY)
    words = named_command(by_cron(site, "work --once", check=False))
    assert words == "cancel 1/ONCRMDEALADD"
    by_cron(site, words)
    assert site.status()["deliveries"]["cancelled"] == 1
    script(site, "any.sh", "exit 0")
    hook = script(site, "ONCRMDEALADD.sh", "exit 0", 0o644)
    assert server.post(bitrix.body("ONCRMDEALADD")).event == 2
    words = named_command(by_cron(site, "work --once", check=False))
    hook.chmod(0o755)
    by_cron(site, words)
    by_cron(site, "work --once")
    assert site.status()["deliveries"]["done"] == 2


def test_one_of_two_of_a_name_is_put_aside(upload):
    """As the paper and the log say it: what waits goes on."""
    site = upload()
    site.mark_executable()
    site.give_token()
    server = apache(site, ["fcgid"])
    script(site, "ONCRMDEALADD.sh", "exit 0")
    other = script(site, "ONCRMDEALADD.php", "exit 1")
    assert server.post(bitrix.body("ONCRMDEALADD")).event == 1
    wait_for(lambda: any("keep one, rename the other to *.disabled" in line for line in site.log_lines()), site.log)
    assert site.status()["deliveries"]["waiting"] == 1
    other.rename(f"{other}.disabled")
    wait_for(lambda: site.status()["deliveries"]["done"] == 1, site.log)


def test_cron_runs_again_what_failed(upload):
    """Its line, once, after the script was corrected: what is dead, and what waits for its next attempt."""
    site = upload()
    site.mark_executable()
    site.give_token()
    server = apache(site, ["cgid"])
    for code, status in (("ONCRMDEALADD", 78), ("ONCRMDEALUPDATE", 75)):
        write(site.home / "hooks" / f"{code}.sh", f"#!/bin/sh\nexit {status}\n", 0o755, site.user)
        assert server.post(bitrix.body(code)).status == 200
    wait_for(lambda: (site.status()["deliveries"]["dead"], site.status()["deliveries"]["waiting"]) == (1, 1), site.log)
    assert [word for word in ("dead delivery=1/", "again_at=") if word not in "\n".join(site.log_lines())] == []
    for code in ("ONCRMDEALADD", "ONCRMDEALUPDATE"):
        write(site.home / "hooks" / f"{code}.sh", "#!/bin/sh\nexit 0\n", 0o755, site.user)
    mail = by_cron(site, LIST)
    assert "1/ONCRMDEALADD" in mail and "exit 78" in mail and "2/ONCRMDEALUPDATE" in mail and "exit 75" in mail, mail
    by_cron(site, RETRY)
    wait_for(lambda: site.status()["deliveries"]["done"] == 2, site.log)


def test_a_refused_config_is_in_the_log(upload):
    """The browser says ready, for the old one is in use: the paper sends there for the word and the place."""
    site = upload()
    site.mark_executable()
    site.give_token()
    server = apache(site, ["fcgid"])
    assert server.get().body.startswith(b"bxhook: ready")
    number = len(site.config.read_text().splitlines()) + 1
    site.config.write_text(site.config.read_text() + 'hooks_dir "hooks\n')
    wait_for(lambda: server.post(bitrix.body()).status == 200
             and any("config refused" in line and f"bxhook.conf:{number}:" in line for line in site.log_lines()),
             site.log)


def test_a_corrected_config_brings_its_worker_by_itself(upload):
    """What the gateway took by the old one waits for nobody's next request."""
    site = upload()
    site.mark_executable()
    site.give_token()
    site.enable_sample("any.sh")
    server = apache(site, ["fcgid"])
    assert server.get().body.startswith(b"bxhook: ready")
    good = site.config.read_text()
    number = len(good.splitlines()) + 1
    site.config.write_text(good + 'hooks_dir "hooks\n')
    wait_for(lambda: server.get() and any("config refused" in line for line in site.log_lines()), site.log)
    assert server.post(bitrix.body()).event == 1
    wait_for(lambda: any("cannot start the worker" in line and f"bxhook.conf:{number}:" in line
                         for line in site.log_lines()), site.log)
    site.config.write_text(good)
    wait_for(lambda: site.status()["deliveries"]["done"] == 1, site.log, limit=60)


def test_a_first_event_after_the_correction_runs(upload):
    """The gateway began with a config that is refused."""
    site = upload()
    site.mark_executable()
    site.give_token()
    site.enable_sample("any.sh")
    good = site.config.read_text()
    site.config.write_text(good + 'hooks_dir "hooks\n')
    server = apache(site, ["fcgid"])
    assert server.post(bitrix.body()).status == 503
    site.config.write_text(good)
    wait_for(lambda: server.post(bitrix.body()).status == 200, site.log)
    wait_for(lambda: site.status()["deliveries"]["done"] == 1, site.log)


def test_the_papers_are_in_it_and_fit_two_pages(upload):
    site = upload()
    for name in ("README.txt", "README.ru.txt"):
        lines = (site.docroot / name).read_text(encoding="utf-8").splitlines()
        assert len(lines) < 115 and max(map(len, lines)) <= 79, name
        for word in ("token \"\"", "home=../../bxhook", "bxhook: ready", "could not be started", "the program is missing",
                     "state/outputs", "accepted", "not executable", "wrong token", "work --once", ".sample",
                     "again_at", "\n   dead ", "config refused", RETRY, LIST, "$_POST", "$BX_ID", "failed, missing", "#!/usr/bin/env php",
                     "ONCRMDEALADD.d/", ".disabled", "403 Forbidden", "failed, not executable", "fix=",
                     '"state/bxhook.log"', "Text file busy"):
            assert word in "\n".join(lines), f"{name}: {word}"
    examples = {path.name for path in (site.home / "examples").iterdir()}
    assert examples == {path.name for path in (ROOT / "examples").iterdir()}
    for page in ("README.md", "README.ru.md"):
        assert "](../" not in (site.home / "examples" / page).read_text()


def test_a_hook_that_may_not_run_is_told(upload):
    site = upload()
    site.mark_executable()
    site.give_token()
    server = apache(site, ["fcgid"])
    (site.home / "hooks" / "ONCRMDEALADD.sh").write_text("#!/bin/sh\n")
    assert server.post(bitrix.body()).event == 1
    wait_for(lambda: [line for line in site.log_lines() if "ONCRMDEALADD.sh" in line and "not executable" in line],
             site.log)
    site.wait_idle()


def test_cron_runs_what_is_left(cron):
    site, server = cron
    assert server.post(bitrix.body()).event == 1
    site.enable_sample("any.sh")
    by_cron(site, "work --once")
    assert site.status()["deliveries"]["done"] == 1
    (site.home / "hooks" / "events.log").unlink()
