"""portals import and export: installations of those who kept their tokens until now."""

import contextlib
import json
import re
import subprocess
from pathlib import Path

import pytest

import bitrix
import clouds
from clouds import land
import leaks
from hosts import BOTH_STORES, Host
from scratch import as_user, wait_for, write


class Vendor:
    """A portal on which the application was installed before there was a bxhook."""

    def __init__(self, land, name):
        self.portal = land.cloud.portal(name)
        self.installation = self.portal.add(land.app)
        self.pair = land.cloud.tokens.issue(self.installation, self.installation.user)
        self.member_id, self.client_id = self.portal.member_id, land.app.client_id

    def line(self, **changes):
        return json.dumps({"member_id": self.member_id, "client_id": self.client_id,
                           "refresh_token": self.pair.refresh,
                           "application_token": self.installation.application_token} | changes)


def vendors(land, *names):
    return [Vendor(land, name) for name in names]


def take(land, text, *options, mode=0o600, check=True, name="portals.jsonl"):
    """`portals import` of a file with TEXT."""
    path = write(land.site.home / name, text, mode, land.site.user)
    return land.site.run("portals", "import", path, *options, check=check)


def said(done):
    return done.stdout.decode().strip()


def states(land):
    return {one["member_id"]: one["state"] for one in land.installations()}


def sends(land, vendor):
    """A post of VENDOR's portal: its answer."""
    post = vendor.portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": "7"}}, vendor.installation.user).wait()
    return post.status, json.loads(post.answer)


@BOTH_STORES
def test_each_portal_is_proven_and_active_at_once(land):
    all_three = vendors(land, "one", "two", "three")
    text = "\n".join(vendor.line() for vendor in all_three)
    assert said(take(land, text)) == "imported 3 portals, 0 were there, 0 failed"
    assert states(land) == {vendor.member_id: "active" for vendor in all_three}
    assert all(one["portal"] for one in land.installations())
    for vendor in all_three:
        status, answer = sends(land, vendor)
        assert status == 200 and answer["event"]
    # Again: they keep the tokens they have, which are newer.
    count = len(land.renewals())
    assert count == 3
    assert said(take(land, text)) == "imported 0 portals, 3 were there, 0 failed"
    assert len(land.renewals()) == count
    for vendor in all_three:
        access = json.loads(land.site.run("token", "--portal", vendor.member_id).stdout)["access_token"]
        assert not land.cloud.tokens.of_access(access).spent
        assert land.shown(vendor.portal)["user_id"] == str(vendor.installation.user.id)
    # From here on it is as any other: bound, so that its end is heard of.
    land.sync()
    all_three[0].portal.uninstall(land.app)
    land.cloud.outbox.drain()
    land.site.run("work", "--once")
    assert states(land)[all_three[0].member_id] == "gone"
    assert land.cloud.records.spent_twice() == []


@BOTH_STORES
def test_one_that_is_not_proven_yet_is_subscribed_later(land):
    vendor = Vendor(land, "one")
    slow = land.cloud.faults.order("slow", method="oauth/token", seconds=3.0)
    path = write(land.site.home / "portals.jsonl", vendor.line() + "\n", 0o600, land.site.user)
    coming = land.site.start([land.site.binary, "portals", "import", path, "--config", land.site.config], "import.log")
    wait_for(lambda: slow.hit == 1, "the renewal to ask")
    land.site.run("sync", "--due")  # as the worker does meanwhile
    wait_for(lambda: not coming.running(), "the import", limit=30)
    assert states(land) == {vendor.member_id: "active"}
    land.sync()
    assert [one.event for one in land.cloud.subscriptions.of(vendor.installation)] == ["ONAPPUNINSTALL"]


def test_a_server_that_does_not_know_the_token_is_not_believed_alone(site):
    """The portal's own server is away, and the other one has never heard of its tokens."""
    with clouds.on(site, names=True) as land:
        vendor = Vendor(land, "one")
        take(land, vendor.line())
        land.site.change_store("UPDATE %installation SET server = NULL")
        land.cloud.faults.order("error", method="oauth/token", host="oauth.bitrix.info", error="invalid_grant", status=400)
        land.cloud.faults.order("reset", method="oauth/token", host="oauth.bitrix24.tech")
        assert land.renew(vendor.portal, check=False) != "0 \n"
        assert states(land) == {vendor.member_id: "active"}


def test_the_server_that_renewed_is_asked_alone_from_then_on(site):
    with clouds.on(site, names=True) as land:
        vendor = Vendor(land, "one")
        land.cloud.faults.order("error", method="oauth/token", host="oauth.bitrix.info", error="wrong_client", status=200)
        take(land, vendor.line())
        assert land.renew(vendor.portal) == "0 \n"
        assert [one.host for one in land.renewals(ran=False)] == \
            ["oauth.bitrix.info", "oauth.bitrix24.tech", "oauth.bitrix24.tech"]


@BOTH_STORES
def test_each_bad_line_is_named_and_the_others_are_taken(land):
    good, spent, foreign, late = vendors(land, "good", "spent", "foreign", "late")
    land.cloud.tokens.renew(spent.pair)
    lines = [good.line(), "nonsense", spent.line(), foreign.line(member_id="0123456789abcdef0123456789abcdef"),
             late.line(client_id="local.other"), late.line(refresh_token="short")]
    done = take(land, "\n".join(lines), check=False)
    assert done.returncode == 1
    assert said(done) == "imported 1 portal, 0 were there, 5 failed"
    errors = done.stderr.decode().splitlines()
    for number, part in ((2, "not a JSON object"), (3, "invalid_grant"), (4, "another portal"),
                         (5, "no `app` block has client_id 'local.other'"), (6, "refresh_token")):
        found = [line for line in errors if f"portals.jsonl: line {number}: " in line]
        assert len(found) == 1 and part in found[0], (number, errors)
    assert states(land) == {good.member_id: "active"}, "what no token proves is erased again"
    assert sends(land, spent)[0] == 403
    # Mended, the same file goes on.
    done = take(land, "\n".join([good.line(), late.line()]))
    assert said(done) == "imported 1 portal, 1 were there, 0 failed"


@BOTH_STORES
def test_what_is_installed_while_its_line_is_refused_is_not_erased(land):
    other, portal = Vendor(land, "other"), land.cloud.portal("acme")
    text = other.line(member_id=portal.member_id)
    path = write(land.site.home / "portals.jsonl", text, 0o600, land.site.user)
    answer = land.cloud.faults.order("slow", method="oauth/token", seconds=60, after=True)
    coming = land.site.start([land.site.binary, "portals", "import", path, "--config", land.site.config], "import.log")
    wait_for(lambda: answer.hit == 1, "the renewal to ask")
    portal.install(land.app).wait()
    land.sync(check=False)  # what the import has begun cannot be bound yet
    assert states(land) == {portal.member_id: "active"}
    answer.release()
    wait_for(lambda: not coming.running(), "the import", limit=30)
    assert "another portal" in coming.text()
    assert states(land) == {portal.member_id: "active"}
    assert land.renew(portal) == clouds.DONE


def test_a_file_that_others_may_read_is_refused(land):
    vendor, = vendors(land, "one")
    for mode in (0o644, 0o640, 0o604):
        done = take(land, vendor.line(), mode=mode, check=False)
        assert done.returncode == 1 and b"chmod 600 " in done.stderr
    assert states(land) == {} and land.renewals() == []
    assert land.site.run("portals", "import", "-", input=vendor.line().encode()).returncode == 0
    assert states(land) == {vendor.member_id: "active"}


def test_a_table_has_a_header(land):
    one, two = vendors(land, "one", "two")
    rows = [";".join(("Member_ID", "Name", "refresh_token", "application_token"))]
    rows += [f'{vendor.member_id};"A; B";{vendor.pair.refresh};{vendor.installation.application_token}'
             for vendor in (one, two)]
    assert said(take(land, "\r\n".join(rows), name="vendors.csv")) == "imported 2 portals, 0 were there, 0 failed"
    assert sends(land, two)[0] == 200
    done = take(land, "just words\n", check=False)
    assert done.returncode == 1 and b"neither JSON nor a table" in done.stderr


def test_of_crest_the_application_token_has_to_come(land):
    """It keeps there what the page was called with."""
    vendor, = vendors(land, "one")
    settings = {"access_token": vendor.pair.access, "expires_in": "3600", "application_token": "0123456789abcdef",
                "refresh_token": vendor.pair.refresh, "domain": vendor.portal.domain,
                "client_endpoint": f"https://{vendor.portal.domain}/rest/", "member_id": vendor.member_id}
    assert said(take(land, json.dumps(settings, indent=4), name="settings.json")).startswith("imported 1 portal,")
    shown = land.shown(vendor.portal)
    assert shown["state"] == "active" and "application_token has not come yet" in shown["problem"]
    status, answer = sends(land, vendor)
    assert (status, answer["event"]) == (200, None), "held until it is proven"
    land.sync()
    assert land.shown(vendor.portal)["problem"] is None
    assert sends(land, vendor)[1]["event"]
    assert len(land.codes()) == 2, "what was held is an event too"


@BOTH_STORES
def test_while_the_server_is_away_nothing_is_lost(land):
    one, two = vendors(land, "one", "two")
    text = one.line() + "\n" + two.line() + "\n"
    land.cloud.faults.order("status", method="oauth/token", status=503, body="away", times=50)
    done = take(land, text, check=False)
    assert done.returncode == 1
    assert said(done) == "imported 0 portals, 0 were there, 1 failed, 1 not tried"
    assert states(land) == {one.member_id: "broken"}
    assert "not proven yet" in land.shown(one.portal)["problem"]
    assert "'bxhook portals import FILE' once more" in land.shown(one.portal)["fix"]
    assert sends(land, one)[0] == 200, "its application_token is the person's word"
    land.cloud.faults.clear()
    assert said(take(land, text)) == "imported 2 portals, 0 were there, 0 failed"
    assert states(land) == {one.member_id: "active", two.member_id: "active"}
    assert land.cloud.records.spent_twice() == []


def family(pid):
    """PID and all that it has started."""
    children = [int(word) for thread in Path(f"/proc/{pid}/task").iterdir()
                for word in (thread / "children").read_text().split()]
    return [pid, *(one for child in children for one in family(child))]


def leave_core_files(pids):
    """Those of PIDS that would leave a core file, which has what they work with."""
    return [pid for pid in pids
            if not re.search(r"Max core file size +1 ", Path(f"/proc/{pid}/limits").read_text())]


@pytest.mark.parametrize("method", ["app.info", "oauth/token", "event.bind", "event.unbind"])
def test_what_handles_tokens_shows_none_and_leaves_no_core_file(land, method):
    """Whoever asks for METHOD, and the curl that it starts."""
    portal = land.install() if method in ("app.info", "event.bind") else land.active()
    words = {"oauth/token": ["renew", land.number(portal), "--seen", land.seen(portal)],
             "event.unbind": ["portals", "forget", portal.member_id, "--yes"]}.get(method, ["sync"])
    shown(land, method, words)


@BOTH_STORES
def test_a_token_that_is_printed_is_shown_nowhere_else(land):
    land.active()
    land.site.change_store("UPDATE %installation SET token_expires_at = 1")
    shown(land, "oauth/token", ["token"])


def shown(land, method, words):
    """`bxhook WORDS`, held up while it asks for METHOD."""
    before = len(land.cloud.records.of(method, done=False))
    slow = land.cloud.faults.order("slow", method=method, seconds=20)
    asking = subprocess.Popen([land.site.binary, *map(str, words), "--config", land.site.config],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", **as_user(land.site.user))
    land.cloud.records.wait(method, before + 1, done=False)
    bitrix.sent_secrets.update(land.cloud.secrets())
    started = family(asking.pid)
    assert len(started) >= 2, "curl too"
    assert leave_core_files(started) == []
    assert leaks.search(leaks.processes(started)) == []
    slow.release()
    out, err = asking.communicate(timeout=30)
    bitrix.sent_secrets.update(land.cloud.secrets())
    assert asking.returncode == 0
    assert leaks.search({"errors": err} | ({} if words == ["token"] else {"output": out})) == []


def test_a_copy_shows_none_and_leaves_no_core_file(scratch, database, site):
    """Tokens and held posts, moved into another store."""
    mover = Host(scratch, database, "mover")
    with clouds.on(site) as land:
        land.active()
        pending = land.install("pending")
        pending.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": 7}}, pending.admin()).wait()
        bitrix.sent_secrets.update(land.cloud.secrets())
        mover.configure(worker="start manual", more=land.cloud.conf(land.app))
        with contextlib.closing(database.connect()) as holder:
            holder.autocommit = False
            holder.cursor().execute("LOCK TABLE bxhook.installation IN ACCESS EXCLUSIVE MODE")
            copy = mover.start([mover.binary, "store", "copy", "--from", site.home / site.store, "--config",
                                mover.config], "copy.log")
            wait_for(lambda: database.sql("SELECT true FROM pg_locks WHERE NOT granted"), "the copy to wait")
            assert leave_core_files([copy.pid]) == []
            assert leaks.search(leaks.processes([copy.pid])) == []
            holder.rollback()
        wait_for(lambda: not copy.running(), "the copy to end")
        assert "moved 2 installations and 2 held posts" in copy.text()
        assert leaks.search({"what it said": copy.text()} | leaks.reports(mover)) == []
    mover.stop()


def test_no_secret_is_in_a_process_or_said(land):
    one, spent = vendors(land, "one", "spent")
    land.cloud.tokens.renew(spent.pair)
    path = write(land.site.home / "portals.jsonl", one.line() + "\n" + spent.line(), 0o600, land.site.user)
    slow = land.cloud.faults.order("slow", method="oauth/token", seconds=20)
    importing = land.site.start([land.site.binary, "portals", "import", path, "--config", land.site.config],
                                "import.log")
    land.cloud.records.wait("oauth/token", done=False)
    bitrix.sent_secrets.update(land.cloud.secrets())
    running = land.site.processes()
    assert len(running) >= 2 * 3, "gateway, import, renewal"
    assert leaks.search(running) == []
    started = family(importing.pid)
    assert len(started) >= 3, "import, renewal, curl"
    assert leave_core_files(started) == []
    slow.release()
    wait_for(lambda: not importing.running(), "the import to end", limit=30)
    assert "invalid_grant" in importing.text()
    bitrix.sent_secrets.update(land.cloud.secrets())
    assert leaks.search({"what it said": importing.text()} | leaks.reports(land.site)) == []


@BOTH_STORES
def test_what_is_exported_can_be_imported(land):
    one, two = vendors(land, "one", "two")
    take(land, one.line() + "\n" + two.line())
    assert land.site.run("portals", "export", check=False).returncode == 2
    exported = land.site.run("portals", "export", "--secrets").stdout.decode()
    lines = [json.loads(line) for line in exported.splitlines()]
    assert [set(line) for line in lines] == 2 * [{"member_id", "client_id", "refresh_token",
                                                  "application_token_sha256"}]
    assert one.installation.application_token not in exported
    for vendor in (one, two):
        land.site.run("portals", "forget", vendor.member_id, "--local", "--yes")
    assert states(land) == {}
    assert said(take(land, exported)) == "imported 2 portals, 0 were there, 0 failed"
    assert sends(land, two)[0] == 200
    assert land.cloud.records.spent_twice() == []


def test_an_export_that_others_could_read_is_refused(land):
    vendor, = vendors(land, "one")
    site = land.site
    take(land, vendor.line())
    for mode, wanted in ((0o644, 1), (0o600, 0)):
        path = write(site.home / "export", b"", mode, site.user)
        with path.open("wb") as out:
            done = subprocess.run([site.binary, "portals", "export", "--secrets", "--config", site.config], stdout=out,
                                  stderr=subprocess.PIPE, timeout=30, cwd="/", **as_user(site.user))
        assert done.returncode == wanted, done
        assert (path.stat().st_size > 0) == (wanted == 0)
