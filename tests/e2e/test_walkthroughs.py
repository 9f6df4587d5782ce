"""README and docs/ from nothing to a hook that ran: every command typed as it is written, in order."""

import contextlib
import json
import os
import re
import subprocess

import pytest

import bitrix
import client
import clouds
import test_import
from pages import Terminal, blocks, same
from scratch import AS_ROOT, ROOT, directory, wait_for, write
from servers import SHARED_HOST, Apache, Nginx, fcgi_script, group_of, upload
from test_examples import Remote

needs_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")
HOOK = "bxhook/hooks/ONCRMDEALADD"
HOOK_NAME = "ONCRMDEALADD"


def stand_ins(site, **scripts):
    """A directory with programs that act for those a test cannot run."""
    path = directory(site.path / "stand-ins")
    for name, script in scripts.items():
        write(path / name, f"#!/bin/sh\n{script}\n", 0o755)
    return path


# -- Shared hosting

class Account:
    """A hosting account: a home with public_html, which Apache shows; ssh and scp lead there."""

    def __init__(self, site):
        self.site = site
        self.home = directory(site.path / "account", 0o755, site.user)
        site.docroot = directory(self.home / "public_html", 0o755, site.user)
        site.home, site.config = self.home / "bxhook", self.home / "bxhook" / "bxhook.conf"
        path = stand_ins(site, make="exit 0", ssh='shift; cd; exec sh -c "$*"',
                         scp='exec cp -- "$1" "$HOME/${2#*:}"')
        self.terminal = Terminal(site, {"build/static/bxhook": site.binary}, path, HOME=str(self.home))
        del self.terminal.env["BXHOOK_CONFIG"]  # it is found beside the program
        self.terminal.cwd = self.home

    def served_by(self, server):
        self.terminal.names["https://YOUR-SITE"] = server.root
        return server


@pytest.fixture
def account(site):
    return Account(site)


def test_shared_hosting_with_a_shell(account):
    account.served_by(Apache(account.site, ["fcgid"], SHARED_HOST))
    for commands in blocks("docs/shared-hosting.md", "sh", "With a shell"):
        shown = account.terminal.type(commands)
    assert "new deal 7 on some-domain.bitrix24.com" in shown
    assert "accepted event=1" in shown and "done delivery=1/ONCRMDEALADD" in shown
    for commands in blocks("docs/shared-hosting.md", "sh", "Upgrade"):
        account.terminal.type(commands)
    account.terminal.type("./bxhook/bxhook check --url https://YOUR-SITE/bx/bxhook.fcgi")


def test_shared_hosting_tells_a_wrong_token_without_a_command(account):
    server = account.served_by(Apache(account.site, ["fcgid"], SHARED_HOST))
    for commands in blocks("docs/shared-hosting.md", "sh", "With a shell")[:4]:
        account.terminal.type(commands)
    assert server.get("/bx/bxhook.fcgi").body == b"bxhook: ready\n"
    assert client.post(server.root + "/bx/bxhook.fcgi", bitrix.body(token=bitrix.WRONG_TOKEN)).status == 403
    log = account.home / "bxhook" / "state" / "bxhook.log"
    wait_for(lambda: "wrong token" in log.read_text(), "the line of what was refused")


def test_shared_hosting_tells_why_a_script_does_not_run_without_a_command(account):
    server = account.served_by(Apache(account.site, ["fcgid"], SHARED_HOST))
    for commands in blocks("docs/shared-hosting.md", "sh", "With a shell")[:3]:
        account.terminal.type(commands)
    write(account.home / f"{HOOK}.sh", "#!/bin/sh\n", 0o644, account.site.user)
    assert client.post(server.root + "/bx/bxhook.fcgi", bitrix.body("ONCRMDEALADD")).status == 200
    log = account.home / "bxhook" / "state" / "bxhook.log"
    told = 'warning worker: skipped event=1 reason="no matching hook; ONCRMDEALADD: not executable"'
    wait_for(lambda: told in log.read_text(), log.read_text)


def test_shared_hosting_with_cgi_and_cron(account):
    server = account.served_by(Apache(account.site, ["cgid"], SHARED_HOST))
    for commands in blocks("docs/shared-hosting.md", "sh", "With a shell")[:3]:
        account.terminal.type(commands)
    for commands in blocks("docs/shared-hosting.md", "sh", "CGI, and a worker by cron"):
        account.terminal.type(commands)
    [manual] = blocks("docs/shared-hosting.md", "conf", "CGI, and a worker by cron")
    with open(account.site.config, "a", encoding="utf-8") as config:
        config.write(manual)
    write(account.home / f"{HOOK}.sh", "#!/bin/sh\necho ran\n", 0o755, account.site.user)
    assert client.post(server.root + "/bx/bxhook.cgi", bitrix.body("ONCRMDEALADD", member_id="m")).status == 200
    [cron] = [line for line in blocks("docs/shared-hosting.md", "text", "With a shell")[0].splitlines()]
    account.terminal.type(cron.removeprefix("* * * * * "))
    assert account.terminal.type("./bxhook/bxhook logs 1/ONCRMDEALADD") == "ran\n"


def test_readme_on_shared_hosting(account):
    account.served_by(Apache(account.site, ["fcgid"], SHARED_HOST))
    for commands in blocks("README.md", "sh", "On shared hosting"):
        account.terminal.type(commands)
    first, again = blocks("README.md", "sh", "The first hook")
    account.terminal.names |= {"cd /etc/bxhook/hooks ": "cd bxhook/hooks ", "\nbxhook ": "\n../bxhook "}
    assert "new deal 7 on some-domain.bitrix24.com" in account.terminal.type(first)
    again = account.terminal.type("cd bxhook/hooks\n" + again.replace("bxhook run", "../bxhook run"))
    assert again.endswith("new deal 7 on some-domain.bitrix24.com\n")  # after a word on its erased tokens


def test_readme_takes_the_program_out_of_the_zip(account):
    """And nothing else: a .htbxhook beside it would be what commands use."""
    unpacked = account.site.path / "unpacked" / "bxhook"
    unpacked.parent.mkdir()
    packed = account.home / "bxhook-1.0.0-x86_64.zip"
    subprocess.run([ROOT / "packaging" / "upload.sh", account.site.binary, unpacked, packed], check=True,
                   env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"})
    packed.chmod(0o644)
    [command] = re.findall(r"`(unzip [^`]+)`", (ROOT / "README.md").read_text())
    account.terminal.type(command.replace("VERSION", "1.0.0"))
    assert [path.name for path in (account.home / "bxhook").iterdir()] == ["bxhook"]
    account.terminal.type(blocks("README.md", "sh", "On shared hosting")[2])
    status = json.loads(account.terminal.type("./bxhook/bxhook status --json || true"))
    assert status["config"]["path"] == str(account.site.config)


# -- A server of one's own

class Server:
    """A machine where root types; systemctl, useradd and make only seem to do their work."""

    def __init__(self, site):
        self.site = site
        self.etc = directory(site.path / "etc")
        site.home = site.path / "etc-bxhook"
        site.config = site.home / "bxhook.conf"
        user, group = site.user.pw_name, group_of(site.user)
        as_other = f"exec setpriv --reuid={user} --regid={group} --clear-groups"
        path = stand_ins(site, make="exit 0", useradd="exit 0", **{"apt-get": "exit 0"}, systemctl="exit 0",
                         nginx="exit 0",
                         sudo=f'[ "$1" = -u ] || exec "$@"\nshift 2\n{as_other} "$@"')
        self.terminal = Terminal(site, {
            "/usr/local/etc/bxhook": site.home, "/etc/bxhook": site.home, "/var/lib/bxhook": site.path / "var",
            "/etc/nginx": self.etc, "/usr/share/doc/bxhook": ROOT,
            "-o bxhook -g bxhook": f"-o {user} -g {group}", "--user bxhook": f"--user {user}"}, path)
        self.terminal.user = None
        self.terminal.cwd = ROOT

    def follow(self, page, heading):
        """Types the section; where it starts the units they start, and nginx in front of them."""
        for commands in blocks(page, "sh", heading):
            if "systemctl reload nginx" in commands:
                (self.etc / "snippets").mkdir(exist_ok=True)
            if "systemctl stop bxhook.socket" in commands:
                self.site.stop()
            shown = self.terminal.type(commands)
            if "systemctl enable" in commands:
                self.start()
            if "systemctl start bxhook.socket" in commands:
                self.site.work()
        return shown

    def start(self):
        self.site.serve("--group", group_of(self.site.user), as_root=True)
        self.site.work()
        self.terminal.names["https://YOUR-SITE"] = Nginx(self.site).root

    def install_package(self):
        """What the package makes when it is installed, and starts."""
        places = self.terminal.real((ROOT / "debian" / "bxhook.conf.sed").read_text())
        script = write(self.site.path / "bxhook.conf.sed", places, 0o644)
        text = subprocess.check_output(["sed", "-f", script, ROOT / "conf" / "bxhook.conf"], text=True)
        directory(self.site.path / "var", 0o700, self.site.user)
        directory(self.site.home)
        directory(self.site.home / "hooks")
        write(self.site.config, text, 0o640)
        os.chown(self.site.config, 0, self.site.user.pw_gid)


@pytest.fixture
def server(site):
    return Server(site)


@needs_root
def test_vps(server):
    for heading in ("Install", "Start", "nginx", "The first hook"):
        shown = server.follow("docs/vps.md", heading)
    assert "new deal 7 on some-domain.bitrix24.com" in shown
    assert (server.etc / "snippets" / "bxhook.conf").read_text() == (ROOT / "conf" / "nginx.conf.example").read_text()
    server.terminal.env["EDITOR"] = "true"
    before = server.site.config.stat()
    server.follow("docs/vps.md", "Changing the configuration")
    after = server.site.config.stat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode) and after.st_ino != before.st_ino
    server.follow("docs/vps.md", "Upgrades")
    server.follow("docs/vps.md", "Watching it")
    copy = server.site.path / "var" / "backup.db"
    server.follow("docs/vps.md", "Backup")  # and puts it back
    assert subprocess.run(["sqlite3", copy, "PRAGMA integrity_check"], capture_output=True).stdout == b"ok\n"
    assert copy.stat().st_mode & 0o777 == 0o600
    copy.unlink()
    assert server.site.delivery(1, HOOK_NAME)["state"] == "done"
    assert "warning" not in server.terminal.type("bxhook check --json | grep 'everyone on this machine' || :")


@needs_root
def test_readme_on_a_server(server):
    (server.etc / "snippets").mkdir()
    server.follow("README.md", "On a server of your own: from source")
    first, again = blocks("README.md", "sh", "The first hook")
    assert "new deal 7 on some-domain.bitrix24.com" in server.terminal.type(first)
    assert server.terminal.type(again).endswith("new deal 7 on some-domain.bitrix24.com\n")
    for commands in blocks("README.md", "sh", "Finding and repeating"):
        server.terminal.type(commands)


@needs_root
def test_readme_with_the_package(server):
    (server.etc / "snippets").mkdir()
    install, portal, nginx, check = blocks("README.md", "sh", "On a server of your own: the Debian package")
    server.terminal.type(install)
    server.install_package()
    for commands in (portal, nginx):
        server.terminal.type(commands)
    server.start()
    server.terminal.type(check)
    assert "new deal 7 on some-domain.bitrix24.com" in server.follow("README.md", "The first hook")


@needs_root
def test_vps_in_short(server):
    install, portal_and_hook, rest = blocks("docs/vps.md", "sh", "In short")
    server.terminal.type(install)
    server.install_package()
    server.terminal.type(portal_and_hook)
    server.start()
    assert "new deal 7 on some-domain.bitrix24.com" in server.terminal.type(rest)


# -- Many portals

class Vendor:
    """A site with the portals file of the page."""

    def __init__(self, site):
        self.site = site
        self.file = site.home / "portals.txt"
        self.terminal = Terminal(site, {"~/bxhook": site.home, "/home/USER/bxhook": site.home},
                                 LOG=str(site.log_dir / "gateway.log"))
        self.list, self.rotated = blocks("docs/many-portals.md", "text")
        self.write(self.list)
        site.configure(portals=blocks("docs/many-portals.md", "conf")[0], worker="start manual")
        site.serve()

    def write(self, text):
        draft = write(self.site.home / ".portals.new", text, 0o600, self.site.user)
        draft.rename(self.file)

    def post(self, **auth):
        return client.fastcgi(self.site.socket, bitrix.body(**auth)).status

    def becomes(self, status, **auth):
        """Waits until an event with AUTH is answered STATUS: the file is read again within seconds."""
        wait_for(lambda: self.post(**auth) == status, f"{status} for {auth}")


@pytest.fixture
def vendor(site):
    return Vendor(site)


def test_each_portal_of_the_file_enters_with_its_token(vendor):
    other = {"member_id": "0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6", "domain": "other.bitrix24.com"}
    assert vendor.post() == 200
    assert vendor.post(**other, token="e8f6a7b5c4d3928170a1b2c3d4e5f607") == 200
    assert vendor.post(**other) == 403
    for commands in (blocks("docs/many-portals.md", "sh")[0], blocks("docs/many-portals.md", "sh", "One portal must not hold up the others")[0]):
        vendor.terminal.type(commands, check="status" not in commands)


def test_a_bad_line_leaves_the_old_list(vendor):
    vendor.write(vendor.list + "only two\n")

    def said():
        assert vendor.post() == 200
        return "portals.txt:4: needs at least three words" in vendor.site.gateway.text()
    wait_for(said, "the log to name the line")
    assert "portals.txt:4" in vendor.terminal.type("bxhook check", check=False)


def test_old_and_new_token_during_rotation(vendor):
    vendor.write(vendor.rotated)
    bitrix.sent_secrets.update({"OLD-TOKEN", "NEW-TOKEN"})
    vendor.becomes(200, token="NEW-TOKEN")
    assert vendor.post(token="OLD-TOKEN") == 200
    vendor.site.gateway.log.write_text("")
    assert vendor.post() == 403
    vendor.terminal.see(blocks("docs/many-portals.md", "console")[0])


PAGE_OF_VENDORS = "docs/many-portals.md"


def test_hooks_are_told_who_installs_the_app_and_who_leaves(site):
    with clouds.on(site) as land:
        Terminal(site, {"~/bxhook": site.home}).type(blocks(PAGE_OF_VENDORS, "sh", "A portal that installs your app")[0])
        portal = land.active()
        site.run("work", "--once")
        assert site.run("logs", "1/ONAPPINSTALL").stdout == b"127.0.0.1 has installed the app: version 1, language en\n"
        [post.wait() for post in portal.uninstall(land.app)]
        site.run("work", "--once")
        assert site.run("logs", "2/ONAPPUNINSTALL").stdout.endswith(b"delete its data: 1\n")
        assert land.state(portal) == "gone"


def test_portals_that_have_installed_it_before(site):
    with clouds.on(site) as land:
        table, = blocks(PAGE_OF_VENDORS, "csv")
        commands, = blocks(PAGE_OF_VENDORS, "sh", "Portals that have installed it before")
        listed, crest = test_import.vendors(land, "listed", "crest")
        for example, real in (("0123456789abcdef0123456789abcdef", listed.member_id),
                              ("local.67f0c1a2b3c4d5.01234567", listed.client_id),
                              ("REFRESH-TOKEN", listed.pair.refresh),
                              ("APPLICATION-TOKEN", listed.installation.application_token)):
            table = table.replace(example, real)
        for name, text in (("portals.csv", table), ("settings.json", crest.line())):
            write(site.home / name, text, 0o600, site.user)
        terminal = Terminal(site, {"local.67f0c1a2b3c4d5.01234567": land.app.client_id})
        terminal.cwd = site.home
        assert terminal.type(commands).count("imported 1 portal, 0 were there, 0 failed") == 2
        assert [one["state"] for one in land.installations()] == ["active", "active"]


# -- An application

PAGE_OF_APPS, WITHOUT_PAGES = "docs/app.md", "A local application without interface"


def test_an_application_from_its_form_to_the_first_hook_that_answers(site):
    site.portals = ""
    with clouds.on(site) as land:
        waiting, filled = blocks(PAGE_OF_APPS, "conf", WITHOUT_PAGES)
        held, active, answered = blocks(PAGE_OF_APPS, "console", WITHOUT_PAGES)
        terminal = Terminal(site, {"~/bxhook": site.home, "https://YOUR-SITE/bitrix24": land.front.url,
                                   "acme.bitrix24.example": "127.0.0.1", "YOUR-CLIENT-SECRET": land.app.client_secret,
                                   "local.67f0c1a2b3c4d5.01234567": land.app.client_id})

        def configure(block):
            """In place of Bitrix24 there is the stand-in."""
            land.reconfigure(apps=[], more=terminal.real(block).replace("app {", f"app {{\n    server {land.cloud.url}"))
        configure(waiting)
        portal = land.install("acme")
        terminal.see(held)
        configure(filled)
        terminal.see(active)
        portal.fill("crm.deal", 7)
        terminal.type(blocks(PAGE_OF_APPS, "sh", WITHOUT_PAGES)[0])
        for post in portal.happens("ONCRMDEALADD", {"FIELDS": {"ID": "7"}}, portal.admin()):
            post.wait()
        site.run("work", "--once")
        terminal.see(answered)
        assert portal.rows["crm.deal"][7]["COMMENTS"] == "seen: Row 7"


# -- Robots, SMS and posts by a key

PAGE_OF_POSTS = "docs/robots-and-sms.md"
ROBOT, SMS = "A robot, from registration to its first answer", "An SMS provider, from registration to the first message"
KEYED = "What has no token: a key"
KEY = re.search(r"key +(\w{32})", blocks(PAGE_OF_POSTS, "conf", KEYED)[0])[1]
KEY_OF_SMS = re.search(r"key +(\w{32})", blocks(PAGE_OF_POSTS, "conf", SMS)[0])[1]


@pytest.fixture
def poster(site):
    """A site with the post block of the page, whose gateway listens."""
    bitrix.sent_secrets.add(KEY)
    site.configure(worker="start manual", more=blocks(PAGE_OF_POSTS, "conf", KEYED)[0])
    site.serve()
    wait_for(lambda: client.fastcgi(site.socket, b"a=1", QUERY_STRING=f"key={KEY}").status == 200, "the gateway")
    return site


@pytest.fixture
def land(site):
    """A portal where the application of the page is installed."""
    with clouds.on(site) as made:
        made.portal = made.active()
        made.terminal = Terminal(site, {"~/bxhook": site.home, "https://YOUR-SITE/bitrix24": made.front.url})
        yield made


def event_of(post):
    assert post.wait().status == 200, post
    return json.loads(post.answer)["event"]


def test_the_application_of_the_page(site):
    with clouds.on(site) as land:
        block, = blocks(PAGE_OF_POSTS, "conf", "The application")
        land.reconfigure(apps=[], more=f"app {{\n    server {land.cloud.url}\n}}\n")
        portal = land.install("acme")
        land.sync()
        assert land.state(portal) == "pending"
        app = block.replace("local.67f0c1a2b3c4d5.01234567", land.app.client_id)
        app = app.replace("https://YOUR-SITE/bitrix24", land.app.url)
        app = app.replace("YOUR-CLIENT-SECRET", f"{land.app.client_secret}\n    server {land.cloud.url}")
        land.configure(apps=[], more=app)
        land.sync()
        assert land.state(portal) == "active"


def test_a_robot_from_registration_to_its_first_answer(land):
    register, hook = blocks(PAGE_OF_POSTS, "sh", ROBOT)
    tried, used = blocks(PAGE_OF_POSTS, "console", ROBOT)
    assert land.terminal.type(register) == "true\n"
    with land.site.working():
        assert same(land.terminal.type(hook).splitlines()) == same(tried.splitlines())
    portal = land.portal
    post = portal.robot(land.app, "my_robot", "DEAL_7", {"comment": "from the stage", "amount": "21"}, portal.admin())
    assert event_of(post) == 3
    land.site.run("work", "--once")
    land.terminal.see(used)
    workflow = portal.workflows[post.tree["event_token"]]
    assert (workflow.values, workflow.log) == ({"total": "42"}, ["doubled"])


def test_an_sms_provider_from_registration_to_the_first_message(land):
    site, portal = land.site, land.portal
    bitrix.sent_secrets.add(KEY_OF_SMS)
    register, hook = blocks(PAGE_OF_POSTS, "sh", SMS)
    sent, = blocks(PAGE_OF_POSTS, "console", SMS)
    with contextlib.closing(Remote()) as service:
        service.answers = [(200, {})]
        block, = blocks(PAGE_OF_POSTS, "conf", SMS)
        block = block.replace("https://sms.example/", service.url)
        block = block.replace("some-domain.bitrix24.com", land.shown(portal)["portal"])
        land.reconfigure(more=block)
        example = write(site.run_dir / "sms.sh", (ROOT / "examples" / "sms.sh").read_text())
        land.terminal.names["examples/sms.sh"] = str(example)
        assert land.terminal.type(register) == "true\n"
        with site.working():
            assert "2/SMS.MY_SMS: done" in land.terminal.type(hook)
        post = portal.sms(land.app, "my_sms", "+12025550100", "Hello")  # nobody's: by the key alone
        assert event_of(post) == 3
        site.run("work", "--once")
        assert site.delivery(3, "SMS.MY_SMS", ("done", "dead"))["state"] == "done", site.show(3)
        shown = land.terminal.type("bxhook logs 3/SMS.MY_SMS")
        assert shown == sent.partition("\n")[2].replace("65575980fa531ac284c2ee68f81ebebd", post.tree["message_id"])
        assert portal.messages["my_sms", post.tree["message_id"]].status == "sent"
        assert [form["text"] for _, _, form in service.requests] == ["Hello", "Hello"]


def test_a_form_by_its_key(poster):
    poster.configure(more=blocks(PAGE_OF_POSTS, "conf", KEYED)[0])
    shown = Terminal(poster, {"~/bxhook": poster.home}).type(blocks(PAGE_OF_POSTS, "sh", KEYED)[0])
    assert '{"name":"First Last","phone":"+12025550100"}' in shown


def test_nginx_sets_the_key_and_logs_nothing(poster):
    location, = blocks(PAGE_OF_POSTS, "nginx")
    path, = re.findall(r"= (/\S+)", location)
    location = (location.replace("unix:/run/bxhook/bxhook.sock", "gateway")
                .replace("include       fastcgi_params", "include /etc/nginx/fastcgi_params"))
    server = Nginx(poster, beside=location)
    number = client.post(server.root + path, b"name=First+Last").event
    assert poster.show(number)["code"] == "POST.SITE-FORM"
    assert client.post(server.url, b"name=First+Last").status == 400


def test_apache_sets_the_key_for_one_script(poster):
    upload(poster, fcgi_script(poster))
    lines, = blocks(PAGE_OF_POSTS, "apache")
    name, = re.findall(r'"(\w+\.fcgi)"', lines)
    write(poster.docroot / name, fcgi_script(poster), 0o755, poster.user)
    htaccess = poster.docroot / ".htaccess"
    write(htaccess, htaccess.read_text() + lines, 0o644, poster.user)
    server = Apache(poster, ["fcgid"], SHARED_HOST, path="/bxhook.fcgi")
    number = client.post(f"{server.root}/{name}", b"name=First+Last").event
    assert poster.show(number)["code"] == "POST.SITE-FORM"
    assert client.post(server.url, b"name=First+Last").status == 400
