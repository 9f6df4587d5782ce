"""`status` and `check` say, in the same words, when events are not handled, whoever runs, and what to look at."""

import json
import signal
import subprocess

import pytest

import bitrix
import client
from hosts import BOTH_STORES
from scratch import as_user, wait_for, write



def needed(site):
    """A table without which the end of no run can be recorded."""
    return "kill_request" if site.database else "ended"


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


def status(site, *options):
    """(exit status, problems)"""
    done = site.run("status", "--json", *options, check=False)
    found = json.loads(done.stdout)
    assert found["ok"] == (done.returncode == 0), found
    assert done.returncode == 0 or done.stderr.decode() == f"bxhook: {found['problems'][0]}\n"
    return done.returncode, found["problems"]


def level(site):
    return site.status()["level"]


def checked(site, level):
    """The problems of LEVEL that `check` finds, as `status` words them."""
    done = site.run("check", "--json", check=False)
    return [f"{p['place']}: {p['message']}" + (f" (fix: {p['fix']})" if p["fix"] else "")
            for p in json.loads(done.stdout)["problems"] if p["level"] == level]


def errors(site):
    return checked(site, "error")


def warnings(site):
    return checked(site, "warning")


def age(site, seconds):
    """What is new or waits is so much older."""
    ms = seconds * 1000
    site.change_store(f"UPDATE %event SET received_at = received_at - {ms} WHERE n > (SELECT matched FROM %world)")
    site.change_store(f"UPDATE %open SET due_at = due_at - {ms}")
    site.change_store(f"UPDATE %ready SET at = at - {ms}")
    site.change_store(f"UPDATE %due SET at = at - {ms}")


@BOTH_STORES
def test_a_worker_in_lasting_trouble_is_told_until_it_is_out_of_it(manual):
    site = manual
    break_it(site)
    worker = site.work()
    number = post(site)
    (trouble,) = wait_for(lambda: [problem for problem in status(site)[1] if "in trouble: " in problem],
                          lambda: (status(site), worker.text()), 40)
    assert level(site) == "attention" or site.database  # where its claims fail too, work is overdue
    assert trouble.startswith(f"worker {worker.pid} on ") and needed(site) in trouble
    assert trouble in warnings(site) and status(site, "--strict")[0] == 1
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
    assert code == 0 and "ended in trouble at " in problems[0] and needed(site) in problems[0]
    assert problems[0].startswith("'work --once' on ") and problems[0] in warnings(site)
    mend(site)
    site.configure(worker="start manual", backoff="1ms")
    if site.database:  # what it ran is another's after its lease
        return
    wait_for(lambda: site.run("work", "--once") and site.show(number)["deliveries"][0]["state"] == "done", "the end")
    assert status(site) == (0, [])


@pytest.mark.parametrize("kept", [True, False])
def test_once_says_what_becomes_of_a_run_that_it_could_not_record(manual, kept):
    if not kept:
        (manual.home / "state" / "queue.db.slots").write_text("of another program")
    break_it(manual)
    number = post(manual)
    said = manual.run("work", "--once", check=False).stderr.decode()
    assert "finished runs could not be recorded" + (": the next worker on this host does it" if kept
                                                    else " and will run again") + " runs=1" in said
    mend(manual)
    manual.configure(worker="start manual", backoff="1ms")
    wait_for(lambda: manual.run("work", "--once") and manual.show(number)["deliveries"][0]["state"] == "done", "the end")
    results = [attempt["result"] for attempt in manual.show(number)["deliveries"][0]["attempts"]]
    assert results == (["done"] if kept else ["lost", "done"])


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
    assert code == 1 and problems[0].startswith("worker: one is running, but work that it could do has been due since 20")
    assert errors(site) == problems
    worker.popen.send_signal(signal.SIGCONT)
    site.wait_idle()
    assert status(site) == (0, [])


@BOTH_STORES
@pytest.mark.parametrize("worker, defaults, patience",
                         [("concurrency 1", "", 10), ("concurrency 4", "concurrency 1", 600)],
                         ids=["worker", "hook"])
def test_what_waits_for_a_slot_or_a_disabled_hook_is_no_fault(manual, worker, defaults, patience):
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
    assert level(site) == "ok"
    age(site, patience - 30 if patience > 60 else 0)
    assert level(site) == "ok"
    age(site, patience + 1)
    code, (problem,) = status(site)
    assert code == 0 and level(site) == "attention" and "(1) are under way: raise " in problem
    assert problem in warnings(site) and status(site, "--strict")[0] == 1
    gate.open()
    site.delivery(second)


@BOTH_STORES
def test_where_cron_works_ninety_seconds_are_allowed(manual):
    site = manual
    post(site)
    age(site, 11)
    code, (problem,) = status(site)
    assert code == 1 and problem.startswith("worker: none is running, and work has been due since 20")
    assert "work --once" in problem and errors(site) == [problem]
    site.run("work", "--once")
    post(site)
    age(site, 60)
    assert status(site) == (0, [])
    age(site, 35)
    assert status(site)[0] == 1


# -- What it says of hooks and configuration

@pytest.mark.parametrize("portals, words", [
    ("", "no portal is configured"), ("portal { token APPLICATION_TOKEN }\n", "the one of the example")])
def test_nothing_configured_wants_attention(manual, portals, words):
    manual.configure(portals=portals, worker="start manual")
    code, (problem,) = status(manual)
    assert code == 0 and level(manual) == "attention" and words in problem and "(fix: ${EDITOR:-vi} " in problem
    assert problem in errors(manual)
    assert status(manual, "--strict") == (1, [problem])


def test_no_hook_wants_attention(manual):
    (manual.hooks / "any").unlink()
    code, (problem,) = status(manual)
    assert code == 0 and level(manual) == "attention" and "no hook is enabled" in problem and problem in warnings(manual)


@pytest.mark.parametrize("name, text, mode, words", [
    ("ONTASKADD.sh", "#!/no/such/shell\n", 0o755, "bad interpreter"),
    ("ONTASKADD.sh", "exit 0\n", 0o644, "not executable and takes no event"),
    ("ONTASKADD.sh", "exit 0\n", 0o775, "unsafe permissions")])
def test_a_broken_hook_fails(manual, name, text, mode, words):
    path = manual.hook(name, text, mode)
    code, (problem,) = status(manual)
    assert code == 1 and level(manual) == "failing" and problem.startswith("hook ONTASKADD: ") and words in problem
    assert errors(manual) == [problem]
    path.rename(path.with_suffix(".disabled"))
    assert status(manual) == (0, [])


def test_two_hooks_of_one_name_fail_and_are_told_once(manual):
    site = manual
    site.hook("ONCRMDEALUPDATE.sh", "exit 0\n")
    site.work()
    site.wait_idle()
    site.hook("ONCRMDEALUPDATE.py", "exit 0\n")
    post(site)
    code, (problem,) = status(site)
    assert code == 1 and problem.startswith("hook ONCRMDEALUPDATE: two hooks are named 'ONCRMDEALUPDATE'")
    assert [one for one in errors(site) if "ONCRMDEALUPDATE" in one] == [problem]
    (site.hooks / "ONCRMDEALUPDATE.py").unlink()
    site.wait_idle()
    assert status(site) == (0, [])


@BOTH_STORES
def test_the_dead_of_the_last_hour_want_attention(manual):
    site = manual
    site.hook("any", "exit 65\n")
    number = post(site)
    site.run("work", "--once")
    code, (problem,) = status(site)
    assert code == 0 and level(site) == "attention"
    assert problem.startswith("hook any: 1 delivery died in the last hour") and problem in warnings(site)
    assert problem.endswith(f" retry --state dead --hook any --config {site.config})")
    assert status(site, "--strict")[0] == 1
    site.hook("any", "exit 0\n")
    site.run("retry", "--state", "dead", "--hook", "any", "--yes")
    site.run("work", "--once")
    assert site.delivery(number)["attempt"] == 2 and status(site) == (0, [])


def test_a_blocked_lane_wants_attention_and_is_never_given_up(manual):
    site = manual
    site.configure(worker="start manual", backoff="1h")
    site.hook("any", "exit 1\n")
    first, _ = post(site), post(site)
    site.run("work", "--once")
    code, (problem,) = status(site)
    assert code == 0 and level(site) == "attention" and problem.startswith(f"{first}/any: has failed since 20")
    assert problem.endswith(f"(fix: {site.binary} retry {first}/any --config {site.config})")
    assert "cancel" not in problem and problem in warnings(site)


def test_many_blocked_lanes_go_on_together(manual):
    """By the one command that stands below those that are named."""
    site = manual
    site.configure(worker="start manual", backoff="1h")
    site.hook("any", "exit 1\n")
    for entity in range(1, 8):
        post(site, id=entity), post(site, id=entity)
    site.run("work", "--once")
    problem = status(site)[1][-1]
    assert problem.startswith("lanes: 2 more are blocked") and " retry --state waiting " in problem
    site.hook("any", "exit 0\n")
    site.run("retry", "--state", "waiting", "--yes")
    site.run("work", "--once")
    assert site.status()["deliveries"]["done"] == 14 and status(site) == (0, [])


def test_a_config_that_is_wrong_is_told_once_whatever_its_worker_says(manual):
    site = manual
    site.work()
    wait_for(lambda: site.status()["workers"], "the worker")
    site.configure(worker="start manual", more="hook x { tiemout 5s }\n")
    wait_for(lambda: site.status()["workers"][0]["config_error"], "the worker to see it")
    code, (problem,) = status(site)
    assert code == 1 and "hook x: tiemout: unknown key" in problem and problem.endswith(f"(fix: ${{EDITOR:-vi}} {site.config})")
    assert errors(site) == [problem]


@pytest.mark.parametrize("broken", ["hook x { tiemout 5s }\n", "hook x {\n"], ids=["key", "syntax"])
def test_a_draft_is_checked_while_the_live_config_is_broken(manual, broken):
    site = manual
    site.work()
    wait_for(lambda: site.status()["workers"], "the worker")
    good = site.config.read_text()
    site.configure(worker="start manual", more=broken)
    draft = write(site.home / "new.conf", good, 0o600, site.user)

    def type_json(command, path):
        done = subprocess.run([site.binary, command, "--json", "--config", path], capture_output=True, timeout=30,
                              **as_user(site.user))
        return done.returncode, json.loads(done.stdout)

    def check(path):
        code, found = type_json("check", path)
        of_the_machine = ("user ", "/proc/")
        return code, [problem for problem in found["problems"] if not problem["place"].startswith(of_the_machine)]
    wait_for(lambda: type_json("status", draft)[1]["workers"][0]["config_error"], "the worker to refuse the live one")
    post(site)
    assert check(site.config)[0] == 1
    assert check(draft) == (0, [])
    write(draft, good + "hook y { tiemout 5s }\n", 0o600, site.user)
    code, (problem,) = check(draft)
    assert code == 1 and "hook y: tiemout" in problem["message"]
    write(draft, good, 0o600, site.user).rename(site.config)
    site.wait_idle()
    wait_for(lambda: status(site) == (0, []), lambda: status(site))


def test_another_config_beside_it_is_a_draft_of_the_same_store_alone(manual):
    site = manual
    post(site)
    age(site, 60)
    for name, store, code in (("second.conf", "state/queue.db", 0), ("third.conf", "other/queue.db", 0),
                              ("bxhook.conf", "state/queue.db", 1)):
        text = site.config.read_text().replace("store state/queue.db", f"store {store}")
        path = write(site.home / name, text, 0o600, site.user)
        done = subprocess.run([site.binary, "check", "--config", path], capture_output=True, timeout=30,
                              **as_user(site.user))
        assert done.returncode == code, done
    other = write(site.home / "third.conf", site.config.read_text().replace("state/queue.db", "other/queue.db"), 0o600,
                  site.user)
    subprocess.run([site.binary, "trigger", "ONAPPTEST", "--config", other], check=True, timeout=30, **as_user(site.user))
    subprocess.run(["/usr/bin/python3", "-c", "import sqlite3, sys; store = sqlite3.connect(sys.argv[1]); "
                    "store.execute('UPDATE event SET received_at = received_at - 60000'); store.commit()",
                    site.home / "other" / "queue.db"], check=True, **as_user(site.user))
    done = subprocess.run([site.binary, "check", "--config", other], capture_output=True, timeout=30,
                          **as_user(site.user))
    assert done.returncode == 1 and b"none is running" in done.stdout, "a second installation has workers of its own"


@pytest.mark.parametrize("form", ["text", "json"])
def test_each_problem_is_told_once_to_whoever_reads_both(manual, form):
    post(manual)
    age(manual, 11)
    words = ["status", *(["--json"] if form == "json" else [])]
    apart = manual.run(*words, check=False)
    assert apart.stdout.count(b"none is running") == apart.stderr.count(b"none is running") == 1
    assert apart.stderr.count(b"\n") == 1
    together = subprocess.run([manual.binary, *words, "--config", manual.config], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=30, **as_user(manual.user))
    assert together.returncode == 1 and together.stdout.count(b"none is running") == 1
