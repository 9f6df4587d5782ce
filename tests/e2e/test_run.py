"""`bxhook run`: a hook on an event of the store, in the foreground, as the worker would run it."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

import bitrix
import client
from hosts import BOTH_STORES
from scratch import AS_ROOT, as_user, directory, wait_for, write
from test_terminal import on_terminal


def post(site, *args, **options):
    return client.fastcgi(site.socket, bitrix.encode(bitrix.event(*args, **options))).event


def run(site, *words, **options):
    return site.run("run", *words, check=False, **options)


def start(site, *words, stderr=subprocess.PIPE):
    """`bxhook run WORDS` in the background, its output in pipes."""
    return subprocess.Popen([site.binary, "run", *map(str, words), "--config", site.config], stdout=subprocess.PIPE,
                            stderr=stderr, cwd="/", env={"PATH": "/usr/bin:/bin"}, **as_user(site.user))


def remark(done):
    """The one line of ours on stderr."""
    (line,) = [line for line in done.stderr.decode().splitlines() if line.startswith("bxhook: ")]
    return line.removeprefix("bxhook: ")


def everything(site, number):
    return site.list(), site.show(number)


# -- What the hook gets

@BOTH_STORES
def test_the_hook_gets_what_the_worker_gives_it(quiet):
    """But for the marks of a test, of the run, and of the time."""
    quiet.configure(worker="start manual", more="hook any { attempts 5 timeout 9s arg \"{data.FIELDS.ID}\" "
                                                "env { PLACE here } }\n")
    quiet.probe()
    number = post(quiet)
    quiet.run("work", "--once")
    by_worker = quiet.run_of(number)
    quiet.run("retry", f"{number}/any")
    quiet.run("run", f"{number}/any")
    by_hand = quiet.run_of(number, attempt=2)
    assert by_hand.env.pop("BX_TEST") == "1" and "BX_TEST" not in by_worker.env
    assert by_hand.env.pop("BX_RUN") != by_worker.env.pop("BX_RUN")
    assert (by_hand.env.pop("BX_ATTEMPT"), by_worker.env.pop("BX_ATTEMPT")) == ("2", "1")
    assert int(by_hand.env.pop("BX_DEADLINE")) >= int(by_worker.env.pop("BX_DEADLINE"))
    by_hand.env.pop("BX_MAX_ATTEMPTS"), by_worker.env.pop("BX_MAX_ATTEMPTS")
    assert by_hand.env == by_worker.env and by_hand.env["PLACE"] == "here"
    assert by_hand.argv == by_worker.argv and by_hand.cwd == by_worker.cwd
    assert by_hand.fds.keys() == by_worker.fds.keys() == {"0", "1", "2"}
    for what in ("Umask", "SigIgn", "SigBlk", "Uid", "Groups"):
        assert by_hand.status[what] == by_worker.status[what], what
    assert by_hand.session == by_hand.pid
    tokens = {"access_token", "refresh_token", "application_token"}  # erased when it was done
    assert by_worker.event["auth"].keys() - by_hand.event["auth"].keys() == tokens
    assert by_hand.event["data"] == by_worker.event["data"]


def test_tokens_are_there_while_they_are_kept(quiet):
    quiet.hook("any", "exit 65")
    number = post(quiet)
    quiet.run("work", "--once")
    quiet.hook("any", "cat > out.json")
    assert quiet.run("run", number).stderr == b""
    assert json.loads((quiet.hooks / "out.json").read_text())["auth"]["application_token"] == bitrix.TOKEN


def test_what_it_prints_is_masked_and_comes_apart(quiet):
    quiet.hook("any", "cat; echo to-stderr >&2")
    number = post(quiet)
    done = quiet.run("run", f"{number}/any")
    assert json.loads(done.stdout)["auth"]["application_token"] == "***" and bitrix.TOKEN.encode() not in done.stdout
    assert done.stderr == b"to-stderr\n"


def test_long_output_comes_whole(quiet):
    """The store's limits are not the terminal's."""
    quiet.configure(worker="start manual", more="limits { output 1K }\n")
    quiet.hook("any", "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i + 1)); done")
    number = post(quiet)
    done = quiet.run("run", f"{number}/any")
    assert done.stdout.decode().splitlines() == [f"line {i}" for i in range(3000)]


def test_output_comes_while_the_hook_runs(quiet):
    gate = quiet.gate()
    quiet.hook("any", f"echo before; {gate.wait}; echo after")
    number = post(quiet)
    process = start(quiet, f"{number}/any")
    assert process.stdout.readline() == b"before\n"
    assert process.poll() is None
    gate.open()
    assert process.communicate(timeout=20) == (b"after\n", b"") and process.returncode == 0


def test_a_terminal_is_safe_from_what_the_hook_prints(quiet):
    """Also of a character that comes in two pieces."""
    quiet.hook("any", r"printf '\033]0;owned\007\tx\n'; printf '\320'; sleep 0.3; printf '\224\n'; printf '\320'")
    number = post(quiet)
    status, text = on_terminal(quiet, "run", f"{number}/any")
    assert (status, text) == (0, "\\x1b]0;owned\\x07\tx\n\u0414\n\ufffd")


# -- Another script

def test_a_script_takes_the_hook_s_place(quiet):
    quiet.configure(worker="start manual", more="hook any { arg \"{data.FIELDS.ID}\" env { PLACE here } }\n")
    quiet.hook("any", "exit 1")
    number = post(quiet)
    script = write(quiet.run_dir / "new.sh", '#!/bin/sh\necho "$1 $PLACE $BX_HOOK $(basename "$PWD")"\n', 0o755, quiet.user)
    assert quiet.run("run", f"{number}/any", "--file", script).stdout == b"6675 here any hooks\n"
    done = subprocess.run([quiet.binary, "run", f"{number}/any", "--file", "./new.sh", "--config", quiet.config],
                          capture_output=True, timeout=30, cwd=quiet.run_dir, **as_user(quiet.user))
    assert done.stdout == b"6675 here any hooks\n", "a path from here"


def test_a_draft_that_cannot_be_reached(quiet):
    number = post(quiet)
    home = directory(quiet.run_dir / "home", 0o755, quiet.user)
    draft = write(home / "draft.sh", "#!/bin/sh\n", 0o755, quiet.user)
    home.chmod(0)
    try:
        done = run(quiet, f"{number}/any", "--file", draft)
        said = done.stderr.decode()
        assert done.returncode != 0 and f"'{home}' is closed to " in said, said
        command = re.search(r"\(fix: (.*?)\)", said)[1]
        assert command == f"namei -l {draft}"
        shown = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=30, **as_user(quiet.user))
        assert b"d--------- " in shown.stdout and b"draft.sh - " in shown.stdout, shown
    finally:
        home.chmod(0o755)


def test_a_script_may_be_of_a_hook_that_is_yet_to_come(quiet):
    number = post(quiet)
    script = write(quiet.run_dir / "new.sh", '#!/bin/sh\necho "$BX_HOOK $(basename "$PWD")"\n', 0o755, quiet.user)
    done = run(quiet, f"{number}/ONCRMDEALUPDATE", "--file", script)
    assert (done.returncode, done.stdout) == (0, b"ONCRMDEALUPDATE run\n")
    assert "there is no hook 'ONCRMDEALUPDATE'" in remark(done) and "default settings" in remark(done)


# -- How it ends

@pytest.mark.parametrize("script, status, said", [
    ("exit 0", 0, None),
    ("exit 75", 75, "exit 75: the worker would try again, 12 attempts in all"),
    ("exit 65", 65, "exit 65: the worker would give up (dead)"),
    ("nonsense-command", 127, "exit 127: command not found in the hook"),
    ("kill -9 $$", 137, "SIGKILL: the worker would try again"),
], ids=lambda value: str(value))
def test_its_end_is_the_command_s(quiet, script, status, said):
    quiet.hook("any", script)
    number = post(quiet)
    done = run(quiet, f"{number}/any")
    assert done.returncode == status
    if said:
        assert remark(done).startswith(f"{number}/any: {said}")
    else:
        assert done.stderr == b""


def test_the_time_limit_holds(quiet):
    quiet.configure(worker="start manual", defaults="timeout 500ms")
    quiet.hook("any", "echo begun; sleep 60 & wait")
    number = post(quiet)
    begin = time.monotonic()
    done = run(quiet, f"{number}/any")
    assert (done.returncode, done.stdout) == (124, b"begun\n") and time.monotonic() - begin < 20
    assert "timeout after 500ms" in remark(done)
    wait_for(lambda: not [p for p in quiet.processes() if "sleep 60" in str(p)], "the end of all its processes")


@pytest.mark.parametrize("number_of_signal", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_hook_with_all_its_processes(quiet, number_of_signal):
    """Which has a session of its own, so that Ctrl-C alone does not reach it."""
    quiet.hook("any", f"trap 'echo ending; exit 1' TERM; echo $$ > {quiet.out}/pid; sleep infinity & wait")
    event = post(quiet)
    process = start(quiet, f"{event}/any")
    wait_for(lambda: (quiet.out / "pid").exists() and (quiet.out / "pid").read_text().strip(), "the hook's start")
    pid = int((quiet.out / "pid").read_text())
    process.send_signal(number_of_signal)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number_of_signal and out == b"ending\n"
    assert err.decode() == f"bxhook: {event}/any: ended by {number_of_signal.name}\n"
    assert not os.path.exists(f"/proc/{pid}")


def test_a_second_signal_kills_it(quiet):
    quiet.hook("any", f"trap 'touch {quiet.out}/asked' TERM; touch {quiet.out}/begun; while :; do sleep 0.1; done")
    event = post(quiet)
    process = start(quiet, f"{event}/any")
    wait_for((quiet.out / "begun").exists, "the hook's start")
    process.send_signal(signal.SIGINT)
    wait_for((quiet.out / "asked").exists, "its SIGTERM")
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130 and time.monotonic() - begin < 4, "before the 5 s of a patient end"


@pytest.mark.parametrize("way", ["time limit", "signal"])
def test_a_reader_that_does_not_read_keeps_it_only_waiting(quiet, way):
    limit = "500ms" if way == "time limit" else "1h"
    quiet.configure(worker="start manual", defaults=f"timeout {limit}")
    quiet.hook("any", f"echo $$ > {quiet.out}/pid; head -c 1000000 /dev/zero; touch {quiet.out}/written")
    event = post(quiet)
    process = start(quiet, f"{event}/any")
    wait_for(lambda: (quiet.out / "pid").exists() and (quiet.out / "pid").read_text().strip(), "the hook's start")
    pid = int((quiet.out / "pid").read_text())
    if way == "signal":
        process.send_signal(signal.SIGINT)
    assert process.wait(20) == (124 if way == "time limit" else 130)
    assert not os.path.exists(f"/proc/{pid}") and not (quiet.out / "written").exists()
    assert len(process.stdout.read()) < 1000000


@pytest.mark.parametrize("way", ["time limit", "signal"])
def test_both_on_one_pipe_that_nobody_reads_keep_it_only_waiting(quiet, way):
    """As `2>&1 | less` has them; what it says at the end has no place there either."""
    limit = "500ms" if way == "time limit" else "1h"
    quiet.configure(worker="start manual", defaults=f"timeout {limit}")
    quiet.hook("any", f"""head -c 1000000 /dev/zero >&2 &
        echo $$ > {quiet.out}/pid
        head -c 1000000 /dev/zero
        wait""")
    event = post(quiet)
    process = start(quiet, f"{event}/any", stderr=subprocess.STDOUT)
    wait_for(lambda: (quiet.out / "pid").exists() and (quiet.out / "pid").read_text().strip(), "the hook's start")
    if way == "signal":
        process.send_signal(signal.SIGINT)
    try:
        assert process.wait(20) == (124 if way == "time limit" else 130)
    finally:
        process.kill()


def test_a_reader_that_reads_late_gets_all(quiet):
    quiet.hook("any", f"head -c 100000 /dev/zero; touch {quiet.out}/written")
    event = post(quiet)
    process = start(quiet, f"{event}/any")
    wait_for((quiet.out / "written").exists, "the hook's last line")
    assert process.communicate(timeout=20)[0] == bytes(100000) and process.returncode == 0


def test_a_reader_that_leaves_early_ends_it_quietly(quiet):
    quiet.hook("any", "while :; do echo line; done")
    event = post(quiet)
    process = start(quiet, f"{event}/any")
    assert process.stdout.readline() == b"line\n"
    process.stdout.close()
    assert process.wait(20) == 141 and process.stderr.read() == b""


@pytest.mark.parametrize("what", ["not executable", "unsafe permissions", "bad interpreter", "missing", "argument"])
def test_what_cannot_be_started_is_said_with_its_fix(quiet, what):
    quiet.hook("any", "exit 0")
    number = post(quiet)
    if what == "not executable":
        (quiet.hooks / "any").chmod(0o644)
        wanted = f"not executable: '{quiet.hooks}/any' (fix: chmod u+x {quiet.hooks}/any)"
    elif what == "unsafe permissions":
        (quiet.hooks / "any").chmod(0o777)
        wanted = f"unsafe permissions: '{quiet.hooks}/any' (fix: chmod go-w {quiet.hooks}/any)"
    elif what == "bad interpreter":
        quiet.hook("any", "#!/no/such\n")
        wanted = "bad interpreter '/no/such'"
    elif what == "missing":
        quiet.configure(worker="start manual", more="hook any { event * run /no/such }\n")
        (quiet.hooks / "any").unlink()
        wanted = "missing: '/no/such'"
    else:
        quiet.configure(worker="start manual", more="hook any { arg \"{data.NO}\" }\n")
        wanted = "argument {data.NO} is missing"
    done = run(quiet, f"{number}/any")
    assert (done.returncode, done.stdout) == (1, b"") and remark(done).startswith(f"cannot run {number}/any: ")
    assert wanted in remark(done)


# -- Which event, which hook

@BOTH_STORES
def test_an_event_of_several_or_no_deliveries_needs_the_hook(quiet):
    quiet.hook("any", "echo any")
    quiet.hook("ONCRMDEALUPDATE", "echo deal")
    one, two = post(quiet, "ONCRMLEADADD"), post(quiet)
    quiet.run("work", "--once")
    quiet.configure(worker="start manual", more="hook any { disabled yes }\n")
    skipped = post(quiet, "ONCRMLEADADD")
    quiet.run("work", "--once")
    assert quiet.run("run", one).stdout == b"any\n"
    assert remark(run(quiet, two)) == (
        f"event {two} has several deliveries, name one: {two}/ONCRMDEALUPDATE {two}/any")
    done = run(quiet, skipped)
    assert done.returncode == 1 and f"'bxhook run {skipped}/HOOK'" in remark(done)
    assert "there is no event 999" in remark(run(quiet, "999/any"))
    done = run(quiet, f"{one}/ayn")
    assert done.returncode == 1 and "there is no hook 'ayn', did you mean 'any'?" in remark(done)
    for name in ("ONTASKADD.sh", "ONTASKADD.py"):
        quiet.hook(name, "exit 0")
    assert remark(run(quiet, f"{one}/no-such-hook-at-all")).count("ONTASKADD") == 1


def test_a_hook_that_would_not_get_the_event_is_run_and_it_is_said(quiet):
    quiet.configure(worker="start manual", more="hook any { unless { data.FIELDS.ID 6675 } }\nhook off { event * run "
                                                "/bin/true disabled yes }\n")
    quiet.hook("any", "echo ran")
    quiet.hook("ONCRMLEADADD", "echo ran")
    number = post(quiet)  # new: no worker has seen it
    for hook, reason in (("any", "unless data.FIELDS.ID 6675"), ("off", "disabled"), ("ONCRMLEADADD", "ONCRMLEADADD")):
        done = run(quiet, f"{number}/{hook}")
        assert done.returncode == 0 and f"would not give this event to {hook}: " in remark(done)
        assert reason in remark(done)


@BOTH_STORES
def test_nothing_is_recorded(quiet):
    quiet.hook("any", "echo failed >&2; exit 1")
    quiet.configure(worker="start manual", backoff="1h")
    number = post(quiet)
    quiet.run("work", "--once")
    before = everything(quiet, number)
    assert run(quiet, f"{number}/any").returncode == 1
    quiet.hook("any", "exit 65")
    assert run(quiet, f"{number}/any").returncode == 65
    quiet.hook("any", "exit 0")
    assert run(quiet, f"{number}/any").returncode == 0
    assert everything(quiet, number) == before
    assert quiet.status()["deliveries"]["waiting"] == 1


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
def test_root_runs_it_as_the_store_s_user(quiet):
    quiet.hook("any", "id -u")
    number = post(quiet)
    done = subprocess.run([quiet.binary, "run", f"{number}/any", "--config", quiet.config], capture_output=True, timeout=30)
    assert done.stdout == f"{quiet.user.pw_uid}\n".encode()
