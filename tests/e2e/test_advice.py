"""Every command that a message tells people to type: typed where it is told, and told in no state in which it
would do harm (a file of that name is there, other things lie beside, the language is another, ...)."""

import ast
import json
import os
import re
import signal
import subprocess

import pytest

from scratch import HERE, ROOT, as_user, directory, wait_for, write
from servers import group_of
from test_check import finds, fitting, made_store, move_home, needs_root, problems, type_in, waiting

# -- What the sources say

LITERAL = re.compile(r'R"(?P<mark>\w*)\((?P<raw>.*?)\)(?P=mark)"|"(?P<text>(?:[^"\\\n]|\\.)*)"', re.S)
PROGRAMS = ("apt-get|chgrp|chmod|chown|cp|curl|df|echo|findmnt|install|ln|ls|mkdir|mount|mv|namei|openssl|ps|rm|sed|sudo|"
            "sysctl|systemctl|tail|touch|kill")
COMMANDS = [
    re.compile(rf"(?:^|: |'|\(|&& |\n *)(?:LC_ALL=C )?((?:{PROGRAMS}) (?! )[^'\n]*|\$\{{EDITOR[^ ]*)"),
    re.compile(r"(?:'|\brun )(bxhook(?: [a-z]+)+(?: --[a-z]+(?: [a-z]+)?)?)"),
    re.compile(r"\((make [a-z]+|apt-get [a-z ]+)\)"),
]
# What stands where a command could, and is none.
PROSE = {"install it", "install it, or name another on the first line", "install it where everybody can (make install)",
         "install both of one version", "install that version", "install bxhook-postgresql", "install the application again",
         "install one that has PostgreSQL", "install it (apt-get install curl)", "curl failed"}
# Words of ours that are put behind the program's name.
BUILT = re.compile(r'(?:commands(?:\(\))?\.line\(|typed_program\(\) \+ |bxhook \+ )"\s*(\w+(?: --(?!config)[a-z]+(?: [a-z]+)?)?)')


def literals(source):
    """The string literals of SOURCE; adjacent ones are one."""
    source = re.sub(r"(?m)^\s*(?://|#include).*$", "", source)
    found, end = [], None
    for match in LITERAL.finditer(source):
        text = match["raw"]
        if text is None:
            text = re.sub(r"\\(.)", lambda escape: {"n": "\n"}.get(escape[1], escape[1]), match["text"])
        if found and not source[end:match.start()].strip():
            found[-1] += text
        else:
            found.append(text)
        end = match.end()
    return found


def commands_of(source):
    """What SOURCE (C++) tells people to type."""
    found = {f"bxhook {words}" for words in BUILT.findall(source)}
    for text in literals(source):
        for pattern in COMMANDS:
            found |= {match.strip(" :") for match in pattern.findall(text)}
    return {command for command in found if command not in PROSE}


LOOKS = "it only looks"  # and so harms nothing, whatever it meets
# Command: the tests that type it where it is told; and where it would do harm.
CASES = {
    "${EDITOR:-vi}": ("test_finds_and_corrects", LOOKS),
    "apt-get install curl": ("test_a_program_that_is_missing_is_named", LOOKS),
    "bxhook cancel": ("test_what_waits_for_a_hook_that_is_gone_says_what_to_do",
                      "test_what_waits_for_a_hook_that_is_gone_says_what_to_do"),
    "bxhook cancel --hook": ("test_what_waits_for_a_hook_that_is_disabled_waits_on_and_says_so",
                             "test_bulk_needs_a_filter_and_a_yes"),
    "bxhook check": ("test_another_user_is_told_who_to_run_as_and_no_more", LOOKS),
    "bxhook check --url": ("test_asks_from_outside", LOOKS),
    "bxhook events": ("test_a_code_that_is_like_no_other", LOOKS),
    "bxhook help": ("test_commands_that_only_look", LOOKS),
    "bxhook init": ("test_of_a_missing_config", "test_init_is_told_where_it_makes_that_config"),
    "bxhook list --state dead": ("test_commands_that_only_look", LOOKS),
    "bxhook list --state waiting": ("test_commands_that_only_look", LOOKS),
    "bxhook logs": ("test_logs_say_why_a_delivery_has_not_run", LOOKS),
    "bxhook portals import": ("test_while_the_server_is_away_nothing_is_lost",
                              "test_while_the_server_is_away_nothing_is_lost"),
    "bxhook bind": ("test_what_the_app_block_wants_is_not_unbound", "test_foreign_handlers_are_shown_and_left"),
    "bxhook bind --portal": ("test_check_says_what_is_wanted_and_outside_of_the_scope",
                             "test_foreign_handlers_are_shown_and_left"),
    "bxhook call event": ("test_foreign_handlers_are_shown_and_left",
                          "test_of_two_that_differ_in_whose_token_comes_ours_alone_is_unbound"),
    "bxhook portals test": ("test_what_the_portal_posts_arrives", "test_one_that_was_there_stays"),
    "bxhook portals": ("test_posts_wait_for_their_installation_and_for_nothing_else", LOOKS),
    "bxhook retry --state dead": ("test_finds_and_corrects", "test_bulk_retry_asks"),
    "bxhook retry --state waiting": ("test_many_blocked_lanes_go_on_together", "test_bulk_retry_asks"),
    "bxhook retry": ("test_a_blocked_lane_goes_on_at_once", LOOKS),
    "bxhook run": ("test_an_event_of_several_or_no_deliveries_needs_the_hook", "test_nothing_is_recorded"),
    "bxhook serve": ("test_init_leads_to_a_hook_that_ran", "test_a_live_socket_is_left_alone"),
    "bxhook show": ("test_commands_that_only_look", LOOKS),
    "bxhook status": ("test_commands_that_only_look", LOOKS),
    "bxhook store init": ("test_init_makes_it_once_and_the_least_rights_suffice", "test_init_makes_it_once_and_the_least_rights_suffice"),
    "bxhook store upgrade": ("test_processes_go_on_while_the_schema_is_upgraded",
                             "test_processes_go_on_while_the_schema_is_upgraded"),
    "bxhook trigger": ("test_init_leads_to_a_hook_that_ran", "test_the_next_steps_meet_a_live_hook"),
    "bxhook work": ("test_commands_that_only_look", LOOKS),
    "bxhook sync": ("test_check_says_when_what_is_due_is_not_done", "test_killed_at_any_step_no_more_than_one_answer_is_lost"),
    "bxhook work --once": ("test_sees_events_that_no_worker_takes", LOOKS),
    "chgrp": ("test_finds_what_root_must_mend", "test_root_s_config_stays_root_s"),
    "chmod 600": ("test_finds_and_corrects", "test_root_s_config_stays_root_s"),
    "chmod g-s": ("test_root_s_socket_in_a_directory_that_gives_its_own_group",
                  "test_root_s_socket_in_a_directory_that_gives_its_own_group"),
    "chmod 640": ("test_root_s_config_stays_root_s", "test_root_s_config_stays_root_s"),
    "chmod 700": ("test_finds_and_corrects", "test_a_directory_with_other_things_is_neither_closed_nor_given_away"),
    "chmod a+r": ("test_finds_what_root_must_mend", "test_a_link_stays_one"),
    "chmod a+rx": ("test_finds_what_root_must_mend", "test_of_a_file_system_where_nothing_runs"),
    "chmod g+r": ("test_finds_what_root_must_mend", "test_root_s_config_stays_root_s"),
    "chmod go-w": ("test_finds_and_corrects", "test_a_directory_for_all_stays_one"),
    "chmod u+rwx": ("test_of_a_working_directory", "test_of_a_working_directory"),
    "chmod u+x": ("test_check_and_worker_agree", "test_of_a_file_system_where_nothing_runs"),
    "chown": ("test_finds_what_root_must_mend", "test_no_config_is_given_to_root"),
    "chown -R": ("test_a_store_of_root_is_given_away",
                 "test_a_directory_with_other_things_is_neither_closed_nor_given_away"),
    "chown -h": ("test_finds_what_root_must_mend", "test_a_link_stays_one"),
    "cp -n": ("test_init_leads_to_a_hook_that_ran", "test_the_next_steps_meet_a_live_hook"),
    "cp -p bxhook.conf new.conf; vi new.conf": ("test_an_edit_goes_live_as_the_help_says",
                                                "test_an_edit_goes_live_as_the_help_says"),
    "curl -o /dev/null -w": ("test_measures_the_answer", LOOKS),
    "curl -v": ("test_tells_what_is_wrong_outside", LOOKS),
    "df -h": ("test_of_a_disk_that_is_nearly_full", LOOKS),
    "echo": ("test_sees_a_hidden_directory_that_nothing_denies", "test_an_htaccess_is_never_written_over"),
    "findmnt -T": ("test_of_a_file_system_where_nothing_runs", LOOKS),
    "install -d -m": ("test_a_missing_directory_of_the_store_is_named", "test_a_missing_directory_of_the_store_is_named"),
    "ls -l": ("test_a_link_that_leads_nowhere", LOOKS),
    "ls -la": ("test_init_is_told_where_it_makes_that_config", LOOKS),
    "ls -ld": ("test_of_a_working_directory", LOOKS),
    "make install": ("test_init_says_who_cannot_run_the_program", LOOKS),
    "mv -nT": ("test_finds_and_corrects", "test_a_rename_never_meets_another_hook"),
    "mv new.conf bxhook.conf": ("test_an_edit_goes_live_as_the_help_says", "test_an_edit_goes_live_as_the_help_says"),
    "namei -l": ("test_a_draft_that_cannot_be_reached", LOOKS),
    "openssl rand -base64 32": ("test_a_secret_made_as_told_signs", LOOKS),
    "openssl rand -hex 16": ("test_the_key_that_check_proposes_is_one", LOOKS),
    "openssl s_client -showcerts -connect": ("test_looks_at_the_certificate_s_chain", LOOKS),
    "ps -fp": ("test_of_a_gateway_that_runs_as_another_user", LOOKS),
    "sed -i": ("test_finds_and_corrects", "test_a_link_stays_one"),
    "sudo bxhook init /srv/bxhook --user bxhook": ("test_init_is_told_where_it_makes_that_config",
                                                   "test_the_next_steps_meet_a_live_hook"),
    "sudo": ("test_who_may_not_read_the_config_is_told_how_to", LOOKS),
    "sudo -u": ("test_another_user_is_told_who_to_run_as_and_no_more", LOOKS),
    "sysctl -w net.core.somaxconn=4096": ("test_of_a_machine_that_lets_few_connections_wait", LOOKS),
    "systemctl enable --now bxhook-worker": ("test_check_starts_the_worker", "test_a_unit_of_another_config_is_not_told"),
    "tail -n 50": ("test_the_log_of_a_worker_that_hangs_is_shown", LOOKS),
    "systemctl start bxhook.socket": ("test_check_starts_the_gateway", "test_a_unit_of_another_config_is_not_told"),
}


def test_every_command_of_the_sources_has_its_cases():
    found = set()
    for path in (ROOT / "src").rglob("*.cpp"):
        found |= commands_of(path.read_text())
    assert found - CASES.keys() == set(), "a command that no test types: give it a case"
    assert CASES.keys() - found == set(), "a case of what nobody is told any more"
    tests = {node.name for path in (*HERE.glob("test_*.py"), *(HERE.parent / "packages").glob("test_*.py"))
             for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
    assert {name for pair in CASES.values() for name in pair} - {LOOKS} - tests == set()


def test_the_scan_sees_commands():
    source = '''f(place, "x", "chmod 777 " + shell_word(path)); throw Error("bad: rm -r '" + path + "'");
    // "rmdir x"
    g("no", "mv a "
            "b"); h(findings.commands().line("prune --dead") + typed_program() + " init " + dir);'''
    assert commands_of(source) == {"chmod 777", "rm -r", "mv a b", "bxhook prune --dead", "bxhook init"}


# -- Hooks

def hook_files(site):
    return {str(path.relative_to(site.hooks)): path.read_bytes() for path in site.hooks.rglob("*") if path.is_file()}


@pytest.mark.parametrize("other, mode", [
    ("ONCRMDEALUPDATE.sh", 0o755), ("ONCRMDEALUPDATE.sh", 0o644), ("ONCRMDEALUPDATE.py", 0o755),
    ("ONCRMDEALUPDATE", 0o644)])
def test_a_rename_never_meets_another_hook(site, other, mode):
    """An old copy of a misspelled name beside the live hook."""
    site.hook("ONCRMDAELUPDATE.sh", "echo old\n")
    site.hook(other, "echo live\n", mode)
    before = hook_files(site)
    (_, _, message, fix), = fitting(problems(site), "warning", ["ONCRMDAELUPDATE.sh", "is not a known event"])
    assert f"/{other}' (of 20" in message and "ONCRMDAELUPDATE.sh' (of 20" in message and "choose one" in message
    type_in(site, fix)
    assert hook_files(site) == before and fix.startswith("ls -ld ")


def test_nor_a_directory_or_a_block(site):
    site.hook("ONCRMDAELUPDATE.d/one", "echo old\n")
    site.hook("ONCRMDEALUPDATE.d/one", "echo live\n")
    before = hook_files(site)
    type_in(site, finds(site, "warning", ["ONCRMDAELUPDATE.d/one", "choose one"], fix="ls -ld "))
    assert hook_files(site) == before
    site.hook("ONTSAKADD", "echo old\n")
    site.configure("hook ONTASKADD { event ONTASKADD run /bin/true }\n")
    finds(site, "warning", ["ONTSAKADD", "The block `hook ONTASKADD` runs under that name"],
          fix="EDITOR")


def test_a_rename_of_a_name_that_needs_quotes(site):
    site.hook("ONCRMDAELUPDATE.d/one", "exit 0\n")
    move_home(site, site.path / "it's a home")
    site.hooks = site.home / "hooks"
    type_in(site, finds(site, "warning", ["ONCRMDAELUPDATE", "did you mean"], fix="mv -nT '"))
    assert [path.name for path in site.hooks.iterdir()] == ["ONCRMDEALUPDATE.d"]


def test_of_two_files_of_one_name_the_older_one_is_switched_off(site):
    site.hook("ONTASKADD.sh", "exit 0\n")
    os.utime(site.hook("ONTASKADD.py", "exit 0\n"), (0, 0))
    (_, _, message, fix), = fitting(problems(site), "error", ["two hooks are named 'ONTASKADD'"])
    assert "ONTASKADD.py' (of 1970-01-01T00:00:00.000Z, " in message and "ONTASKADD.sh' (of 20" in message
    type_in(site, fix)
    assert (site.hooks / "ONTASKADD.py.disabled").exists() and (site.hooks / "ONTASKADD.sh").exists()
    assert not fitting(problems(site), "error", ["two hooks"])
    site.configure("hook ONTASKADD { event ONTASKADD run /bin/true }\n")
    finds(site, "error", ["two hooks are named 'ONTASKADD'", "the block"], fix="EDITOR")


SOURCES = {
    "php": ("ONTASKADD.php", "<?php\necho 1;\n", "#!/usr/bin/env php"),
    "php without its extension": ("ONTASKADD", "<?php\necho 1;\n", "#!/usr/bin/env php"),
    "python": ("ONTASKADD.py", "import os\nprint(os.environ)\n", "#!/usr/bin/env python3"),
    "bash": ("ONTASKADD.sh", "names=(a b)\n[[ -v names ]]\n", "its first line could be: #!/bin/sh"),
    "empty": ("ONTASKADD.sh", "", "is empty"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_no_first_line_is_written_into_what_may_be_another_language(site, name):
    file, text, words = SOURCES[name]
    path = site.hook(file, text.encode())
    type_in(site, finds(site, "error", ["hook ONTASKADD", words]), edit="s/a/a/")
    assert path.read_bytes() == text.encode()


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("begin, end, words", [
    (b"#!/bin/sh\r\n", b"exit 0\r\n", "Windows line ends"), (b"\xef\xbb\xbf#!/bin/sh\n", b"exit 0\n", "byte order mark")],
    ids=["line ends", "byte order mark"])
def test_a_link_stays_one(site, begin, end, words, locale):
    target = write(site.home / "the program", begin + end, 0o755, site.user)
    link = site.hooks / "ONTASKADD"
    link.symlink_to(target)
    os.chown(link, site.user.pw_uid, site.user.pw_gid, follow_symlinks=False)
    type_in(site, f"export LC_ALL={locale}; {finds(site, 'error', ['hook ONTASKADD', words])}")
    assert link.is_symlink() and target.read_bytes() == b"#!/bin/sh\nexit 0\n"
    assert not fitting(problems(site), "error", ["hook ONTASKADD"])


def test_a_link_that_leads_nowhere(site):
    for name in ("ONTASKADD", "ONTASKUPDATE.d"):
        (site.hooks / name).symlink_to(site.home / "gone")
        fix = finds(site, "warning", [f"hooks/{name}", f"is a link to '{site.home}/gone', which does not exist"])
        assert fix == f"ls -l {site.hooks}/{name}"
        type_in(site, fix)
    (site.hooks / "notes.disabled").symlink_to(site.home / "gone")
    assert not fitting(problems(site), "warning", ["notes"])


@needs_root
def test_a_directory_for_all_stays_one(site):
    """As /tmp is: many need it."""
    site.hook("ONTASKADD", "exit 0\n")
    site.hooks.chmod(0o1777)
    fix = finds(site, "error", ["hook ONTASKADD", "unsafe permissions"])
    assert fix == "keep hooks in a directory of their own, and set hooks_dir to it"


def test_check_and_worker_agree(site):
    """What check says takes no event takes none, what it says fails fails, and nothing else does."""
    site.configure(worker="start manual", backoff="1h")
    site.hook("ONTASKADD.sh", "exit 0\n", 0o644)
    site.hook("ONTASKUPDATE.sh", "exit 0\n", 0o666)
    site.hook("ONTASKDELETE.sh", "exit 0\n", 0o775)
    site.hook("ONUSERADD.sh", "exit 0\n")
    off, broken = {}, {}
    for level, place, message, fix in problems(site):
        if place.startswith("hook "):
            assert level == "error"
            (off if "takes no event" in message else broken)[place[5:]] = fix
    for code in ("ONTASKADD", "ONTASKUPDATE", "ONTASKDELETE", "ONUSERADD"):
        site.run("trigger", code)
    site.run("work", "--once")
    came = {item["code"]: item["state"] for item in site.list()}
    assert {code for code, state in came.items() if state == "skipped"} == off.keys() == {"ONTASKADD", "ONTASKUPDATE"}
    assert {code for code, state in came.items() if state == "waiting"} == broken.keys() == {"ONTASKDELETE"}
    type_in(site, off["ONTASKADD"])
    assert not fitting(problems(site), "error", ["hook ONTASKADD"])


@needs_root
def test_what_others_may_execute_takes_events_and_fails(site):
    """An execute bit, but not for the worker's user."""
    site.configure(worker="start manual", backoff="1h")
    os.chown(site.hook("ONTASKADD", "exit 0\n", 0o744), 0, 0)
    fix = finds(site, "error", ["hook ONTASKADD", "not executable"], fix="chmod a+rx ")
    site.run("trigger", "ONTASKADD")
    site.run("work", "--once")
    assert site.list()[0]["reason"] == "not executable"
    type_in(site, fix, as_root=True)
    site.run("cancel", "1/ONTASKADD")
    site.run("retry", "1/ONTASKADD")
    site.run("work", "--once")
    assert site.list()[0]["state"] == "done"


@needs_root
@pytest.mark.parametrize("mode", [0o644, 0o755])
def test_of_a_file_system_where_nothing_runs(site, mode):
    made_store(site)
    path = site.hook("ONTASKADD", "exit 0\n", mode)
    inside = f"mount --bind {site.hooks} {site.hooks} && mount -o remount,bind,noexec {site.hooks} && "

    def check():
        done = subprocess.run(["unshare", "-m", "sh", "-c", f"{inside} {site.binary} check --json --config {site.config}"],
                              capture_output=True, text=True, timeout=30)
        return [p for p in json.loads(done.stdout)["problems"] if p["place"] == "hook ONTASKADD"]
    problem, = check()
    assert "chmod" not in problem["fix"] and problem["fix"].startswith("its file system is mounted noexec")
    command = re.search(r"'(findmnt .*)' shows it", problem["fix"])[1]
    done = subprocess.run(["unshare", "-m", "sh", "-c", inside + command], capture_output=True, text=True, timeout=30)
    assert "noexec" in done.stdout and path.stat().st_mode & 0o777 == mode


def test_of_a_working_directory(site):
    """Missing, closed, no directory at all."""
    there = site.home / "it's there"
    site.configure(f"hook d {{ event ONAPPTEST run /bin/true dir \"{there}\" }}\n")
    type_in(site, finds(site, "error", ["hook d", "is missing"], fix="install -d -m 755"))
    assert there.is_dir() and not fitting(problems(site), "error", ["hook d"])
    there.chmod(0o600)
    type_in(site, finds(site, "error", ["hook d", "cannot be entered"], fix="chmod u+rwx"))
    assert not fitting(problems(site), "error", ["hook d"])
    there.rmdir()
    write(there, "a file\n", 0o644, site.user)
    type_in(site, finds(site, "error", ["hook d", "is not a directory"], fix="ls -ld"))
    assert there.read_text() == "a file\n"


def test_a_code_that_is_like_no_other(site):
    site.hook("ZZZZZZZZZZZZZZZZZZZZ", "exit 0\n")
    fix = finds(site, "warning", ["is not a known event"], fix=f"{site.binary} events")
    type_in(site, fix)


# -- The config, and where things lie

def test_an_htaccess_is_never_written_over(site):
    hidden = directory(site.docroot / ".htbxhook", 0o700, site.user)
    move_home(site, hidden / "home")
    mine = write(hidden / ".htaccess", "Options +ExecCGI\n", 0o644, site.user)
    found = fitting(problems(site), "error", ["must contain 'Require all denied' and nothing else"])
    assert {fix for *_, fix in found} == {f"${{EDITOR:-vi}} {mine}"} and mine.read_text() == "Options +ExecCGI\n"


@pytest.mark.parametrize("beside", ["bx", "bx/bxhook.fcgi"])
def test_nothing_is_moved_over_what_is_there_or_with_what_the_web_needs(site, beside):
    root = directory(site.path / "public_html", 0o755, site.user)
    move_home(site, root / "bx")
    if beside == "bx":
        directory(site.path / "bx", 0o755, site.user)
    else:
        write(root / beside, "#!/bin/sh\n", 0o755, site.user)
    found = fitting(problems(site), "warning", ["below the document root"])
    assert found and all("mv" not in fix.split() for *_, fix in found)


def as_root(site, *arguments):
    done = subprocess.run([site.binary, "check", "--json", "--config", site.config, *arguments], capture_output=True,
                          timeout=30)
    return [(p["level"], p["place"], p["message"], p["fix"]) for p in json.loads(done.stdout)["problems"]]


@needs_root
def test_root_s_config_stays_root_s(site):
    """As the Debian package has it: root's, and its group may read."""
    made_store(site)
    gid = site.user.pw_gid
    site.home.chmod(0o711)
    for mode, level, words in ((0o600, "error", "cannot read it"), (0o644, "warning", "everyone on this machine can read")):
        os.chown(site.config, 0, 0)
        site.config.chmod(mode)
        (*_, fix), = fitting(as_root(site), level, ["bxhook.conf", words])
        assert fix.startswith(f"chgrp {group_of(site.user)} ")
        type_in(site, fix, as_root=True)
        info = site.config.stat()
        assert (info.st_uid, info.st_gid, info.st_mode & 0o777) == (0, gid, 0o640)
        assert not fitting(as_root(site), level, ["bxhook.conf"])
        assert site.run("status", check=False).returncode == 0


@needs_root
def test_no_config_is_given_to_root(site):
    """Before there is a store root cannot tell whose it will be."""
    assert all("chown root" not in (fix or "") and "chown 0" not in (fix or "") for *_, fix in as_root(site))


def test_an_edit_goes_live_as_the_help_says(site):
    """Also of a config that is root's: the copy may be read by whom the config may."""
    text = site.run("help", "check").stdout.decode()
    lines = [line.strip() for line in text.splitlines() if "new.conf" in line]
    assert len(lines) == 2, text
    command = "\n".join(lines).replace("vi new.conf", "echo '; new' >>new.conf").replace("bxhook check", f"{site.binary} check")
    before = site.config.stat()
    if os.geteuid() == 0:
        os.chown(site.config, 0, site.user.pw_gid)
        site.config.chmod(0o640)
        before = site.config.stat()
    type_in(site, command, as_root=True)
    after = site.config.stat()
    assert site.config.read_text().endswith("; new\n")
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid) and after.st_gid == before.st_gid


def test_init_is_told_where_it_makes_that_config(site):
    """It makes a bxhook.conf: no other, none where one cannot look."""
    site.config = site.home / "other.conf"
    assert finds(site, "error", ["other.conf", "No such file"]) == f"ls -la {site.home}"
    type_in(site, f"ls -la {site.home}")
    if os.geteuid() == 0:
        site.config = site.path / "new" / "bxhook.conf"
        (*_, fix), = fitting(as_root(site), "error", ["new/bxhook.conf"])
        assert fix == f"{site.binary} init {site.path}/new --user USER" or fix.endswith("--user bxhook")
        type_in(site, fix.replace("--user USER", "--user www-data"), as_root=True)
        assert site.config.is_file()


def test_the_next_steps_meet_a_live_hook(site):
    """`init` on a directory whose hook is at work."""
    site.hook("ONCRMDEALUPDATE.sh", "echo live\n")
    done = site.run("init", site.home)
    assert b"cp " not in done.stdout and b"Try the hook that is there" in done.stdout
    (site.hooks / "ONCRMDEALUPDATE.sh").rename(site.hooks / "ONCRMDEALUPDATE.py")
    assert b"cp " not in site.run("init", site.home).stdout
    (site.hooks / "ONCRMDEALUPDATE.py").unlink()
    command = re.search(r"cd .* &&(?: \\\n)?.* cp .*", site.run("init", site.home).stdout.decode())[0]
    site.hook("ONCRMDEALUPDATE.sh", "echo live\n")  # meanwhile
    type_in(site, command)
    assert "echo live" in (site.hooks / "ONCRMDEALUPDATE.sh").read_text()


# -- The store

@needs_root
def test_a_missing_directory_of_the_store_is_named(site):
    place = directory(site.path / "it's var", 0o755)
    os.chown(place, 0, 0)
    site.store = f'"{place}/bx/queue.db"'
    site.configure()
    (*_, fix), = fitting(problems(site), "error", ["directory", "is missing"])
    assert re.match(r"install -d -m 700 -o \S+ -g \S+ '", fix), fix
    type_in(site, fix, as_root=True)
    made = place / "bx"
    assert (made.stat().st_uid, made.stat().st_gid, made.stat().st_mode & 0o777) == (
        site.user.pw_uid, site.user.pw_gid, 0o700)
    write(made / "kept", "x", user=site.user)
    type_in(site, fix, as_root=True)
    assert (made / "kept").read_text() == "x"
    assert not fitting(problems(site), "error", ["is missing"])
    site.run("trigger", "ONAPPTEST")


@needs_root
def test_a_store_of_root_is_given_away(site):
    made_store(site)
    for path in (site.home / "state", *(site.home / "state").iterdir()):
        os.chown(path, 0, 0)
    (*_, fix), = fitting(as_root(site), "error", ["queue.db", "belongs to root"])
    assert fix.startswith(("chown -R USER: ", "chown -R bxhook: "))
    type_in(site, re.sub("USER|bxhook", site.user.pw_name, fix, count=1), as_root=True)
    assert not fitting(as_root(site), "error", ["belongs to root"])


@needs_root
def test_a_directory_with_other_things_is_neither_closed_nor_given_away(site):
    """The store beside what others need."""
    for owner, mode in ((0, 0o755), (site.user.pw_uid, 0o755), (65534, 0o755)):
        place = directory(site.path / f"var-{owner}", mode)
        os.chown(place, owner, owner)
        write(place / "index.html", "for all\n")
        site.store = f"{place}/queue.db"
        site.configure()
        for found in (problems(site), as_root(site)):
            fixes = [fix for _, where, message, fix in found if str(place) in f"{where} {message} {fix}"]
            # That of a third user is refused before anybody looks into it.
            assert (fixes or owner == 65534) and all("chown -R" not in fix and f"chmod 700 {place}" != fix for fix in fixes), found


def test_a_blocked_lane_goes_on_at_once(site):
    """By the command that is told, typed once the hook works; no event is given up."""
    waiting(site, events=2)
    fix = finds(site, "warning", ["1/ONCRMDEALUPDATE", "has failed since", "exit 1", "1 later delivery of the same"],
                fix="retry 1/ONCRMDEALUPDATE")
    site.hook("ONCRMDEALUPDATE", "exit 0\n")
    type_in(site, fix)
    site.run("work", "--once")
    assert {item["delivery"]: item["state"] for item in site.list()} == dict.fromkeys(
        ("1/ONCRMDEALUPDATE", "2/ONCRMDEALUPDATE"), "done")
    assert not fitting(problems(site), "warning", ["has failed since"])


def test_bulk_retry_asks(site):
    waiting(site, "exit 65\n")
    fix = finds(site, "warning", ["hook ONCRMDEALUPDATE", "1 delivery died"],
                fix="retry --state dead --hook ONCRMDEALUPDATE")
    done = subprocess.run(["/bin/sh", "-c", fix], capture_output=True, timeout=30, **as_user(site.user))
    assert done.returncode != 0 and b"--yes" in done.stderr and site.list()[0]["state"] == "dead"


def test_commands_that_only_look(site):
    waiting(site, "exit 65\n")
    for words in ("help", "help list", "list", "list --state dead", "show 1", "status", "events"):
        done = site.run(*words.split(), check=False)
        assert done.stdout and done.returncode == 0, done
    assert site.run("list", "--state", "waiting").stdout == b""
    assert site.list()[0]["state"] == "dead"


def test_the_log_of_a_worker_that_hangs_is_shown(site):
    """Of one that was started by itself: beside the store."""
    made_store(site)
    site.hook("any", "exit 0\n")
    os.kill(wait_for(site.worker_pid, "the worker"), signal.SIGSTOP)
    try:
        site.run("trigger", "ONAPPTEST")
        site.change_store("UPDATE %event SET received_at = received_at - 60000 WHERE n > (SELECT matched FROM %world)")
        fix = finds(site, "error", ["worker", "one is running, but work that it could do has been due"], fix="tail ")
        assert fix == f"tail -n 50 {site.home}/state/bxhook.log"
        type_in(site, fix)
    finally:
        os.kill(site.worker_pid(), signal.SIGCONT)
    site.wait_idle()


def test_a_unit_of_another_config_is_not_told(site):
    """Without systemd, or with units that serve another config, a worker is run by hand."""
    waiting(site)
    assert finds(site, "warning", ["worker", "none is running"]).endswith(f"work --once --config {site.config}")


def test_of_a_disk_that_is_nearly_full(site):
    """On a small file system; nothing that was kept is deleted for it."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    made_store(site)
    check = (f"mount -t tmpfs -o size=20m,uid={site.user.pw_uid},mode=700 none {site.home}/state && "
             f"{site.binary} check --config {site.config}")
    done = subprocess.run(["unshare", "-m", "sh", "-c", check], capture_output=True, text=True, timeout=30)
    assert "less than 100 MB are free" in done.stdout and f"fix: df -h {site.home}/state\n" in done.stdout
    type_in(site, f"df -h {site.home}/state")


def test_a_program_that_is_missing_is_named(site):
    done = site.run("trigger", "ONAPPTEST", "--url", "http://127.0.0.1:1/", check=False, env={"PATH": "/nowhere"})
    assert b"apt-get install curl" in done.stderr
    assert subprocess.run(["apt-get", "-s", "install", "curl"], capture_output=True, timeout=60).returncode == 0


def test_init_says_who_cannot_run_the_program(site):
    source = (ROOT / "src" / "cli" / "commands" / "init.cpp").read_text()
    assert "install it where everybody can (make install)" in source
    assert re.search(r"^install:", (ROOT / "Makefile").read_text(), re.M)
