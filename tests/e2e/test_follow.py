"""`bxhook trigger --follow`: a test event, and at once what its hooks do with it."""

import re

import pytest

import modes
from hosts import BOTH_STORES
from scratch import wait_for
from test_terminal import COLOUR, on_terminal, plain_lines, width


@pytest.fixture
def web(scratch):
    """A site of this test's own behind nginx."""
    made = modes.nginx_listen(scratch)
    yield made
    made.close()


def trigger(site, *words, **options):
    return site.run("trigger", *words, "--follow", check=False, **options)


def shown(done):
    """What it writes, without its times."""
    return re.sub(r"\b\d+ms\b", "Nms", done.stdout.decode()).splitlines()


@BOTH_STORES
def test_it_shows_what_the_hook_prints_and_how_it_ends(site):
    site.hook("ONCRMDEALADD", 'echo "deal $BX_ID"; echo second; echo oops >&2')
    done = trigger(site, "ONCRMDEALADD", "--set", "data.FIELDS.ID=7")
    assert done.returncode == 0 and done.stderr == b"", done
    assert shown(done) == ["stored as test event 1", "1/ONCRMDEALADD: started", "  1/ONCRMDEALADD: stdout", "  | deal 7",
                          "  | second", "  1/ONCRMDEALADD: stderr", "  | oops", "1/ONCRMDEALADD: done, took Nms"]


def test_output_comes_while_the_hook_runs(site):
    gate = site.gate()
    site.hook("any", f"printf before; {gate.wait}; echo -after; printf end")
    process = site.start([site.binary, "trigger", "ONAPPTEST", "--follow", "--config", site.config], "follow.log")
    wait_for(lambda: process.text().endswith("  | before"), process.text)
    gate.open()
    assert process.popen.wait(20) == 0
    assert re.sub(r"\d+ms", "Nms", process.text()).endswith("  | before-after\n  | end\n1/any: done, took Nms\n")


@BOTH_STORES
def test_a_failure_ends_it_with_status_1_and_the_next_attempt(site):
    site.configure(backoff="1h")
    site.hook("any.d/good", "exit 0")
    site.hook("any.d/later", "exit 75")
    site.hook("any.d/never", "echo why >&2; exit 65")
    done = trigger(site, "ONAPPTEST")
    lines = shown(done)
    assert done.returncode == 1
    assert "1/any.d.good: done, took Nms" in lines and "1/any.d.never: dead, exit 65, took Nms" in lines
    assert "  | why" in lines
    (later,) = [line for line in lines if line.startswith("1/any.d.later: waiting, ")]
    assert re.fullmatch(r"1/any\.d\.later: waiting, in (5\dm|1h): exit 75, took Nms", later)


def test_an_event_that_no_hook_matches_is_a_failure_with_its_reasons(site):
    site.configure("hook guarded { event * run /bin/true unless { auth.user_id 1 } }\n")
    done = trigger(site, "ONCRMDEALADD")
    assert done.returncode == 1
    assert shown(done)[1] == "1: skipped" and "  guarded: unless auth.user_id 1" in shown(done)


@BOTH_STORES
def test_a_delivery_that_is_held_back_ends_it_with_the_reason(site):
    """Two files of one name: nothing runs until a person chose."""
    for name in ("ONCRMDEALADD.sh", "ONCRMDEALADD.py"):
        site.hook(name, "echo never")
    site.hook("any", "echo ran")
    done = trigger(site, "ONCRMDEALADD")
    (held,) = [line for line in shown(done) if line.startswith("1/ONCRMDEALADD: waiting, ")]
    assert done.returncode == 1 and held.endswith("two hooks have this name: ONCRMDEALADD.py, ONCRMDEALADD.sh")
    assert "1/any: done, took Nms" in shown(done) and b"never" not in done.stdout


@BOTH_STORES
def test_hooks_that_skipped_the_event_are_named_beside_those_that_run(site):
    site.configure("hook guarded { event * run /bin/true unless { auth.user_id 1 } }\n"
                   "hook off { event * run /bin/true disabled yes }\nhook other { event ONTASK* run /bin/true }\n")
    site.hook("any", "exit 0")
    done = trigger(site, "ONCRMDEALADD")
    assert done.returncode == 0 and shown(done) == [
        "stored as test event 1", "1/guarded: skipped, unless auth.user_id 1", "1/off: skipped, disabled",
        "1/any: started", "1/any: done, took Nms"]


def test_a_hook_that_cannot_run_is_a_failure_whatever_the_others_do(site):
    site.hook("any", "exit 0")
    site.hook("ONCRMDEALADD", "exit 0", mode=0o644)
    done = trigger(site, "ONCRMDEALADD")
    assert done.returncode == 1 and shown(done)[1:] == [
        "1/ONCRMDEALADD: skipped, not executable", "1/any: started", "1/any: done, took Nms"]


def test_a_disabled_hook_alone_is_a_failure_with_its_reason(site):
    site.configure("hook off { event * run /bin/true disabled yes }\n")
    done = trigger(site, "ONCRMDEALADD")
    assert done.returncode == 1 and shown(done)[1] == "1: skipped" and "  off: disabled" in shown(done)


def test_what_waits_for_its_turn_is_said(site):
    gate = site.gate()
    site.hook("ONCRMDEALUPDATE", f'[ "$BX_EVENT_NUMBER" = 2 ] || {gate.wait}')
    site.run("trigger", "ONCRMDEALUPDATE")
    process = site.start([site.binary, "trigger", "ONCRMDEALUPDATE", "--follow", "--config", site.config], "follow.log")
    wait_for(lambda: "2/ONCRMDEALUPDATE: waiting, after 1/ONCRMDEALUPDATE\n" in process.text(), process.text)
    gate.open()
    assert process.popen.wait(20) == 0 and "2/ONCRMDEALUPDATE: done, took " in process.text()


def test_without_a_worker_it_says_so_and_waits_for_one(site):
    site.configure(worker="start manual")
    site.hook("any", "echo ran")
    process = site.start([site.binary, "trigger", "ONAPPTEST", "--follow", "--config", site.config], "follow.log")
    wait_for(lambda: "no worker runs yet" in process.text(), process.text)
    assert process.running()
    site.run("work", "--once")
    assert process.popen.wait(20) == 0 and "  | ran\n" in process.text()


def test_a_worker_that_cannot_use_its_hooks_is_said_and_waited_for(site):
    site.configure(worker="start manual")
    site.hook("any", "echo ran")
    site.work()
    wait_for(lambda: site.status()["workers"], "the worker")
    site.hooks.chmod(0)
    wait_for(lambda: site.status()["workers"][0]["config_error"], "the worker to see it")
    process = site.start([site.binary, "trigger", "ONAPPTEST", "--follow", "--config", site.config], "follow.log")
    wait_for(lambda: "cannot read the hooks directory" in process.text(), process.text)
    assert process.running() and "the worker cannot use configuration or hooks" in process.text()
    site.hooks.chmod(0o755)
    assert process.popen.wait(20) == 0 and "  | ran\n" in process.text()


def test_through_a_url_it_looks_into_the_gateway_s_store(web):
    web.site.hook("ONAPPTEST", "echo through the web")
    done = trigger(web.site, "ONAPPTEST", "--url", web.url)
    lines = shown(done)
    assert done.returncode == 0 and lines[0].startswith("200 ") and "  | through the web" in lines
    assert not web.site.show(re.search(r'"event":(\d+)', lines[0])[1])["test"]


def test_the_event_of_another_store_is_not_shown(web, site):
    """One of the same number is in ours."""
    site.hook("any", "echo ours")
    site.run("trigger", "ONCRMDEALADD")
    site.run("trigger", "ONCRMDEALADD")
    site.wait_idle()
    web.site.run("trigger", "ONCRMDEALADD")
    done = trigger(site, "ONAPPTEST", "--url", web.url)
    assert done.returncode == 1 and b"the gateway at that URL uses another configuration" in done.stderr
    assert b"ours" not in done.stdout


def test_a_terminal_is_safe_and_not_too_narrow(site):
    site.hook("any", r"printf '\033]0;owned\007\n'; exit 65")
    for columns in (40, 80):
        status, text = on_terminal(site, "trigger", "ONCRMDEALUPDATE", "--follow", columns=columns)
        lines = plain_lines(text)
        assert status == 1 and "  | \\x1b]0;owned\\x07" in lines and COLOUR.search(text)
        assert [line for line in lines if width(line) > columns] == []
