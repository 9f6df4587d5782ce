"""A month in the life of an application, its clocks stepped: tokens run out, chains are idle, the server is away,
a portal is renamed, the application is installed again and uninstalled.  No event is lost, no token spent twice, and
what `portals` says is true at each point."""

import os
import shutil

import pytest

import clouds
import postgres
from clouds import DAY, HOUR
from hosts import Host, make_store
from pairs import preload
from scratch import ROOT, Site, write


class Month(clouds.Land):
    """`step` sets all clocks: those of the site's programs, of the stand-in and of the database's server."""

    def __init__(self, site, clock):
        self.clock, self.offset, self.sent = clock, 0, 0
        site.env["BXHOOK_CLOCK"] = str(clock)
        super().__init__(site, clock=clock, names=True)

    def step(self, seconds):
        self.offset += seconds
        draft = write(self.clock.with_suffix(".new"), f"{int(self.offset)} 0")
        draft.chmod(0o644)
        draft.rename(self.clock)

    def happens(self, portal, number):
        """An event of PORTAL, which is taken."""
        post = portal.send(self.app, "ONCRMDEALADD", {"FIELDS": {"ID": number}}, portal.admin()).wait()
        assert post.status == 200, post
        self.sent += 1

    def work(self):
        """What cron does."""
        self.site.run("work", "--once")

    def all_there(self):
        assert self.codes().count("ONCRMDEALADD") == self.sent
        assert self.cloud.records.spent_twice() == []

    def says(self, portal, state, problem=None):
        one = self.shown(portal)
        assert one["state"] == state, one
        assert (one["problem"] is None) if problem is None else (problem in (one["problem"] or "")), one
        assert bool(one["fix"]) == (state == "pending" or bool(one["problem"])), one


@pytest.fixture(params=["sqlite", "postgresql"])
def month(request, scratch):
    program = ROOT / os.environ.get("BUILD", "build") / "bxhook-faults"
    assert program.is_file(), f"no program {program}: run make {program}"
    clock = write(scratch.new("clock") / "clock", "0 0")
    clock.chmod(0o644)
    server = None
    if request.param == "postgresql":
        server = postgres.Server(scratch).create("fsync = off")
        server.start(env={"LD_PRELOAD": str(preload(scratch, "clock")), "CLOCK_CONTROL": str(clock)})
        database = postgres.Database(server)
        make_store(scratch, database)
        site = Host(scratch, database)
    else:
        site = Site(scratch)
    module = ROOT / "bxhook-postgresql.so"
    if module.exists():
        shutil.copy(module, scratch.bin / module.name)
    site.binary = shutil.copy(program, scratch.bin / "bxhook-faults")
    made = Month(site, clock)
    yield made
    made.close()
    site.stop()
    if server:
        server.remove()


def test_a_month(month):
    cloud = month.cloud
    acme, other = month.install("acme"), month.install("other")
    month.happens(acme, 1)  # held: it is not verified yet
    month.says(acme, "pending", "not verified yet")
    month.work()
    month.says(acme, "active")
    month.says(other, "active")
    month.all_there()

    # The tokens run out; nobody needs any, so nobody renews.
    month.step(3 * HOUR)
    month.happens(acme, 2)
    month.work()
    assert len(month.renewals()) == 2
    # `call` would: once, and what it gets is good.
    assert month.renew(acme) == "0 \n"
    month.says(acme, "active")
    month.all_there()

    # Twenty idle days: the one that was not used is renewed, the other its time later.
    month.step(20 * DAY - 2 * HOUR)
    month.happens(other, 3)
    month.work()
    assert len(month.renewals()) == 4
    month.step(3 * HOUR)
    month.work()
    assert len(month.renewals()) == 5
    month.work()
    assert len(month.renewals()) == 5
    month.all_there()

    # The server is away for a day, and both are due.
    month.step(20 * DAY)
    away = cloud.faults.order("status", times=10 ** 6, method="oauth/token", status=502)
    month.work()
    month.says(acme, "active", "its tokens cannot be renewed: ")
    for _ in range(8):
        month.step(3 * HOUR)
        month.happens(acme, 4)
        month.work()
    assert 10 <= away.hit <= 40
    month.says(other, "active", "its tokens cannot be renewed: ")
    away.release()
    month.step(2 * HOUR)
    month.work()
    month.says(acme, "active")
    month.says(other, "active")
    month.all_there()

    # Renamed: its events go on, and with the next renewal it is known by its new name.
    cloud.rename(acme, "novum")
    month.happens(acme, 5)
    assert month.shown(acme)["portal"] == "acme.bitrix24.example"
    month.step(20 * DAY + HOUR)
    month.work()
    assert month.shown(acme)["portal"] == "novum.bitrix24.example"
    month.says(acme, "active")
    month.happens(acme, 6)
    month.all_there()

    # Another administrator installs it again: its tokens are his from now on.
    boss = acme.add_user(admin=True)
    acme.install(month.app, user=boss).wait()
    month.work()
    month.says(acme, "active")
    assert month.shown(acme)["user_id"] == str(boss.id)
    # Both chains are idle; the first administrator is dismissed meanwhile.
    acme.users[1].active = False
    month.step(21 * DAY)
    month.work()
    month.says(acme, "active")
    # The other portal's is dismissed too: his tokens are refused.  Its events go on.
    other.users[1].active = False
    chief = other.add_user(admin=True)
    month.step(21 * DAY)
    month.work()
    month.says(other, "active", "its tokens cannot be renewed: authorization_error")
    month.sent += 1
    assert other.send(month.app, "ONCRMDEALADD", {"FIELDS": {"ID": 7}}, chief).wait().status == 200
    month.all_there()
    other.install(month.app, user=chief).wait()
    month.work()
    month.says(other, "active")

    # Uninstalled on one portal: gone, and later forgotten; on the other nothing changes.
    for post in other.uninstall(month.app):
        assert post.wait().status == 200
    month.work()
    assert month.state(other) == "gone"
    assert "uninstalled" in month.shown(other)["problem"]
    month.says(acme, "active")
    month.happens(acme, 8)
    month.all_there()
