"""No secret leaves stdin: not in logs, lists, reports, arguments, environments, nor, in the end, the store."""

from pathlib import Path

import bitrix
import client
from scratch import processes_below, wait_for

# Secrets at every depth, each of its own.
TREE = bitrix.event() | {"data": {
    "FIELDS": {"ID": "7"}, "AUTH_ID": "secret-auth-id", "bot": {"567": {"AUTH": {"access_token": "secret-of-the-bot"}}},
    "list": [{"Client_Secret": "secret-of-the-client"}], "event_token": "secret-event-token"}}
TREE["auth"] |= {"access_token": "secret-access-token", "refresh_token": "secret-refresh-token", "refresh_id": "secret-refresh-id"}
SECRETS = bitrix.secrets_of(TREE)
ERASED_WITHIN = 75  # seconds: the contract's minute, and some for a busy machine


def in_store(site):
    """(file, secret) of each secret found in any byte of the store's files."""
    files = {path.name: path.read_bytes() for path in (site.home / "state").iterdir() if path.is_file()}
    return [(name, secret) for name, data in files.items() for secret in SECRETS if secret.encode() in data
            and not name.endswith(".log")]


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
    assert not [(pid, name, secret) for pid in processes_below(site.path) for name in ("cmdline", "environ")
                for secret in SECRETS if secret.encode() in Path(f"/proc/{pid}/{name}").read_bytes()]
    gate.open()
    site.delivery(number, "any.d.fails", ("dead",))
    assert site.leaks(SECRETS | {"secret-but-wrong"}) == []


def test_a_leak_is_found(site):
    """The checker itself: it sees a secret in each kind of place."""
    site.probe()
    site.serve()
    number = client.fastcgi(site.socket, bitrix.encode(TREE)).event
    site.run_of(number)
    site.wait_idle()
    assert site.leaks(SECRETS) == []
    (site.log_dir / "planted.log").write_text("token secret-auth-id")
    (site.out / f"{number}.any.1" / "environ").write_text("X=secret-of-the-bot")
    assert {value for value, _ in site.leaks(SECRETS)} == {"secret-auth-id", "secret-of-the-bot"}
    assert [place for _, place in site.leaks({"ONCRMDEALUPDATE"}) if place.startswith("show ")]


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
    assert b"secret" in said.stdout + said.stderr
    run = site.run_of(number, attempt=2)
    assert not [s for s in SECRETS if s.encode() in run.stdin]
    expected = without_secrets(TREE)
    assert run.event["auth"] == expected["auth"] and run.event["data"]["FIELDS"] == {"ID": "7"}


def test_a_skipped_event_loses_them_at_once(site):
    site.serve()
    number = client.fastcgi(site.socket, bitrix.encode(TREE)).event
    event = wait_for(lambda: (e := site.show(number))["state"] == "skipped" and e, "the event to be skipped")
    assert event["secrets"] == "erased"


def test_a_configured_token_is_not_printed(site):
    site.configure(portals="portal {\n    member_id x\n    token secret-configured\n}\n")
    for options in ((), ("--print",), ("--json",)):
        done = site.run("check", *options, check=False)
        assert b"secret-configured" not in done.stdout + done.stderr
    site.configure(portals="portal {\n    member_id x\n    token secret-configured extra\n}\n")
    done = site.run("check", check=False)
    assert done.returncode == 1 and b"secret-configured" not in done.stdout + done.stderr
