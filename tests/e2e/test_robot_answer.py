"""bxhook answer: what a robot's hook gives back to its workflow."""

import json

import bitrix
import client
from calls import asked, count, failed, land, named
from hosts import BOTH_STORES
from scratch import wait_for
from test_posts import robot

SEND = "bizproc.event.send"


def started(land, portal, app=None, **more):
    """(number, Workflow) of a robot's event."""
    post = portal.robot(app or land.app, "my_robot", "DEAL_7", {"sum": "200"}, **more).wait()
    return json.loads(post.answer)["event"], portal.workflows[post.tree["event_token"]]


def answer(land, number, *words, check=False):
    """What a hook of event NUMBER gets when it answers."""
    return land.site.run("answer", *words, check=check, env={"BX_EVENT_NUMBER": str(number), "BX_HOOK": "any"})


def answered(done, *parts):
    """It went well; what is said of it is one line."""
    assert done.returncode == 0 and done.stdout == b"", done
    assert done.stderr.count(b"\n") == len(parts) and all(part in done.stderr.decode() for part in parts), done


@BOTH_STORES
def test_a_workflow_gets_its_values_and_goes_on(land):
    portal, site = land.active(), land.site
    site.hook("ROBOT.MY_ROBOT.sh", '"$BXHOOK" answer total="$((BX_PROPERTY_SUM * 2))" "names[]=a&b" "names[]=" '
                                   '"deep[x][y]=Ж" auth=kept --log "two words"')
    for user in (portal.admin(), None):  # without one its post has no access token
        number, workflow = started(land, portal, user=user)
        site.run("work", "--once")
        delivery, = site.show(number)["deliveries"]
        attempt, = delivery["attempts"]
        assert (delivery["state"], attempt["stdout"], attempt["stderr"]) == ("done", "", ""), attempt
        assert workflow.values == {"total": "400", "names": ["a&b", ""], "deep": {"x": {"y": "Ж"}}, "auth": "kept"}
        assert workflow.log == ["two words"]
    assert [sorted(one) for one in asked(land, SEND)] == 2 * [["EVENT_TOKEN", "LOG_MESSAGE", "RETURN_VALUES"]]


def test_without_values_it_just_goes_on(land):
    portal = land.active()
    number, workflow = started(land, portal)
    answered(answer(land, number))
    assert workflow.values == {} and [sorted(one) for one in asked(land, SEND)] == [["EVENT_TOKEN"]]
    answered(answer(land, number, "late=1"))
    assert workflow.values == {}, "the first one counts"


def test_where_nobody_waits_it_says_so_and_sends_nothing(land):
    portal = land.active()
    number, workflow = started(land, portal, wait=False)
    answered(answer(land, number, "total=1"), f"answer: nobody waits for the answer to event {number}, whose "
                                              "use_subscription is N: none is sent")
    site = land.site
    site.run("trigger", "ROBOT.MY_ROBOT")
    answered(answer(land, site.list()[0]["event"], "total=1"), "which is a test")
    assert count(land, SEND) == 0 and workflow.values is None


def test_its_exit_status_says_whether_trying_again_helps(land):
    portal = land.active()
    number, workflow = started(land, portal)
    for error, status in (("OVERLOAD_LIMIT", 75), ("ERROR_CORE", 65), ("insufficient_scope", 77)):
        land.cloud.faults.order("error", method=SEND, error=error)
        failed(answer(land, number), status, f"answer: {SEND}: {error}: ")
    land.site.change_store("DELETE FROM %limiter")
    land.cloud.faults.order("error", times=9, method=SEND, error="QUERY_LIMIT_EXCEEDED")
    failed(answer(land, number, "--wait", "0s"), 75, "QUERY_LIMIT_EXCEEDED")
    land.cloud.faults.clear()
    land.site.change_store("DELETE FROM %limiter")
    workflows, portal.workflows = portal.workflows, {}
    failed(answer(land, number), 77, "ACCESS_DENIED")
    portal.workflows = workflows
    assert workflow.values is None
    deal = json.loads(portal.send(land.app, "ONCRMDEALADD", {"FIELDS": {"ID": "7"}}).wait().answer)["event"]
    failed(answer(land, deal), 78, f"event {deal} is not of a robot or an activity")
    failed(answer(land, 1000), 78, "there is no event 1000")
    land.configure(apps=[])
    failed(answer(land, number), 78, "no `app` block has client_id")
    land.configure(more="nonsense 1\n")
    failed(answer(land, number), 78, "nonsense")
    land.configure()
    answered(answer(land, number))


@BOTH_STORES
def test_when_the_secrets_were_erased_nothing_helps_any_more(land):
    portal, site = land.active(), land.site
    number, workflow = started(land, portal)
    site.run("work", "--once")  # no hook wants it
    wait_for(lambda: site.show(number)["secrets"] == "erased", "its secrets to be erased")
    failed(answer(land, number), 77, f"answer: the event_token of event {number} was erased")
    assert workflow.values is None and count(land, SEND) == 0


def test_a_lost_answer_is_sent_again(land):
    """The workflow takes one."""
    portal = land.active()
    number, workflow = started(land, portal)
    land.cloud.faults.order("reset", method=SEND, after=True)
    answered(answer(land, number, "total=1"))
    assert count(land, SEND) == 2 and workflow.values == {"total": "1"}


def test_of_two_applications_it_is_the_one_that_sent_the_robot(land):
    portal, cloud = land.active(), land.cloud
    other = cloud.app(land.front.url)
    land.configure(apps=[land.app, other])
    portal.install(other).wait()
    land.sync()
    for app in (land.app, other):
        number, workflow = started(land, portal, app)
        answered(answer(land, number, "total=1"))
        token = cloud.records.of(SEND)[-1].params["auth"]
        assert cloud.tokens.of_access(token).installation.app is app and workflow.values == {"total": "1"}
    # What came with a token of the configuration is of neither.
    token = portal.outgoing_webhook(land.front.url)
    land.site.configure(portals=f"portal {{ member_id {portal.member_id}  token {token} }}\n", worker="start manual",
                        more=cloud.conf(land.app, other))
    tree = robot(auth=bitrix.auth(token, member_id=portal.member_id, oauth=False))
    post = wait_for(lambda: (got := client.fastcgi(land.site.socket, bitrix.encode(tree))).status == 200 and got,
                    "the block to count")
    failed(answer(land, post.event), 78, "name one with --app")
    failed(answer(land, post.event, "--app", other.client_id), 77, "ACCESS_DENIED")  # a token of no workflow there
    token = cloud.records.of(SEND, done=False)[-1].params["auth"]
    assert cloud.tokens.of_access(token).installation.app is other


def test_a_webhook_or_the_events_own_token_answers_where_no_application_is_installed(named):
    portal, site = named.cloud.portal("acme"), named.site
    portal.add(named.app)
    token = portal.token_of(named.app)
    block = f"portal {{ domain {portal.domain}  token {token} WEBHOOK }}\n"
    site.configure(portals=block.replace("WEBHOOK", ""), worker="start manual", more=named.cloud.conf())
    post = wait_for(lambda: (got := portal.robot(named.app, "my_robot", "DEAL_7", {}, portal.admin()).wait()).status
                    == 200 and got, "the block to count")
    number = json.loads(post.answer)["event"]
    answered(answer(named, number, "total=1"))
    assert portal.workflows[post.tree["event_token"]].values == {"total": "1"}
    assert named.cloud.records.of(SEND)[-1].params["auth"] == post.tree["auth"]["access_token"]
    site.configure(portals=block.replace("WEBHOOK", f"webhook {portal.webhook()}"), worker="start manual",
                   more=named.cloud.conf())
    number, workflow = started(named, portal)
    answered(answer(named, number, "total=2"))
    assert workflow.values == {"total": "2"} and "auth" not in named.cloud.records.of(SEND)[-1].params
    failed(answer(named, number, "--as", "app"), 78, "no application is installed")


def test_it_shares_the_limit_of_the_portal_and_waits_for_its_turn(land):
    portal = land.active()
    land.site.configure(worker="start manual",
                        more=land.cloud.conf(land.app).replace("app {", "app { rate 1  burst 1", 1))
    number, workflow = started(land, portal)
    land.site.change_store("DELETE FROM %limiter")
    land.site.run("call", "profile")
    land.site.change_store("UPDATE %limiter SET level = 3600000")  # of what was called, as after an hour's calls
    failed(answer(land, number, "--wait", "1s"), 75, "its turn does not come in time")
    assert count(land, SEND) == 0
    land.site.change_store("UPDATE %limiter SET level = 1500")
    answered(answer(land, number, "total=1"))
    assert workflow.values == {"total": "1"} and land.site.query("SELECT count(*) FROM %limiter") == [[1]]


def test_what_the_portal_says_has_no_event_token_in_it(land):
    portal = land.active()
    number, _ = started(land, portal)
    token = next(iter(portal.workflows))
    land.cloud.faults.order("error", method=SEND, error="E", text=f"no workflow {token} any more")
    done = answer(land, number)
    failed(done, 65, f"{SEND}: E: no workflow *** any more")


def test_wrong_usage(land):
    number, _ = started(land, land.active())
    failed(land.site.run("answer", "total=1", check=False), 2, "answer is for hooks", "bxhook run N/HOOK")
    for words, part in ((["total"], "'total' is not NAME=VALUE"), (["=1"], "is not NAME=VALUE"),
                        (["--as", "nobody"], "'nobody' is not app"), (["--wait", "2d"], "1d at most"),
                        (["--portal", "x"], "--portal")):
        failed(answer(land, number, *words), 2, part)
    assert count(land, SEND) == 0
