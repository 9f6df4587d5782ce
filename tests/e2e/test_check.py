"""`bxhook check`: each fault is planted, found with its place, and gone once the command it names was typed."""

import json
import os
import subprocess

import pytest

import bitrix
from pairs import preload
from scratch import AS_ROOT, as_user, directory, in_namespaces, wait_for, write

needs_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")
TOKEN = "51856fefc120afa4b628cc82d3935cce"


def text_of(done):
    return done.stdout.decode()


def problems(site, *arguments, status=None, env=None):
    """What `check --json` found: [(level, place, message, fix)]."""
    done = site.run("check", "--json", *arguments, check=False, env=env)
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1), done
    assert found["ok"] == all(p["level"] == "warning" for p in found["problems"])
    if status is not None:
        assert done.returncode == status, found
    return [(p["level"], p["place"], p["message"], p["fix"]) for p in found["problems"]]


def fitting(found, level, words):
    return [p for p in found if p[0] == level and all(word in f"{p[1]}: {p[2]}" for word in words)]


def finds(site, level, words, fix="", **options):
    """The fix of the one problem of LEVEL that names all of WORDS; it has FIX in it."""
    found = problems(site, **options)
    fits = [p for p in fitting(found, level, words) if fix in (p[3] or "")]
    assert len(fits) == 1, found
    return fits[0][3]


def type_in(site, command, edit=None, as_root=False):
    """Types a command that `check` named; an editor it opens makes the change EDIT, for sed."""
    editor = f"sed -i {edit}" if edit else "false"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=30, cwd=site.home, env={
        "PATH": f"{site.scratch.bin}:/usr/sbin:/usr/bin:/sbin:/bin", "EDITOR": editor},
        **({} if as_root else as_user(site.user)))
    assert done.returncode == 0, (command, done)


def modes(path):
    return {str(p.relative_to(path)): p.lstat().st_mode for p in path.rglob("*")}


def waiting(site, script="exit 1\n", events=1, **options):
    """Deliveries of a hook that fails, which no worker looks after."""
    site.configure(**({"worker": "start manual", "backoff": "1h"} | options))
    site.hook("ONCRMDEALUPDATE", script)
    for _ in range(events):
        site.run("trigger", "ONCRMDEALUPDATE")
    site.run("work", "--once")


# -- faults, planted and corrected.  Each: how it is planted, the level, words of place and message, what an editor does.

def portals(text):
    return lambda site: site.configure(portals=text)


def block(text):
    return lambda site: site.configure(more=text + "\n")


def script(text, name="ONAPPTEST", mode=0o755):
    return lambda site: site.hook(name, text, mode)


def script_of_root(mode):
    return lambda site: os.chown(site.hook("ONCRMLEADADD", "exit 0\n", mode), 0, 0)


def portals_of_root(site):
    """In a directory of root's, as /etc/bxhook."""
    site.configure(portals="portals portals.txt\n")
    portals = write(site.home / "portals.txt", f"- {bitrix.DOMAIN} {bitrix.TOKEN}\n", 0o600)
    for path in (portals, site.path, site.home, site.config, site.hooks):
        os.chown(path, 0, site.user.pw_gid)
    site.home.chmod(0o711)
    site.config.chmod(0o640)


def mode_of(what, mode):
    return lambda site: (site.home / what).chmod(mode)


def reached(plant, *directories):
    """PLANT, where everybody may go through DIRECTORIES of the site."""
    def open_and_plant(site):
        plant(site)
        for name in directories or ("home",):
            (site.path / name).chmod(0o711)
    return open_and_plant


def made_store(site):
    site.run("trigger", "ONAPPTEST")
    site.wait_idle()


def store_mode(what, mode):
    def plant(site):
        made_store(site)
        (site.home / "state" / what).chmod(mode)
    return plant


def store_of_another(site):
    made_store(site)
    os.chown(site.home / "state" / "queue.db", 65534, 65534)


def slots_of_another_program(site):
    made_store(site)
    (site.home / "state" / "queue.db.slots").write_text("precious")


def portals_file(site):
    write(site.home / "portals.txt", f"m1 - {TOKEN[::-1]}\nm2 - {TOKEN[::-1]}\n", 0o600, site.user)
    site.configure(more="portals portals.txt\n")


FAULTS = {
    "unknown key": (block("hook a { timout 5s event ONAPPTEST run /bin/true }"), "error",
                    ["bxhook.conf:", ": hook a: timout: unknown key, did you mean 'timeout'?"], "s/timout/timeout/"),
    "unknown section": (block("limit { body 1M }"), "error", ["limit: unknown key, did you mean 'limits'?"],
                        "s/limit{/limits{/;s/limit./limits./"),
    "bad value": (block("limits { body x }"), "error", ["limits: body: 'x' is not a size"], "s/body.x/body+1M/;s/+/\\t/"),
    "missing brace": (block("hook a {"), "error", ["bxhook.conf:", "'}' is missing", "'hook a' in line"], "/hook.a/d"),
    "comment of a shell": (block("# x"), "error", ["bxhook.conf:", "comments begin with ';'"], "s/^#/;/"),
    "blank token": (portals('portal { token "" }\n'), "error", ["portal 1", "token", "is empty"],
                    f's/"".}}/{TOKEN}\\n}}/'),
    "short token": (portals("portal { token short }\n"), "warning", ["portal 1", "5 characters, fewer than Bitrix24's 32"], f"s/short/{TOKEN}/"),
    "token of the example": (portals("portal { token APPLICATION_TOKEN }\n"), "error", ["portal 1", "the one of the example"],
                             f"s/APPLICATION_TOKEN/{TOKEN}/"),
    "events of no application": (
        block("app { client_id local.1 client_secret Nq3v7yB1xRk0mWc8 url https://a.example/ events ONCRMDAEL* }"),
        "warning", ["app 1", "no known event is 'ONCRMDAEL*', did you mean 'ONCRMDEAL*'?"], "s/DAEL/DEAL/"),
    "secret of the example": (block("app { client_id local.1 client_secret CLIENT_SECRET }"), "error",
                              ["app 1", "the one of the example"], "s/CLIENT_SECRET/Nq3v7yB1xRk0mWc8/"),
    "no portal": (portals(""), "error", ["no portal is configured"], f"$aportal{{token\\t{TOKEN}\\n}}"),
    "one token twice": (portals(f"portal {{ domain a.example token {TOKEN} }}\nportal {{ domain b.example token {TOKEN} }}\n"),
                        "warning", ["portal 2", "the same token as portal 1"], f"0,/{TOKEN}/s//{TOKEN[::-1]}/"),
    "one token twice in a portals file": (portals_file, "warning",
                                          ["portals.txt:2", "the same token as", "portals.txt:1"],
                                          "1s/5/6/"),
    "glob of no event": (block("hook a { event ONCRMDAEL* run /bin/true }"), "warning",
                         ["hook a", "no known event is 'ONCRMDAEL*', did you mean 'ONCRMDEAL*'?"], "s/DAEL/DEAL/"),
    "glob of our own events": (block("hook a { event BXHOOK.* run /bin/true }"), "warning",
                               ["hook a", "no event is 'BXHOOK.*'", "named in full"], "s/BXHOOK[.][*]/BXHOOK.DEAD/"),
    "path in no event": (block("hook b { event ONAPPTEST run /bin/true when { FIELDS.ID 7 } }"), "warning",
                         ["hook b", "'FIELDS.ID' is in no event", "data.FIELDS.ID"], "s/FIELDS.ID/data.FIELDS.ID/"),
    "regular expression for codes": (block("hook a { event ONCRMDEAL.* run /bin/true }"), "warning",
                                     ["hook a", "no known event is 'ONCRMDEAL.*'", "not a regular expression"],
                                     "s/DEAL[.]/DEAL/"),
    "regular expression for values": (block('hook b { event ONAPPTEST run /bin/true when { data.FIELDS.ID "^7$" } }'),
                                      "warning", ["hook b", "'data.FIELDS.ID'", "looks like a regular expression"],
                                      "s/.^7$./7/"),
    "value that may be an option": (block('hook b { event ONAPPTEST run /bin/true arg "{data.FIELDS.ID}" }'), "warning",
                                    ["hook b", "'{data.FIELDS.ID}' may begin with '-'", "arg --"], "s/{data/--id={data/"),
    "argument that is a variable": (block('hook b { event ONAPPTEST run /bin/true arg -- arg "{BX_ID}" }'), "error",
                                    ["hook b", "argument {BX_ID} is a variable of the hook's environment"],
                                    "s/BX_ID/data.FIELDS.ID/"),
    "condition without braces": (block("hook b {\n event ONAPPTEST\n run /bin/true\n when data.FIELDS.ID 7\n}"), "error",
                                 ["'when'", "it needs braces: when { PATH VALUE }"], "s/when.data/when\\t{\\tdata/;s/ID.7/ID\\t7\\t}/"),
    "program with arguments": (block('hook b { event ONAPPTEST run "/bin/echo hello" }'), "error",
                               ["hook b", "'/bin/echo hello'", "`run` takes the program alone"], "s/.hello//"),
    "token that lacks a letter": (portals(f"portal {{ token {TOKEN[1:]} }}\n"), "warning",
                                  ["portal 1", "31 characters, fewer than Bitrix24's 32"], f"s/{TOKEN[1:]}/{TOKEN}/"),
    "token in quotes": (portals(f"portal {{ token '{TOKEN}' }}\n"), "error", ["portal 1: token: contains quotes"],
                        f"s/.{TOKEN}./{TOKEN}/"),
    "URL for a token": (portals(f"portal {{ token https://a.example/rest/1/{TOKEN}/ }}\n"), "error",
                        ["portal 1: token: is a URL"], f"s,https.*/{TOKEN}/,{TOKEN},"),
    "coalesce without lanes": (block("hook c { event ONAPPTEST run /bin/true coalesce yes order none }"), "warning",
                               ["hook c", "coalesce has no effect"], "s/none/entity/"),
    "no working directory": (lambda site: site.configure(f"hook d {{ event ONAPPTEST run /bin/true dir {site.home}/there }}\n"),
                             "error", ["hook d", "working directory"], None),
    "script of no event": (script("exit 0\n", "ONCRMDAELUPDATE.sh"), "warning",
                           ["ONCRMDAELUPDATE.sh",
                            "'ONCRMDAELUPDATE' is not a known event, did you mean 'ONCRMDEALUPDATE'?"], None),
    "directory of no event": (script("exit 0\n", "ONCRMDAELUPDATE.d/one"), "warning",
                              ["ONCRMDAELUPDATE.d/one", "'ONCRMDAELUPDATE' is not a known event"], None),
    "hook put aside": (script("exit 0\n", "ONAPPTEST.d/mail.php.old"), "warning",
                       ["hook ONAPPTEST.d.mail.php.old", "mail.php.old' looks like a copy of 'mail.php', but it takes events: "
                        "to disable a hook, rename its file *.disabled"], None),
    "file put aside": (script("exit 0\n", "ONAPPTEST.php.old"), "warning",
                       ["ONAPPTEST.php.old: looks like a copy of 'ONAPPTEST.php' and takes no event: to disable a hook, "
                        "rename its file *.disabled"], None),
    "copy beside the hook": (lambda site: (script("exit 0\n")(site), script("exit 0\n", "ONAPPTEST.bak")(site)), "warning",
                             ["ONAPPTEST.bak: looks like a copy of 'ONAPPTEST' and takes no event"], None),
    "not executable": (script("exit 0\n", "ONCRMLEADADD", 0o644), "error", ["hook ONCRMLEADADD", "not executable"], None),
    "unsafe permissions": (script("exit 0\n", mode=0o775), "error", ["hook ONAPPTEST", "unsafe permissions"], None),
    "unsafe directory": (mode_of("hooks", 0o777), "error", ["hook any", "unsafe permissions"], None),
    "line ends of Windows": (script("#!/bin/sh\r\nexit 0\r\n"), "error", ["hook ONAPPTEST", "Windows line ends"], None),
    "and with env": (script("#!/usr/bin/env php\r\n"), "error", ["hook ONAPPTEST", "Windows line ends"], None),
    "no such interpreter": (script("#!/no/such/shell\n"), "error",
                            ["hook ONAPPTEST", "bad interpreter", "/no/such/shell"], "1s,/no/such/shell,/bin/sh,"),
    "interpreter not installed": (script("#!/usr/bin/env nosuchthing\n"), "error",
                                  ["hook ONAPPTEST", "'nosuchthing' is not installed"], "s/nosuchthing/python3/"),
    "PHP of web servers": (script("#!/usr/bin/php-cgi -q\n"), "warning",
                           ["hook ONAPPTEST", "'/usr/bin/php-cgi' is the PHP of web servers"],
                           "1s,/php-cgi,/php,"),
    "no first line": (script(b"echo hello\n"), "error", ["hook ONAPPTEST", "its first line could be"], "1i#!/bin/sh"),
    "byte order mark": (script(b"\xef\xbb\xbf#!/bin/sh\n"), "error", ["hook ONAPPTEST", "byte order mark"], None),
    "config for all to read": (reached(mode_of("bxhook.conf", 0o604)), "warning", ["bxhook.conf", "read it"], None),
    "config for all to change": (mode_of("bxhook.conf", 0o602), "error", ["bxhook.conf", "change it"], None),
    "config for a group to change": (mode_of("bxhook.conf", 0o620), "error", ["bxhook.conf", "change it"], None),
    "state directory open": (reached(store_mode(".", 0o755)), "warning", ["state", "others can enter"], None),
    "store for all to read": (reached(store_mode("queue.db", 0o644), "home", "home/state"), "warning",
                              ["queue.db", "others can read"], None),
    "slots for others to change": (store_mode("queue.db.slots", 0o620), "warning",
                                   ["queue.db.slots", "others can change it", "will run again"], None),
    "slots that are something else": (slots_of_another_program, "warning",
                                      ["queue.db.slots", "it is something else", "will run again"], None),
    "state directory not writable": (store_mode(".", 0o500), "error",
                                     ["state", "cannot write there: Permission denied"], None),
    "no log directory": (block("log { file logs/x.log }"), "error", ["logs/x.log", "cannot be written"], None),
    "worker missing": (lambda site: waiting(site), "warning", ["worker", "none is running", "manual"], None),
    "dead deliveries": (lambda site: waiting(site, "exit 65\n"), "warning",
                        ["hook ONCRMDEALUPDATE", "1 delivery died in the last hour"], None),
}
# Corrected by the command, but for what is left to the person who reads on.
STAYS = {"worker missing"}


@pytest.mark.parametrize("name", FAULTS)
def test_finds_and_corrects(site, name):
    plant, level, words, edit = FAULTS[name]
    site.hook("any", "exit 0\n")
    assert not fitting(problems(site), level, words)
    plant(site)
    fix = finds(site, level, words)
    if name == "dead deliveries":
        fix += " --yes"  # on a terminal it would ask
    type_in(site, fix, edit)
    left = fitting(problems(site), level, words)
    assert bool(left) == (name in STAYS), left


def test_a_delivery_that_fails_alone_is_no_lane_that_stands_still(site):
    waiting(site)
    assert site.run("status", "--json", check=False).stdout.count(b'"behind":0') == 1
    assert not fitting(problems(site), "warning", ["has failed since"])


def test_what_nobody_can_reach_is_not_for_all(site):
    """In a home of 0700, whatever the modes of what is in it."""
    made_store(site)
    site.config.chmod(0o644)
    (site.home / "state" / "queue.db").chmod(0o644)
    (site.home / "state").chmod(0o755)
    assert not [p for p in problems(site) if "read it" in p[2] or "others" in p[2]]
    site.home.chmod(0o711)
    assert {place for _, place, message, _ in problems(site) if "read it" in message or "others" in message} == {
        str(site.config), str(site.home / "state"), str(site.home / "state" / "queue.db")}
    (site.home / "state").chmod(0o700)
    assert {place for _, place, message, _ in problems(site) if "read it" in message or "others" in message} == {
        str(site.config)}


@needs_root
@pytest.mark.parametrize("plant, level, words", [
    (store_of_another, "error", ["queue.db", "belongs to nobody, its directory to"]),
    (script_of_root(0o644), "error", ["hook ONCRMLEADADD", "not executable"]),
    (script_of_root(0o711), "warning", ["hook ONCRMLEADADD", "cannot be read"]),
    (lambda site: os.chown(site.config, 0, 0), "error", ["bxhook.conf", "cannot read it"]),
    (lambda site: os.chown(site.config, 65534, 65534), "error", ["bxhook.conf", "belongs to nobody"]),
    (portals_of_root, "error", ["portals.txt", "cannot read it"]),
], ids=["store", "script", "unreadable script", "config", "config of another", "portals"])
def test_finds_what_root_must_mend(site, plant, level, words):
    made_store(site)

    def found():
        done = subprocess.run([site.binary, "check", "--json", "--config", site.config], capture_output=True,
                              timeout=30)
        return fitting([(p["level"], p["place"], p["message"], p["fix"]) for p in json.loads(done.stdout)["problems"]],
                       level, words)
    assert found() == []
    plant(site)
    ((*_, fix),) = found()
    type_in(site, fix, as_root=True)
    assert found() == []


@needs_root
def test_another_user_is_told_who_to_run_as_and_no_more(site):
    """What that user may or may not do says nothing of the site."""
    made_store(site)
    site.home.chmod(0o755)
    site.config.chmod(0o644)
    done = subprocess.run([site.binary, "check", "--config", site.config], capture_output=True, timeout=30, user=65534,
                          group=65534, extra_groups=[])
    assert done.returncode == 1 and text_of(done).splitlines() == [
        f"error: {site.home}/state/queue.db: store directory '{site.home}/state' belongs to {site.user.pw_name}: "
        f"run as {site.user.pw_name}",
        f"    fix: sudo -u {site.user.pw_name} {site.binary} check --config {site.config}",
        f"{site.config}: not usable: 1 error"]


@needs_root
@pytest.mark.parametrize("command", ["check", "status"])
def test_who_may_not_read_the_config_is_told_how_to(site, command):
    """On a server where bxhook has a user of its own, and by that user itself."""
    done = subprocess.run([site.binary, command, "--config", site.config], capture_output=True, timeout=30, user=65534,
                          group=65534, extra_groups=[])
    assert done.returncode == 1 and "Permission denied" in text_of(done)
    assert f"\n    fix: sudo {site.binary} {command} --config {site.config}\n" in text_of(done)
    site.config.chmod(0o000)
    done = site.run(command, check=False)
    assert done.returncode == 1 and f"\n    fix: ls -la {site.config}\n" in text_of(done)


def test_of_a_good_site(nginx):
    done = nginx.site.run("check")
    assert text_of(done).splitlines()[-1].startswith(f"{nginx.site.config}: ok")


def test_tells_all_problems_not_only_the_first(site):
    site.home.chmod(0o711)
    site.configure(more="limits { body x  fields y }\nhook a { tiemout 5s }\n")
    site.config.chmod(0o604)
    (site.hooks).chmod(0o777)
    site.hook("any", "exit 0\n")
    found = problems(site, status=1)
    assert {("error", message.split(":")[0]) for _, _, message, _ in found
            if "unknown key" in message or "is not a" in message} == {
        ("error", "limits"), ("error", "hook a")}
    site.configure(more="hook a { event ONNOSUCHEVENT run /no/such/program }\n", portals="portal { token short }\n")
    site.config.chmod(0o604)
    found = problems(site, status=1)
    for level, words in [("warning", ["portal 1"]), ("warning", ["bxhook.conf"]), ("error", ["hook a", "missing"]),
                         ("error", ["hook any", "unsafe"]), ("warning", ["hook a", "ONNOSUCHEVENT"])]:
        assert fitting(found, level, words), found


def test_text_has_place_problem_and_command(site):
    site.hook("ONAPPTEST", "exit 0\n", 0o775)
    done = site.run("check", check=False)
    lines = text_of(done).splitlines()
    at = lines.index(f"error: hook ONAPPTEST: '{site.hooks}/ONAPPTEST': unsafe permissions")
    assert lines[at + 1] == f"    fix: chmod go-w {site.hooks}/ONAPPTEST"
    assert lines[-1].startswith(f"{site.config}: usable except for 1 hook: 1 error") and done.returncode == 1
    site.hook("ONTASKADD", "exit 0\n", 0o644)
    assert "usable except for 2 hooks: 2 errors" in text_of(site.run("check", check=False)).splitlines()[-1]
    site.configure(more="limits { body x }\n")
    assert f"{site.config}: not usable: 1 error" in text_of(site.run("check", check=False)).splitlines()[-1]


def test_of_a_missing_config(site):
    site.config = site.run_dir / "new" / "bxhook.conf"
    fix = finds(site, "error", ["new/bxhook.conf", "No such file"], fix="init", status=1)
    type_in(site, fix.partition(" --config")[0])
    assert not fitting(problems(site), "error", ["No such file"])


def test_works_without_store_and_without_root_and_changes_nothing(site):
    before = modes(site.home)
    assert problems(site, status=0) is not None and not (site.home / "state").exists()
    assert modes(site.home) == before


def test_of_hooks_of_one_name_and_the_others_beside_them(site):
    for name in ("ONAPPTEST.sh", "ONAPPTEST.py", "ONTASKADD.sh", "ONTASKADD.py"):
        site.hook(name, "exit 0\n")
    site.hook("ONUSERADD", "#!/no/such/shell\n")
    found = problems(site, status=1)
    assert fitting(found, "error", ["hook ONUSERADD", "bad interpreter"]), found
    for name in ("ONAPPTEST", "ONTASKADD"):
        type_in(site, finds(site, "error", [f"hook {name}", f"two hooks are named '{name}'"], fix="mv -nT "))
    assert not fitting(problems(site), "error", ["two hooks"])


def test_of_a_store_that_is_none(site):
    state = directory(site.home / "state", 0o700, site.user)
    write(state / "queue.db", "this is no database, whatever its name says\n" * 100, 0o600, site.user)
    finds(site, "error", ["queue.db"], status=1)


def test_of_a_store_of_a_later_version(site):
    text = site.config.read_text().replace("store state/queue.db\n", "store postgresql://u:s3cret@h/b\n")
    write(site.config, text, 0o600, site.user)
    assert problems(site, status=1)
    done = site.run("check", "--print", check=False)
    assert b"s3cret" not in done.stdout + done.stderr


def test_sees_events_that_no_worker_takes(site):
    site.configure(worker="start manual")
    site.hook("any", "exit 0\n")
    site.run("trigger", "ONAPPTEST")
    words = ["worker", "none is running, and work has been due since"]
    assert not fitting(problems(site), "error", words)
    clock = write(site.run_dir / "clock", "11", 0o644)  # seconds later
    env = {"LD_PRELOAD": str(preload(site.scratch, "clock")), "CLOCK_CONTROL": str(clock)}
    type_in(site, finds(site, "error", words, fix="work --once", status=1, env=env))
    assert not fitting(problems(site, status=0, env=env), "error", words)


def test_of_a_worker_that_refuses_its_config(site):
    """Another than the one that is checked, which is right."""
    site.configure(worker="start manual")
    site.hook("any", "exit 0\n")
    other = write(site.home / "other.conf", site.config.read_text(), 0o600, site.user)
    site.work("--config", other)
    wait_for(lambda: site.status()["workers"], "the worker")
    assert not fitting(problems(site), "error", ["worker "])
    write(other, site.config.read_text() + "hook a { tiemout 5s }\n", 0o600, site.user)
    words = ["worker ", f"cannot use configuration or hooks: {other}:", ": hook a: tiemout"]
    wait_for(lambda: fitting(problems(site), "error", words), "the worker's complaint")


def test_of_a_network_file_system(site):
    made_store(site)
    env = {"LD_PRELOAD": str(preload(site.scratch, "powercut")), "POWERCUT_NFS": "1"}
    words = ["state", "network file system"]
    assert fitting(problems(site), "warning", words) == []
    ((*_, fix),) = fitting(problems(site, env=env), "warning", words)
    assert fix == f"${{EDITOR:-vi}} {site.config}"


@needs_root
def test_of_a_gateway_that_runs_as_another_user(site):
    site.run("trigger", "ONAPPTEST")
    site.wait_idle()
    for path in (site.home, site.config):
        path.chmod(0o755)
    site.path.chmod(0o1777)  # for its socket
    other = subprocess.Popen([site.binary, "serve", "--config", site.config, "--listen",
                              f"unix:{site.path}/other.sock"],
                             user=65534, group=65534, extra_groups=[], stderr=subprocess.DEVNULL)
    try:
        for as_root in (True, False):
            done = wait_for(lambda root=as_root: (lambda d: d if b"process " in d.stdout else None)(subprocess.run(
                [site.binary, "check", "--json", "--config", site.config], capture_output=True, timeout=30,
                **({} if root else as_user(site.user)))), "the process to be seen")
            found = [(p["level"], p["place"], p["message"], p["fix"]) for p in json.loads(done.stdout)["problems"]]
            ((*_, fix),) = fitting(found, "error", [
                f"process {other.pid}", "runs as nobody", f"belongs to {site.user.pw_name}"])
        assert fix == f"ps -fp {other.pid}", "anybody can start such a process: nothing is given to it"
        type_in(site, fix)
    finally:
        other.kill()
        other.wait()


@needs_root
def test_of_a_machine_that_lets_few_connections_wait(site):
    """In a network of its own."""
    narrow = "sysctl -qw net.core.somaxconn=128; "
    check = f"{site.binary} check --json --config {site.config}"
    done = subprocess.run([*in_namespaces("--net"), "sh", "-c", narrow + check], capture_output=True, timeout=30)
    found = [(p["level"], p["place"], p["message"], p["fix"]) for p in json.loads(done.stdout)["problems"]]
    ((*_, fix),) = fitting(found, "warning", ["somaxconn", "only 128 connections"])
    done = subprocess.run([*in_namespaces("--net"), "sh", "-c", f"{narrow}{fix} >&2; {check}"], capture_output=True, timeout=30)
    assert b"somaxconn" not in done.stdout


@needs_root
def test_warns_of_a_user_that_all_sites_share(site):
    """mod_fcgid without suEXEC."""
    words = ["every site the web server runs as this user can read tokens"]
    shared = site.user.pw_name == "www-data"
    assert bool(fitting(problems(site), "warning", ["user www-data", *words])) == shared
    for path in (site.home, *site.home.rglob("*")):
        os.chown(path, 65533, 65533)
    done = subprocess.run([site.binary, "check", "--json", "--config", site.config], capture_output=True, timeout=30,
                          user=65533, group=65533, extra_groups=[])
    assert words[0] not in done.stdout.decode() and json.loads(done.stdout)["problems"] is not None


def move_home(site, to):
    """HOME is TO, moved there unless it is there already."""
    if not to.exists():
        site.home.rename(to)
    site.home, site.config, site.out = to, to / "bxhook.conf", to / "out"


def test_sees_what_lies_below_the_document_root(site):
    root = directory(site.path / "public_html", 0o755, site.user)
    move_home(site, root / "bx")
    os.chown(site.path, site.user.pw_uid, -1)
    found = fitting(problems(site, status=0), "warning", [f"below the document root '{root}'"])
    assert {place for _, place, _, _ in found} == {
        f"{site.home}/{name}" for name in ("bxhook.conf", "hooks", "state/queue.db")}
    (fix,) = {fix for *_, fix in found}
    type_in(site, fix)
    move_home(site, site.path / "bx")
    assert not fitting(problems(site, status=0), "warning", ["document root"])


def test_sees_a_hidden_directory_that_nothing_denies(site):
    hidden = directory(site.docroot / ".htbxhook", 0o700, site.user)
    move_home(site, hidden / "home")
    found = fitting(problems(site, status=1), "error", ["nothing keeps the web server from serving it"])
    type_in(site, found[0][3])
    assert not fitting(problems(site, status=0), "error", ["web server"])
    assert (hidden / ".htaccess").read_text() == "Require all denied\n"


def test_prints_the_config_in_force_without_secrets(site):
    site.configure("hook a { event ONAPPTEST run /bin/true env { API_TOKEN hush } }\n")
    done = site.run("check", "--print")
    printed = text_of(done)
    assert "    timeout 1m\n" in printed and f"store {site.home}/state/queue.db\n" in printed
    assert bitrix.TOKEN not in printed and "hush" not in printed and "token ***" in printed
    assert b": ok" in done.stderr
    as_json = json.loads(site.run("check", "--print", "--json").stdout)
    assert as_json["config"] == printed
