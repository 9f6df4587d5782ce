"""Hooks that end with the status of `bxhook call`: every status, what leads to it, and what the queue does then."""

import json
import re

from calls import land, named
from hosts import BOTH_STORES
from scratch import ROOT, directory, wait_for, write

CODE = "ONCRMDEALADD"
TWICE = f"hook {CODE} {{ attempts 2 }}\n"
LINES = [{"id": id, "method": "crm.deal.get", "params": {"id": id}} for id in (1, 2)]

# By the status with which `call` ends.
ERRORS = {
    65: ["ERROR_ARGUMENT", "ERROR_METHOD_NOT_FOUND", "ERROR_CORE", ""],
    75: ["QUERY_LIMIT_EXCEEDED", "OPERATION_TIME_LIMIT", "OVERLOAD_LIMIT", "CONNECTION_ERROR", "INTERNAL_SERVER_ERROR",
         "PAYMENT_REQUIRED", "METHOD_CONFIRM_WAITING", "NOT_INSTALLED", "invalid_token"],
    77: ["insufficient_scope", "ACCESS_DENIED", "WRONG_AUTH_TYPE", "WRONG_LICENSE", "authorization_error",
         "user_access_error", "METHOD_CONFIRM_DENIED"],
    78: ["PORTAL_DELETED"],
}
LOST = [("html", {"status": 502}), ("empty", {}), ("reset", {"after": True}), ("hang", {})]


def fates():
    """{status: what becomes of the delivery}, as docs/rest.md says."""
    page = (ROOT / "docs" / "rest.md").read_text()
    rows = re.findall(r"^\| (\d+) \|.*\| ([a-z ]+) \|$", page, re.MULTILINE)
    return {int(status): fate for status, fate in rows}


def ends(land, portal, words, given=""):
    """The exit statuses of the attempts of a hook that calls with WORDS, GIVEN on stdin, and how its delivery ended."""
    site = land.site
    write(site.out / "given", given, 0o644, site.user)
    site.hook(CODE, f'cat > /dev/null\n"$BXHOOK" call {words} < {site.out}/given > /dev/null\n')
    post = portal.send(land.app, CODE, {"FIELDS": {"ID": "7"}}, portal.admin()).wait()
    number = json.loads(post.answer)["event"]

    def over():
        site.run("work", "--once")
        [delivery] = site.show(number)["deliveries"]
        return delivery if delivery["state"] in ("done", "dead") else None
    delivery = wait_for(over, lambda: site.show(number))
    return [attempt["exit"] for attempt in delivery["attempts"]], delivery["state"]


def expect(land, portal, status, words, given="", then=0):
    """It ends with STATUS, and the queue does what the page says; a second attempt would end with THEN."""
    fate = fates()[status]
    again = [status, then], "done" if then == 0 else "dead"
    wanted = again if fate == "runs again" else ([status], fate)
    assert ends(land, portal, words, given) == wanted, (status, words, land.site.list("--limit", "1"))


class Once:
    """Methods that fail once."""

    def __init__(self, land):
        self.land, self.count = land, 0

    def method(self, kind, **options):
        """A new one, whose first call is that fault, and whose next succeeds."""
        self.count += 1
        name = f"x{self.count}.add"
        self.land.cloud.faults.order(kind, method=name, **options)
        self.land.cloud.faults.order("status", times=9, method=name, status=200, body={"result": True})
        return name


def batch(*lines):
    return "".join(json.dumps(line) + "\n" for line in lines)


@BOTH_STORES
def test_what_the_portal_answers_decides(land):
    portal, once = land.active(), Once(land)
    portal.fill("crm.deal", 2)
    conf = land.cloud.conf(land.app).replace("rest {", "rest { timeout 1s ")
    conf = conf.replace("client_id", "rate 1000  client_id", 1)  # has room a moment after it had none
    land.site.configure(worker="start manual", more=conf + TWICE)
    expect(land, portal, 0, "crm.deal.get id=1")
    for status, errors in ERRORS.items():
        for error in errors:
            blocked = error == "OPERATION_TIME_LIMIT"  # for ten seconds at least
            expect(land, portal, status, f"{once.method('error', error=error)} --wait 0s", then=75 if blocked else 0)
    for kind, options in LOST:
        expect(land, portal, 75, once.method(kind, **options))
    expect(land, portal, 65, "no.such.method")
    for words in ("", "a/b", "crm.deal.get id", "crm.deal.get auth=x", "crm.deal.get --no-such-option"):
        expect(land, portal, 2, words, then=2)


@BOTH_STORES
def test_of_many_calls_one_that_may_be_repeated_decides(land):
    portal, faults = land.active(), land.cloud.faults
    portal.fill("crm.deal", 2)
    land.configure(more=TWICE)
    good, bad = batch(*LINES), batch(LINES[0], {"id": 3, "method": "crm.deal.get", "params": {"id": 3}})
    expect(land, portal, 0, "--batch -", good)
    expect(land, portal, 65, "--batch -", bad)
    faults.order("error", method="crm.deal.get", error="ACCESS_DENIED", inside=True)
    expect(land, portal, 65, "--batch -", good)
    faults.order("error", method="crm.deal.get", error="OVERLOAD_LIMIT", inside=True)
    expect(land, portal, 75, "--batch -", bad, then=65)
    for kind, options in (("reset", {"after": True}), ("html", {}), ("error", {"error": "PAYMENT_REQUIRED"})):
        faults.order(kind, method="batch", **options)
        expect(land, portal, 75, "--batch -", good)
    faults.order("error", method="batch", error="ERROR_BATCH_LENGTH_EXCEEDED")
    expect(land, portal, 65, "--batch -", good)
    expect(land, portal, 2, "--batch -", "{", then=2)
    expect(land, portal, 2, "--batch - --all", good, then=2)


@BOTH_STORES
def test_a_list_that_is_cut_short_ends_with_the_status_of_its_cause(land):
    portal, faults = land.active(), land.cloud.faults
    portal.fill("crm.deal", 120)
    land.configure(more=TWICE)
    expect(land, portal, 0, "crm.deal.list --all")
    for status, error in ((65, "ERROR_CORE"), (75, "OVERLOAD_LIMIT"), (77, "ACCESS_DENIED"), (78, "PORTAL_DELETED")):
        faults.order("slow", method="crm.deal.list", seconds=0)  # the first page
        faults.order("error", times=99, method="crm.deal.list", error=error)
        expect(land, portal, status, "crm.deal.list --all", then=75)
        faults.clear()
    expect(land, portal, 65, "crm.deal.get id=1 --all")
    expect(land, portal, 2, "crm.deal.list --all start=50", then=2)


@BOTH_STORES
def test_what_is_wrong_here_decides_before_anything_is_asked(named):
    portal, site, conf = named.active(), named.site, named.cloud.conf(named.app)
    portal.fill("crm.deal", 1)
    words = "crm.deal.get id=1"

    def wrong(status, more, words=words, **options):
        site.configure(worker="start manual", more=more + TWICE)
        expect(named, portal, status, words, **options)
    wrong(78, "rest { }\n")                                               # no app block
    wrong(78, conf, f"{words} --portal other.example")
    wrong(78, conf, f"{words} --as webhook")
    wrong(78, conf.replace("rest {", "rest { curl /nowhere/curl "))
    wrong(75, re.sub(r"proxy \S+", "proxy http://127.0.0.1:1", conf), f"{words} --wait 0s", then=75)
    nonsense = write(site.home / "nonsense.conf", "nonsense 1\n", 0o600, site.user)
    wrong(78, conf, f"{words} --config {nonsense}")
    away = directory(site.home / "away", 0o700, site.user)
    store = '"postgresql://bxhook@127.0.0.1:1/bxhook"' if site.database else "queue.db"
    write(away / "queue.db", "this is no database", 0o600, site.user)
    unreadable = write(away / "bxhook.conf", f"store {store}\n{conf}", 0o600, site.user)
    wrong(75, conf, f"{words} --config {unreadable}", then=75)


@BOTH_STORES
def test_tokens_that_are_of_no_use_decide(named):
    portal, site, faults = named.active(), named.site, named.cloud.faults
    portal.fill("crm.deal", 1)
    words = "crm.deal.get id=1"
    named.configure(more=TWICE)

    def renewal_is(error, status):
        site.change_store("UPDATE %installation SET token_expires_at = 1, renewed_at = 1")
        faults.order("error", method="oauth/token", error=error, status=status)
    faults.order("error", method="crm.deal.get", error="expired_token")
    expect(named, portal, 77, f"{words} --as event")
    renewal_is("PAYMENT_REQUIRED", 401)
    expect(named, portal, 75, words)
    renewal_is("invalid_client", 400)
    expect(named, portal, 78, words)
    renewal_is("invalid_grant", 400)
    expect(named, portal, 75, words, then=75)
    assert named.state(portal) == "broken"


@BOTH_STORES
def test_a_webhook_that_is_gone_or_elsewhere_is_the_configurations(named):
    portal, site = named.cloud.portal("acme"), named.site
    portal.add(named.app)
    portal.fill("crm.deal", 1)
    token, url = portal.token_of(named.app), portal.webhook()
    block = f"portal {{ member_id {portal.member_id}  domain {portal.domain}  token {token}  webhook {url} }}\n"
    site.configure(portals=block, worker="start manual", more=named.cloud.conf() + TWICE)
    wait_for(lambda: portal.send(named.app, "ONAPPTEST", {}).wait().status == 200, "the portal block to count")
    expect(named, portal, 0, "crm.deal.get id=1")
    named.cloud.faults.order("redirect", method="crm.deal.get", to="https://other.bitrix24.example/rest/")
    expect(named, portal, 78, "crm.deal.get id=1")
    portal.webhooks.clear()
    expect(named, portal, 78, "crm.deal.get id=1")
