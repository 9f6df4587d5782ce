"""The manual pages say what the program has: its commands, options, keys, variables, exit statuses."""

import json
import re
import subprocess

import pytest

from scratch import ROOT, directory, write


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
        for option in set(re.findall(r"^  (--[a-z0-9-]+)", told, re.MULTILINE)):
            assert re.search(rf"Fl -{option[2:]}\b", text), f"{command} {option}"


COMMON = {"--config", "--help", "--json"}
CHOICE = {"--state", "--event", "--hook", "--portal", "--id", "--from", "--to", "--since", "--all", "--yes"}  # told once, for three commands


@pytest.mark.parametrize("command", [
    "serve", "work", "init", "check", "events", "trigger", "decode", "list", "show", "logs", "run", "retry",
    "cancel", "status", "prune", "store", "help", "version"])
def test_synopsis_and_text_have_the_options_of_the_command(helps, command):
    text = page("bxhook.1")
    synopsis = text[text.index(".Sh SYNOPSIS"):text.index(".Sh DESCRIPTION")]
    uses = "".join(re.findall(rf"^\.Nm\n\.Cm {command}\n((?:(?!\.Nm).*\n)*)", synopsis, re.MULTILINE))
    (told,) = re.findall(rf"^\.It Cm {command}\n((?:(?!\.It Cm|\.Ss).*\n)*)",
                         text[text.index(".Ss Running"):text.index(".Ss JSON")],
                         re.MULTILINE)
    options = set(re.findall(r"^  (--[a-z0-9-]+)", helps[command], re.MULTILINE)) - COMMON
    named = {f"--{name}" for name in re.findall(r"Fl -([a-z0-9-]+)", uses)}
    explained = {f"--{name}" for name in re.findall(r"Fl -([a-z0-9-]+)", told)}
    shared = CHOICE if command in ("list", "retry", "cancel") else set()
    assert named <= options, "in the synopsis, not in the help"
    assert options - shared <= named, "in the help, not in the synopsis"
    if command not in ("help", "store", "serve"):
        assert options - shared <= explained, "in the help, not explained"
    shared = CHOICE | {"--kill"} if command == "prune" else set()  # the paragraphs after the list
    assert explained - COMMON - shared <= options | {"--listen"}, "explained, not in the help"


def test_json_is_told_of_each_command_that_has_it(helps):
    text = page("bxhook.1")
    section = text[text.index(".Ss JSON"):text.index(".Sh ENVIRONMENT")]
    told = set(re.findall(r"^\.It Cm ([a-z]+)", section, re.MULTILINE))
    assert told == {command for command, words in helps.items() if re.search(r"^  --json  ", words, re.MULTILINE)}


def test_every_command_tells_of_itself_in_both(helps):
    """The help's first line, and the manual's, name the same arguments."""
    for command, told in helps.items():
        assert told.startswith(f"usage: bxhook {command}"), command
        assert max(map(len, told.splitlines())) <= 80, command


def test_the_exit_statuses_are_those_of_the_program():
    text = page("bxhook.1")
    section = text[text.index(".Sh EXIT STATUS"):text.index(".Sh EXAMPLES")]
    main = (ROOT / "src" / "main.cpp").read_text()
    statuses = {"0"} | set(re.findall(r"return fail\(error\.what\(\), (\d)\)", main))
    assert set(re.findall(r"^\.It (\d)$", section, re.MULTILINE)) == statuses == {"0", "1", "2"}


@pytest.mark.parametrize("name, sections", [
    ("bxhook.1", ["NAME", "SYNOPSIS", "DESCRIPTION", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "DIAGNOSTICS",
                  "SEE ALSO"]),
    ("bxhook.conf.5", ["NAME", "DESCRIPTION", "FILES", "EXAMPLES", "SEE ALSO"]),
    ("bxhook-hooks.7", ["NAME", "DESCRIPTION", "ENVIRONMENT", "EXIT STATUS", "EXAMPLES", "SEE ALSO"])])
def test_sections_are_mdoc_s_in_its_order(name, sections):
    found = re.findall(r"^\.Sh (.+)$", page(name), re.MULTILINE)
    assert [section for section in found if section in sections] == sections


def test_a_page_fits_80_columns():
    for path in sorted((ROOT / "man").iterdir()):
        done = subprocess.run(["mandoc", "-Tutf8", "-O", "width=80", path], check=True, capture_output=True, text=True)
        plain = re.sub(r".\x08", "", done.stdout)
        assert max(map(len, plain.splitlines())) <= 80, path


def test_no_option_that_is_not_there(helps):
    known = set().union(*(re.findall(r"^  (--[a-z0-9-]+)", told, re.MULTILINE) for told in helps.values()))
    for name in set(re.findall(r"Fl -([a-z0-9-]+)", page("bxhook.1"))):
        assert f"--{name}" in known, name


UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def plain(value):
    """VALUE of a key, a duration in seconds: 60s is 1m."""
    return int(value[:-1]) * UNITS[value[-1]] if re.fullmatch(r"\d+[smhd]", value) else value


def test_keys_and_defaults(site):
    site.configure(backoff="15s")
    printed = site.run("check", "--print", check=False).stdout.decode()
    defaults = dict(re.findall(r"^    ([a-z_]+) (\S+)$", printed[printed.index("defaults {"):], re.MULTILINE))
    keys = set(re.findall(r'\(\{"([a-z_]+)", Kind::', (ROOT / "src" / "config" / "keys.cpp").read_text()))
    assert len(keys) > 20 and defaults.keys() <= keys
    for key in keys:
        told = re.findall(rf"^\.It Cm {key}\b(?:.*\(default: ([^)]*)\))?", page("bxhook.conf.5"), re.MULTILINE)
        assert told, key
        default = defaults.get(key, '""')
        assert default == '""' or plain(default) in map(plain, told), f"{key}: {told} is not {default}"


def test_the_examples_have_every_key_and_are_valid(site):
    text = page("bxhook.conf.5").replace("\\e", "\\")
    blocks = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed$", text[text.index(".Sh EXAMPLES"):],
                        re.MULTILINE | re.DOTALL)
    example = "".join(blocks)
    schema = (ROOT / "src" / "config" / "keys.cpp").read_text()
    others = {"event", "when", "unless", "run", "arg", "member_id", "domain", "token"}
    for key in set(re.findall(r'\{"([a-z_]+)", Kind::', schema)) | others:
        assert re.search(rf"(?:^|[ {{]){key} ", example, re.MULTILINE), key
    write(site.home / "portals.txt", "m1 - 0123456789abcdef0123456789abcdef\n", 0o600, site.user)
    directory(site.home / "log", 0o700, site.user)
    write(site.config, example, 0o600, site.user)
    found = json.loads(site.run("check", "--json", check=False).stdout)["problems"]
    assert {p["place"] for p in found if p["level"] == "error"} <= {"hook items-1220", "hook slow"}, found


def test_no_key_that_is_not_there():
    text = page("bxhook.conf.5")
    schema = (ROOT / "src" / "config" / "keys.cpp").read_text()
    config = (ROOT / "src" / "config" / "config.cpp").read_text()
    known = set(re.findall(r'"([a-z_]+)"', schema + config))
    for key in re.findall(r"^\.It Cm ([a-z_]+)(?: |$)", text, re.MULTILINE):
        assert key in known, key


def test_variables_of_a_hook():
    text = page("bxhook-hooks.7")
    launch = "".join(path.read_text() for path in sorted((ROOT / "src" / "hooks").glob("*.cpp")))
    name = r"BX(?:HOOK(?!-)(?:_[A-Z]+)?|_[A-Z_]*[A-Z])"
    names = set(re.findall(f'"({name})', launch))
    assert {"BX_EVENT", "BX_RUN", "BX_TRUNCATED", "BXHOOK", "BXHOOK_CONFIG"} <= names
    told = set(re.findall(rf"\b{name}", text))
    assert names - told == set()
    assert {name for name in told if not name.startswith("BX_DATA")} - names == set()


def test_permanent_exit_statuses():
    schedule = (ROOT / "src" / "worker" / "retry_schedule.cpp").read_text()
    body = schedule[schedule.index("bool is_permanent"):]
    statuses = re.findall(r"\b(\d+)\b", body[:body.index("\n}")])
    (told,) = re.findall(r"^\.It (\d+(?: , \d+)+)$", page("bxhook-hooks.7"), re.MULTILINE)
    assert sorted(told.split(" , "), key=int) == sorted(statuses, key=int) != []
