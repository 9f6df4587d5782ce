"""README and docs/ from nothing to a hook that ran: every command typed as it is written, in order."""

import itertools
import json
import os
import re
import subprocess
import threading

import pytest

import bitrix
import client
from pages import Terminal, blocks
from scratch import AS_ROOT, ROOT, as_user, directory, wait_for, write
from servers import SHARED_HOST, Apache, Nginx, conf, fcgi_script, group_of
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
    directory(account.home / "public_html" / "bx", 0o755, account.site.user)
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


# -- From a PHP handler

CREST = """<?php
class CRest
{
    public static function call($method, $params)
    {
        return json_decode(file_get_contents(__DIR__ . '/answer.json'), true);
    }
}
"""


def php_page(site, script, body):
    """What the PHP page SCRIPT answers to BODY, run as a web server would."""
    done = subprocess.run(
        ["php-cgi"], input=body, capture_output=True, timeout=30, cwd=site.docroot, **as_user(site.user),
        env={"PATH": "/usr/bin:/bin", "REDIRECT_STATUS": "200", "GATEWAY_INTERFACE": "CGI/1.1",
             "REQUEST_METHOD": "POST", "SCRIPT_FILENAME": str(script), "CONTENT_TYPE": client.FORM,
             "SCRIPT_NAME": "/b24/handler.php", "REQUEST_URI": "/b24/handler.php",
             "CONTENT_LENGTH": str(len(body))})
    assert done.returncode == 0, done
    head, _, text = done.stdout.partition(b"\r\n\r\n")
    status = re.search(rb"Status: (\d+)", head)
    return int(status[1]) if status else 200, text.decode()


class Move:
    """A site with the page as it was, and CRest, whose answers the test gives."""

    def __init__(self, site):
        self.site = site
        self.dir = directory(site.docroot / "b24", 0o755, site.user)
        self.terminal = Terminal(site, {"/home/USER/public_html": site.docroot, "~/public_html": site.docroot,
                                        "~/bxhook": site.home})
        self.page, self.hook, self.guard, self.wrapper = map(
            self.terminal.real, blocks("docs/from-php.md", "php"))
        write(self.dir / "crest.php", CREST, 0o644, site.user)
        write(self.dir / "handler.php", self.page, 0o644, site.user)
        os.link(site.binary, site.home / "bxhook")
        self.answer({"result": {"TITLE": "Two chairs"}})

    def answer(self, document):
        write(self.dir / "answer.json", json.dumps(document), 0o644, self.site.user)

    def written(self):
        log = self.dir / "deals.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def by_page(self, body):
        return php_page(self.site, self.dir / "handler.php", body)

    def by_hook(self, code, script, body):
        """The state of the delivery after one run of the worker."""
        self.site.hook(f"{code}.php", script)
        number = client.fastcgi(self.site.socket, body).event
        self.site.run("work", "--once")
        return self.site.show(number)["deliveries"][0]


@pytest.fixture
def move(site):
    made = Move(site)
    site.configure(worker="start manual", backoff="1h")
    site.serve()
    return made


@pytest.mark.parametrize("code, which", [("ONCRMDEALADD", "hook"), ("ONCRMDEALUPDATE", "wrapper")])
def test_page_and_hook_do_the_same(move, code, which):
    body = bitrix.body(code, "7")
    assert move.by_page(body)[0] == 200
    by_page = move.written()
    assert by_page == ["7 Two chairs"]
    assert move.by_hook(code, getattr(move, which), body)["state"] == "done"
    assert move.written() == by_page


def test_the_page_may_have_the_wrapper_s_names(move):
    page = move.page.replace("<?php", "<?php\nclass Input {}\nfunction verdict() {}\nclass AtTheEnd {}\nconst PAGE = 1, HOST = 2, TOKEN = 3;\n", 1)
    write(move.dir / "handler.php", page, 0o644, move.site.user)
    body = bitrix.body("ONCRMDEALUPDATE", "7")
    delivery = move.by_hook("ONCRMDEALUPDATE", move.wrapper, body)
    assert delivery["state"] == "done" and move.written() == ["7 Two chairs"], delivery


LOOKS = """<?php
$looked = [
    'request' => $_REQUEST, 'post' => $_POST, 'input' => file_get_contents('php://input'),
    'method' => $_SERVER['REQUEST_METHOD'], 'type' => $_SERVER['CONTENT_TYPE'], 'root' => $_SERVER['DOCUMENT_ROOT'],
    'script' => $_SERVER['SCRIPT_FILENAME'], 'name' => $_SERVER['SCRIPT_NAME'], 'self' => $_SERVER['PHP_SELF'],
    'uri' => $_SERVER['REQUEST_URI'], 'cwd' => getcwd(), 'dir' => __DIR__, 'get' => $_GET,
];
parse_str($looked['input'], $looked['parsed']);
fwrite($memory = fopen('php://memory', 'w+'), 'kept');
rewind($memory);
$looked['memory'] = stream_get_contents($memory);
$temporary = fopen('php://temp', 'w+');
fwrite($temporary, 'longer');
$looked['truncated'] = [ftruncate($temporary, 4), fflush($temporary), rewind($temporary), stream_get_contents($temporary)];
$file = new SplFileObject('php://temp', 'w+');
$looked['file'] = $file->fwrite('kept');
$looked['locked'] = flock($log = fopen('php://stderr', 'w'), LOCK_SH);
$looked['blocking'] = stream_set_blocking($log, true);
header('X-From: page');
http_response_code(200);
file_put_contents('looked.json', json_encode($looked));
echo $_SERVER['BX_ID'] ?? '';
"""


def test_the_page_finds_what_it_looks_at(move):
    """Run by the hook it sees what it saw on the web; only the body's bytes and $_SERVER's rest are other ones."""
    write(move.dir / "handler.php", LOOKS, 0o644, move.site.user)
    body, looked = bitrix.body("ONCRMDEALUPDATE", "7"), move.dir / "looked.json"
    php_page(move.site, move.dir / "handler.php", body)
    on_the_web = json.loads(looked.read_text())
    looked.unlink()
    delivery = move.by_hook("ONCRMDEALUPDATE", move.wrapper, body)
    assert (delivery["state"], delivery["attempts"][0]["stdout"]) == ("done", "7"), delivery
    in_the_hook = json.loads(looked.read_text())
    assert in_the_hook["request"] == in_the_hook["post"] == in_the_hook["parsed"] == bitrix.event("ONCRMDEALUPDATE", "7")
    assert in_the_hook["memory"] == "kept" and in_the_hook["truncated"][-1] == "long" and in_the_hook["file"] == 4
    assert delivery["attempts"][0]["stderr"] == ""
    on_the_web["input"] = in_the_hook["input"]  # a POST of php-cgi has it, as other bytes of the same form
    on_the_web["root"] = in_the_hook["root"]
    assert in_the_hook == on_the_web


# What a page answers -> state, exit, stdout of the delivery.
ANSWERS = {
    "http_response_code(403); exit;": ("dead", 77, ""),
    "header('HTTP/1.1 404 Not Found'); die('gone');": ("dead", 77, "gone"),
    "echo 'half'; header('HTTP/1.1 500 Internal Server Error');": ("waiting", 75, "half"),
    "http_response_code(429);": ("waiting", 75, ""),
    "throw new Exception('boom');": ("waiting", None, None),
    "http_response_code(302); echo 'fine';": ("done", 0, "fine"),
    "echo 'fine'; exit;": ("done", 0, "fine"),
    "register_shutdown_function(function () { echo 'late'; http_response_code(503); });": ("waiting", 75, "late"),
    "register_shutdown_function(function () { echo 'late'; http_response_code(503); exit; });": ("waiting", 75, "late"),
    "register_shutdown_function(function () { echo 'fine'; exit; });": ("done", 0, "fine"),
    "http_response_code(403); register_shutdown_function(function () { echo 'late'; });": ("dead", 77, "late"),
}


@pytest.mark.parametrize("code", ANSWERS)
def test_the_pages_answer_decides(move, code):
    """A page that refuses is not done; nothing that it does at its end is left out."""
    write(move.dir / "handler.php", f"<?php\n{code}\n", 0o644, move.site.user)
    delivery = move.by_hook("ONCRMDEALUPDATE", move.wrapper, bitrix.body("ONCRMDEALUPDATE", "7"))
    state, status, printed = ANSWERS[code]
    attempt = delivery["attempts"][0]
    assert delivery["state"] == state, delivery
    if status is None:
        assert attempt["exit"] in (75, 255) and "boom" in attempt["stdout"] + attempt["stderr"], attempt
        return
    assert (attempt["exit"], attempt["stdout"]) == (status, printed), attempt
    assert len(re.findall(r"the page answered [45]\d\d", attempt["stderr"])) == (status != 0)


def test_what_a_page_printed_before_it_hung_is_kept(move):
    move.site.configure(worker="start manual", backoff="1h", defaults="timeout 1s")
    write(move.dir / "handler.php", "<?php\necho 'step 1';\nsleep(60);\n", 0o644, move.site.user)
    delivery = move.by_hook("ONCRMDEALUPDATE", move.wrapper, bitrix.body("ONCRMDEALUPDATE", "7"))
    assert (delivery["attempts"][0]["result"], delivery["attempts"][0]["stdout"]) == ("timeout", "step 1"), delivery


@pytest.mark.parametrize("end, state", [("die('text')", "done"), ("exit('text')", "done"), ("exit(75)", "waiting")])
def test_how_php_ends_decides(move, end, state):
    """As the page says: a text is no failure."""
    delivery = move.by_hook("ONCRMDEALADD", f"#!/usr/bin/env php\n<?php {end};\n", bitrix.body("ONCRMDEALADD", "7"))
    assert delivery["state"] == state, delivery


# What a host's PHP is: each .php of the page's directory by php-cgi.
PHP_HOST = SHARED_HOST + """
<Directory @DOCROOT@/b24>
    Options +ExecCGI
    AddHandler fcgid-script .php
    FcgidWrapper /usr/bin/php-cgi .php
</Directory>
"""


class Traffic:
    """Deals that are made all the time, each with a number of its own."""

    def __init__(self, url):
        self.url, self.going = url, True
        self.statuses = {}  # deal: of its answer
        self.numbers = itertools.count(1)
        self.threads = [threading.Thread(target=self.post) for _ in range(3)]

    def post(self):
        while self.going:
            deal = str(next(self.numbers))
            self.statuses[deal] = None
            self.statuses[deal] = client.post(self.url, bitrix.body("ONCRMDEALADD", deal)).status

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.going = False
        for thread in self.threads:
            thread.join()


def changed_over(move, url, change):
    """Follows the page: CHANGE() makes that URL lead to bxhook, while events come; each is done once, by either."""
    wait = blocks("docs/from-php.md", "sh", "Nothing done twice")[0]
    move.site.hook("ONCRMDEALADD.php", "#!/usr/bin/env php\n<?php echo 'only prints';\n")
    assert client.fastcgi(move.site.socket, bitrix.body("ONCRMDEALADD", "0")).event == 1
    assert "ONCRMDEALADD" in move.terminal.type(wait)
    move.site.run("work", "--once")
    assert "ONCRMDEALADD" not in move.terminal.type(wait)
    move.site.hook("ONCRMDEALADD.php", move.hook)
    log = move.dir / "deals.log"
    with Traffic(url) as traffic:
        wait_for(lambda: log.exists() and len(log.read_text().splitlines()) > 10, "the page to work", limit=60)
        assert len(move.site.list()) == 1
        change()
        wait_for(lambda: len(move.site.list()) > 10, "events at bxhook", limit=60)
    assert set(traffic.statuses.values()) == {200}
    by_page = len(log.read_text().splitlines())
    move.site.run("work", "--once")
    done = move.written()
    assert 10 < by_page < len(done)
    assert sorted(done) == sorted(f"{deal} Two chairs" for deal in traffic.statuses), "each once"


@pytest.mark.parametrize("before", [None, "RewriteEngine On\nRewriteRule . - [L]\n"], ids=["none", "rules"])
def test_from_page_to_hook_under_traffic(move, before):
    """Also beside rules of the page's own."""
    change = blocks("docs/from-php.md", "sh", "Nothing done twice")[1]
    public = directory(move.site.docroot / "bx", 0o755, move.site.user)
    write(public / ".htaccess", conf("htaccess"), 0o644, move.site.user)
    write(public / "bxhook.fcgi", fcgi_script(move.site), 0o755, move.site.user)
    if before:
        write(move.dir / ".htaccess", before, 0o644, move.site.user)
    server = Apache(move.site, ["fcgid", "rewrite"], PHP_HOST, path="/b24/handler.php")
    changed_over(move, server.url, lambda: move.terminal.type(change))


def test_from_page_to_hook_under_traffic_with_nginx(move):
    php = move.site.run_dir / "php.sock"
    move.site.start(["php-cgi", "-b", php], "php.log", env={"PHP_FCGI_CHILDREN": "3", "PHP_FCGI_MAX_REQUESTS": "0"})
    wait_for(php.exists, "php-cgi")
    server = Nginx(move.site, beside=f"location ~ \\.php$ {{ include /etc/nginx/fastcgi.conf; fastcgi_pass unix:{php}; }}")
    config = server.config.read_text()
    assert config.count("location = /bitrix24 {") == 1
    changed_over(move, f"{server.root}/b24/handler.php", lambda: server.reload(
        config.replace("location = /bitrix24 {", "location = /b24/handler.php {")))


def test_a_page_that_checks_the_token_gets_the_one_it_knows(move):
    """That of another webhook: without it the page refuses; with it all are run, on a page that nobody touched."""
    old, body = "51856fefc120afa4b628cc82d3935cce", bitrix.body("ONCRMDEALUPDATE", "7")
    other = move.page.replace(old, old[::-1])
    assert other != move.page
    write(move.dir / "handler.php", other, 0o644, move.site.user)
    delivery = move.by_hook("ONCRMDEALUPDATE", move.wrapper, body)
    assert delivery["state"] == "dead" and move.written() == []
    assert b"exit 77: the page answered 403" in move.site.run("list").stdout
    assert move.wrapper.count("const TOKEN = '';") == 1
    move.site.hook("ONCRMDEALUPDATE.php", move.wrapper.replace("const TOKEN = '';", f"const TOKEN = '{old[::-1]}';"))
    move.terminal.type(blocks("docs/from-php.md", "sh", "Or without touching the old page")[-1].rstrip() + " --yes\n")
    move.site.run("work", "--once")
    assert move.written() == ["7 Two chairs"]
    move.site.run("retry", "1/ONCRMDEALUPDATE")
    move.site.run("work", "--once")
    assert move.written() == ["7 Two chairs"], "a repeat has no token of its own"
    assert move.by_page(body)[0] == 403, "on the web it still checks"


def test_a_test_does_nothing(move):
    """The lines that look at BX_TEST: a test event is done, and nothing is written."""
    start = move.hook.index("$event =")
    move.site.hook("ONCRMDEALADD.php", move.hook[:start] + move.guard + move.hook[start:])
    move.site.run("trigger", "ONCRMDEALADD")
    move.site.run("work", "--once")
    assert move.site.delivery(1, "ONCRMDEALADD")["attempts"][0]["stdout"] == "a test: not sent\n"
    assert move.written() == []
    body = bitrix.body("ONCRMDEALADD", "8")
    assert client.fastcgi(move.site.socket, body).status == 200
    move.site.run("work", "--once")
    assert move.written() == ["8 Two chairs"]


def test_both_refuse_a_wrong_token(move):
    body = bitrix.body("ONCRMDEALADD", "7", token=bitrix.WRONG_TOKEN)
    assert move.by_page(body)[0] == 403
    assert client.fastcgi(move.site.socket, body).status == 403
    assert move.written() == []


def test_what_the_page_loses_the_hook_tries_again(move):
    move.answer({"error": "QUERY_LIMIT_EXCEEDED"})
    body = bitrix.body("ONCRMDEALADD", "7")
    move.by_page(body)
    assert move.written() == ["7 "], "the page noted no deal, and nobody calls it again"
    delivery = move.by_hook("ONCRMDEALADD", move.hook, body)
    assert delivery["state"] == "waiting" and "QUERY_LIMIT_EXCEEDED" in delivery["attempts"][0]["stderr"]
    assert move.written() == []


def test_php_in_short(move):
    """In place of the first hook of the README, which has the same name."""
    move.site.hook("ONCRMDEALADD.sh", "exit 0")
    [commands] = blocks("docs/from-php.md", "sh", "In short")
    move.site.work()
    assert "new deal 7 of some-domain.bitrix24.com" in move.terminal.type(commands)


def test_php_commands(move):
    move.site.hook("ONCRMDEALADD.php", move.hook)
    trigger, again = blocks("docs/from-php.md", "sh", "The same as a hook")
    move.site.work()
    assert "done" in move.terminal.type(trigger)
    move.terminal.type(again)
    assert move.written() == ["7 Two chairs"] * 2


def test_php_blocks(move):
    """Of one hook that CRest's settings.json bears, and of one script for many events."""
    alone, many = blocks("docs/from-php.md", "conf")
    write(move.site.home / "handler.php", (ROOT / "examples" / "many-events.php").read_text(), 0o755, move.site.user)
    move.site.hook("ONCRMDEALADD.php", "exit 0")
    move.site.configure(more=alone + many, worker="start manual")
    move.site.run("check")
    number = client.fastcgi(move.site.socket, bitrix.body("ONCRMDEALADD", "7")).event
    move.site.run("work", "--once")
    assert move.site.delivery(number, "crm")["attempts"][0]["stdout"] == "deal 7 is new\n"


# -- Many portals

NEWCOMER = {"member_id": "0123456789abcdef0123456789abcdef", "domain": "new.bitrix24.com"}


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
    for commands in (blocks("docs/many-portals.md", "sh")[0], blocks("docs/many-portals.md", "sh")[2]):
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


@pytest.fixture
def oauth():
    remote = Remote()
    yield remote
    remote.close()


def install(vendor, oauth, **auth):
    """The answer of the page's install.php to an ONAPPINSTALL."""
    script = vendor.terminal.real(blocks("docs/many-portals.md", "php")[0])
    assert "https://oauth.bitrix.info/rest/app.info" in script
    page = write(vendor.site.docroot / "install.php",
                 script.replace("https://oauth.bitrix.info/", oauth.url), 0o644, vendor.site.user)
    return php_page(vendor.site, page, bitrix.body("ONAPPINSTALL", **NEWCOMER | auth))[0]


def info(client_id="local.0123456789abcd.01234567", member_id=NEWCOMER["member_id"]):
    return 200, {"result": {"client_id": client_id, "install": {"member_id": member_id}}}


def test_a_portal_that_installs_the_app_enters(vendor, oauth):
    token = "c0ffee00c0ffee00c0ffee00c0ffee00"
    bitrix.sent_secrets.add(token)
    oauth.answers = [info()]
    assert vendor.post(**NEWCOMER, token=token) == 403
    for _ in range(2):  # an installation anew replaces the line
        assert install(vendor, oauth, token=token) == 200
    assert [line for line in vendor.file.read_text().splitlines() if "new.bitrix24.com" in line] == [
        f"{NEWCOMER['member_id']} {NEWCOMER['domain']} {token}"]
    vendor.becomes(200, **NEWCOMER, token=token)
    assert vendor.post() == 200, "the others are still there"

    vendor.terminal.type(blocks("docs/many-portals.md", "sh")[1])
    number = client.fastcgi(vendor.site.socket, bitrix.body("ONAPPUNINSTALL", **NEWCOMER, token=token)).event
    vendor.site.run("work", "--once")
    assert vendor.site.delivery(number, "ONAPPUNINSTALL")["state"] == "done"
    vendor.becomes(403, **NEWCOMER, token=token)
    assert vendor.post() == 200
    assert vendor.file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("answer", [
    info(client_id="local.another"), info(member_id=bitrix.MEMBER_ID), (401, {"error": "invalid_token"})])
def test_who_only_says_to_be_a_portal_stays_out(vendor, oauth, answer):
    oauth.answers = [answer]
    before = vendor.file.read_bytes()
    assert install(vendor, oauth) == 403
    assert vendor.file.read_bytes() == before


def test_no_line_can_be_forged_by_an_installation(vendor, oauth):
    oauth.answers = [info()]
    before = vendor.file.read_bytes()
    assert install(vendor, oauth, token="x\nff evil.example token") == 403
    assert (vendor.file.read_bytes(), oauth.requests) == (before, [])
