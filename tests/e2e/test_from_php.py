"""docs/from-php.md, from a page of PHP to a hook: its scripts and commands as they are written, and the change
from one to the other while events come."""

import itertools
import json
import os
import re
import threading

import pytest

import bitrix
import client
from pages import Terminal, blocks, php_page
from scratch import ROOT, directory, wait_for, write
from servers import SHARED_HOST, Apache, Nginx, conf, fcgi_script

CREST = """<?php
class CRest
{
    public static function call($method, $params)
    {
        return json_decode(file_get_contents(__DIR__ . '/answer.json'), true);
    }
}
"""


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
