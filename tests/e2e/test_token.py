"""bxhook token: an access token that is good, for an SDK in a hook."""

import contextlib
import json
import os
import pty
import subprocess
import time
from pathlib import Path

import pytest

import bitrix
import client
from clouds import land
from hosts import BOTH_STORES
from scratch import as_user, kill, wait_for

MINUTES = 60 * 1000  # milliseconds, as the store counts


def token(land, *options, check=True):
    return land.site.run("token", *options, check=check)


def shorten(land, left):
    """The store's tokens have LEFT milliseconds to go."""
    land.site.change_store(f"UPDATE %installation SET token_expires_at = {int(time.time() * 1000) + left}")


def is_good(land, text):
    shown = json.loads(text)
    assert set(shown) == {"access_token", "client_endpoint", "expires_at"}
    pair = land.cloud.tokens.of_access(shown["access_token"])
    assert pair and not pair.spent and not land.cloud.tokens.expired(pair)
    assert shown["client_endpoint"].startswith("https://") and shown["client_endpoint"].endswith("/rest/")
    return shown


@BOTH_STORES
def test_it_is_good_for_as_long_as_is_asked_for(land):
    portal = land.active()
    count = len(land.renewals())
    first = is_good(land, token(land).stdout)
    assert token(land, "--portal", portal.member_id, "--min", "50m").stdout.decode().strip() == json.dumps(
        first, separators=(",", ":"))
    assert len(land.renewals()) == count, "it was good already"
    shorten(land, 10 * MINUTES)
    assert is_good(land, token(land).stdout)["access_token"] == first["access_token"]
    assert is_good(land, token(land, "--min", "11m").stdout)["access_token"] != first["access_token"]
    shorten(land, 4 * MINUTES)
    is_good(land, token(land).stdout)
    assert len(land.renewals()) == count + 2
    assert land.cloud.records.spent_twice() == []


@BOTH_STORES
def test_many_at_once_cause_one_renewal(land):
    land.active()
    count = len(land.renewals())
    shorten(land, 0)
    land.cloud.faults.order("slow", method="oauth/token", seconds=0.5)
    asking = [subprocess.Popen([land.site.binary, "token", "--config", land.site.config], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, cwd="/", **as_user(land.site.user)) for _ in range(8)]
    answers = {one.communicate(timeout=60) for one in asking}
    assert len(answers) == 1 and [one.returncode for one in asking] == 8 * [0], answers
    is_good(land, answers.pop()[0])
    assert len(land.renewals()) == count + 1
    assert land.cloud.records.spent_twice() == []


def failed(done, status, part):
    assert done.returncode == status, done
    assert done.stdout == b"" and part in done.stderr.decode(), done
    assert done.stderr.startswith(b"bxhook: ") and done.stderr.count(b"\n") == 1


def test_its_exit_status_says_whether_trying_again_helps(land):
    failed(token(land, check=False), 78, "no application is installed")
    portal = land.install("acme")
    failed(token(land, check=False), 75, "not verified")
    land.sync()
    failed(token(land, "--portal", "other.bitrix24.com", check=False), 78, "'other.bitrix24.com'")
    failed(token(land, "--min", "51m", check=False), 2, "50m at most")
    shorten(land, 0)
    land.cloud.faults.order("status", method="oauth/token", status=503, body="away")
    failed(token(land, check=False), 75, "status 503")
    portal.paid = False
    failed(token(land, check=False), 75, "PAYMENT_REQUIRED")
    portal.paid = True
    land.cloud.app(land.front.url)
    land.active("second")  # where sync looks at the first one's subscriptions too
    shorten(land, 0)
    failed(token(land, check=False), 78, "there are several portals")
    portal.installations[land.app.client_id].gone = True
    failed(token(land, "--portal", portal.member_id, check=False), 75, "NOT_INSTALLED")
    assert land.state(portal) == "active" and "NOT_INSTALLED" in land.shown(portal)["problem"]
    failed(token(land, "--portal", portal.member_id, check=False), 75, "NOT_INSTALLED")
    land.site.config.rename(land.site.home / "away.conf")
    failed(token(land, check=False), 78, "bxhook.conf")
    (land.site.home / "away.conf").rename(land.site.config)


def test_one_that_is_not_verified_hides_none_that_is(land):
    portal = land.active()
    auth = {"access_token": "z" * 70, "refresh_token": "z" * 70, "expires_in": "3600", "member_id": portal.member_id,
            "user_id": "1", "application_token": "z" * 32, "domain": land.shown(portal)["portal"]}
    body = bitrix.encode({"event": "ONAPPINSTALL", "data": {"VERSION": "1"}, "ts": "1767225600", "auth": auth})
    assert client.fastcgi(land.site.socket, body).status == 200
    assert len(land.installations()) == 2
    for options in ([], ["--portal", portal.member_id], ["--portal", auth["domain"]]):
        is_good(land, token(land, *options).stdout)


def test_on_a_terminal_it_is_not_shown_unasked(land):
    land.active()
    for options, status in (((), 2), (("--secrets",), 0)):
        main, side = pty.openpty()
        done = subprocess.Popen([land.site.binary, "token", "--config", land.site.config, *options], stdin=side,
                                stdout=side, stderr=subprocess.PIPE, cwd="/", **as_user(land.site.user))
        os.close(side)
        shown = b""
        try:
            while part := os.read(main, 4096):
                shown += part
        except OSError:  # the other side is closed
            pass
        os.close(main)
        assert done.wait(20) == status
        assert (b"access_token" in shown) == (status == 0)
        if status:
            assert b"--secrets" in done.stderr.read()
        done.stderr.close()


HOOK = """cat > /dev/null
exec "$BXHOOK" token {options} > {out}/$BX_HOOK.new 2>> {out}/$BX_HOOK.errors
"""


@BOTH_STORES
def test_in_a_hook_the_portal_is_the_events(land):
    """Another one takes `call any`."""
    site = land.site
    first, second = land.active("first"), land.active("second")
    for name, options in (("own", ""), ("foreign", f"--portal {second.member_id}"),
                          ("free", f"--portal {second.member_id}")):
        site.hook(f"{name}.disabled", HOOK.format(options=options, out=site.out))
    more = "".join(f"hook {name} {{ event ONCRMDEALADD run {site.hooks}/{name}.disabled attempts 1 {extra} }}\n"
                   for name, extra in (("own", ""), ("foreign", ""), ("free", "call any")))
    land.configure(more=more)
    wait_for(lambda: site.run("check", "--print").stdout.count(b"ONCRMDEALADD") == 3, "the hooks")
    post = first.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": "7"}}).wait()
    number = json.loads(post.answer)["event"]
    site.run("work", "--once")
    states = {line["hook"]: line["state"] for line in site.list() if line["event"] == number}
    assert states == {"own": "done", "foreign": "dead", "free": "done"}
    portal_of = {name: land.cloud.tokens.of_access(json.loads((site.out / f"{name}.new").read_text())["access_token"])
                 .installation.portal for name in ("own", "free")}
    assert portal_of == {"own": first, "free": second}
    assert "add `call any` to hook 'foreign'" in (site.out / "foreign.errors").read_text()
    for path in site.out.glob("*.new"):
        path.unlink()


WAITS = """cat > /dev/null
echo $$ > {out}/$BX_ATTEMPT.session
"$BXHOOK" token > {out}/$BX_ATTEMPT.token
"""


def in_session(leader):
    """Pids of LEADER's session."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(entry.read_text().rpartition(")")[2].split()[3]) == leader:
                found.append(int(entry.parent.name))
    return found


def kill_session(land, delivery, leader):
    pids = in_session(leader)
    assert len(pids) > 1, "the shell and what waits"
    for pid in pids:
        kill(pid)


def cancel(land, delivery, leader):
    land.site.run("cancel", "--kill", delivery)
    wait_for(lambda: land.site.list()[0]["state"] == "cancelled" and not in_session(leader), "its end")


@BOTH_STORES
@pytest.mark.parametrize("end", [kill_session, cancel])
def test_the_death_of_a_hook_that_waits_costs_no_token(land, end):
    """The renewal that it waits for goes on, and the next attempt finds what it got."""
    site, portal = land.site, land.active()
    count, seen = len(land.renewals()), land.seen(portal)
    shorten(land, 0)
    site.hook("ONCRMDEALADD", WAITS.format(out=site.out))
    held = land.cloud.faults.order("slow", method="oauth/token", seconds=60)
    number = json.loads(portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": "7"}}).wait().answer)["event"]
    worker = site.work()
    wait_for(lambda: held.hit == 1, "the renewal to ask")
    end(land, f"{number}/ONCRMDEALADD", int((site.out / "1.session").read_text()))
    held.release()
    wait_for(lambda: land.seen(portal) != seen, "what was answered to be stored")
    if end is kill_session:
        assert site.delivery(number, "ONCRMDEALADD")["attempts"][0]["signal"] == "SIGKILL"
        text = (site.out / "2.token").read_text()
    else:
        text = token(land).stdout
    worker.stop()
    is_good(land, text)
    assert len(land.renewals()) == count + 1 and land.cloud.records.spent_twice() == []
    for path in site.out.glob("*.token"):
        path.unlink()
