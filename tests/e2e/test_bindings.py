"""What an application subscribes to on a portal: shown, made, taken back, and kept."""

import json

import pytest

import clouds
from clock import Clock
from clouds import land, portal
from hosts import BOTH_STORES
from scratch import wait_for
from test_check import finds, type_in

OURS = "ONAPPUNINSTALL"


def wants(land, *globs, url=None, **more):
    """The `app` block has these `events`."""
    lines = "".join(f"    events {glob}\n" for glob in globs)
    conf = land.cloud.conf(land.app).replace("    client_secret", f"{lines}    client_secret", 1)
    if url:
        conf = conf.replace(f"    url           {land.app.url}", f"    url {url}", 1)
    land.site.configure(worker="start manual", more=conf, **more)


def bound(land, portal):
    """{(event, handler)} on PORTAL."""
    installation = portal.installations[land.app.client_id]
    return {(one.event, one.handler) for one in land.cloud.subscriptions.of(installation)}


def here(land, *events):
    return {(event, land.app.url) for event in events}


def run(land, *words, code=0):
    done = land.site.run(*words, check=False)
    assert done.returncode == code, done
    return done.stdout.decode().splitlines(), done.stderr.decode()


def add(land, portal, event, handler=None, **more):
    """As somebody else of the application does."""
    from portal.subscriptions import Binding
    installation = portal.installations[land.app.client_id]
    return land.cloud.subscriptions.add(Binding(installation, event, handler or land.app.url, **more))


def asked(land, method):
    return len(land.cloud.records.of(method, done=False))


def test_an_empty_event_is_refused_before_the_portal_is_asked(land):
    for command in ("bind", "unbind"):
        assert "EVENT is empty" in run(land, command, "ONCRMDEALADD", "", code=2)[1]


@BOTH_STORES
def test_it_makes_what_the_app_block_wants_and_once(land):
    portal = land.active()
    wants(land, "ONCRMDEAL*", "ontaskadd")
    lines, _ = run(land, "bind")
    events = {line.removeprefix("bound ") for line in lines}
    assert {"ONCRMDEALADD", "ONCRMDEALUPDATE", "ONTASKADD"} < events
    assert all(event.startswith("ONCRMDEAL") or event == "ONTASKADD" for event in events)
    assert bound(land, portal) == here(land, OURS, *events)
    # What event.get says of whose token comes is a text.
    binds = asked(land, "event.bind")
    assert run(land, "bind") == (["nothing to change"], "")
    assert asked(land, "event.bind") == binds
    shown = json.loads(run(land, "bindings", "--json")[0][0])
    assert {one["event"] for one in shown} == events | {OURS}
    assert {(one["type"], one["wanted"], one["own"], one["handler"]) for one in shown} \
        == {("online", True, True, land.app.url)}


@BOTH_STORES
def test_what_is_not_wanted_any_more_is_unbound_if_it_is_ours(land):
    portal = land.active()
    wants(land, "ONCRMDEALADD", "ONTASK*")
    run(land, "bind")
    add(land, portal, "ONCRMLEADADD")
    add(land, portal, "ONTASKADD", "https://other.example/hook")
    wants(land, "ONCRMDEALADD")
    lines, _ = run(land, "bind")
    assert "unbound ONTASKADD" in lines and "unbound ONTASKUPDATE" in lines
    assert all(line.startswith("unbound ONTASK") for line in lines)
    assert bound(land, portal) == here(land, OURS, "ONCRMDEALADD", "ONCRMLEADADD") | {
        ("ONTASKADD", "https://other.example/hook")}
    assert run(land, "bind")[0] == ["nothing to change"]


def test_foreign_handlers_are_shown_and_left(land, portal):
    add(land, portal, "ONCRMDEALADD", "https://other.example/hook")
    add(land, portal, "ONCRMDEALUPDATE")
    wants(land, "ONTASKADD")
    run(land, "bind")
    shown = {(one["event"], one["handler"]): one for one in json.loads(run(land, "bindings", "--json")[0][0])}
    for key in (("ONCRMDEALADD", "https://other.example/hook"), ("ONCRMDEALUPDATE", land.app.url)):
        assert (shown[key]["wanted"], shown[key]["own"]) == (False, False)
    text = "\n".join(run(land, "bindings")[0])
    assert "https://other.example/hook" in text and "others" in text
    lines, said = run(land, "unbind", "ONCRMDEAL*", code=1)
    assert lines == [] and "others bound it to 'https://other.example/hook', not bxhook" in said
    assert {event for event, _ in bound(land, portal)} == {OURS, "ONTASKADD", "ONCRMDEALADD", "ONCRMDEALUPDATE"}
    # As it says, all the same.
    assert "'bxhook call event.unbind event=ONCRMDEALADD handler=URL'" in said
    run(land, "call", "event.unbind", "event=ONCRMDEALADD", "handler=https://other.example/hook")
    assert {event for event, _ in bound(land, portal)} == {OURS, "ONTASKADD", "ONCRMDEALUPDATE"}


def test_one_that_somebody_else_bound_to_our_url_is_wanted_and_stays_when_it_is_not(land, portal):
    add(land, portal, "ONCRMDEALADD", user=1)
    wants(land, "ONCRMDEALADD")
    assert run(land, "bind")[0] == ["nothing to change"], "whosever token comes, it is there"
    wants(land, "ONTASKADD")
    assert run(land, "bind")[0] == ["bound ONTASKADD"]
    assert ("ONCRMDEALADD", land.app.url) in bound(land, portal)


def test_of_two_that_differ_in_whose_token_comes_ours_alone_is_unbound(land, portal):
    wants(land, "ONCRMDEALADD", "ONTASKADD")
    run(land, "bind")
    add(land, portal, "ONCRMDEALADD", user=2)
    wants(land, "ONTASKADD")
    assert run(land, "bind")[0] == ["unbound ONCRMDEALADD"]
    installation = portal.installations[land.app.client_id]
    assert [one.user for one in land.cloud.subscriptions.of(installation) if one.event == "ONCRMDEALADD"] == [2]


def test_a_url_that_differs_by_a_slash_is_another(land, portal):
    add(land, portal, "ONCRMDEALADD", land.app.url + "/")
    wants(land, "ONCRMDEALADD")
    assert run(land, "bind")[0] == ["bound ONCRMDEALADD"]
    assert bound(land, portal) == here(land, OURS, "ONCRMDEALADD") | {("ONCRMDEALADD", land.app.url + "/")}


def test_with_another_url_what_is_ours_moves_there(land, portal):
    wants(land, "ONCRMDEALADD")
    run(land, "bind")
    run(land, "bind", "ONTASKADD")
    moved = land.app.url.replace("bitrix24", "elsewhere")
    wants(land, "ONCRMDEALADD", url=moved)
    lines, _ = run(land, "bind")
    assert sorted(lines) == sorted(f"{verb} {event}" for verb in ("bound", "unbound")
                                   for event in (OURS, "ONCRMDEALADD", "ONTASKADD"))
    assert bound(land, portal) == {(event, moved) for event in (OURS, "ONCRMDEALADD", "ONTASKADD")}


def test_without_events_what_there_is_stays(land, portal):
    wants(land, "ONCRMDEALADD")
    run(land, "bind")
    land.configure()
    assert run(land, "bind")[0] == ["nothing to change"]
    assert bound(land, portal) == here(land, OURS, "ONCRMDEALADD")


def test_already_bound_is_success(land, portal):
    wants(land, "ONCRMDEALADD")
    add(land, portal, "ONCRMDEALADD")
    land.cloud.faults.order("edit", method="event.get", change={"result": []})
    assert run(land, "bind")[0] == [f"bound {OURS}", "bound ONCRMDEALADD"]
    assert len(land.cloud.records.of("event.bind", done=False)) == 3


def test_one_whose_answer_was_lost_is_asked_for_again(land, portal):
    wants(land, "ONCRMDEALADD")
    land.cloud.faults.order("cut", method="event.bind")
    assert run(land, "bind")[0] == ["bound ONCRMDEALADD"]
    assert bound(land, portal) == here(land, OURS, "ONCRMDEALADD")


def test_who_is_binding_the_same_just_now_is_waited_for(land, portal):
    wants(land, "ONCRMDEALADD")
    land.cloud.faults.order("error", method="event.bind", error="ERROR_CORE", status=400,
                            text="Process already started")
    assert run(land, "bind")[0] == ["bound ONCRMDEALADD"]
    assert run(land, "bind")[0] == ["nothing to change"]


@BOTH_STORES
def test_several_at_once_make_each_once(land):
    portal = land.active()
    wants(land, "ONCRMDEAL*")
    started = [land.site.start([land.site.binary, "bind", "--config", land.site.config], f"bind{number}.log")
               for number in range(3)]
    for one in started:
        wait_for(lambda: not one.running(), "it to end", 60)
        assert "bound" in one.text() or "nothing to change" in one.text(), one.text()
    events = [event for event, _ in bound(land, portal)]
    assert len(events) == len(set(events)) > 3
    assert {event for event, _ in rows(land)} == set(events)


def rows(land):
    """[(event, handler)] that are ours."""
    return [(text(event), text(handler)) for event, handler in
            land.site.query("SELECT event, handler FROM %binding ORDER BY event")]


def text(value):
    return value if isinstance(value, str) else bytes(value).decode()


def test_events_outside_of_the_scope_are_named_and_the_others_bound(land):
    land.app.scope = ("crm",)
    portal = land.active()
    wants(land, "ONCRMDEALADD", "ONTASKADD", "ONVOXIMPLANT*", "ONNOSUCHTHING")
    lines, said = run(land, "bind", code=1)
    assert lines == ["bound ONCRMDEALADD"]
    assert "bind: ONTASKADD: ERROR_EVENT_NOT_FOUND: " in said
    assert "it takes the scope 'task', which the application does not have there" in said
    assert "bind: ONVOXIMPLANT*: it takes the scope 'telephony'" in said
    assert "bind: ONNOSUCHTHING: ERROR_EVENT_NOT_FOUND" in said and "the portal knows no such event" in said
    assert bound(land, portal) == here(land, OURS, "ONCRMDEALADD")
    assert [event for event, _ in rows(land)] == [OURS, "ONCRMDEALADD"]
    # A glob of everything means what there is.
    wants(land, "*")
    lines, said = run(land, "bind")
    assert said == "" and "bound ONCRMLEADADD" in lines and "bound ONTASKADD" not in lines
    assert not {"ONAPPINSTALL", "ONAPPTEST", "ONOFFLINEEVENT"} & {event for event, _ in bound(land, portal)}


@BOTH_STORES
def test_what_a_person_binds_by_name_stays_until_it_is_unbound(land):
    portal = land.active()
    wants(land, "ONCRMDEALADD")
    assert run(land, "bind", "ONTASKADD", "oncrmdealadd")[0] == ["bound ONTASKADD", "bound ONCRMDEALADD"]
    assert run(land, "bind")[0] == ["nothing to change"]
    assert land.sync() == ["nothing to change"]
    assert bound(land, portal) == here(land, OURS, "ONCRMDEALADD", "ONTASKADD")
    # Lost on the portal, it is made again.
    land.cloud.subscriptions.remove(next(one for one in land.cloud.subscriptions.of(
        portal.installations[land.app.client_id]) if one.event == "ONTASKADD"))
    assert run(land, "bind")[0] == ["bound ONTASKADD"]
    assert run(land, "unbind", "ontask*")[0] == ["unbound ONTASKADD"]
    assert run(land, "bind")[0] == ["nothing to change"]
    assert bound(land, portal) == here(land, OURS, "ONCRMDEALADD")


def test_what_the_portal_has_lost_is_not_made_again_once_it_is_unbound(land, portal):
    run(land, "bind", "ONTASKADD")
    for one in land.cloud.subscriptions.of(portal.installations[land.app.client_id]):
        land.cloud.subscriptions.remove(one)
    assert run(land, "unbind", "ONTASKADD", OURS)[0] == ["nothing to change"]
    assert run(land, "bind")[0] == [f"bound {OURS}"]
    assert bound(land, portal) == here(land, OURS)


def test_what_the_app_block_wants_is_not_unbound(land, portal):
    wants(land, "ONCRMDEALADD")
    run(land, "bind")
    lines, said = run(land, "unbind", "ONCRMDEALADD", code=1)
    assert lines == [] and "ONCRMDEALADD stays: take it out of the `events` of app 1" in said
    assert "by it bxhook is told that the application was uninstalled" in run(land, "unbind", OURS, code=1)[1]
    assert bound(land, portal) == here(land, OURS, "ONCRMDEALADD")
    # As it says.
    wants(land, "ONTASKADD")
    assert run(land, "bind")[0] == ["bound ONTASKADD", "unbound ONCRMDEALADD"]


def test_to_unbind_what_is_not_bound_changes_nothing(land, portal):
    assert run(land, "unbind", "ONTASKADD") == (["nothing to change"], "")
    assert asked(land, "event.unbind") == 0
    # Of which the portal counts none.
    wants(land, "ONCRMDEALADD")
    run(land, "bind")
    wants(land, "ONTASKADD")
    land.cloud.faults.order("edit", method="event.unbind", change={"result.count": 0})
    assert run(land, "bind")[0] == ["bound ONTASKADD", "unbound ONCRMDEALADD"]
    assert [event for event, _ in rows(land)] == [OURS, "ONTASKADD"]


def test_a_webhook_has_no_subscriptions(site):
    with clouds.on(site) as land:
        webhook = "portal { domain hooks.bitrix24.com  webhook https://hooks.bitrix24.com/rest/1/abcdefgh/  token 1234 }\n"
        site.configure(more=webhook + land.cloud.conf(land.app))
        for words in (("bindings",), ("bind",), ("unbind", "ONCRMDEALADD")):
            lines, said = run(land, *words, code=78)
            assert lines == [] and "a webhook has no subscriptions" in said


def test_the_portal_says_so_when_it_has_no_right(land, portal):
    wants(land, "ONCRMDEALADD")
    land.cloud.faults.order("error", times=1, method="event.get", error="WRONG_AUTH_TYPE", status=403)
    assert "WRONG_AUTH_TYPE" in run(land, "bind", code=77)[1]


def test_one_whose_user_is_no_administrator_any_more_binds_for_himself(land, portal):
    portal.admin().admin = False
    wants(land, "ONCRMDEALADD", "ONTASKADD")
    assert run(land, "bind")[0] == ["bound ONCRMDEALADD", "bound ONTASKADD"]
    assert run(land, "bind")[0] == ["nothing to change"]
    wants(land, "ONTASKADD")
    assert run(land, "bind")[0] == ["unbound ONCRMDEALADD"]
    assert bound(land, portal) == here(land, OURS, "ONTASKADD")
    # Who may not have it at all.
    wants(land, "ONTASKADD", "ONCRMDEALADD")
    land.cloud.faults.order("error", method="event.bind", error="ACCESS_DENIED", status=403)
    lines, said = run(land, "bind", code=1)
    assert lines == [] and "bind: ONCRMDEALADD: ACCESS_DENIED" in said
    assert [event for event, _ in rows(land)] == [OURS, "ONTASKADD"]


@BOTH_STORES
def test_after_an_installation_sync_binds_and_looks_daily(land):
    wants(land, "ONCRMDEALADD")
    portal = land.active()
    assert bound(land, portal) == here(land, OURS, "ONCRMDEALADD")
    [(due_in,)] = land.site.query("SELECT due_at - ended_at FROM %chore WHERE what = 2")
    assert due_in == pytest.approx(24 * 3600 * 1000, abs=60000)
    # An update of the application wiped them.
    installation = portal.installations[land.app.client_id]
    for one in land.cloud.subscriptions.of(installation):
        land.cloud.subscriptions.remove(one)
    land.site.run("sync", "--due")
    assert bound(land, portal) == set()
    land.site.change_store("UPDATE %chore SET due_at = 1 WHERE what = 2")
    done = land.site.run("work", "--once")
    assert bound(land, portal) == here(land, OURS, "ONCRMDEALADD")
    assert b"subscribed to ONAPPUNINSTALL, ONCRMDEALADD" in done.stderr


@BOTH_STORES
def test_installed_again_what_it_lacks_is_bound(land):
    wants(land, "ONCRMDEALADD")
    portal = land.active()
    for one in land.cloud.subscriptions.of(portal.installations[land.app.client_id]):
        land.cloud.subscriptions.remove(one)
    portal.install(land.app).wait()
    assert any("subscribed to ONAPPUNINSTALL, ONCRMDEALADD" in line for line in land.sync())
    assert bound(land, portal) == here(land, OURS, "ONCRMDEALADD")


@BOTH_STORES
def test_what_cannot_be_bound_is_shown_until_it_can(land):
    land.app.scope = ("crm",)
    wants(land, "ONCRMDEALADD", "ONTASKADD")
    portal = land.install()
    done = land.site.run("sync", check=False)
    assert done.returncode == 1 and b"cannot subscribe: ONTASKADD: ERROR_EVENT_NOT_FOUND" in done.stdout
    one = land.shown(portal)
    assert one["state"] == "active" and "it takes the scope 'task'" in one["problem"] and "scope" in one["fix"]
    land.app.scope = ("crm", "task")
    portal.install(land.app).wait()
    land.sync()
    assert land.shown(portal)["problem"] is None
    assert bound(land, portal) == here(land, OURS, "ONCRMDEALADD", "ONTASKADD")


@BOTH_STORES
def test_without_an_answer_it_goes_on_where_it_was(land):
    portal = land.active()
    wants(land, "ONCRMDEALADD", "ONTASKADD")
    land.cloud.faults.order("error", times=99, method="event.bind", error="OVERLOAD_LIMIT", status=503)
    done = land.site.run("sync", check=False)
    assert done.returncode == 1 and b"cannot subscribe: OVERLOAD_LIMIT" in done.stdout
    assert "OVERLOAD_LIMIT" in land.shown(portal)["problem"]
    land.cloud.faults.clear()
    assert "subscribed to ONCRMDEALADD, ONTASKADD" in land.sync()[0]
    assert land.shown(portal)["problem"] is None


def test_forgotten_it_has_no_subscription_of_ours_any_more(land, portal):
    wants(land, "ONCRMDEALADD")
    run(land, "bind")
    add(land, portal, "ONTASKADD", "https://other.example/hook")
    run(land, "portals", "forget", portal.member_id, "--yes")
    assert bound(land, portal) == {("ONTASKADD", "https://other.example/hook")}
    assert land.state(portal) == "none"


def test_of_several_portals_one_is_named(land, portal):
    other = land.active("other")
    wants(land, "ONCRMDEALADD")
    assert "there are several portals: name one with --portal" in run(land, "bind", code=78)[1]
    assert run(land, "bind", "--portal", other.member_id)[0] == ["bound ONCRMDEALADD"]
    assert bound(land, portal) == here(land, OURS)


def test_what_is_not_verified_has_none_yet(land):
    portal = land.install()
    assert "it is not verified yet" in run(land, "bind", "--portal", portal.member_id, code=75)[1]


def test_an_app_block_without_url_is_named(land, portal):
    conf = land.cloud.conf(land.app).replace(f"    url           {land.app.url}\n", "")
    land.site.configure(worker="start manual", more=conf)
    assert "app 1 has no `url`" in run(land, "bind", code=78)[1]


# -- What `check` says

def checked(land, *words, env=None):
    done = land.site.run("check", *words, env=env, check=False)
    return " ".join(done.stdout.decode().split())


def test_check_says_what_is_wanted_and_outside_of_the_scope(land):
    land.app.scope = ("crm",)
    portal = land.active()
    wants(land, "ONCRMDEALADD", "ONVOXIMPLANT*")
    fix = finds(land.site, "warning", ["`events ONVOXIMPLANT*` of app 1 takes the scope 'telephony'"])
    assert f"bind --portal {portal.member_id}" in fix
    assert "ONCRMDEALADD" not in checked(land)
    land.app.scope = ("crm", "telephony")
    portal.install(land.app).wait()
    land.sync()
    type_in(land.site, fix)
    assert "takes the scope" not in checked(land)


def test_check_says_what_the_portal_refused(land, portal):
    wants(land, "ONCRMDEALADD", "ONNOSUCHTHING")
    land.site.run("sync", check=False)
    said = checked(land)
    assert "it is not subscribed to all that it is to be: ONNOSUCHTHING: ERROR_EVENT_NOT_FOUND" in said
    wants(land, "ONCRMDEALADD")
    land.sync()
    assert "not subscribed" not in checked(land)


def test_check_says_when_an_app_block_has_no_url_or_one_that_bitrix24_does_not_take(land):
    assert "app 1" not in checked(land)
    conf = land.cloud.conf(land.app)
    land.site.configure(worker="start manual", more=conf.replace(f"    url           {land.app.url}\n", ""))
    assert "has no url, so that portals which install it send no events here" in checked(land)
    land.site.configure(worker="start manual", more=conf.replace(land.app.url, "https://localhost/bitrix24"))
    assert "its url leads to 'localhost', which Bitrix24 does not take" in checked(land)


def test_check_url_asks_where_the_events_of_applications_go(land):
    asked = ("--url", land.app.url)
    assert "is not the gateway" not in checked(land, *asked)
    wants(land, url=f"http://127.0.0.1:{land.cloud.port}/nothing")
    assert f"http://127.0.0.1:{land.cloud.port}/nothing" in checked(land, *asked)


def test_check_url_says_when_bitrix24_cannot_be_asked(land):
    asked = ("--url", land.app.url)
    assert "cannot be asked from here" not in checked(land, *asked)
    conf = land.cloud.conf(land.app)
    for change, word in (((land.cloud.url, "https://127.0.0.1:1"), "have outgoing connections to it allowed"),
                         ((f"cacert {land.cloud.cacert}", ""), "the system's certificates are missing or old")):
        land.site.configure(worker="start manual", more=conf.replace(*change))
        said = checked(land, *asked)
        assert "Bitrix24 cannot be asked from here" in said and word in said
    assert "cannot be asked from here" not in checked(land), "only from outside"


def test_check_url_says_when_the_clock_is_wrong(land):
    clock, asked = Clock(land.site), ("--url", land.app.url)
    for offset, word in ((0, ""), (7200, "is 120 minutes ahead of"), (-7200, "minutes behind that of")):
        clock.set(offset)
        said = checked(land, *asked)
        assert (word in said) if word else "this machine's clock is" not in said, said
