"""All documented samples through decode, store and a hook."""

import copy
import json
import subprocess

import pytest

import bitrix
import client
import leaks
from scratch import wait_for


def portals(samples):
    """A config's portal blocks for every member_id found in the samples."""
    text = ""
    for member_id, (domain, tokens) in bitrix.portals_of(tree for _, tree in samples).items():
        lines = "".join(f"    token {token}\n" for token in tokens or [bitrix.TOKEN])
        text += f"portal {{\n    member_id {member_id}\n    domain {domain}\n{lines}}}\n"
    return text


@pytest.fixture(scope="module")
def accepted(nginx, samples):
    """[(name, tree sent, event number)] after each sample was posted and answered 200."""
    site = nginx.site
    known = bitrix.portals_of(tree for _, tree in samples)
    loaded = f"portals={len(known)}\n"
    before = site.log().count(loaded)
    site.configure(portals=portals(samples))
    site.gateway.popen.send_signal(1)  # SIGHUP: now, not within seconds
    wait_for(lambda: site.log().count(loaded) > before, "the gateway to know their portals")
    sent = []
    for name, tree in samples:
        member_id = (tree.get("auth") or {}).get("member_id", bitrix.MEMBER_ID)
        tree = bitrix.with_portal(tree, (known[member_id][1] or [bitrix.TOKEN])[0])
        sent.append((name, tree, client.post(nginx.url, bitrix.encode(tree)).event))
    site.wait_idle(60)
    yield sent
    site.configure()
    site.gateway.popen.send_signal(1)


def test_there_are_172(samples):
    assert len(samples) == 172


def test_bodies_are_what_php_builds(samples, need):
    script = ("foreach (json_decode(stream_get_contents(STDIN), true) as $tree) "
              "echo http_build_query($tree), \"\\n\";")
    trees = [tree for _, tree in samples] + [bitrix.event(fields={"A": "~ !'()*-._+%&=;/\\\u0410\U0001f600",
                                                                  "B": [1, [True]]})]
    done = subprocess.run([need("php"), "-r", script], input=json.dumps(trees).encode(), capture_output=True,
                          check=True)
    assert done.stdout.splitlines() == [bitrix.encode(tree) for tree in trees]


def test_decode_shows_each(nginx, samples):
    for name, tree in samples:
        done = nginx.site.run("decode", input=bitrix.encode(tree))
        assert json.loads(done.stdout) == bitrix.received(tree), name


def test_each_reaches_its_hook(nginx, accepted):
    for name, tree, number in accepted:
        run = nginx.site.run_of(number)
        assert run.event == bitrix.received(tree), name
        assert run.env["BX_EVENT"] == tree["event"].upper(), name
        assert run.env["BX_MEMBER_ID"] == tree["auth"]["member_id"], name


def test_each_is_done(nginx, accepted):
    states = {line["event"]: line["state"] for line in nginx.site.list("--limit", "10000")}
    assert {name: states[number] for name, _, number in accepted if states[number] != "done"} == {}


def test_none_of_their_secrets_leaves_stdin(nginx, accepted):
    assert {value for _, tree, _ in accepted for value in bitrix.secrets_of(tree)} <= bitrix.sent_secrets
    site = nginx.site
    places = leaks.reports(site, [number for *_, number in accepted]) | leaks.runs(site) | site.processes()
    assert len(places) > 4 * len(accepted)
    assert leaks.search(places | site.logs() | leaks.stored(site)[0]) == []


def test_each_is_refused_without_its_token(nginx, accepted):
    for name, tree, _ in accepted:
        tree = copy.deepcopy(tree)
        del tree["auth"]["application_token"]
        answer = client.post(nginx.url, bitrix.encode(tree))
        assert (answer.status, answer.json["error"]) == (403, "invalid_application_token"), name
