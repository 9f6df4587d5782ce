"""A wall clock that is wrong for a moment deletes nothing: by the worker neither, nor by hand.

Each `work --once` is a process of its own, as cron's are; faults/clock.c steps the clock between them.
"""

import pytest

import bitrix
import client
from clock import DAY, HOUR, Clock
from hosts import BOTH_STORES
from scratch import wait_for


@pytest.fixture
def clock(site):
    """The clock of a site with event 1 done and event 2 dead."""
    site.hook("any", '[ "$BX_ID" = 1 ] || exit 65\n')
    made = Clock(site)
    site.configure(worker="start manual")
    site.serve()
    for number in (1, 2):
        assert client.fastcgi(site.socket, bitrix.body(id=number)).event == number
    site.run("work", "--once")
    assert kept(site) == {1: "done", 2: "dead"}
    return made


def kept(site):
    return {line["event"]: line["state"] for line in site.list()}


ALL = {1: "done", 2: "dead"}


def work(site):
    """The log of a `work --once`."""
    return site.run("work", "--once").stderr.decode()


# PostgreSQL's own clock is what counts there; it cannot be set here, so that what is known of it is.

def set_back_what_is_known(site, days):
    """As if the clock had been so many days behind when it was last looked at."""
    site.change_store(f"UPDATE %clock SET wall = wall - {(days * DAY + HOUR) * 1000}")


def an_hour_later(site):
    """As if the clock was looked at an hour ago."""
    site.change_store(f"UPDATE %clock SET wall = wall - {HOUR * 1000}, up = up - {HOUR * 1000}")


def test_a_clock_set_forward_deletes_nothing_between_runs_of_cron(site, clock):
    clock.sleep(2 * HOUR)                   # trusted
    clock.set(clock.offset + 91 * DAY)
    work(site)
    assert kept(site) == ALL
    clock.sleep(59 * 60)
    work(site)
    assert kept(site) == ALL
    clock.set(clock.offset - 91 * DAY)      # and back
    work(site)
    clock.sleep(59 * 60)
    work(site)
    assert kept(site) == ALL
    clock.sleep(8 * DAY)                    # time that really passes
    work(site)
    assert kept(site) == {2: "dead"}
    clock.sleep(83 * DAY)
    work(site)
    assert kept(site) == {}


def test_a_boot_with_a_wrong_clock_deletes_nothing_within_its_first_hour(site, clock):
    clock.sleep(2 * HOUR)
    clock.offset += 91 * DAY
    clock.reboot("another")
    for _ in range(3):
        work(site)
        clock.sleep(19 * 60)
    assert kept(site) == ALL
    clock.set(clock.offset - 91 * DAY)      # NTP has found the time
    work(site)
    clock.sleep(2 * HOUR)
    work(site)
    assert kept(site) == ALL
    clock.sleep(8 * DAY)
    work(site)
    assert kept(site) == {2: "dead"}


@BOTH_STORES
def test_a_step_of_more_than_a_day_is_told_in_log_and_status(site, clock):
    an_hour_later(site)
    set_back_what_is_known(site, 91)
    log = work(site)
    assert "error" in log and "the clock was set: nothing is deleted" in log and "by=+91d" in log
    status = site.status()
    (problem,) = [problem for problem in status["problems"] if problem.startswith("clock")]
    assert problem.startswith("clock: was set by +91d, to ") and status["ok"]
    assert problem in site.run("check").stdout.decode().replace("\n", " ").replace("  ", " ")
    assert "the clock was set" not in work(site), "told once"
    assert kept(site) == ALL
    an_hour_later(site)
    assert not any(problem.startswith("clock") for problem in site.status()["problems"])


def test_a_running_worker_takes_a_step_for_no_age(site, clock):
    clock.sleep(2 * HOUR)
    worker = site.work()
    wait_for(lambda: "started" in worker.text(), worker.text)
    clock.set(clock.offset + 91 * DAY)
    wait_for(lambda: "the clock was set" in worker.text(), worker.text)
    number = client.fastcgi(site.socket, bitrix.body(id=1)).event
    site.delivery(number)
    site.configure(worker="start manual", more="limits { queue 999 }\n")  # a load, which looks at everything anew
    wait_for(lambda: "config loaded" in worker.text(), worker.text)
    wait_for(lambda: "nothing is deleted until" in worker.text(), worker.text)
    assert kept(site) == ALL | {number: "done"}


@BOTH_STORES
def test_prune_by_hand_asks_whether_the_clock_is_right(site, clock):
    refused = site.run("prune", "--older-than", "0s", check=False)
    assert refused.returncode == 1 and b"--trust-clock" in refused.stderr, refused
    assert b"has not been watched for an hour yet" in refused.stderr and kept(site) == ALL
    an_hour_later(site)
    site.run("prune", "--older-than", "0s", "--yes")
    assert kept(site) == {2: "dead"}
    set_back_what_is_known(site, 91)
    refused = site.run("prune", "--older-than", "0s", "--dead", check=False)
    assert refused.returncode == 1 and b"the clock was set by +91d recently" in refused.stderr, refused
    site.run("prune", "--older-than", "0s", "--dead", "--trust-clock", "--yes")
    assert kept(site) == {}


def test_without_a_boot_id_the_machine_s_name_does(site):
    """As in a sandbox that hides it."""
    clock = Clock(site)
    clock.reboot("")
    site.run("trigger", "ONAPPTEST")
    work(site)
    assert kept(site) == {1: "skipped"}
