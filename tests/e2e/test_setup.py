"""The commands of a person who sets bxhook up: init, events, trigger (check: test_check.py)."""

import json
import os
import re
import stat
import subprocess

import pytest

import bitrix
from scratch import AS_ROOT, ROOT, as_user, directory, write
from servers import SHARED_HOST, Apache

needs_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")


def text_of(done):
    return done.stdout.decode()


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
    commands = re.sub(r" \\\n +", " ", text_of(done))
    assert f"{site.binary} check --config {made}/bxhook.conf\n" in commands, "as it can be typed: PATH does not lead to it"


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
    site.run("check")
    site.run("trigger", "ONCRMDEALUPDATE")
    delivery = site.delivery(1, "ONCRMDEALUPDATE")
    assert delivery["test"] is True
    assert delivery["attempts"][0]["stdout"] == "deal 6675 of some-domain.bitrix24.com was changed\n"


@pytest.mark.parametrize("name", ["bx", "a-directory-with-a-name-that-is-much-longer-than-most-of-them"])
@pytest.mark.parametrize("public", [False, True])
def test_the_next_steps_fit_a_terminal(site, name, public):
    """And what is to be typed can be copied as it stands, over several lines."""
    made = site.run_dir / name
    done = init(site, made, *(["--public", site.docroot] if public else []))
    steps = text_of(done)[text_of(done).index("\nNext:"):]
    wide = [line for line in steps.splitlines() if len(line) > 79]
    assert not wide or name != "bx", wide
    assert all(len(line.split()) <= 4 and str(made) in line for line in wide), "a path is never broken"
    commands = re.sub(r" \\\n +", " ", steps)
    if not public:
        assert re.search(rf"^ +{site.binary} serve --listen unix:/run/bxhook.sock --group www-data "
                         rf"--config {made}/bxhook.conf$", commands, re.M)
    assert f" trigger ONCRMDEALUPDATE --follow --config {made}/bxhook.conf\n" in commands


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


def test_init_makes_no_configuration_that_commands_would_not_use(site):
    """One of .htbxhook/ is found first: the unpacked zip, with a copy of the program beside it."""
    made = directory(site.run_dir / "bx", 0o755, site.user)
    hidden = write(directory(made / ".htbxhook", 0o755, site.user) / "bxhook.conf", "", 0o600, site.user)
    os.link(site.binary, made / "bxhook")
    site.binary = made / "bxhook"
    for words in ([made], [made, "--public", site.docroot], []):
        done = init(site, *words, check=False, cwd=made)
        assert done.returncode == 1 and f"but '{hidden}'".encode() in done.stderr, done
        assert not (made / "bxhook.conf").exists() and not (made / "state").exists()
    init(site, site.run_dir / "other")
    init(site, made / ".htbxhook")
    fix = re.search(r"\(fix: (mv .*)\)$", done.stderr.decode().rstrip())[1]
    subprocess.run(fix, shell=True, check=True)
    init(site, made)
    config = json.loads(text_of(subprocess.run([made / "bxhook", "status", "--json"], capture_output=True, timeout=30,
                                               env={"PATH": "/usr/bin:/bin"}, **as_user(site.user))))["config"]
    assert config["path"] == str(made / "bxhook.conf")


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


# -- events

def test_events_are_listed(site):
    found = json.loads(site.run("events", "--json").stdout)
    assert len(found) == 218, "212 of Bitrix24's, 2 of bxhook's own, and 4 for posts that are none"
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
    known = {event["code"] for event in json.loads(site.run("events", "--json").stdout)}
    others = {"BXHOOK.DEAD", "BXHOOK.PORTAL", "ROBOT.*", "SMS.*", "WEBHOOK.*", "POST.*"}
    assert others < known
    assert {code for code in bitrix.documented_codes() if "<" not in code} == known - others


# -- trigger

def test_a_trigger_shows_no_secret_to_other_users(nginx):
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


def test_a_trigger_is_marked_as_a_test(site):
    site.probe()
    done = site.run("trigger", "onCrmDealUpdate", "--set", "data.FIELDS.ID=7", "--set", "data.NOTE=Привет & co")
    assert done.stdout == b"stored as test event 1; see 'bxhook show 1'\n"
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


CATALOG = [line.split("\t") for line in (ROOT / "src" / "event" / "catalog.tsv").read_text().splitlines()
           if not line.startswith(("#", "BXHOOK."))]  # those of Bitrix24


def as_a_form_has_it(value):
    """What PHP's http_build_query leaves of VALUE, None when nothing: scalars as text, no nulls, no empty arrays."""
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        kept = {str(key): as_a_form_has_it(item) for key, item in items}
        kept = {key: item for key, item in kept.items() if item is not None}
        is_list = list(kept) == [str(i) for i in range(len(kept))]
        return (list(kept.values()) if is_list else kept) or None
    if value is None or isinstance(value, bool):
        return None if value is None else str(int(value))
    return str(value)


def at(tree, path):
    for key in path.split("."):
        if isinstance(tree, list):
            tree = tree[int(key)] if key.isdigit() and int(key) < len(tree) else None
        else:
            tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def test_every_event_of_the_catalog_is_tried(site):
    """Each sample passes as a form through decoding and store, and its hook reads it as it stands in the catalog."""
    site.configure(worker="start manual concurrency 8", defaults="concurrency 8")
    site.hook("any", f'cat > {site.out}/"$BX_EVENT_NUMBER"; printf %s "$BX_ID" > {site.out}/"$BX_EVENT_NUMBER".id\n')
    for code, *_ in CATALOG:
        site.run("trigger", code)
    site.run("work", "--once")
    assert site.wait_idle()["deliveries"]["done"] == len(CATALOG) == 212
    kinds = set()
    for number, (code, _, _, ids, sample) in enumerate(CATALOG, 1):
        event = json.loads((site.out / str(number)).read_text())
        assert event["event"] == code and event.get("data") == as_a_form_has_it(json.loads(sample)), code
        known = [value for value in (at(event.get("data"), path) for path in ids.split(",") if path)
                 if isinstance(value, str) and value not in ("", "undefined")]
        if known:
            assert (site.out / f"{number}.id").read_text() == known[0], code
        kinds |= {"list" for _ in re.finditer(r"\[\{|\[\d", sample)}
        kinds |= {"Cyrillic" for _ in re.finditer("[\u0430-\u044f]", sample)}
    assert kinds == {"list", "Cyrillic"}


def test_a_tenth_of_them_comes_through_the_web(nginx):
    for code, *_ in CATALOG[::10]:
        assert nginx.site.run("trigger", code, "--url", nginx.url).stdout.startswith(b"200 ")


def test_a_dry_run_explains_each_of_them(site):
    site.configure("hook guarded { event * run /bin/true unless { auth.user_id 1 } }\n")
    site.hook("any", "exit 0\n")
    for code, *_ in CATALOG[::7]:
        text = text_of(site.run("trigger", code, "--dry-run"))
        assert text.startswith(f"event={code}&") and f"\nevent {code}, kind " in text
        assert "  any matches: event ANY\n" in text
        assert "  guarded: unless auth.user_id 1\n" in text and f"\n  BX_EVENT={code}\n" in text


def test_a_raw_body_is_sent_as_it_is(site):
    site.probe()
    body = bitrix.encode(bitrix.event()) + b"&x=%FF"
    file = write(site.run_dir / "body", body, 0o644, site.user)
    site.run("trigger", "--raw", file)
    site.run("trigger", "--raw", "-", input=b'{"event": "ONAPPTEST", "data": {"n": 1.50}}')
    assert site.run_of(1).event["x"] == "\ufffd"
    assert site.run_of(2).event["data"] == {"n": "1.50"}


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_line_end_of_an_editor_is_no_part_of_a_form(site, end):
    site.probe()
    file = write(site.run_dir / "body", b"event=ONCRMDEALADD&data[FIELDS][ID]=55" + end, 0o644, site.user)
    done = site.run("trigger", "--raw", file)
    assert b"line end" in done.stderr
    assert site.run_of(1).event["data"]["FIELDS"]["ID"] == "55" and site.run_of(1).env["BX_ID"] == "55"
    done = site.run("trigger", "--raw", "-", input=b"event=ONCRMDEALADD&data[FIELDS][ID]=55%0A")
    assert b"line end" not in done.stderr and site.run_of(2).event["data"]["FIELDS"]["ID"] == "55\n"


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
    assert "  deals matches: event ONCRMDEAL*, when data.FIELDS.ID 6675\n" in done
    assert "  loop: unless auth.user_id 1\n" in done
    assert "deals would run: /bin/echo 6675\n" in done and "  BX_ID=6675\n" in done
    assert not (site.home / "state").exists()


@pytest.mark.parametrize("words", [
    ["trigger"], ["trigger", "A", "B"], ["trigger", "A", "--set", "x"], ["trigger", "A", "--url", "file:///x"],
    ["trigger", "--raw", "x", "--set", "a=1"], ["events", "a", "b"], ["check", "--url", "x"], ["init", "a", "b"]])
def test_wrong_usage_is_exit_2(site, words):
    done = site.run(*words, check=False)
    assert done.returncode == 2 and done.stderr.startswith(b"bxhook: ") and not done.stdout
