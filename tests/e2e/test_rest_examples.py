"""The hooks of examples/ that ask Bitrix24, by `bxhook call`, against the stand-in (tests/portal)."""

import contextlib
import json
import sqlite3

import pytest

import client
import clouds
from hosts import BOTH_STORES
from scratch import wait_for, write
from test_examples import EXAMPLES, blocks_of

CODES = ("ONCRMDEALADD", "ONCRMDEALUPDATE", "ONCRMDEALDELETE")
REST = {"deal.php": "ONCRMDEALADD", "stage-change.py": "ONCRMDEALUPDATE", "deal-stage.sh": "ONCRMDEALUPDATE",
        "mirror-deals.py": "ONCRMDEALUPDATE"}
SAID = {"deal.php": "deal 7: Two chairs, 240.00 EUR\n", "stage-change.py": "deal 7 went from None to NEW\n",
        "deal-stage.sh": "deal 7 is in stage NEW: nothing to do\n", "mirror-deals.py": "deal 7: NEW\n"}


@pytest.fixture(params=["app", "webhook"])
def land(request, site):
    """A portal whose deals hooks may read, by an application or by an incoming webhook."""
    with clouds.on(site, names=True) as made:
        made.by_app = request.param == "app"
        made.portal = made.active() if made.by_app else made.cloud.portal("acme")
        made.portal.fill("crm.deal", 7)
        made.deal = made.portal.rows["crm.deal"][7]
        made.deal |= {"TITLE": "Two chairs", "OPPORTUNITY": "240.00", "CURRENCY_ID": "EUR", "STAGE_ID": "NEW"}
        if not made.by_app:
            token = made.portal.outgoing_webhook(made.front.url, *CODES)
            site.portals = (f"portal {{ member_id {made.portal.member_id} domain {made.portal.domain} token {token} "
                            f"webhook {made.portal.webhook()} }}\n")
        yield made


def use(land, example, settings=""):
    """Makes EXAMPLE the hook that its index names, with SETTINGS in its block."""
    site, [block] = land.site, blocks_of(example)
    if example == "mirror-deals.py":
        program = write(site.home / example, (EXAMPLES / example).read_text(), 0o755, site.user)
        block = block.replace("/usr/local/bin/mirror-deals", str(program))
        block = block.replace("/var/lib/bxhook/deals.db", f"{site.out}/deals.db")
    else:
        settings += f" env {{ STAGES_DIR {site.out}/stages }}"
        site.hook(f"{REST[example]}.{example.rpartition('.')[2]}", (EXAMPLES / example).read_text())
    more = block.replace("delay    60s", "delay 0s").replace("{", f"{{ {settings}\n", 1)
    before = site.log().count("config loaded")
    land.configure(apps=None if land.by_app else [], more=more)
    wait_for(lambda: client.fastcgi(site.socket, method="GET") and site.log().count("config loaded") > before, site.log)


def deliver(land, code, id="7"):
    """(delivery, its last attempt) of an event that the portal sends."""
    portal, data = land.portal, {"FIELDS": {"ID": id}}
    [post] = [portal.send(land.app, code, data, portal.admin())] if land.by_app else portal.happens(code, data)
    number = json.loads(post.wait().answer)["event"]
    land.site.run("work", "--once")
    [delivery] = land.site.show(number)["deliveries"]
    return delivery, delivery["attempts"][-1]


@BOTH_STORES
@pytest.mark.parametrize("example", REST)
def test_it_asks_for_its_deal(land, example):
    use(land, example)
    delivery, attempt = deliver(land, REST[example])
    assert delivery["state"] == "done" and attempt["stderr"] == "", attempt
    [asked] = land.cloud.records.of("crm.deal.get")
    assert asked.params["id"] == "7" and ("auth" in asked.params) == land.by_app
    assert attempt["stdout"] == SAID[example]


BY_APP = pytest.mark.parametrize("land", ["app"], indirect=True)


@BY_APP
@pytest.mark.parametrize("error, exit_status, state", [
    ("OVERLOAD_LIMIT", 75, "waiting"), ("ACCESS_DENIED", 77, "dead"), ("ERROR_ARGUMENT", 65, "dead")])
@pytest.mark.parametrize("example", REST)
def test_it_is_tried_again_when_that_helps(land, example, error, exit_status, state):
    use(land, example, "backoff 1h")
    land.cloud.faults.order("error", method="crm.deal.get", error=error)
    delivery, attempt = deliver(land, REST[example])
    assert (attempt["exit"], delivery["state"], attempt["stdout"]) == (exit_status, state, ""), attempt
    assert f"crm.deal.get: {error}" in attempt["stderr"]


@BY_APP
@pytest.mark.parametrize("stage, said", [
    ("WON", "deal 7 is won"), ("C7:LOSE", "deal 7 is lost"), ("NEW", "in stage NEW: nothing to do")])
def test_deal_stage_acts_by_the_result(land, stage, said):
    use(land, "deal-stage.sh")
    land.deal["STAGE_ID"] = stage
    delivery, attempt = deliver(land, "ONCRMDEALUPDATE")
    assert delivery["state"] == "done" and said in attempt["stdout"], attempt


@BY_APP
def test_stage_change_notices_changes_only(land):
    use(land, "stage-change.py")
    said = []
    for stage in ("NEW", "NEW", "WON"):
        land.deal["STAGE_ID"] = stage
        said.append(deliver(land, "ONCRMDEALUPDATE")[1]["stdout"])
    assert said == ["deal 7 went from None to NEW\n", "deal 7 is still in NEW\n", "deal 7 went from NEW to WON\n"]


@BY_APP
def test_mirror_deals_follows_every_change(land):
    use(land, "mirror-deals.py")

    def rows_after(code):
        delivery, attempt = deliver(land, code)
        assert delivery["state"] == "done", attempt
        with contextlib.closing(sqlite3.connect(land.site.out / "deals.db")) as database:
            return database.execute("SELECT portal, id, stage_id FROM deal").fetchall()
    assert rows_after("ONCRMDEALADD") == [(land.portal.member_id, 7, "NEW")]
    land.deal["STAGE_ID"] = "WON"
    assert rows_after("ONCRMDEALUPDATE") == [(land.portal.member_id, 7, "WON")]
    del land.portal.rows["crm.deal"][7]
    assert rows_after("ONCRMDEALUPDATE") == []
    land.portal.rows["crm.deal"][7] = land.deal
    assert len(rows_after("ONCRMDEALADD")) == 1
    land.cloud.faults.order("error", method="crm.deal.get", error="OVERLOAD_LIMIT")
    assert rows_after("ONCRMDEALDELETE") == [], "nobody is asked for a deal that was deleted"
