"""The bash completion, loaded by a bash that completes lines as a person types them."""

import contextlib
import sqlite3
import subprocess

import pytest

from scratch import ROOT, as_user, directory, write

SCRIPT = ROOT / "conf" / "bash-completion"
COMMANDS = {"answer", "serve", "work", "init", "check", "events", "forward", "trigger", "decode", "list", "show", "logs",
            "run", "retry", "cancel", "status", "portals", "call", "token", "bindings", "bind", "unbind", "sync", "prune", "store", "help",
            "version"}


@pytest.fixture
def complete(full):
    """complete("bxhook li"): the words bash offers for the last one; it ends with a blank for a new one."""
    where = directory(full.run_dir / "path", 0o755)
    (where / "bxhook").symlink_to(full.binary)
    # The clone may lie where only root gets, as below /root.
    script = write(full.run_dir / "completion", SCRIPT.read_bytes())

    def words(line, config=full.config):
        typed = line.split(" ")
        assert typed[0] == "bxhook"
        # As readline calls it: the words typed, the one the cursor is in, its place in the line.
        program = ('source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}\n'
                   'run=$(complete -p bxhook | sed "s/.*-F \\([^ ]*\\).*/\\1/"); "$run" bxhook "${COMP_WORDS[COMP_CWORD]}"\n'
                   'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-u", "-c", program, script, *typed], capture_output=True, timeout=30,
                              cwd=full.run_dir,
                              env={"PATH": f"{where}:/usr/bin:/bin", "BXHOOK_CONFIG": str(config)},
                              **as_user(full.user))
        assert done.returncode == 0 and done.stderr == b"", done
        return set(done.stdout.decode().split())
    return words


def test_commands(complete):
    assert complete("bxhook ") == COMMANDS
    assert complete("bxhook re") == {"retry"}
    assert complete("bxhook ru") == {"run"}
    assert complete("bxhook help sta") == {"status"}
    assert complete("bxhook nothing ") == set()


def test_options_of_each_command(complete):
    for command in COMMANDS:
        offered = complete(f"bxhook {command} --")
        assert {"--config", "--help"} <= offered, command
    assert {"--state", "--follow", "--json"} <= complete("bxhook list --")
    assert complete("bxhook list --st") == {"--state"}
    assert complete("bxhook trigger ONTASKADD --dry") == {"--dry-run"}
    assert "--detach" not in complete("bxhook work --"), "for nobody to type"


def test_events(complete):
    assert complete("bxhook trigger ONCRMDEALMOVE") == {"ONCRMDEALMOVETOCATEGORY"}
    assert complete("bxhook bind ONCRMDEALMOVE") == {"ONCRMDEALMOVETOCATEGORY"}
    assert complete("bxhook events ONTASK") == {"ONTASKADD", "ONTASKUPDATE", "ONTASKDELETE", "ONTASKCOMMENTADD",
                                                "ONTASKCOMMENTUPDATE",
                                                "ONTASKCOMMENTDELETE"}
    assert complete("bxhook list --event ONUSERA") == {"ONUSERADD"}
    assert complete("bxhook trigger oncrmdealmove") == {"ONCRMDEALMOVETOCATEGORY"}, "in any case"
    assert complete("bxhook trigger robot") == {"ROBOT."}, "its author's name follows"
    assert len(complete("bxhook trigger ")) == 218


def test_deliveries_and_hooks(complete):
    assert complete("bxhook show 8") == complete("bxhook run 8") == {"8/ONUSERADD"}
    assert complete("bxhook run 8/ONUSERADD --file ") == set(), "left to bash: files"
    assert complete("bxhook retry ") == {"8/ONUSERADD"}, "what is dead"
    waiting = complete("bxhook cancel ")
    assert "1/a-hook-with-a-rather-long-name" in waiting and "8/ONUSERADD" not in waiting
    assert complete("bxhook retry 8/ONUSERADD 8") == {"8/ONUSERADD"}
    assert {"ONTASKADD", "merges"} <= complete("bxhook list --hook ")
    assert complete("bxhook list --hook on") == set(), "hooks have their case"
    assert complete("bxhook list --portal a-") == {"a-rather-long-name-of-a-portal.bitrix24.com"}


def test_other_values(complete):
    assert complete("bxhook call crm.deal.get --as ") == {"app", "webhook", "event"}
    assert complete("bxhook list --state d") == {"done", "dead"}
    assert complete("bxhook list --state waiting,d") == {"waiting,done", "waiting,dead"}
    assert {"6675", "666"} <= complete("bxhook list --id ")
    assert complete("bxhook store copy --from ") == set(), "left to bash: files"
    assert "1h" in complete("bxhook list --since ")
    assert complete("bxhook store ") == {"init", "upgrade", "status", "copy"}
    assert complete("bxhook check --config ") == set(), "left to bash: files"
    assert complete("bxhook decode --content-type application/j") == {"application/json"}


def test_an_event_cannot_run_anything(complete, full):
    with contextlib.closing(sqlite3.connect(full.home / "state" / "queue.db")) as store, store:
        store.execute("UPDATE portal SET domain = '$(touch${IFS}ran)`touch ran`.example'")  # today's gateway refuses it
    assert complete("bxhook list --portal $") == {"$(touch${IFS}ran)`touch", "ran`.example"}
    assert not (full.run_dir / "ran").exists()


def test_the_line_s_config_is_asked(complete, full):
    assert complete(f"bxhook show --config {full.config} 8", full.home / "nowhere.conf") == {"8/ONUSERADD"}
    assert complete(f"bxhook list --config {full.config} --hook m", full.home / "nowhere.conf") == {"merges"}


def test_the_command_may_come_after_options(complete, full):
    assert complete(f"bxhook --config {full.config} show 8", full.home / "nowhere.conf") == {"8/ONUSERADD"}
    assert complete(f"bxhook --config {full.config} stat") == {"status"}
    assert complete("bxhook --json list --st") == {"--state"}
    assert complete("bxhook --") == {"--config"}


def test_a_site_that_is_not_there_is_silent(complete, full):
    for line in ("bxhook show ", "bxhook list --hook ", "bxhook retry "):
        assert complete(line, full.home / "nowhere.conf") == set()
    assert complete("bxhook trigger ONUSERA", full.home / "nowhere.conf") == {"ONUSERADD"}
