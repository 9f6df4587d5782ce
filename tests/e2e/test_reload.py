"""Scripts and config that change while gateway and worker run."""

import json
import os
import signal
import subprocess

import pytest

import bitrix
import client
from scratch import alive, as_user, give, wait_for, write


@pytest.fixture
def serving(site):
    site.serve()
    return site


def post(site, *args, **options):
    return client.fastcgi(site.socket, bitrix.body(*args, **options)).event


def settled(site, number):
    """The event once the worker has matched it."""
    return wait_for(lambda: (e := site.show(number))["state"] != "new" and e, "the event's match")


def output_of(site, number, hook):
    return site.delivery(number, hook)["attempts"][-1]["stdout"]


def count(site, words):
    return site.log().count(words)


def told(site):
    """What `status`, `check` and the log say of what is wrong."""
    status = site.status()
    check = json.loads(site.run("check", "--json", check=False).stdout)
    return (" ".join(status["problems"]), " ".join(p["message"] + p["place"] for p in check["problems"]), site.log())


# -- scripts

def test_a_script_is_taken_up_replaced_and_dropped_without_a_restart(serving):
    serving.hook("ONCRMLEADADD", "echo lead")
    assert settled(serving, post(serving))["state"] == "skipped"
    worker = serving.worker_pid()
    serving.hook("ONCRMDEALUPDATE", "echo one")
    assert output_of(serving, post(serving), "ONCRMDEALUPDATE") == "one\n"
    serving.hook("ONCRMDEALUPDATE", "echo two")
    assert output_of(serving, post(serving), "ONCRMDEALUPDATE") == "two\n"
    serving.hook("ONCRMDEALUPDATE.d/more", "echo more")
    number = post(serving)
    assert output_of(serving, number, "ONCRMDEALUPDATE.d.more") == "more\n"
    (serving.hooks / "ONCRMDEALUPDATE").rename(serving.hooks / "ONCRMDEALUPDATE.disabled")
    (serving.hooks / "ONCRMDEALUPDATE.d" / "more").unlink()
    event = settled(serving, post(serving))  # some seconds later: they might have come back
    assert (event["state"], event["reason"]) == ("skipped", "no matching hook")
    assert serving.worker_pid() == worker


def test_a_script_replaced_by_delete_and_create_loses_no_event(serving):
    serving.hook("ONCRMDEALUPDATE", "echo old")
    serving.delivery(post(serving), "ONCRMDEALUPDATE")
    numbers = []
    for i in range(3):
        (serving.hooks / "ONCRMDEALUPDATE").unlink()
        numbers += [post(serving, id=i) for _ in range(5)]
        serving.hook("ONCRMDEALUPDATE", f"echo new {i}")
        numbers.append(post(serving, id=i))
    for number in numbers:
        assert output_of(serving, number, "ONCRMDEALUPDATE").startswith("new")


def test_a_running_hook_whose_file_is_replaced_ends_as_it_began(serving):
    gate = serving.gate()
    serving.hook("any", f"echo before; {gate.wait}; echo after")
    number = post(serving)
    wait_for(lambda: serving.show(number)["deliveries"] and
             serving.show(number)["deliveries"][0]["state"] == "running", "the run")
    serving.hook("any", "echo new")
    gate.open()
    assert output_of(serving, number, "any") == "before\nafter\n"
    assert output_of(serving, post(serving), "any") == "new\n"


GONE = {  # how the hook goes: the reason of the attempts
    "block": "missing", "file": "missing", "bit": "not executable"}


@pytest.mark.parametrize("how", GONE)
def test_what_waits_for_a_hook_that_is_gone_fails_and_ends_dead(serving, how):
    """Also one that has fewer attempts than others: it is retried by its own count."""
    program = serving.hook("x.disabled", "exit 0")
    more = "hook gone { event ONCRMDEALUPDATE " + (f"run {program} " if how == "block" else "")
    if how != "block":
        more = "hook ONCRMDEALUPDATE { "
        path = serving.hook("ONCRMDEALUPDATE", "exit 0")
    hook = "gone" if how == "block" else "ONCRMDEALUPDATE"
    serving.configure(more=more + "delay 4s attempts 3 }\n", defaults="attempts 12 backoff_max 1h")
    number = post(serving)
    serving.delivery(number, hook, ("waiting",))
    if how == "block":
        serving.configure(defaults="attempts 12 backoff_max 1h")
    elif how == "file":
        path.unlink()
    else:
        path.chmod(0o644)
    delivery = serving.delivery(number, hook, ("dead",))
    assert [(a["attempt"], a["result"], a["exit"]) for a in delivery["attempts"]] == [
        (n, "failed", None) for n in (1, 2, 3)]
    assert all(a["reason"].startswith(GONE[how]) for a in delivery["attempts"]), delivery
    assert delivery["reason"].startswith(GONE[how])
    wait_for(lambda: f"dead delivery={number}/{hook}" in serving.log(), "the line of its end")
    # A person can have it run once the hook is there again.
    serving.configure(more=more + "attempts 3 }\n")
    if how != "block":
        serving.hook("ONCRMDEALUPDATE", "exit 0")
    serving.run("check", check=False)
    wait_for(lambda: serving.run("retry", f"{number}/{hook}", check=False).returncode == 0 and
             serving.delivery(number, hook, ("done", "dead"))["state"] == "done", "the repeat")


def test_a_disabled_hook_takes_nothing_new_and_what_waits_waits_on(serving):
    serving.configure(defaults="delay 2s")
    serving.hook("any", "exit 0")
    first = post(serving)
    serving.delivery(first, states=("waiting",))
    loaded = count(serving, "worker: config loaded")
    serving.configure(more="hook any { disabled yes }\n")
    wait_for(lambda: count(serving, "worker: config loaded") > loaded, "the worker to load the config")
    second = settled(serving, post(serving))
    assert second["state"] == "skipped" and "disabled" in second["refused"][0]["reason"]
    wait_for(lambda: serving.status()["due"] == 1, "the first to be due")
    third = settled(serving, post(serving))  # a turn of the worker in which it could have begun
    assert third["state"] == "skipped" and serving.show(first)["deliveries"][0]["state"] == "waiting"
    serving.configure()
    assert serving.delivery(first)["attempt"] == 1


# -- config

def test_sighup_loads_the_config_and_a_change_loads_itself(site):
    site.configure(worker="start manual")
    site.serve()
    worker = site.work()
    wait_for(site.worker_pid, "the worker")
    for name, process in (("gateway", site.gateway), ("worker", worker)):
        before = count(site, f"{name}: config loaded")
        os.kill(process.pid, signal.SIGHUP)
        wait_for(lambda: count(site, f"{name}: config loaded") == before + 1, f"the {name} to load the config")
    before = {name: count(site, f"{name}: config loaded") for name in ("gateway", "worker")}
    program = site.hook("x.disabled", "echo from the block")
    site.configure(worker="start manual", more=f"hook new {{ event * run {program} }}\n")
    number = post(site)
    # The worker looks each second, the gateway with a request.
    wait_for(lambda: client.fastcgi(site.socket, method="GET").status == 200 and
             all(count(site, f"{name}: config loaded") > n for name, n in before.items()), "both to load it")
    assert output_of(site, number, "new") == "from the block\n"


@pytest.mark.parametrize("more,words", [
    ("hook any { tiemout 5s }\n", "timeout"), ("retention { done 5x }\n", "retention"), ("limits {\n", "missing")])
def test_an_invalid_config_keeps_the_old_one_and_says_so(serving, more, words):
    serving.hook("any", f'echo "$BX_EVENT_NUMBER" >> {serving.out}/ran')
    serving.delivery(post(serving))
    serving.configure(more=more)
    wait_for(lambda: "config refused, still using the old one" in serving.log(), "the worker to refuse it")
    wait_for(lambda: all(words in said for said in told(serving)), lambda: told(serving))
    assert not serving.status()["ok"]
    number = post(serving)  # runs by the old one
    wait_for(lambda: str(number) in (serving.out / "ran").read_text().split(), "the run")
    serving.configure()
    wait_for(lambda: serving.status()["ok"] and not serving.status()["problems"], "all well again")
    serving.delivery(post(serving))


def test_two_hooks_of_one_name_leave_their_deliveries_waiting_until_one_is_gone(serving):
    serving.hook("ONCRMDEALUPDATE", "echo one")
    serving.delivery(post(serving), "ONCRMDEALUPDATE")
    twin = serving.hook("ONCRMDEALUPDATE.sh", "echo two")
    number = post(serving)
    wait_for(lambda: (serving.status()["workers"] or [{"config_error": None}])[0]["config_error"], "it in status")
    for said in told(serving):
        assert "ONCRMDEALUPDATE" in said
    serving.delivery(number, "ONCRMDEALUPDATE", ("waiting",))
    twin.unlink()
    assert output_of(serving, number, "ONCRMDEALUPDATE") == "one\n"
    wait_for(lambda: not serving.status()["problems"], "all well again")


# -- what must not be waited for

@pytest.mark.parametrize("portals", [False, True], ids=["config", "portals"])
def test_a_fifo_in_the_place_of_a_config_stops_nobody(site, portals):
    """Whoever opens one to read waits for a writer."""
    file = site.home / "portals.list" if portals else site.config
    if portals:
        write(file, f"{bitrix.MEMBER_ID} {bitrix.DOMAIN} {bitrix.TOKEN}\n", 0o600, site.user)
        site.configure(portals="portals portals.list\n")
    site.hook("any", "exit 0\n")
    site.serve()
    site.delivery(post(site))
    new, old = site.home / "fifo", site.home / "old"
    os.mkfifo(new, 0o600)
    give(new, site.user)
    os.link(file, old)
    new.rename(file)
    wait_for(lambda: post(site) and count(site, "not a regular file") >= 2, site.log)  # of both
    number = post(site)
    wait_for(lambda: count(site, f"done delivery={number}/any"), site.log)
    pid = site.worker_pid()
    site.gateway.stop(limit=2)
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not alive(pid), "the worker's end")
    old.rename(file)


def test_by_cgi_a_portals_file_that_was_found_right_is_searched_and_a_changed_one_read(site):
    lines = [f"m{i} p{i}.example token-of-portal-{i}" for i in range(50)]
    site.configure(portals="portals portals.txt\n", worker="start manual")
    path = write(site.home / "portals.txt", "\n".join(lines) + "\n", 0o600, site.user)

    def status(i, token=None):
        body = bitrix.body(token=token or f"token-of-portal-{i}", member_id=f"m{i}", domain=f"p{i}.example")
        env = client.cgi_variables(body) | site.env | {"BXHOOK_CONFIG": str(site.config)}
        done = subprocess.run([site.binary], env=env, input=body, capture_output=True, timeout=30, **as_user(site.user))
        return client.parse_cgi(done.stdout).status
    index = site.home / "state" / "queue.db.portals"
    wait_for(lambda: status(7) == 200 and index.exists(), "the index")  # once the file is not quite new
    before = index.read_bytes()
    assert [status(0), status(49), status(50), status(7, "token-of-nobody"), status(7)] == [200, 200, 403, 403, 200]
    assert index.read_bytes() == before
    write(path, "\n".join([*lines, "m50 p50.example"]) + "\n", 0o600, site.user)
    assert [status(7), status(7)] == [503, 503]
    write(path, "\n".join([*lines[:7], *lines[8:], "m50 p50.example token-of-portal-50"]) + "\n", 0o600, site.user)
    assert [status(7), status(50), status(49)] == [403, 200, 200]
