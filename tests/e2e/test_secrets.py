"""No secret leaves stdin: not in logs, lists, reports, arguments, environments, nor, in the end, the store."""

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

import bitrix
import client
import leaks
from hosts import BOTH_STORES
from scratch import Process, Site, wait_for
from test_installations import ACCESS, APP, HELD, REFRESH, deal, install, page, token

# Secrets at every depth, each of its own.
TREE = bitrix.event() | {"data": {
    "FIELDS": {"ID": "7"}, "AUTH_ID": "secret-auth-id", "bot": {"567": {"AUTH": {"access_token": "secret-of-the-bot"}}},
    "list": [{"Client_Secret": "secret-of-the-client"}], "event_token": "secret-event-token"}}
TREE["auth"] |= {"access_token": "secret-access-token", "refresh_token": "secret-refresh-token",
                 "refresh_id": "secret-refresh-id"}
SECRETS = bitrix.secrets_of(TREE)
CLIENT_SECRET = "Nq3v7yB1xRk0mWc8ZtLs5uHd2JfPgAe9"  # of the app block
ERASED_WITHIN = 75  # seconds: the contract's minute, and some for a busy machine


def in_store(site):
    """(secret, file) of each secret found in any byte of the store's files."""
    return leaks.search(leaks.store_bytes(site))


def without_secrets(tree):
    if isinstance(tree, list):
        return [without_secrets(value) for value in tree]
    if not isinstance(tree, dict):
        return tree
    return {k: without_secrets(v) for k, v in tree.items() if k.lower() not in bitrix.SECRET_KEYS}


def test_the_test_knows_its_secrets():
    assert len(SECRETS) == 8 and bitrix.TOKEN in SECRETS


def test_none_leaves_stdin(site):
    site.configure(defaults="attempts 1")
    site.probe("any.d/probe")
    gate = site.gate()
    site.hook("any.d/fails", f"cat; cat >&2; {gate.wait}; exit 65")
    site.serve()
    number = client.fastcgi(site.socket, bitrix.encode(TREE)).event
    forged = bitrix.encode(TREE | {"auth": TREE["auth"] | {"application_token": "secret-but-wrong"}})
    assert client.fastcgi(site.socket, forged).status == 403
    run = site.run_of(number, "any.d.probe")
    assert run.event == TREE
    site.delivery(number, "any.d.fails", ("running",))
    running = site.processes()
    assert f"process {site.worker_pid()}: environ" in running and len(running) >= 2 * 3  # gateway, worker, hook
    assert leaks.search(running) == []
    for pid in {name.split()[1].rstrip(":") for name in running if name.startswith("process ")}:
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size +1 ", limits), "a core file would have them"
    gate.open()
    site.delivery(number, "any.d.fails", ("dead",))
    assert {"secret-but-wrong", *SECRETS} <= bitrix.sent_secrets
    assert leaks.search(leaks.reports(site) | site.logs()) == []


@BOTH_STORES
def test_none_of_an_installation_leaves_the_store(quiet):
    """What is held for it, and its tokens, are in the store's tables of secrets, and with it they go."""
    quiet.configure(worker="start manual", more=APP)
    wait_for(lambda: client.fastcgi(quiet.socket, install("m1", "1")).status == 200, "the app block to count")
    assert client.fastcgi(quiet.socket, deal("m1", "1")).json == HELD
    assert client.fastcgi(quiet.socket, page("m2", "2")).status == 200
    secrets = {ACCESS, REFRESH, token("1"), token("2"), CLIENT_SECRET}
    bitrix.sent_secrets.add(CLIENT_SECRET)
    assert CLIENT_SECRET in APP and secrets <= bitrix.sent_secrets
    shown = quiet.run("portals", "m1").stdout + quiet.run("portals", "m1", "--json").stdout
    assert b"pending" in shown
    tables, _, _ = leaks.stored(quiet)
    assert b"m1" in tables["table installation"]
    places = leaks.reports(quiet) | quiet.logs() | quiet.processes() | tables | {"portals m1": shown}
    assert leaks.search(places) == []
    if not quiet.database:
        assert {ACCESS, REFRESH} <= {secret for secret, _ in in_store(quiet)}
    for member in ("m1", "m2"):
        quiet.run("portals", "forget", member, "--local", "--yes")
    quiet.gateway.stop()
    quiet.run("work", "--once")
    assert quiet.database or in_store(quiet) == []


# -- the checker itself: every end-to-end test ends with it

def in_a_log(site, secret):
    (site.log_dir / "planted.log").write_text(f"token {secret}\n")


def in_the_environment_of_a_run(site, secret):
    (site.out / "1.any.1" / "environ").write_text(f"X={secret}\0")


def in_an_argument_of_a_run(site, secret):
    (site.out / "1.any.1" / "argv").write_text(f"--token={secret}\0")


def process(site, arguments=(), **env):
    Process(["/bin/sh", "-c", "sleep infinity; :", "sh", *arguments], site.log_dir / "sleep.log", user=site.user,
            env=env, cwd=site.path)


def in_an_argument_of_a_process(site, secret):
    process(site, [f"--token={secret}"])


def in_the_environment_of_a_process(site, secret):
    process(site, TOKEN=secret)


def statement(text):
    def plant(site, secret):
        with contextlib.closing(sqlite3.connect(site.home / "state" / "queue.db", timeout=10)) as database, database:
            changed = database.execute(text, {"secret": secret.encode()}).rowcount
            assert changed == 1
    return plant


PLANTS = {
    "a log": in_a_log,
    "a run's environment": in_the_environment_of_a_run,
    "a run's arguments": in_an_argument_of_a_run,
    "a process's arguments": in_an_argument_of_a_process,
    "a process's environment": in_the_environment_of_a_process,
    "stored output": statement("UPDATE ended SET err = 'x' || CAST(:secret AS TEXT)"),
    "a stored body": statement("UPDATE event SET body = body || :secret"),
    "a report": statement("UPDATE ended SET reason = CAST(:secret AS TEXT)"),
    "a secret not erased": statement("INSERT INTO slot (data) VALUES (:secret)"),
}


@pytest.mark.parametrize("place", PLANTS)
def test_a_planted_leak_fails_the_test(scratch, place):
    site = Site(scratch, "planted")
    site.configure(worker="start manual")
    site.probe()
    site.serve()
    client.fastcgi(site.socket, bitrix.encode(TREE))
    site.run("work", "--once")
    site.run_of(1)
    PLANTS[place](site, "secret-auth-id")
    with pytest.raises(leaks.Leak, match="secret-auth-id"):
        site.stop()


def test_a_planted_leak_in_an_answer_fails_the_test():
    with pytest.raises(leaks.Leak):
        client.parse_cgi(b"Status: 403 Forbidden\r\n\r\ntoken " + bitrix.TOKEN.encode())
    with pytest.raises(leaks.Leak):
        client.parse_cgi(b"Status: 403 Forbidden\r\nX-Token: " + bitrix.TOKEN.encode() + b"\r\n\r\n")


def test_a_planted_leak_in_what_a_command_says_fails_the_test(quiet):
    quiet.hook("any", "exit 65")
    number = client.fastcgi(quiet.socket, bitrix.encode(TREE)).event
    quiet.run("work", "--once")
    plant = statement("UPDATE ended SET reason = CAST(:secret AS TEXT)")
    plant(quiet, "secret-auth-id")
    with pytest.raises(leaks.Leak, match="secret-auth-id"):
        quiet.run("list")
    quiet.run("show", number, "--secrets")
    plant(quiet, "exit 65")


def test_they_are_erased_when_the_last_delivery_ended(site):
    """Also out of the write-ahead log, while the gateway and the worker go on running."""
    gate = site.gate()
    site.hook("any.d/quick", "exit 0")
    site.hook("any.d/slow", gate.wait)
    site.serve()
    number = client.fastcgi(site.socket, bitrix.encode(TREE)).event
    site.delivery(number, "any.d.quick")
    site.delivery(number, "any.d.slow", ("running",))
    assert site.show(number)["secrets"] == "kept" and in_store(site)
    gate.open()
    site.delivery(number, "any.d.slow")
    assert site.show(number)["secrets"] == "erased"
    wait_for(lambda: not in_store(site), lambda: f"the store without {in_store(site)}", ERASED_WITHIN)
    assert site.worker_pid() and site.gateway.running()


def test_a_dead_delivery_keeps_them_for_its_repeat(site):
    site.hook("any", "exit 65")
    site.serve()
    number = client.fastcgi(site.socket, bitrix.encode(TREE)).event
    site.delivery(number, states=("dead",))
    assert site.show(number)["secrets"] == "kept"
    shown = site.run("show", number, "--secrets").stdout.decode()
    assert all(secret in shown for secret in SECRETS)
    site.probe()
    site.run("retry", number)
    assert site.run_of(number, attempt=2).event == TREE
    site.delivery(number)


def test_a_repeat_of_a_done_one_goes_without_them(site):
    site.probe()
    site.serve()
    number = client.fastcgi(site.socket, bitrix.encode(TREE)).event
    site.delivery(number)
    said = site.run("retry", f"{number}/any")
    assert b"without tokens (already erased)" in said.stdout
    run = site.run_of(number, attempt=2)
    assert not [s for s in SECRETS if s.encode() in run.stdin]
    expected = without_secrets(TREE)
    assert run.event["auth"] == expected["auth"] and run.event["data"]["FIELDS"] == {"ID": "7"}


def test_a_skipped_event_loses_them_at_once(site):
    site.serve()
    number = client.fastcgi(site.socket, bitrix.encode(TREE)).event
    event = wait_for(lambda: (e := site.show(number))["state"] == "skipped" and e, "the event to be skipped")
    assert event["secrets"] == "erased"


def test_a_cancelled_event_loses_them_while_no_worker_runs(site):
    site.configure(worker="start manual")
    site.serve()
    number = client.fastcgi(site.socket, bitrix.encode(TREE)).event
    assert in_store(site)
    site.run("cancel", number)
    assert in_store(site) == []


def test_a_deleted_event_loses_them_while_no_worker_runs(site):
    site.configure(worker="start manual", defaults="attempts 1")
    site.hook("any", "exit 65")
    site.serve()
    number = client.fastcgi(site.socket, bitrix.encode(TREE)).event
    site.run("work", "--once")
    assert site.show(number)["secrets"] == "kept" and in_store(site)
    prune = ("prune", "--older-than", "1s", "--dead", "--trust-clock", "--yes")
    wait_for(lambda: b"deleted 1 event" in site.run(*prune).stdout, "the event to be old enough")
    assert in_store(site) == []


def test_a_configured_token_is_not_printed(site):
    site.configure(portals="portal {\n    member_id x\n    token secret-configured\n}\n")
    for options in ((), ("--print",), ("--json",)):
        done = site.run("check", *options, check=False)
        assert b"secret-configured" not in done.stdout + done.stderr
    site.configure(portals="portal {\n    member_id x\n    token secret-configured extra\n}\n")
    done = site.run("check", check=False)
    assert done.returncode == 1 and b"secret-configured" not in done.stdout + done.stderr
