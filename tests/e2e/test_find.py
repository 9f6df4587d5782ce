"""Finding deliveries: what `list`, `retry` and `cancel` choose, what is left out, and what is said where nothing
is found."""

import re

import bitrix
import client
from hosts import BOTH_STORES
from test_terminal import on_terminal, plain_lines


def post(site, *args, **options):
    return client.fastcgi(site.socket, bitrix.body(*args, **options)).event


def work(site):
    site.run("work", "--once")


def said(site, *arguments):
    """What a command that succeeds says on stderr."""
    return site.run(*arguments).stderr.decode()


def states(site):
    return {line["event"]: line["state"] for line in site.list()}


# -- Choosing

@BOTH_STORES
def test_several_values_an_id_and_a_time(quiet):
    quiet.configure(worker="start manual", backoff="1h")
    quiet.hook("ONCRMDEALUPDATE", "exit 65")
    quiet.hook("ONCRMDEALADD", "exit 1")
    quiet.hook("any.d/log", "exit 0")
    dead, waiting = post(quiet, id="7"), post(quiet, "ONCRMDEALADD", id="77")
    work(quiet)
    new = post(quiet, "ONCRMLEADADD", id="7")

    def found(*options):
        return [line["delivery"] or str(line["event"]) for line in quiet.list(*options)]
    both = [f"{waiting}/ONCRMDEALADD", f"{dead}/ONCRMDEALUPDATE"]
    assert found("--state", "dead,waiting") == found("--state", "dead", "--state", "waiting") == both
    assert found("--state", "new,dead") == [str(new), both[1]]
    assert found("--hook", "ONCRMDEALADD,ONCRMDEALUPDATE") == both
    assert found("--hook", "any.d.log", "--hook", "ONCRMDEALADD", "--state", "done,waiting") == [
        f"{waiting}/any.d.log", both[0], f"{dead}/any.d.log"]
    assert found("--id", "7") == [str(new), f"{dead}/any.d.log", both[1]]
    assert found("--id", "7", "--event", "*deal*", "--state", "dead") == [both[1]]
    assert found("--from", "1h") == found() and found("--to", "1h") == []
    assert found("--from", "2001-01-01", "--to", "2101-01-01 12:00Z") == found()
    assert found("--from", "00:00", "--to", "23:59:59.999") == found(), "of the same day"


@BOTH_STORES
def test_a_hook_gets_what_it_missed(quiet):
    """All that it takes by its rules and did not get, whatever other hooks did with it."""
    csv = "ONCRMDEALADD.d.csv"
    quiet.configure(worker="start manual", more=f"hook {csv} {{ unless {{ data.FIELDS.ID 9 }} }}\n")
    quiet.hook("ONCRMDEALADD.d/log", "exit 0")
    first, second, _ = (post(quiet, "ONCRMDEALADD", id=id) for id in "129")
    skipped = post(quiet, id="3")
    work(quiet)
    quiet.hook("ONCRMDEALADD.d/csv", "exit 0")
    third = post(quiet, "ONCRMDEALADD", id="3")
    new = post(quiet, "ONCRMDEALADD", id="2")

    def retry(*options):
        done = quiet.run("retry", "--missed", csv, *options, "--yes", check=False)
        return done.returncode, (done.stdout + done.stderr).decode()
    retried_one = (0, "retried 1 of 1, 1 without tokens (already erased)\n")
    assert retry("--id", "2") == retried_one
    assert retry("--all") == retried_one, "of what is not matched yet it gets all by itself"
    work(quiet)
    assert sorted(line["event"] for line in quiet.list("--hook", csv, "--state", "done")) == [first, second, third, new]
    assert states(quiet)[skipped] == "skipped"
    assert retry("--from", "1h") == (0, f"0 events that {csv} missed, nothing to retry\n")
    for options, why in ((("--state", "done"), "not with --state"), (("--missed", "x", "--all"), "there is no hook 'x'"),
                         ((), "give a filter or --all"), (("1/x",), "choose events by filters")):
        status, text = retry(*options)
        assert status == 2 and why in text


@BOTH_STORES
def test_bulk_takes_the_same_filters_and_done_ones(quiet):
    quiet.hook("any", "exit 0")
    first, second = post(quiet, id="1"), post(quiet, id="2")
    work(quiet)
    asked = quiet.run("retry", "--state", "done", "--id", "2", check=False)
    assert asked.returncode == 2 and b"retry 1 done delivery? no terminal to confirm on: add --yes" in asked.stderr
    expected = quiet.run("retry", "--state", "done", "--id", "2", "--from", "1h", "--yes").stdout
    assert expected == b"retried 1 of 1, 1 without tokens (already erased)\n"
    assert states(quiet) == {first: "done", second: "waiting"}
    quiet.run("cancel", "--id", "1,2", "--yes")
    assert states(quiet)[second] == "waiting", "an id may have a comma in it"
    quiet.run("cancel", "--id", "2", "--yes")
    expected = quiet.run("retry", "--state", "cancelled,done", "--yes").stdout
    assert expected == b"retried 2 of 2, 2 without tokens (already erased)\n"
    assert states(quiet) == {first: "waiting", second: "waiting"}


@BOTH_STORES
def test_retry_makes_a_waiting_one_due_now(quiet):
    quiet.configure(worker="start manual", backoff="1h")
    quiet.hook("any", "exit 1")
    first, behind = post(quiet), post(quiet)
    work(quiet)
    quiet.hook("any", "exit 0")
    work(quiet)
    assert states(quiet) == {first: "waiting", behind: "waiting"}
    assert quiet.run("retry", f"{behind}/any").stdout.decode() == \
        f"retried {behind}/any, it still waits for {first}/any\n"
    work(quiet)
    assert states(quiet)[behind] == "waiting"
    assert quiet.run("retry", first).stdout.decode() == f"retried {first}\n"
    work(quiet)
    assert states(quiet) == {first: "done", behind: "done"}
    (delivery,) = quiet.show(first)["deliveries"]
    assert (delivery["attempt"], delivery["max_attempts"]) == (2, 12)


def test_retry_runs_a_waiting_one_while_the_worker_runs(quiet):
    quiet.configure(worker="start manual", backoff="1h")
    quiet.hook("any", "exit 1")
    number = post(quiet)
    quiet.work()
    quiet.delivery(number, states=("waiting",))
    quiet.hook("any", "exit 0")
    quiet.run("retry", "--state", "waiting", "--hook", "any", "--yes")
    assert quiet.delivery(number)["attempt"] == 2


# -- What is shown, and what is left out

def test_a_terminal_gets_a_page_and_a_pipe_all(quiet):
    numbers = [post(quiet, id=i) for i in range(30)]
    head, *rows, left_out = plain_lines(on_terminal(quiet, "list")[1])
    assert head.startswith("DELIVERY") and len(rows) == 21, "24 lines with the prompt"
    assert [row.split()[0] for row in rows] == [f"{number}/-" for number in reversed(numbers[9:])]
    assert left_out == "bxhook: the newest 21 of 30 are shown ('--limit N' for more, '| less' for all)"
    assert len(plain_lines(on_terminal(quiet, "list", columns=60)[1])) <= 23
    piped = quiet.run("list")
    assert len(piped.stdout.splitlines()) == 31 and piped.stderr == b""
    assert len(quiet.list()) == 30
    assert len(on_terminal(quiet, "list", "--json")[1].splitlines()) == 30


@BOTH_STORES
def test_a_limit_says_what_it_leaves_out(quiet):
    for i in range(4):
        post(quiet, id=i % 2)
    for words in ([], ["--json"]):
        done = quiet.run("list", "--limit", "3", "--id", "1", *words)
        assert done.stderr == b"" and len(done.stdout.splitlines()) == (2 if words else 3)
        done = quiet.run("list", "--limit", "3", *words)
        assert done.stderr == b"bxhook: the newest 3 of 4 are shown\n"
    assert said(quiet, "list", "--limit", "4") == ""


def test_the_name_of_a_delivery_is_never_cut(quiet):
    name = "a-hook-whose-name-is-longer-than-the-terminal-is-wide-" + "x" * 30
    quiet.configure(worker="start manual", more=f"hook {name} {{ event ONCRM* run /bin/true }}\n")
    number = post(quiet)
    work(quiet)
    for columns in (40, 80):
        shown = on_terminal(quiet, "list", columns=columns)[1]
        assert f"{number}/{name}" in shown, shown


@BOTH_STORES
def test_a_note_says_why(quiet):
    quiet.configure(worker="start manual", backoff="1h", more=(
        "hook mine { event ONCRMLEADADD run /bin/true unless { auth.user_id 1* } }\n"))
    quiet.hook("ONCRMDEALUPDATE", "echo one; echo first >&2; printf 'no route\\033[2J to erp\\n\\n' >&2; exit 65")
    quiet.hook("ONCRMDEALADD", "echo timed out >&2; exit 1")
    quiet.hook("ONCRMCONTACTADD", "echo all is well >&2")
    post(quiet), post(quiet, "ONCRMDEALADD"), post(quiet, "ONCRMCONTACTADD"), post(quiet, "ONCRMLEADADD")
    post(quiet, "ONTASKADD")
    work(quiet)
    tasks, leads, contacts, waiting, dead = quiet.run("list").stdout.decode().splitlines()[1:]
    assert "exit 65: no route\\x1b[2J to erp" in dead
    assert re.search(r"in [1-9]\d*[mh]: exit 1: timed out$", waiting), waiting
    assert "well" not in contacts
    assert re.search(r"mine: unless auth.user_id 1\*$", leads), leads
    assert "mine" not in tasks, "it is for another event"


# -- Where nothing is found

@BOTH_STORES
def test_no_match_says_what_there_is_instead(quiet):
    assert "no event has come yet" in said(quiet, "list", "--hook", "x")
    quiet.hook("ONCRMDEALUPDATE.d/erp.sh", "exit 0")
    quiet.hook("ONTASKADD", "exit 0")
    quiet.config.write_text(quiet.config.read_text() + "portal { domain quiet.example token 0123456789abcdef }\n")
    post(quiet)
    work(quiet)
    for words, expected in [
            (("--hook", "erp"), "there is no hook 'erp', did you mean 'ONCRMDEALUPDATE.d.erp'?"),
            (("--hook", "qqq"), "there is no hook 'qqq'; there are ONCRMDEALUPDATE.d.erp, ONTASKADD"),
            (("--hook", "ONTASKADD"), "hook 'ONTASKADD' has no delivery yet"),
            (("--event", "deal"), "no event's code matches 'deal', did you mean '*deal*'?"),
            (("--event", "x*"), "no event's code matches 'x*'; there are ONCRMDEALUPDATE"),
            (("--portal", "beta"), f"no event is of the portal 'beta'; there are {bitrix.DOMAIN}"),
            (("--portal", bitrix.DOMAIN[:-4]), f", did you mean '{bitrix.DOMAIN}'?"),
            (("--portal", "Quiet.Example"), "no event of the portal 'Quiet.Example' was accepted yet; where"),
            (("--id", "13"), "no event is about an entity with the id '13'\n"),
            (("--id", "6675,13"), "no event is about an entity with the id '6675,13': --id takes one id\n"),
            (("--state", "dead,new"), "nothing is dead or new; there are done"),
            (("--to", "2001-01-01"), "no event was received in that time; the newest was at 20"),
            (("--id", "6675", "--event", "x", "--hook", "qqq"), "no event's code matches 'x'"),
            (("--state", "dead,new", "--id", "6675"), "what matches is done, not dead or new: choose it with --state"),
            (("--state", "done", "--id", "13"), "an entity with the id '13'")]:
        done = quiet.run("list", *words)
        assert done.stdout == b"" and expected in done.stderr.decode(), (words, done.stderr)
        assert all(line.startswith("bxhook: ") for line in done.stderr.decode().splitlines())
    other = post(quiet, "ONTASKADD", id="1")
    work(quiet)
    assert "nothing meets all of these" in said(quiet, "list", "--hook", "ONTASKADD", "--id", "6675")
    assert said(quiet, "list", "--json", "--hook", "erp") == "", "for a program nothing is an answer"
    nothing = quiet.run("retry", "--id", "6675", "--yes")
    assert b"what matches is done, not dead: choose it with --state" in nothing.stderr
    nothing = quiet.run("retry", "--hook", "erp", "--yes")
    assert b"0 dead deliveries, nothing to retry" in nothing.stdout and b"no hook 'erp'" in nothing.stderr
    assert quiet.list("--id", "1")[0]["event"] == other
