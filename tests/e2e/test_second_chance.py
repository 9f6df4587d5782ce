"""What was skipped for a mistake of ours is matched again once hooks or configuration change."""

import json
import re

import bitrix
import client
from hosts import BOTH_STORES
from scratch import wait_for

AGAIN = "skipped events are matched again"


def post(site, *args, **options):
    return client.fastcgi(site.socket, bitrix.body(*args, **options)).event


def work(site):
    """What a `work --once` logs."""
    return site.run("work", "--once").stderr.decode()


@BOTH_STORES
def test_a_hook_made_executable_gets_what_was_skipped(quiet):
    path = quiet.hook("ONCRMDEALUPDATE", "cat", mode=0o644)
    numbers = [post(quiet) for _ in range(3)]
    lead = post(quiet, "ONCRMLEADADD")
    log = work(quiet)
    assert log.count("warning worker: skipped") == 3 and log.count("info worker: skipped") == 1
    event = quiet.show(numbers[0])
    assert (event["state"], event["retryable"], event["secrets"]) == ("skipped", True, "kept")
    assert (quiet.show(lead)["retryable"], quiet.show(lead)["secrets"]) == (False, "erased")
    assert AGAIN not in work(quiet), "nothing has changed"
    path.chmod(0o755)
    assert f"{AGAIN} events=3" in work(quiet)
    for number in numbers:
        delivery = quiet.delivery(number, "ONCRMDEALUPDATE")
        assert json.loads(delivery["attempts"][0]["stdout"])["auth"]["application_token"] == "***", "it came with it"
        assert quiet.show(number)["secrets"] == "erased"
    assert quiet.show(lead)["state"] == "skipped", "no hook wants it"
    assert AGAIN not in work(quiet)


@BOTH_STORES
def test_while_the_worker_runs(quiet):
    quiet.configure(worker="start manual", more="hook ONCRMLEADADD { attempts 3 }\n")  # whose file is missing
    path = quiet.hook("ONCRMDEALUPDATE", "exit 0", mode=0o644)
    worker = quiet.work()
    deal, lead = post(quiet), post(quiet, "ONCRMLEADADD")
    wait_for(lambda: worker.text().count("warning worker: skipped") == 2, worker.text)
    path.chmod(0o755)
    quiet.delivery(deal, "ONCRMDEALUPDATE")
    assert quiet.show(lead)["state"] == "skipped", "its own mistake is still there"
    quiet.hook("ONCRMLEADADD", "exit 0")
    quiet.delivery(lead, "ONCRMLEADADD")


def test_another_start_alone_is_no_change(quiet):
    quiet.hook("ONCRMDEALUPDATE", "exit 0", mode=0o644)
    number = post(quiet)
    work(quiet)
    reason = quiet.show(number)["reason"]
    for _ in range(2):
        assert AGAIN not in work(quiet)
    quiet.configure(worker="start manual")  # written again, and the same
    assert AGAIN not in work(quiet) and quiet.show(number)["reason"] == reason
    quiet.configure(worker="start manual", defaults="attempts 3")
    assert f"{AGAIN} events=1" in work(quiet)


@BOTH_STORES
def test_what_came_over_a_day_ago_is_left_to_a_person(quiet):
    path = quiet.hook("ONCRMDEALUPDATE", "exit 0", mode=0o644)
    old, young = post(quiet), post(quiet)
    work(quiet)
    quiet.change_store(f"UPDATE %event SET received_at = received_at - 25 * 3600000 WHERE n = {old}")
    path.chmod(0o755)
    work(quiet)
    assert (quiet.show(old)["state"], quiet.show(young)["state"]) == ("skipped", "matched")
    quiet.run("retry", old)
    work(quiet)
    assert quiet.delivery(old, "ONCRMDEALUPDATE")


@BOTH_STORES
def test_retry_sees_a_hook_that_was_added_a_moment_before(quiet):
    """The worker looks at hooks each second; a person is faster."""
    worker = quiet.work()
    for code in ("ONCRMLEADADD", "ONCRMDEALADD", "ONTASKADD", "ONUSERADD", "ONAPPTEST"):
        number = post(quiet, code)
        wait_for(lambda: f"skipped event={number} " in worker.text(), worker.text)
        quiet.hook(code, "exit 0")
        quiet.run("retry", number)
        quiet.delivery(number, code)
    assert worker.text().count(" skipped ") == 5, "none again with the old verdict"


@BOTH_STORES
def test_what_waits_does_not_say_that_two_hooks_have_one_name_once_one_is_gone(quiet):
    quiet.configure(worker="start manual", more="hook ONCRMDEALUPDATE { delay 1h }\n")
    quiet.hook("ONCRMDEALUPDATE.sh", "exit 0")
    other = quiet.hook("ONCRMDEALUPDATE.php", "exit 0")
    number = post(quiet)

    def delivery():
        quiet.run("work", "--once", check=False)  # exit 1: a hook is broken
        found, = quiet.show(number)["deliveries"]
        return found["state"], found["reason"]
    assert delivery() == ("waiting", "two hooks have this name: ONCRMDEALUPDATE.php, ONCRMDEALUPDATE.sh")
    other.rename(f"{other}.disabled")
    assert delivery() == ("waiting", None)


@BOTH_STORES
def test_what_waits_for_a_hook_that_is_disabled_waits_on_and_says_so(quiet):
    """By its file's name, or by the configuration."""
    deal, test = "ONCRMDEALUPDATE", "ONAPPTEST"
    quiet.configure(worker="start manual", backoff="1h")
    path = quiet.hook(f"{deal}.sh", "exit 1")
    quiet.hook(test, "exit 1")
    names = {post(quiet): deal, post(quiet, test): test}
    work(quiet)
    disabled = path.rename(f"{path}.disabled")
    quiet.configure(worker="start manual", backoff="1h", more=f"hook {test} {{ disabled yes }}\n")
    late = post(quiet)
    for number, hook in names.items():
        quiet.run("retry", f"{number}/{hook}")  # due now
    work(quiet)
    reasons = {deal: f"disabled: {deal}.sh.disabled", test: "disabled"}
    listed = quiet.run("list").stdout.decode()
    for number, hook in names.items():
        waiting = quiet.delivery(number, hook, states=("waiting",))
        reason = f"{reasons[hook]}; exit 1"
        assert (waiting["reason"], waiting["attempt"], len(waiting["attempts"])) == (reason, 1, 1)
        assert reason in quiet.run("show", number).stdout.decode() and reason in listed
    assert {"hook": deal, "reason": reasons[deal]} in quiet.show(late)["refused"]
    code, status = quiet.run("status", check=False).returncode, quiet.status()
    assert code == 0 and {hook["hook"]: hook["disabled"] for hook in status["hooks"]} == reasons
    assert f"{deal}: 1 delivery waits, disabled: {deal}.sh.disabled" in quiet.run("status").stdout.decode()
    told = " ".join(quiet.run("check", check=False).stdout.decode().split())
    for hook, reason in reasons.items():
        assert f"hook {hook}: it is {reason}, and 1 delivery waits for it" in told
        assert f"cancel --hook {hook} --state waiting" in told
    quiet.run("cancel", "--hook", test, "--state", "waiting", "--yes")
    assert quiet.delivery(list(names)[1], test, states=("cancelled",))
    assert f"hook {test}: it is" not in quiet.run("check", check=False).stdout.decode()
    disabled.rename(path)
    quiet.hook(f"{deal}.sh", "exit 0")
    work(quiet)
    assert quiet.delivery(next(iter(names)), deal)["attempt"] == 2

@BOTH_STORES
def test_what_waits_for_a_hook_that_is_gone_says_what_to_do(quiet):
    deal = "ONCRMDEALUPDATE"
    quiet.configure(worker="start manual", backoff="1h")
    path = quiet.hook(f"{deal}.sh", "exit 1")
    back, given_up = post(quiet), post(quiet)
    work(quiet)
    path.unlink()
    quiet.run("retry", f"{back}/{deal}")  # due now
    work(quiet)
    reason = (f"missing: no file named {deal}, and no block with run: put it back, or give the event up with "
              f"'bxhook cancel {back}/{deal}'")
    assert quiet.delivery(back, deal, states=("waiting",))["reason"] == reason
    for command in ("list", "show"):
        words = [command] + ([back] if command == "show" else [])
        assert reason in quiet.run(*words).stdout.decode()
    status = quiet.run("status", check=False).stdout.decode()
    assert f"{deal}: 2 deliveries wait, no file and no block with run has this name" in status
    told = " ".join(quiet.run("check", check=False).stdout.decode().split())
    assert f"hook {deal}: no file and no block with run has this name, and 2 deliveries wait for it" in told
    for text in (status, told):
        assert f"cancel --hook {deal} --state waiting" in text
    quiet.run("cancel", f"{given_up}/{deal}")
    assert quiet.delivery(given_up, deal, states=("cancelled",))
    quiet.hook(f"{deal}.sh", "exit 0")
    assert "no block with run has this name" not in quiet.run("status", check=False).stdout.decode()
    quiet.run("retry", f"{back}/{deal}")
    work(quiet)
    assert quiet.delivery(back, deal)["attempt"] == 3


@BOTH_STORES
def test_without_a_worker_check_names_what_has_them_matched_again(quiet):
    path = quiet.hook("ONCRMDEALUPDATE", "exit 0", mode=0o644)
    number = post(quiet)
    work(quiet)
    quiet.configure()  # worker.start auto: the last one has left
    path.chmod(0o755)
    told = " ".join(quiet.run("check", check=False).stdout.decode().split())
    assert f"events were skipped for a mistake, the newest is {number}" in told and " work --once" in told
    work(quiet)
    quiet.delivery(number, "ONCRMDEALUPDATE")
    assert b"skipped for a mistake" not in quiet.run("check", check=False).stdout


@BOTH_STORES
def test_a_broken_hook_beside_a_good_one_is_named_and_can_get_the_event(quiet):
    quiet.hook("any", "exit 0")
    path = quiet.hook("ONCRMDEALUPDATE", "exit 0", mode=0o644)
    number = post(quiet)
    told = work(quiet)
    assert f"warning worker: a hook that cannot run did not get an event that others got event={number} " in told
    assert re.search(f'fix="[^ "]*bxhook retry {number}/ONCRMDEALUPDATE"', told)
    event = quiet.show(number)
    assert event["refused"] == [{"hook": "ONCRMDEALUPDATE", "reason": "not executable"}]
    assert [delivery["hook"] for delivery in event["deliveries"]] == ["any"]
    path.chmod(0o755)
    quiet.run("retry", f"{number}/ONCRMDEALUPDATE")
    work(quiet)
    assert quiet.delivery(number, "ONCRMDEALUPDATE")["state"] == "done"


@BOTH_STORES
def test_a_hook_that_logs_beside_itself_is_no_change(quiet):
    quiet.hook("any", f"echo $BX_EVENT >> {quiet.hooks}/deals.log")
    quiet.hook("ONCRMDEALUPDATE.d/one", "exit 0", mode=0o644)
    quiet.configure(worker="start manual", more="hook any { unless { data.FIELDS.ID 7 } }\n")
    (quiet.hooks / "deals.log").touch()
    (quiet.hooks / "deals.log").chmod(0o666)
    skipped = post(quiet, id=7)
    assert f"warning worker: skipped event={skipped} " in work(quiet)
    for _ in range(2):
        post(quiet, "ONTASKADD", id=8)
        assert AGAIN not in work(quiet)
    assert (quiet.hooks / "deals.log").read_text() == "ONTASKADD\n" * 2
    quiet.run("cancel", skipped)
    event = quiet.show(skipped)
    assert (event["state"], event["reason"], event["retryable"], event["secrets"]) == (
        "skipped", "cancelled", False, "erased")
