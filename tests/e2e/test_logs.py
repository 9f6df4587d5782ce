"""The logs of gateway and worker: a line an event, its number in it, for people or for machines."""

import json
import os
import re
import signal
import stat

import pytest

import bitrix
import client
from scratch import wait_for, write

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error) (gateway|worker): (.*)")
LEVELS = ["debug", "info", "warning", "error"]


def post(site, *args, **options):
    return client.fastcgi(site.socket, bitrix.encode(bitrix.event(*args, **options)))


def messages(text):
    """[(level, part, message)] of a text log."""
    found = [LINE.fullmatch(line) for line in text.splitlines()]
    assert all(found), text
    return [match.groups() for match in found]


def both(site, **settings):
    """Gateway and worker with their logs in files of their own, as stderr."""
    site.configure(worker="start manual", **settings)
    return site.serve(), site.work()


def test_a_line_an_event_each_and_its_number_in_it(site):
    site.hook("ONCRMDEALUPDATE", "exit 0\n")
    site.hook("ONCRMDEALADD", "echo broken >&2; exit 65\n")
    gateway, worker = both(site)
    done, dead = post(site).event, post(site, "ONCRMDEALADD", id="7").event
    skipped = post(site, "ONCRMLEADADD").event
    site.wait_idle()
    wait_for(lambda: f"skipped event={skipped} " in worker.text(), worker.text)
    heard, did = messages(gateway.text()), messages(worker.text())
    for number in (done, dead, skipped):
        assert [level for level, _, text in heard if f"event={number} " in text] == ["info"], heard
    assert [(level, text.split()[0]) for level, _, text in did if f"delivery={done}/" in text] == [("info", "done")]
    assert [(level, text.split()[0]) for level, _, text in did if f"delivery={dead}/" in text] == [
        ("error", "dead"), ("warning", "stderr")]
    assert [(level, text) for level, _, text in did if f"event={skipped} " in text] == [
        ("info", f'skipped event={skipped} reason="no matching hook"')]
    for number in (done, dead, skipped):
        assert f"event {number}: " in site.run("show", number).stdout.decode()


def test_nothing_at_info_is_noise(site):
    """What is there beside the events: starts, stops and the config, once each."""
    site.hook("any", "exit 0\n")
    gateway, worker = both(site)
    for _ in range(20):
        assert post(site).status == 200
    site.wait_idle()
    gateway.stop()
    worker.stop()
    kinds = [re.split(r" [a-z_]+=", text)[0] for _, _, text in messages(gateway.text())]
    assert sorted(set(kinds)) == ["accepted", "config loaded", "serving", "stopped"] and kinds.count("accepted") == 20 \
        and len(kinds) == 23, kinds
    kinds = [re.split(r" [a-z_]+=", text)[0] for _, _, text in messages(worker.text())]
    assert sorted(set(kinds)) == ["done", "started", "stopped", "stopping"], kinds
    assert kinds.count("done") == 20 and len(kinds) == 23, kinds


@pytest.mark.parametrize("level", LEVELS)
def test_levels(site, level):
    site.hook("ONCRMDEALUPDATE", "exit 0\n")
    site.hook("ONCRMDEALADD", "exit 65\n")
    gateway, worker = both(site, more=f"log {{ level {level} }}\n")
    assert post(site).status == 200 and post(site, "ONCRMDEALADD").status == 200
    assert post(site, token="wrong").status == 403
    site.wait_idle()
    wait_for(lambda: "dead" in worker.text(), worker.text)
    found = {found for found, _, _ in messages(gateway.text() + worker.text())}
    assert found <= set(LEVELS[LEVELS.index(level):]), "nothing below it"
    expected = {"error", level} if level != "warning" else {"error", "warning"}
    assert expected <= found


def test_for_machines_each_line_is_an_object(site):
    site.hook("ONCRMDEALUPDATE", "exit 0\n")
    site.hook("ONCRMDEALADD", r"printf 'a \"quoted\" \\ back\001 \377 \033[31m\n' >&2; exit 65" + "\n")
    gateway, worker = both(site, more="log { format json }\n")
    number, dead = post(site).event, post(site, "ONCRMDEALADD", id="8").event
    assert post(site, "BAD\n\"CODE").status == 400
    site.wait_idle()
    wait_for(lambda: "back" in worker.text(), worker.text)
    lines = [json.loads(line) for line in (gateway.text() + worker.text()).splitlines()]
    assert all({"time", "level", "part", "message"} <= set(line) for line in lines)
    assert all(all(c >= " " and c != "\x7f" for c in line) for line in (gateway.text() + worker.text()).splitlines())
    assert [line for line in lines if line.get("event") == number][0]["message"] == "accepted"
    assert [line["attempt"] for line in lines if line.get("delivery") == f"{number}/ONCRMDEALUPDATE"]
    assert [line["level"] for line in lines if line.get("delivery") == f"{dead}/ONCRMDEALADD"] == ["error", "warning"]


def test_a_log_renamed_away_is_opened_anew(site):
    """By logrotate: mv, then SIGUSR1; gateway and worker share the file."""
    site.hook("any", "exit 0\n")
    log, old = site.home / "both.log", site.home / "both.log.1"
    gateway, worker = both(site, more=f"log {{ file {log} }}\n")
    first = post(site).event
    wait_for(lambda: f"done delivery={first}/any" in log.read_text(), log.read_text)
    log.rename(old)
    before = old.read_text()
    for process in (gateway, worker):
        process.popen.send_signal(signal.SIGUSR1)
    wait_for(log.exists, "a new file")

    def both_there():
        number = post(site).event
        site.wait_idle()
        text = log.read_text()
        return f"accepted event={number} " in text and f"done delivery={number}/any" in text
    wait_for(both_there, lambda: log.read_text())
    late = old.read_text()[len(before):]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    settled = old.stat().st_size
    assert post(site).status == 200
    site.wait_idle()
    assert old.stat().st_size == settled, late


def test_the_log_of_a_worker_that_the_gateway_started_is_rotated_at_10_mb(site):
    site.hook("any", "exit 0\n")
    site.serve()
    number = post(site).event
    site.delivery(number)
    site.wait_idle()
    log, old = site.home / "state" / "bxhook.log", site.home / "state" / "bxhook.log.1"
    wait_for(lambda: f"done delivery={number}/any" in log.read_text(), "the line of the run")
    assert not old.exists()
    site.gateway.stop()
    pid = site.worker_pid()
    if pid:
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: site.worker_pid() is None, "the worker's end")
    size = log.stat().st_size
    write(log, log.read_text() + "x" * ((10 << 20) - size) + "\n", 0o600, site.user)
    site.run("trigger", "ONAPPTEST")
    site.delivery(number + 1)
    wait_for(lambda: f"done delivery={number + 1}/any" in log.read_text(), "the line in the new file")
    assert old.stat().st_size > 10 << 20 and log.stat().st_size < 10000
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
