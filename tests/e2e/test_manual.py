"""The manual pages say what the program has: its commands, options, keys, variables, exit statuses."""

import re
import subprocess

import pytest

from scratch import ROOT

INTERNAL = {"--detach"}  # between gateway and worker, for nobody to type


def page(name):
    """The text of a manual page, \\& and font changes taken out."""
    return (ROOT / "man" / name).read_text().replace(r"\&", "")


@pytest.fixture(scope="module")
def helps(program):
    def text(*words):
        return subprocess.run([program, "help", *words], check=True, capture_output=True, text=True).stdout
    return {command: text(command) for command in re.findall(r"^  ([a-z]+) ", text(), re.MULTILINE)}


def test_commands_and_options(helps):
    text = page("bxhook.1")
    for command, told in helps.items():
        assert re.search(rf"^\.(It )?Cm {command}\b", text, re.MULTILINE), command
        for option in set(re.findall(r"^  (--[a-z-]+)", told, re.MULTILINE)) - INTERNAL:
            assert re.search(rf"Fl -{option[2:]}\b", text), f"{command} {option}"


def test_no_option_that_is_not_there(helps):
    known = set().union(*(re.findall(r"^  (--[a-z-]+)", told, re.MULTILINE) for told in helps.values()))
    for name in set(re.findall(r"Fl -([a-z-]+)", page("bxhook.1"))):
        assert f"--{name}" in known, name


def test_keys_and_defaults():
    text = page("bxhook.conf.5")
    schema = (ROOT / "src" / "config" / "schema.cpp").read_text()
    specs = re.findall(r'\{"([a-z_]+)", Kind::(\w+), "([^"]*)"', schema)
    assert len(specs) > 20
    for key, kind, default in specs:
        told = re.findall(rf"^\.It Cm {key} .*\(default: ([^)]*)\)", text, re.MULTILINE)
        assert told, key
        assert not default or default in told, f"{key}: {told} is not {default}"


def test_variables_of_a_hook():
    text = page("bxhook-hooks.7")
    launch = "".join(path.read_text() for path in sorted((ROOT / "src" / "hooks").glob("*.cpp")))
    names = set(re.findall(r'"(BX_[A-Z_]*[A-Z])', launch))
    assert {"BX_EVENT", "BX_RUN", "BX_TRUNCATED"} <= names
    told = set(re.findall(r"\bBX_[A-Z_]*[A-Z]", text))
    assert names - told == set()
    assert {name for name in told if not name.startswith("BX_DATA")} - names == set()


def test_permanent_exit_statuses():
    schedule = (ROOT / "src" / "worker" / "schedule.cpp").read_text()
    body = schedule[schedule.index("bool is_permanent"):]
    statuses = re.findall(r"\b(\d+)\b", body[:body.index("\n}")])
    (told,) = re.findall(r"^\.It (\d+(?: , \d+)+)$", page("bxhook-hooks.7"), re.MULTILINE)
    assert sorted(told.split(" , "), key=int) == sorted(statuses, key=int) != []
