"""`status` and `check` tell, in the same words, when the queue does not get on, whoever runs."""

import json
import signal

import pytest

import bitrix
import client
from hosts import BOTH_STORES
from scratch import wait_for



def needed(site):
    """A table without which the end of no run can be recorded."""
    return "kill_wish" if site.database else "ended"


def break_it(site):
    site.change_store(f"ALTER TABLE %{needed(site)} RENAME TO away")


def mend(site):
    site.change_store(f"ALTER TABLE %away RENAME TO {needed(site)}")


@pytest.fixture
def manual(site):
    site.hook("any", "exit 0\n")
    site.configure(worker="start manual")
    site.serve()
    assert site.status()["ok"]  # the store is there
    return site


def post(site, **options):
    return client.fastcgi(site.socket, bitrix.body(**options)).event


def status(site):
    """(exit status, problems)"""
    done = site.run("status", "--json", check=False)
    found = json.loads(done.stdout)
    assert found["ok"] == (done.returncode == 0), found
    assert done.returncode == 0 or done.stderr.decode() == f"bxhook: {found['problems'][0]}\n"
    return done.returncode, found["problems"]


def errors(site):
    """Those of `check`, as `status` words them."""
    done = site.run("check", "--json", check=False)
    return [f"{p['place']}: {p['message']}" + (f" ({p['fix']})" if p["fix"] else "")
            for p in json.loads(done.stdout)["problems"] if p["level"] == "error"]


def age(site, seconds):
    """What is new or waits is so much older."""
    ms = seconds * 1000
    if site.database:
        site.change_store(f"UPDATE %event SET received_at = received_at - {ms} WHERE state = 0")
        site.change_store(f"UPDATE %delivery SET due_at = due_at - {ms} WHERE state = 0")
        return
    site.change_store(f"UPDATE event SET received_at = received_at - {ms} WHERE n > (SELECT matched FROM world)")
    site.change_store(f"UPDATE open SET due_at = due_at - {ms}")
    site.change_store(f"UPDATE ready SET at = at - {ms}")
    site.change_store(f"UPDATE due SET at = at - {ms}")


@BOTH_STORES
def test_a_worker_in_lasting_trouble_is_told_until_it_is_out_of_it(manual):
    site = manual
    break_it(site)
    worker = site.work()
    number = post(site)
    found = wait_for(lambda: status(site)[0] == 1 and status(site), lambda: (status(site), worker.text()), 40)
    (trouble,) = [problem for problem in found[1] if "in trouble: " in problem]
    assert trouble.startswith(f"worker {worker.pid} on ") and needed(site) in trouble
    assert trouble in errors(site)
    (shown,) = site.status()["workers"]
    assert needed(site) in shown["trouble"] and shown["once"] is False
    assert b", in trouble" in site.run("status", check=False).stdout
    mend(site)
    site.delivery(number)
    wait_for(lambda: status(site) == (0, []), lambda: status(site))
    assert site.status()["workers"][0]["trouble"] is None and worker.running()


@BOTH_STORES
def test_once_leaves_a_store_in_trouble_with_1_and_the_reason(manual):
    site = manual
    break_it(site)
    number = post(site)
    left = site.run("work", "--once", check=False)
    assert left.returncode == 1, left
    said = left.stderr.decode().splitlines()[-1]
    assert said.startswith("bxhook: work: in trouble for too long: ") and needed(site) in said
    code, problems = status(site)
    assert code == 1 and "left in trouble at " in problems[0] and needed(site) in problems[0]
    assert problems[0].startswith("'work --once' on ") and errors(site) == problems
    mend(site)
    site.configure(worker="start manual", backoff="1ms")
    if site.database:  # what it ran is another's after its lease
        return
    wait_for(lambda: site.run("work", "--once") and site.show(number)["deliveries"][0]["state"] == "done", "the end")
    assert status(site) == (0, [])


def test_once_waits_seconds_and_not_for_ever_for_a_store_held_by_another(manual):
    post(manual)
    with manual.store_locked():
        left = manual.run("work", "--once", check=False)
        assert left.returncode == 1 and b"bxhook: " in left.stderr.splitlines()[-1], left
    manual.run("work", "--once")
    manual.wait_idle(0)


@BOTH_STORES
def test_work_that_could_be_done_and_is_not_is_told_whoever_runs(manual):
    site = manual
    worker = site.work()
    site.delivery(post(site))
    worker.popen.send_signal(signal.SIGSTOP)
    post(site)
    assert status(site) == (0, [])
    age(site, 11)
    code, problems = status(site)
    assert code == 1 and problems[0].startswith("worker: one runs, and work that could be done is due since 20")
    assert errors(site) == problems
    worker.popen.send_signal(signal.SIGCONT)
    site.wait_idle()
    assert status(site) == (0, [])


@BOTH_STORES
@pytest.mark.parametrize("worker, defaults", [("concurrency 1", ""), ("concurrency 4", "concurrency 1")],
                         ids=["worker", "hook"])
def test_what_waits_for_a_slot_or_a_disabled_hook_is_no_fault(manual, worker, defaults):
    site = manual
    gate = site.gate()
    site.hook("any", f'[ "$BX_ID" != 1 ] || {gate.wait}')
    site.hook("ONCRMDEALUPDATE", "exit 1\n")
    site.configure(worker=f"start manual {worker}", defaults=defaults, backoff="1s")
    site.work()
    first = post(site, id=1)
    site.delivery(first, states=("running",))
    site.delivery(first, "ONCRMDEALUPDATE", states=("waiting",))
    site.configure(worker=f"start manual {worker}", defaults=defaults, backoff="1s",
                   more="hook ONCRMDEALUPDATE { disabled yes }\n")
    second = post(site, id=2)
    site.delivery(second, states=("waiting",))
    wait_for(lambda: site.status()["due"] >= 2, site.status)
    age(site, 11)
    assert status(site) == (0, [])
    gate.open()
    site.delivery(second)


@BOTH_STORES
def test_where_cron_works_ninety_seconds_are_allowed(manual):
    site = manual
    post(site)
    age(site, 11)
    code, (problem,) = status(site)
    assert code == 1 and problem.startswith("worker: none runs, and work is due since 20")
    assert "work --once" in problem and errors(site) == [problem]
    site.run("work", "--once")
    post(site)
    age(site, 60)
    assert status(site) == (0, [])
    age(site, 35)
    assert status(site)[0] == 1
