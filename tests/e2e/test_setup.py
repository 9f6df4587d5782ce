"""The commands of a person who sets bxhook up: init, check, events, trigger."""

import json
import os
import stat
import subprocess

import pytest

import bitrix
from scratch import AS_ROOT, ROOT, Site, as_user, directory, write
from servers import SHARED_HOST, Apache, Nginx

needs_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")


def text_of(done):
    return done.stdout.decode()


def problems(site, *arguments, status=None):
    """What `check --json` found: [(level, place, message, fix)]."""
    done = site.run("check", "--json", *arguments, check=False)
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1), done
    if status is not None:
        assert done.returncode == status, found
    return [(p["level"], p["place"], p["message"], p["fix"]) for p in found["problems"]]


def finds(site, level, words, fix="", **options):
    """True when one problem of LEVEL names all of WORDS and its fix has FIX."""
    found = problems(site, **options)
    fits = [p for p in found if p[0] == level and all(word in f"{p[1]}: {p[2]}" for word in words)
            and fix in (p[3] or "")]
    assert fits, found
    return True


def modes(path):
    """{name: mode} of all below PATH."""
    return {str(p.relative_to(path)): stat.S_IMODE(p.lstat().st_mode) for p in path.rglob("*")}


def init(site, *arguments, check=True, root=False, cwd=None):
    done = subprocess.run([site.binary, "init", *map(str, arguments)], capture_output=True, timeout=30,
                          cwd=cwd or site.run_dir, env={"PATH": "/usr/bin:/bin"},
                          **({} if root else as_user(site.user)))
    if check:
        assert done.returncode == 0, done
    return done


# -- init

def test_init_makes_a_directory_for_one_user_s_eyes(site):
    made = site.run_dir / "bx"
    done = init(site, made)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert modes(made) == {
        "bxhook.conf": 0o600, "state": 0o700, "hooks": 0o755, "hooks/any.sh.sample": 0o755,
        "hooks/ONCRMDEALUPDATE.sh.sample": 0o755, "hooks/ONCRMDEALADD.php.sample": 0o755}
    assert (made / "bxhook.conf").read_bytes() == (ROOT / "conf" / "bxhook.conf").read_bytes()
    assert all(f"  {step}. " in text_of(done) for step in (1, 2, 3))
    assert f"{site.binary} check --config" in text_of(done), "as it can be typed: PATH does not lead to it"


def test_init_leads_to_a_hook_that_ran(site):
    """The three steps it prints, done."""
    made = site.run_dir / "bx"
    init(site, made)
    site.config = made / "bxhook.conf"
    text = site.config.read_text().replace(";portal {", "portal {").replace("APPLICATION_TOKEN", bitrix.TOKEN)
    lines = text.splitlines(keepends=True)
    begin = lines.index(next(line for line in lines if line.startswith("portal {")))
    end = next(i for i in range(begin, len(lines)) if lines[i].startswith(";}"))
    lines[begin + 1:end + 1] = [line[1:] for line in lines[begin + 1:end + 1]]
    write(site.config, "".join(lines), 0o600, site.user)
    sample = made / "hooks" / "ONCRMDEALUPDATE.sh.sample"
    write(made / "hooks" / "ONCRMDEALUPDATE.sh", sample.read_bytes(), 0o755, site.user)
    assert {level for level, *_ in problems(site, status=0)} <= {"warning"}
    site.run("trigger", "ONCRMDEALUPDATE")
    delivery = site.delivery(1, "ONCRMDEALUPDATE")
    assert delivery["test"] is True
    assert delivery["attempts"][0]["stdout"] == "deal 6675 of some-domain.bitrix24.com was changed\n"


def test_each_sample_hook_runs(site):
    init(site, site.run_dir / "bx")
    for sample in (site.run_dir / "bx" / "hooks").iterdir():
        site.hook(sample.name.removesuffix(".sample"), sample.read_bytes())
    site.run("trigger", "ONCRMDEALADD")
    site.run("trigger", "ONCRMDEALUPDATE")
    for name in ("1/any", "1/ONCRMDEALADD", "2/any", "2/ONCRMDEALUPDATE"):
        number, hook = name.split("/")
        site.delivery(int(number), hook)


def test_init_never_overwrites(site):
    made = directory(site.run_dir / "bx", 0o700, site.user)
    write(made / "bxhook.conf", "; mine\n", 0o640, site.user)
    docroot = directory(site.run_dir / "docroot", 0o755, site.user)
    write(docroot / ".htaccess", "# mine\n", 0o644, site.user)
    done = init(site, made, "--public", docroot)
    assert (made / "bxhook.conf").read_text() == "; mine\n"
    assert (docroot / ".htaccess").read_text() == "# mine\n"
    assert "SetHandler fcgid-script" in text_of(done), "the lines to add are told"
    again = init(site, made, "--public", docroot)
    assert "  made " not in text_of(again)


def test_init_follows_no_link_of_another(site):
    made = directory(site.run_dir / "bx", 0o700, site.user)
    target = site.run_dir / "target"
    os.symlink(target, made / "bxhook.conf")
    init(site, made)
    assert not target.exists()


def test_init_refuses_what_would_be_served(site):
    done = init(site, site.docroot / "bx", "--public", site.docroot, check=False)
    assert done.returncode == 1 and b".htbxhook" in done.stderr
    assert not (site.docroot / "bx").exists()
    init(site, site.docroot / ".htbxhook", "--public", site.docroot)
    assert "Require all denied" in (site.docroot / ".htbxhook" / ".htaccess").read_text()


def test_init_without_a_directory_takes_this_one(site):
    here = directory(site.run_dir / "here", 0o700, site.user)
    init(site, cwd=here)
    assert {"bxhook.conf", "hooks", "state"} == {path.name for path in here.iterdir()}


@needs_root
def test_init_as_root_gives_all_to_the_user(site):
    made = site.path / "bx"
    site.path.chmod(0o755)
    docroot = directory(site.path / "docroot", 0o755, site.user)
    init(site, made, "--public", docroot, root=True)
    owners = {path.lstat().st_uid for path in [made, *made.rglob("*"), *docroot.iterdir()]}
    assert owners == {site.user.pw_uid}


@needs_root
def test_init_as_root_asks_whose_it_is(site):
    done = init(site, site.path / "bx", root=True, check=False)
    assert done.returncode == 1 and b"--user NAME" in done.stderr
    assert not (site.path / "bx").exists()
    init(site, site.path / "bx", "--user", site.user.pw_name, root=True)
    assert (site.path / "bx").stat().st_uid == site.user.pw_uid


@needs_root
def test_init_as_root_takes_no_directory_away(site):
    mine = site.path / "of-root"
    mine.mkdir(mode=0o700)
    done = init(site, mine, "--user", site.user.pw_name, root=True, check=False)
    assert done.returncode == 1 and b"belongs to root" in done.stderr
    assert mine.stat().st_uid == 0


@pytest.mark.parametrize("modules", [["fcgid"], ["cgid"]])
def test_what_init_makes_public_runs_under_apache(site, modules):
    init(site, site.home, "--public", site.docroot)
    write(site.docroot / "index.html", "the site itself\n", 0o644, site.user)
    server = Apache(site, modules, SHARED_HOST, path="/bxhook.fcgi")
    assert server.get().body == b"bxhook: ready\n"
    assert server.post(bitrix.encode(bitrix.event())).status == 200
    assert server.get("/index.html").body == b"the site itself\n", "the rest of the site is left alone"


# -- check

def test_check_of_a_good_site(nginx):
    done = nginx.site.run("check")
    assert text_of(done).splitlines()[-1].startswith(f"{nginx.site.config}: ok")


@pytest.mark.parametrize("more, words", [
    ("hook a {\n timout 5s\n}\n", ["hook a: timout: unknown key, did you mean 'timeout'?"]),
    ("limits { body x }\n", ["limits: body: 'x' is no size"]),
    ("hook a {\n", ["'}' is missing", "'hook a' in line"]),
    ("# x\n", ["comments begin with ';'"]),
])
def test_check_names_a_mistake_in_the_config(site, more, words):
    site.configure(more)
    assert finds(site, "error", words, fix="edit", status=1)


def test_check_of_a_missing_config(site):
    site.config = site.home / "nowhere.conf"
    assert finds(site, "error", ["nowhere.conf", "No such file"], fix="bxhook init", status=1)


def test_check_of_no_portal(site):
    site.configure(portals="")
    assert finds(site, "error", ["no portal is configured"], status=1)
    site.configure(portals="portal { token short }\n")
    assert finds(site, "warning", ["portal 1", "shorter"], status=0)
    site.configure(portals="portal { token APPLICATION_TOKEN }\n")
    assert finds(site, "error", ["portal 1", "the example's"], status=1)


@pytest.mark.parametrize("script, words, fix", [
    ("#!/bin/sh\r\nexit 0\r\n", ["hook ONAPPTEST", "line ends of Windows"], "sed -i"),
    ("#!/usr/bin/env php\r\n", ["hook ONAPPTEST", "line ends of Windows"], "sed -i"),
    ("#!/no/such/shell\n", ["hook ONAPPTEST", "bad interpreter", "/no/such/shell"], "first line"),
    ("#!/usr/bin/env nosuchthing\n", ["hook ONAPPTEST", "'nosuchthing' is not installed"], "install"),
    (b"echo hello\n", ["hook ONAPPTEST", "no first line"], "#!/bin/sh"),
    (b"\xef\xbb\xbf#!/bin/sh\n", ["hook ONAPPTEST", "byte order mark"], "sed"),
])
def test_check_sees_a_script_that_cannot_start(site, script, words, fix):
    site.hook("ONAPPTEST", script)
    assert finds(site, "error", words, fix=fix, status=1)


def test_check_names_the_chmod_of_an_unsafe_hook(site):
    site.hook("ONAPPTEST", "exit 0\n", 0o775)
    assert finds(site, "error", ["hook ONAPPTEST", "unsafe permissions"], fix="chmod go-w", status=1)


def test_check_warns_of_hooks_no_event_reaches(site):
    site.hook("ONCRMDAELUPDATE", "exit 0\n")
    assert finds(site, "warning", ["'ONCRMDAELUPDATE' is no known event"], fix="ONCRMDEALUPDATE", status=0)
    site.hook("ONCRMLEADADD", "exit 0\n", 0o644)
    assert finds(site, "warning", ["hook ONCRMLEADADD", "not executable"], fix="chmod u+x", status=0)
    site.configure("hook a { event ONNOSUCHEVENT run /bin/true }\n"
                   "hook b { event ONAPPTEST run /bin/true when { FIELDS.ID 7 } }\n"
                   "hook c { event ONAPPTEST run /bin/true coalesce yes order none }\n")
    assert finds(site, "warning", ["hook a", "no known event is 'ONNOSUCHEVENT'"])
    assert finds(site, "warning", ["hook b", "'FIELDS.ID' is in no event"], fix="data.FIELDS.ID")
    assert finds(site, "warning", ["hook c", "coalesce has no effect"])


@needs_root
def test_check_of_a_script_of_root_names_a_chmod_that_helps_the_worker(site):
    hook = site.hook("ONCRMLEADADD", "exit 0\n", 0o644)
    os.chown(hook, 0, 0)
    assert finds(site, "warning", ["hook ONCRMLEADADD", "not executable"], fix="chmod a+rx", status=0)
    hook.chmod(0o711)
    assert finds(site, "warning", ["hook ONCRMLEADADD", "cannot be read"], fix="chmod a+r ", status=0)


def test_check_of_two_hooks_of_one_name(site):
    site.hook("ONAPPTEST.sh", "exit 0\n")
    site.hook("ONAPPTEST.py", "exit 0\n")
    assert finds(site, "error", ["two hooks are named 'ONAPPTEST'"], status=1)


def test_check_sees_who_can_read_and_write_the_config(site):
    site.config.chmod(0o604)
    assert finds(site, "warning", ["bxhook.conf", "read it"], fix="chmod 600", status=0)
    site.config.chmod(0o620)
    assert finds(site, "error", ["bxhook.conf", "change it"], fix="chmod go-w", status=1)


def test_check_sees_an_open_store(site):
    site.run("trigger", "ONAPPTEST")
    site.wait_idle()
    (site.home / "state").chmod(0o755)
    (site.home / "state" / "queue.db").chmod(0o644)
    assert finds(site, "warning", ["state", "others can enter"], fix="chmod 700", status=0)
    assert finds(site, "warning", ["queue.db", "others can read"], fix="chmod 600", status=0)


def test_check_changes_nothing(site):
    before = modes(site.home)
    site.run("check")
    assert modes(site.home) == before


def test_check_of_a_store_that_is_none(site):
    state = directory(site.home / "state", 0o700, site.user)
    write(state / "queue.db", "this is no database, whatever its name says\n" * 100, 0o600, site.user)
    assert finds(site, "error", ["queue.db"], status=1)


def test_check_of_a_store_of_a_later_version(site):
    text = site.config.read_text().replace("store state/queue.db\n", "store postgresql://u:s3cret@h/b\n")
    write(site.config, text, 0o600, site.user)
    assert finds(site, "error", ["not in this version"], status=1)
    done = site.run("check", "--print", check=False)
    assert b"s3cret" not in done.stdout + done.stderr


def test_check_sees_work_that_no_worker_does(site):
    site.configure(worker="start manual")
    site.hook("ONAPPTEST", "exit 1\n")
    site.run("trigger", "ONAPPTEST")
    assert finds(site, "warning", ["worker", "none runs"], fix="bxhook-worker", status=0)


def test_check_names_lanes_that_stand_still(site):
    site.configure(worker="start manual", backoff="1h")
    site.hook("ONCRMDEALUPDATE", "exit 1\n")
    site.run("trigger", "ONCRMDEALUPDATE")
    site.run("trigger", "ONCRMDEALUPDATE")
    site.run("work", "--once")
    assert finds(site, "warning", ["1/ONCRMDEALUPDATE", "stands still", "exit 1", "1 wait"], fix="bxhook show 1/")


def test_check_prints_the_config_in_force_without_secrets(site):
    site.configure("hook a { event ONAPPTEST run /bin/true env { API_TOKEN hush } }\n")
    done = site.run("check", "--print")
    printed = text_of(done)
    assert "    timeout 1m\n" in printed and f"store {site.home}/state/queue.db\n" in printed
    assert bitrix.TOKEN not in printed and "hush" not in printed and "token ***" in printed
    assert b": ok" in done.stderr
    as_json = json.loads(site.run("check", "--print", "--json").stdout)
    assert as_json["config"] == printed


def test_check_asks_from_outside(nginx):
    done = nginx.site.run("check", "--url", nginx.url, "--json", check=False)
    found = json.loads(done.stdout)
    assert found["ok"], found
    assert [p["message"] for p in found["problems"] if p["place"] == nginx.url] == [
        "tokens and events come unencrypted"]


def test_check_tells_what_is_wrong_outside(nginx):
    wrong = nginx.server.root + "/nothing-here"
    done = nginx.site.run("check", "--url", wrong, "--json", check=False)
    messages = [p["message"] for p in json.loads(done.stdout)["problems"] if p["level"] == "error"]
    assert done.returncode == 1 and messages == ["answers 404 and is not the gateway"]
    done = nginx.site.run("check", "--url", "http://127.0.0.1:1/x", "--json", check=False)
    assert done.returncode == 1 and "no answer" in done.stdout.decode()


def test_check_says_once_that_the_gateway_is_not_ready(site):
    site.serve(config=write(site.home / "none.conf", "; no portal\n", 0o600, site.user))
    server = Nginx(site)
    done = site.run("check", "--url", server.url, "--json", check=False)
    messages = [p["message"] for p in json.loads(done.stdout)["problems"] if p["level"] == "error"]
    assert done.returncode == 1 and messages == ["the gateway is not ready"]


@pytest.mark.parametrize("hidden", [True, False])
def test_check_asks_for_what_must_not_be_served(scratch, hidden):
    site = Site(scratch, "inside", inside=True)
    try:
        write(site.docroot / "bxhook.fcgi", site.binary.read_bytes(), 0o755, site.user)
        site.home.chmod(0o755)
        site.config.chmod(0o644)
        site.probe()
        handler = "<Files bxhook.fcgi>\nSetHandler fcgid-script\n</Files>\nOptions +ExecCGI\n"
        write(site.docroot / ".htaccess", handler, 0o644, site.user)
        if hidden:
            write(site.home / ".htaccess", "Require all denied\n", 0o644, site.user)
        server = Apache(site, ["fcgid"], SHARED_HOST, path="/bxhook.fcgi")
        done = site.run("check", "--url", server.url, "--json", check=False)
        found = [p["place"] for p in json.loads(done.stdout)["problems"]
                 if p["level"] == "error" and "read through the web" in p["message"]]
        base = f"{server.root}/.htbxhook"
        assert done.returncode == (0 if hidden else 1), done
        assert hidden or f"{base}/bxhook.conf" in found and f"{base}/hooks/any" in found, done
    finally:
        site.stop()


def test_check_shows_no_secret_to_other_users(nginx):
    """curl's arguments are everybody's to read."""
    spy = nginx.site.run_dir / "curl"
    log = nginx.site.run_dir / "curl.args"
    write(spy, f'#!/bin/sh\nprintf "%s\\n" "$@" >> {log}\nexec /usr/bin/curl "$@"\n', 0o755, nginx.site.user)
    env = {"PATH": f"{nginx.site.run_dir}:/usr/bin:/bin"}
    try:
        done = nginx.site.run("trigger", "ONAPPTEST", "--url", f"http://u:hush@{nginx.url[7:]}", env=env)
    finally:
        spy.unlink()
    assert done.stdout.startswith(b"200 ")
    arguments = log.read_text()
    assert "--config" in arguments and bitrix.TOKEN not in arguments and "hush" not in arguments


# -- events

def test_events_are_listed(site):
    found = json.loads(site.run("events", "--json").stdout)
    assert len(found) == 212
    assert all(set(event) == {"code", "name", "scope", "kind", "id_paths", "fields"} for event in found)
    move = next(event for event in found if event["code"] == "ONCRMDEALMOVETOCATEGORY")
    assert move == {"code": "ONCRMDEALMOVETOCATEGORY", "name": "onCrmDealMoveToCategory", "scope": "crm",
                    "kind": "ONCRMDEAL", "id_paths": ["FIELDS.ID"],
                    "fields": ["FIELDS.ID", "FIELDS.CATEGORY_ID", "FIELDS.STAGE_ID"]}


@pytest.mark.parametrize("pattern, count", [
    ("oncrmdealadd", 1), ("ONCRMDEAL*", 12), ("userfield", 32), ("ONCRMDYNAMICITEMADD_77", 1)])
def test_events_are_found(site, pattern, count):
    assert len(json.loads(site.run("events", pattern, "--json").stdout)) == count


def test_an_unknown_event_is_no_success(site):
    done = site.run("events", "ONCRMDAELADD", check=False)
    assert done.returncode == 1 and b"did you mean 'ONCRMDEALADD'?" in done.stderr


def test_every_documented_event_is_in_the_catalog(site):
    table = bitrix.SHARED / "bitrix24" / "events.tsv"
    if not table.is_file():
        pytest.skip(f"no {table}")
    codes = [line.split("\t")[0] for line in table.read_text().splitlines()[1:]]
    known = {event["code"] for event in json.loads(site.run("events", "--json").stdout)}
    assert {code for code in codes if "<" not in code} == known


# -- trigger

def test_a_trigger_is_marked_as_a_test(site):
    site.probe()
    done = site.run("trigger", "onCrmDealUpdate", "--set", "data.FIELDS.ID=7", "--set", "data.NOTE=Привет & co")
    assert b"event 1 " in done.stdout
    run = site.run_of(1)
    assert run.env["BX_TEST"] == "1" and run.env["BX_EVENT"] == "ONCRMDEALUPDATE" and run.env["BX_ID"] == "7"
    assert run.event["data"] == {"FIELDS": {"ID": "7"}, "NOTE": "Привет & co"}
    assert run.event["auth"]["application_token"] == bitrix.TOKEN
    assert site.show(1)["test"] is True


def test_a_trigger_through_a_url_is_an_ordinary_event(nginx):
    done = nginx.site.run("trigger", "ONCRMDEALMOVETOCATEGORY", "--unset", "auth.access_token", "--url", nginx.url)
    answer = json.loads(done.stdout.split(b" ", 1)[1])
    run = nginx.site.run_of(answer["event"])
    assert "BX_TEST" not in run.env and run.env["BX_DATA_FIELDS_STAGE_ID"] == "C1:NEW"
    assert "access_token" not in run.event["auth"]


def test_a_refused_trigger_is_a_failure(nginx):
    done = nginx.site.run("trigger", "ONAPPTEST", "--set", "auth.application_token=wrong", "--url", nginx.url,
                          check=False)
    assert done.returncode == 1 and b"403" in done.stderr and b"invalid_application_token" in done.stderr


def test_every_sample_comes_through_the_web(nginx):
    codes = [event["code"] for event in json.loads(nginx.site.run("events", "--json").stdout)]
    for code in codes[::10]:
        nginx.site.run("trigger", code, "--url", nginx.url)
    for code in codes:
        assert nginx.site.run("trigger", code, "--dry-run").stdout.startswith(f"event={code}&".encode())


def test_a_raw_body_is_sent_as_it_is(site):
    site.probe()
    body = bitrix.encode(bitrix.event()) + b"&x=%FF"
    file = write(site.run_dir / "body", body, 0o644, site.user)
    site.run("trigger", "--raw", file)
    site.run("trigger", "--raw", "-", input=b'{"event": "ONAPPTEST", "data": {"n": 1.50}}')
    assert site.run_of(1).event["x"] == "\ufffd"
    assert site.run_of(2).event["data"] == {"n": "1.50"}


@needs_root
def test_a_raw_body_is_read_from_a_stdin_that_cannot_be_opened_again(site):
    file = write(site.run_dir / "body", bitrix.body(), 0o600)
    os.chown(file, 0, 0)
    with open(file, "rb") as stdin:
        done = subprocess.run([site.binary, "trigger", "--raw", "-", "--config", site.config], stdin=stdin,
                              capture_output=True, timeout=30, **as_user(site.user))
    assert done.returncode == 0 and site.show(1)["id"] == "6675", done


def test_a_portal_is_chosen(site):
    site.configure(portals="portal { member_id m1 domain a.example token 0123456789abcdef }\n"
                           "portal { domain b.example token 0123456789abcdeg }\n")
    site.probe()
    site.run("trigger", "ONAPPTEST", "--portal", "B.example")
    assert site.run_of(1).env["BX_PORTAL"] == "b.example"
    done = site.run("trigger", "ONAPPTEST", "--portal", "c.example", check=False)
    assert done.returncode == 1 and b"no portal 'c.example'" in done.stderr


def test_a_dry_run_tells_what_would_happen_and_does_nothing(site):
    site.configure("hook deals { event ONCRMDEAL* run /bin/echo arg \"{data.FIELDS.ID}\" "
                   "when { data.FIELDS.ID 6675 } env { API_TOKEN hush } }\n"
                   "hook loop { event ONCRM* run /bin/true unless { auth.user_id 1 } }\n")
    done = text_of(site.run("trigger", "ONCRMDEALUPDATE", "--dry-run"))
    body = done.splitlines()[0]
    assert body.startswith("event=ONCRMDEALUPDATE&event_handler_id=") and bitrix.TOKEN not in done
    assert "auth%5Bapplication_token%5D=***" in body and "hush" not in done
    assert "  deals takes it: event ONCRMDEAL*, when data.FIELDS.ID 6675\n" in done
    assert "  loop does not: unless auth.user_id 1\n" in done
    assert "deals would run: /bin/echo 6675\n" in done and "  BX_ID=6675\n" in done
    assert not (site.home / "state").exists()


@pytest.mark.parametrize("words", [
    ["trigger"], ["trigger", "A", "B"], ["trigger", "A", "--set", "x"], ["trigger", "A", "--url", "file:///x"],
    ["trigger", "--raw", "x", "--set", "a=1"], ["events", "a", "b"], ["check", "--url", "x"], ["init", "a", "b"]])
def test_wrong_usage_is_exit_2(site, words):
    done = site.run(*words, check=False)
    assert done.returncode == 2 and done.stderr.startswith(b"bxhook: ") and not done.stdout
