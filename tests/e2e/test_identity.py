"""Who it was: a portal sends another's names with its own token, and stays itself everywhere."""

import json

import pytest

import bitrix
import client
from hosts import BOTH_STORES
from scratch import wait_for, write

# The victim, whose names the others send, and one attacker for each kind of block.
VICTIM = {"member_id": "b" * 32, "domain": "victim.example"}
TOKENS = {kind: f"the-token-of-the-one-with-{kind}" for kind in (
    "victim", "member_id", "domain", "second", "both", "neither")}
PORTALS = f"""portal {{
    member_id {VICTIM["member_id"]}
    domain    {VICTIM["domain"]}
    token     {TOKENS["victim"]}
}}
portal {{
    member_id {"a" * 32}
    token     {TOKENS["member_id"]}
}}
portal {{
    domain only.example
    token  {TOKENS["domain"]}
}}
portal {{
    member_id {"c" * 32}
    domain    both.example
    token     {TOKENS["both"]}
}}
portal {{
    domain second.example
    token  {TOKENS["second"]}
}}
portal {{
    token {TOKENS["neither"]}
}}
"""
LIST = "".join(f"{line}\n" for line in (
    f"{VICTIM['member_id']} {VICTIM['domain']} {TOKENS['victim']}", f"{'a' * 32} - {TOKENS['member_id']}",
    f"- only.example {TOKENS['domain']}", f"{'c' * 32} both.example {TOKENS['both']}",
    f"- - {TOKENS['neither']}"))
# By the kind of block: what is sent beside the token, and who that is (BX_MEMBER_ID, BX_PORTAL).
ATTACKS = {
    "member_id": ({"member_id": "a" * 32, "domain": VICTIM["domain"]}, ("a" * 32, None)),
    "domain": ({"member_id": "f" * 32, "domain": "Only.Example"}, (None, "only.example")),
    "both": ({"member_id": "c" * 32, "domain": VICTIM["domain"]}, ("c" * 32, "both.example")),
    "neither": ({"member_id": "d" * 32, "domain": "New.example"}, ("d" * 32, "New.example")),
}


def as_form(tree):
    return client.FORM, bitrix.encode(tree)


def as_json(tree):
    return "application/json", json.dumps(tree).encode()


def as_multipart(tree):
    parts = "".join(f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                    for name, value in bitrix.pairs(tree))
    return "multipart/form-data; boundary=XX", f"{parts}--XX--\r\n".encode()


ENCODINGS = [as_form, as_json, as_multipart]


def event(token, names):
    tree = bitrix.event(token=TOKENS[token])
    for name in ("member_id", "domain"):
        tree["auth"].pop(name)
    tree["auth"] |= names
    return tree


def post(site, encoding, tree):
    content_type, body = encoding(tree)
    return client.fastcgi(site.socket, body, CONTENT_TYPE=content_type)


@pytest.fixture
def several(site):
    """A site with a portal of each kind; the hook for-victim takes what is the victim's."""
    site.probe()
    site.configure(worker="start manual", portals=PORTALS, more=f"""
hook for-victim {{
    event  *
    when   {{ portal VICTIM.example }}
    run    {site.hook("victim.disabled", "exit 0")}
}}
hook by-member-id {{
    event  *
    when   {{ member_id {VICTIM["member_id"]} }}
    run    {site.hook("member.disabled", "exit 0")}
}}
hook by-what-was-sent {{
    event  *
    when   {{ auth.domain {VICTIM["domain"]} }}
    run    {site.hook("sent.disabled", "exit 0")}
}}
""")
    site.serve()
    return site


def check_proven(site, number, sent, proven):
    """Event NUMBER says of itself who PROVEN is, and what was SENT stands in its body alone."""
    member_id, domain = proven
    run = site.run_of(number)
    assert (run.env.get("BX_MEMBER_ID"), run.env.get("BX_PORTAL")) == (member_id, domain)
    assert {name: run.event["auth"].get(name) for name in sent} == sent
    foreign = [value for value in sent.values() if value not in (member_id, domain)]
    assert [item for item in run.env.items() if any(value in item[1] for value in foreign)] == []
    shown = site.show(number)
    assert (shown["member_id"], shown["portal"]) == (member_id, domain)
    assert {delivery["hook"] for delivery in shown["deliveries"]} - {"by-what-was-sent"} == {"any"}
    for value in sent.values():
        found = {line["event"] for line in site.list("--portal", value)}
        assert (number in found) == (value.lower() in (member_id, (domain or "").lower())), value
    for value in filter(None, proven):
        assert number in {line["event"] for line in site.list("--portal", value)}


@BOTH_STORES
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_sender_cannot_be_another(several, encoding):
    numbers = {}
    for kind, (sent, _) in ATTACKS.items():
        answer = post(several, encoding, event(kind, sent))
        assert answer.status == 200, (kind, answer)
        numbers[kind] = answer.event
    several.run("work", "--once")
    for kind, (sent, proven) in ATTACKS.items():
        check_proven(several, numbers[kind], sent, proven)
    for kind, number in numbers.items():
        line = next(line for line in several.log().splitlines() if f"accepted event={number} " in line)
        member_id, domain = ATTACKS[kind][1]
        assert f" portal={domain or member_id} " in line
    # The victim itself, who also sends what it likes as its domain.
    answer = post(several, encoding, event("victim", VICTIM | {"domain": "only.example"}))
    several.run("work", "--once")
    assert {delivery["hook"] for delivery in several.show(answer.event)["deliveries"]} == {
        "any", "for-victim", "by-member-id"}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_another_block_names_is_no_bodys(several, encoding):
    """The token of the block with neither does not go with a name of another's, in either place."""
    for names in ({"member_id": VICTIM["member_id"]}, {"domain": VICTIM["domain"]},
                  {"member_id": "e" * 32, "domain": VICTIM["domain"].upper()},
                  {"member_id": "e" * 32, "domain": "only.example"},
                  {"member_id": VICTIM["member_id"].upper()}, {"member_id": "only.example"},
                  {"domain": VICTIM["member_id"]}, {"member_id": VICTIM["domain"], "domain": "x.example"}):
        answer = post(several, encoding, event("neither", names))
        assert (answer.status, answer.json["error"]) == (403, "invalid_application_token"), names
    for kind in ("member_id", "domain", "both"):  # nor does that of another block
        assert post(several, encoding, event(kind, VICTIM)).status == 403
    assert several.status()["events"] == {"new": 0, "matched": 0, "skipped": 0}


def test_a_portals_file_proves_the_same(several):
    write(several.home / "portals.list", LIST, 0o600, several.user)
    several.gateway.stop()
    several.configure(worker="start manual", portals="portals portals.list\n")
    several.serve()
    numbers = {kind: post(several, as_form, event(kind, sent)).event for kind, (sent, _) in ATTACKS.items()}
    several.run("work", "--once")
    for kind, (sent, proven) in ATTACKS.items():
        check_proven(several, numbers[kind], sent, proven)
    assert post(several, as_form, event("neither", VICTIM)).status == 403


@BOTH_STORES
def test_a_failing_event_of_one_portal_holds_up_no_other(several):
    """The lane is the proven portal's: nobody gets into another's by sending its names."""
    several.configure(worker="start manual", backoff="1h", portals=PORTALS)
    several.hook("any", "case $(cat) in *666*) exit 1 ;; esac")
    true_names = {"member_id": "e" * 32, "domain": "second.example"}
    sent = {"domain": {"member_id": "e" * 32, "domain": "only.example"},
            "member_id": {"member_id": "a" * 32, "domain": "second.example"},
            "neither": {"member_id": "e" * 32, "domain": "x.example"}}
    first = [post(several, as_form, event(kind, names) | {"extra": "666"}).event for kind, names in sent.items()]
    others = [post(several, as_form, event("second", true_names)).event,
              post(several, as_form, event("victim", VICTIM)).event]
    several.run("work", "--once")
    states = {line["event"]: line["state"] for line in several.list()}
    assert {states[number] for number in first} == {"waiting"}
    assert {states[number] for number in others} == {"done"}


def test_a_trigger_shows_what_a_hook_would_be_told(several):
    tree = event("member_id", {"member_id": "a" * 32, "domain": VICTIM["domain"]})
    body = bitrix.encode(tree)
    shown = several.run("trigger", "--raw", "-", "--dry-run", input=body).stdout.decode()
    assert f"BX_MEMBER_ID={'a' * 32}\n" in shown and "BX_PORTAL=" not in shown
    assert "for-victim: when portal VICTIM.example" in shown
    assert "by-what-was-sent matches: " in shown
    several.run("trigger", "--raw", "-", input=body)
    several.run("trigger", "ONCRMDEALUPDATE", "--portal", "only.example")
    several.run("work", "--once")
    check_proven(several, 1, {"member_id": "a" * 32, "domain": VICTIM["domain"]}, ("a" * 32, None))
    run = several.run_of(2)
    assert run.env["BX_PORTAL"] == "only.example" and "BX_MEMBER_ID" not in run.env
    # An installation of an application may match it.
    for app, remarks in (("", True), ("app { }\n", False)):
        several.configure(worker="start manual", portals=PORTALS.rpartition("portal {")[0] + app)
        done = several.run("trigger", "--raw", "-", "--dry-run",
                           input=bitrix.encode(event("neither", {"member_id": "d" * 32})))
        assert ("no portal block matches this body" in done.stderr.decode()) == remarks


def test_check_warns_of_rules_that_prove_nothing(site):
    program = site.hook("p.disabled", "exit 0")
    site.configure(portals="portal { member_id m1 domain a.example token 0123456789abcdef }\n", more=f"""
hook sent  {{ event * run {program} when {{ auth.domain a.example }} unless {{ auth.member_id m2 }} }}
hook other {{ event * run {program} when {{ portal b.example }} unless {{ member_id m2 }} }}
hook fine  {{ event * run {program} when {{ portal A.* member_id m? }} }}
""")
    problems = json.loads(site.run("check", "--json", check=False).stdout)["problems"]
    said = {place: [problem["message"] for problem in problems if problem["place"] == f"hook {place}"]
            for place in ("sent", "other", "fine")}
    assert said["fine"] == []
    assert said["sent"] == [
        "'auth.domain' is what the sender wrote, which may be another portal's: use 'portal', which the token proves",
        "'auth.member_id' is what the sender wrote, which may be another portal's: "
        "use 'member_id', which the token proves"]
    assert said["other"] == ["no portal or post block has a domain that matches 'b.example'",
                             "no portal or post block has a member_id that matches 'm2'"]
    # A block with neither may be anybody, and so may an installation.
    for portals in ("portal { token 0123456789abcdef }\n",
                    "portal { domain a.example token 0123456789abcdef }\napp { }\n"):
        site.configure(portals=portals, more=f"hook other {{ event * run {program} when {{ portal b.example }} }}\n")
        problems = json.loads(site.run("check", "--json", check=False).stdout)["problems"]
        assert [problem for problem in problems if problem["place"] == "hook other"] == []


def test_a_renamed_portal_keeps_its_configured_name(several):
    answer = post(several, as_form, event("victim", VICTIM | {"domain": "renamed.example"}))
    line = wait_for(lambda: next((line for line in several.log().splitlines() if "domain differs from its block's" in line), None),
                    "the log line")
    assert "domain=renamed.example configured=victim.example" in line
    several.run("work", "--once")
    assert several.run_of(answer.event).env["BX_PORTAL"] == VICTIM["domain"]
