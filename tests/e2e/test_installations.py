"""Installations of an application: what the gateway takes, holds and refuses, in every way to host it."""

import json
import os
import re
import shutil
import signal
import time

import pytest

import bitrix
import client
from hosts import BOTH_STORES
from scratch import ROOT, wait_for

APP = "app {\n client_id local.67f0c1a2b3c4d5.01234567\n client_secret Nq3v7yB1xRk0mWc8ZtLs5uHd2JfPgAe9\n}\n"
HELD = {"status": "ok", "event": None}
ACCESS = "10c75569006e1354000000010000000100000700c0ffee"
REFRESH = "00467d69006e1354000000010000000100000700c0ffee"


def token(name):
    """Not one of another test's."""
    return f"0f0e0d0c0b0a0908{name:>016}"


def auth(member, name, domain="new.bitrix24.com"):
    return bitrix.auth(token(name), member, domain) | {"access_token": ACCESS, "refresh_token": REFRESH,
                                                       "user_id": "1"}


def install(member, name, **changes):
    return bitrix.encode({"event": "ONAPPINSTALL", "event_handler_id": "11",
                          "data": {"VERSION": "1", "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": "en"},
                          "ts": "1767225600", "auth": auth(member, name) | changes})


def deal(member, name, number="7"):
    return bitrix.encode({"event": "ONCRMDEALUPDATE", "event_handler_id": "12", "ts": "1767225601",
                          "data": {"FIELDS": {"ID": number}}, "auth": auth(member, name)})


def page(member, name=None, placement="DEFAULT"):
    fields = {"AUTH_ID": ACCESS, "AUTH_EXPIRES": "3600", "REFRESH_ID": REFRESH,
              "SERVER_ENDPOINT": "https://oauth.bitrix.info/rest/"}
    if name:
        fields["APPLICATION_TOKEN"] = token(name)
        bitrix.sent_secrets.add(token(name))
    return bitrix.encode(fields | {"member_id": member, "status": "L", "PLACEMENT": placement})


def portals(site):
    shown = json.loads(site.run("portals", "--json").stdout)
    return {one["member_id"]: one for one in shown if one["source"] == "installed"}


def test_every_way_to_host_it_holds_an_installation(hosted):
    hosted.site.configure(more=APP)
    url = hosted.url
    answer = wait_for(lambda: (got := client.post(url, install("mode", "1"))).status == 200 and got,
                      "the app block to count")
    assert answer.json == HELD
    assert client.post(url, deal("mode", "1")).json == HELD
    assert client.post(url, deal("mode", "2")).status == 403
    shown = portals(hosted.site)["mode"]
    assert (shown["state"], shown["held"], shown["portal"]) == ("pending", 2, "new.bitrix24.com")
    answer = client.post(url + "?DOMAIN=pages.bitrix24.com&PROTOCOL=1&APP_SID=x", page("pages", "3"))
    assert answer.status == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert b"BX24.installFinish()" in answer.body and b"pages" not in answer.body
    assert not {"x-frame-options", "content-security-policy", "set-cookie"} & set(answer.headers)
    assert portals(hosted.site)["pages"]["portal"] == "pages.bitrix24.com"
    # What the configuration's portal sends is an event as ever.
    assert client.post(url, bitrix.body("ONCRMDEALADD")).event


@BOTH_STORES
def test_posts_wait_for_their_installation_and_for_nothing_else(quiet):
    quiet.configure(worker="start manual", more=APP)
    answers = wait_for(lambda: (got := client.fastcgi(quiet.socket, install("m1", "1"))).status == 200 and got,
                       "the app block to count")
    assert answers.json == HELD
    for number in range(3):
        assert client.fastcgi(quiet.socket, deal("m1", "1", str(number))).json == HELD
    assert quiet.list() == [], "held posts are no events"
    status = quiet.status()
    assert (status["held"], status["portals"]) == (4, {"pending": 1, "active": 0, "broken": 0, "gone": 0})
    assert status["unfinished"] == 0 and status["level"] == "attention"
    assert b"1 installation waits to be verified, with 4 held posts: new.bitrix24.com" in quiet.run("status").stdout
    shown = quiet.run("portals", "m1").stdout.decode()
    assert re.search(r"state +pending", shown) and re.search(r"held +4 posts", shown)
    assert quiet.run("portals", "m2", check=False).returncode == 1
    # It outlives the gateway.
    quiet.gateway.kill()
    quiet.serve()
    assert client.fastcgi(quiet.socket, deal("m1", "1")).json == HELD
    # forget: what was held is gone, and its token wrong.
    assert quiet.run("portals", "forget", "m1", check=False).returncode == 2
    assert quiet.run("portals", "forget", "m1", "--local", check=False).returncode == 2, "nobody was asked"
    done = quiet.run("portals", "forget", "NEW.bitrix24.com", "--local", "--yes")
    assert done.stdout == b"erased the installation on new.bitrix24.com\n"
    assert portals(quiet) == {}
    assert quiet.status()["held"] == 0
    assert client.fastcgi(quiet.socket, deal("m1", "1")).status == 403


@BOTH_STORES
def test_those_that_are_not_verified_are_forgotten_together(quiet):
    quiet.configure(worker="start manual", more=APP)
    wait_for(lambda: client.fastcgi(quiet.socket, install("m1", "1")).status == 200, "the app block to count")
    assert client.fastcgi(quiet.socket, install("m1", "2")).json == HELD
    assert client.fastcgi(quiet.socket, install("m2", "1")).json == HELD
    forget = ("portals", "forget", "m1", "--local", "--yes")
    refused = quiet.run(*forget, check=False)
    assert refused.returncode == 2 and b"all that are not verified with --unverified" in refused.stderr
    done = quiet.run(*forget, "--unverified")
    assert done.stdout == b"erased 2 installations that are not verified on m1\n"
    assert set(portals(quiet)) == {"m2"}
    assert quiet.run(*forget, "--unverified", check=False).returncode == 1


def test_without_an_app_block_the_log_names_it(quiet):
    assert client.fastcgi(quiet.socket, install("m1", "1")).status == 403
    assert client.fastcgi(quiet.socket, page("m1")).status == 403
    wait_for(lambda: quiet.log().count("add to the configuration: app { client_id ... client_secret ... }") == 2,
             "both to be in the log")
    assert portals(quiet) == {}


def test_check_says_what_a_person_can_mend(quiet):
    quiet.configure(worker="start manual", more=APP)
    wait_for(lambda: client.fastcgi(quiet.socket, install("p0", "1")).status == 200, "the app block to count")
    checked = quiet.run("check", check=False).stdout.decode()
    assert "wait to be verified came from" not in checked
    for number in range(1, 20):
        assert client.fastcgi(quiet.socket, install(f"p{number}", "1")).json == HELD
    checked = " ".join(quiet.run("check", check=False).stdout.decode().split())
    assert "all 20 installations that wait to be verified came from 192.0.2.7" in checked
    assert client.fastcgi(quiet.socket, install("other", "1"), REMOTE_ADDR="198.51.100.7").json == HELD
    assert "wait to be verified came from" not in " ".join(quiet.run("check", check=False).stdout.decode().split())
    # One that broke, and one whose block is not there.
    quiet.change_store("UPDATE %installation SET state = 2, client_id = 'local.67f0c1a2b3c4d5.01234567', "
                       "problem = 'invalid_grant' WHERE member_id = 'p1'")
    quiet.change_store("UPDATE %installation SET state = 1, client_id = 'local.other' WHERE member_id = 'p2'")
    checked = " ".join(quiet.run("check", check=False).stdout.decode().split())
    assert "new.bitrix24.com (local.67f0c1a2b3c4d5.01234567): invalid_grant" in checked
    assert "reinstall the application on that portal" in checked
    assert "no `app` block has its client_id: its tokens are not renewed" in checked
    assert "app { client_id local.other client_secret ... }" in checked
    shown = " ".join(quiet.run("status", check=False).stdout.decode().split())
    assert "1 installation is broken, its tokens cannot be renewed: new.bitrix24.com (local.67f0c1a2b3c4d5.01234567)" in shown


@BOTH_STORES
def test_status_names_the_oldest_five_of_those_that_wait(quiet):
    quiet.configure(worker="start manual", more=APP)
    wait_for(lambda: client.fastcgi(quiet.socket, install("p0", "1")).status == 200, "the app block to count")
    for number in range(1, 7):
        assert client.fastcgi(quiet.socket, install(f"p{number}", "1")).json == HELD
    for number in range(7):  # the youngest was made first
        quiet.change_store(f"UPDATE %installation SET domain = 'd{number}', installed_at = installed_at - {number}000 "
                           f"WHERE member_id = 'p{number}'")
    [problem] = [line for line in quiet.status()["problems"] if "wait to be verified" in line]
    assert "7 installations wait to be verified, with 7 held posts: d6, d5, d4, d3, d2 and 2 more" in problem
    # Of one that is active and cannot tell which posts are its own, these reach no hook.
    quiet.change_store("UPDATE %installation SET state = 1, client_id = 'local.1', application_token = NULL "
                       "WHERE member_id = 'p3'")
    problems = " ".join(quiet.status()["problems"])
    assert "1 active installation has no application_token yet, and posts that are held until one is proven: " \
           "d3 (local.1)" in problems
    assert "6 installations wait to be verified" in problems


FORGED = {
    "access token with a line end": {"access_token": "12345678\noutput = /etc/passwd"},
    "refresh token with a quote": {"refresh_token": '12345678"'},
    "access token of 3,000 bytes": {"access_token": "a" * 3000},
    "no refresh token": {"refresh_token": ""},
    "member_id with a blank": {"member_id": "m 1"},
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_installation_leaves_nothing(quiet, what):
    quiet.configure(worker="start manual", more=APP)
    wait_for(lambda: client.fastcgi(quiet.socket, install("good", "1")).status == 200, "the app block to count")
    answer = client.fastcgi(quiet.socket, install("m1", "2", **FORGED[what]))
    assert answer.status in (400, 403)
    assert set(portals(quiet)) == {"good"}


@BOTH_STORES
def test_a_flood_of_forged_installations_leaves_room_for_a_real_one(quiet):
    """A thousand from one address, and in the middle of them one from another."""
    quiet.configure(worker="start manual", more=APP)
    wait_for(lambda: client.fastcgi(quiet.socket, install("first", "1"), REMOTE_ADDR="192.0.2.1").status == 200,
             "the app block to count")
    answers, began = [], time.monotonic()
    for number in range(1000):
        if number == 500:
            real = client.fastcgi(quiet.socket, install("real", "2"), REMOTE_ADDR="198.51.100.7")
            assert real.json == HELD
        answers.append(client.fastcgi(quiet.socket, install(f"f{number}", "3"), REMOTE_ADDR="203.0.113.9").status)
    assert set(answers) <= {200, 503}
    shown = portals(quiet)
    assert len(shown) == 100 and {"first", "real"} <= set(shown)
    replaced = re.findall("installation erased: too many wait to be verified, a newcomer took its place "
                          r"portal=(\S+) peer=203\.0\.113\.9 count=\d+\n", quiet.log())
    assert 0 < len(replaced) <= time.monotonic() - began + 2, "a line a second"
    assert set(replaced) <= {"new.bitrix24.com"}
    began = time.monotonic()
    assert client.fastcgi(quiet.socket, bitrix.body("ONCRMDEALADD")).event
    assert time.monotonic() - began < 5


def test_a_list_names_portals_where_there_may_be_several(quiet):
    assert client.fastcgi(quiet.socket, bitrix.body("ONCRMDEALADD")).event
    assert b"PORTAL" not in quiet.run("list").stdout
    quiet.configure(worker="start manual", more=APP)
    assert b"PORTAL" in quiet.run("list").stdout


def cgi(site, body):
    env = client.cgi_variables(body) | {"BXHOOK_CONFIG": str(site.config)}
    return client.parse_cgi(site.run(input=body, env=env).stdout)


def test_by_cgi_a_page_that_brings_nothing_starts_no_worker(site):
    site.configure(more=APP)
    empty = bitrix.encode({"AUTH_ID": "", "member_id": "x", "PLACEMENT": "DEFAULT"})
    assert cgi(site, empty).status == 200
    assert not site.processes()
    assert cgi(site, bitrix.body("ONCRMDEALADD")).event == 1
    wait_for(site.processes, "the worker that an event starts")


def test_by_cgi_posts_go_on_where_the_store_is_put_back_from_a_copy(site):
    site.configure(worker="start manual", more=APP)
    assert cgi(site, install("m1", "1")).json == HELD
    site.configure(worker="start manual")
    for mark in (site.home / "state").glob("*.installed"):
        mark.unlink()
    site.run("work", "--once")
    assert cgi(site, deal("m1", "1")).json == HELD
    assert cgi(site, deal("m1", "2")).status == 403


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_by_cgi_what_is_refused_asks_a_server_for_installations_every_few_seconds_alone(site):
    site.configure(worker="start manual")
    trace, note = site.run_dir / "trace", site.home / "state" / "worker.none-installed"

    def asks(body, status):
        env = client.cgi_variables(body) | {"BXHOOK_CONFIG": str(site.config)}
        under = ["strace", "-D", "-o", trace, "-e", "trace=connect"]
        assert client.parse_cgi(site.run(input=body, env=env, under=under).stdout).status == status
        wait_for(lambda: "exited with 0" in trace.read_text(), "the end of the trace")
        return "connect(" in trace.read_text()
    foreign = deal("nobody", "1")
    assert asks(foreign, 403)
    assert not asks(foreign, 403)
    assert asks(bitrix.body("ONCRMDEALADD"), 200)
    # It is old, of a clock that was ahead, or of another store.
    for age in (6, -60):
        os.utime(note, (time.time() - age,) * 2)
        assert asks(foreign, 403)
        assert not asks(foreign, 403)
    note.write_text("x" * 32)
    assert asks(foreign, 403)
    # With an application any token may be that of one that waits.
    site.configure(worker="start manual", more=APP)
    assert asks(foreign, 403)
    assert cgi(site, install("m1", "1")).json == HELD
    os.utime(note, (0, 0))
    site.configure(worker="start manual")
    for _ in range(2):
        assert asks(foreign, 403)
    assert cgi(site, deal("m1", "1")).json == HELD


def test_by_cgi_posts_go_on_when_the_block_is_taken_away(site):
    def ask(body):
        return cgi(site, body)
    site.configure(worker="start manual", more=APP)
    assert ask(install("m1", "1")).json == HELD
    site.configure(worker="start manual")
    assert ask(deal("m1", "1")).json == HELD
    assert ask(deal("m1", "2")).status == 403
    assert ask(install("m2", "1")).status == 403


# A gateway's first commit is of its opening of the store.
PLACES = [f"{name} {passing}" for name, passings in (("before-commit", (2, 3, 4)), ("after-commit", (2, 3, 4)),
                                                     ("before-answer", (1, 2, 3))) for passing in passings]


@pytest.fixture
def fragile(site, scratch):
    """The site with the program that ends itself at fault points."""
    program = ROOT / os.environ.get("BUILD", "build") / "bxhook-faults"
    assert program.is_file(), f"no program {program}: run make {program}"
    site.configure(worker="start manual", more=APP)
    site.serve()
    site.gateway.stop()  # there is a store: what is committed from now on is committed by the test
    site.binary = shutil.copy(program, scratch.bin / "bxhook-faults")
    return site


@pytest.mark.parametrize("place", PLACES)
def test_a_gateway_killed_while_it_holds_loses_nothing_that_was_answered(fragile, place):
    fragile.env["BXHOOK_FAULT"] = place
    fragile.serve()
    answered, sent = [], 0
    while fragile.gateway.running() and sent < 20:
        sent += 1
        try:
            assert client.fastcgi(fragile.socket, install(f"m{sent}", "1")).json == HELD
            answered.append(f"m{sent}")
        except (OSError, EOFError):
            wait_for(lambda: not fragile.gateway.running(), "the end at the fault point")
    assert sent < 20 and fragile.gateway.popen.returncode == -signal.SIGKILL
    del fragile.env["BXHOOK_FAULT"]
    fragile.serve()
    assert client.fastcgi(fragile.socket, install("last", "1")).json == HELD
    shown = portals(fragile)
    assert {*answered, "last"} <= set(shown) <= {f"m{number}" for number in range(1, sent + 1)} | {"last"}
    assert all(one["held"] == 1 for one in shown.values())
