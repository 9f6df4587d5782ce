"""A site whose application is installed on portals of the stand-in for Bitrix24 (tests/portal)."""

import contextlib
import json
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import bitrix
import client
from scratch import wait_for

sys.path.append(str(Path(__file__).resolve().parents[1]))
from portal import Cloud  # noqa: E402
from portal.kinds import KINDS  # noqa: E402,F401

HOUR = 3600
DAY = 24 * HOUR
DONE = "0 \n"  # of a renewal that was done
REINSTALL = "reinstall the application on that portal, as an administrator"


class Front:
    """The web server before SITE's gateway."""

    def __init__(self, site):
        class Relay(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(client.fastcgi(site.socket, method="GET"))

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                _, _, query = self.path.partition("?")
                try:
                    answer = client.fastcgi(site.socket, body, content_type=self.headers["Content-Type"],
                                            QUERY_STRING=query)
                except OSError:
                    self.send_error(502)
                    return
                self.answer(answer)

            def answer(self, answer):
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
        self.url = f"http://127.0.0.1:{self.server.server_port}/bitrix24"
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Land:
    """SITE, its gateway, and a `cloud` with an `app` whose events go there."""

    def __init__(self, site, worker="start manual", **options):
        self.site = site
        self.front = Front(site)
        self.cloud = Cloud(**options)
        self.cloud.__enter__()
        self.app = self.cloud.app(self.front.url)
        self.configure(worker)
        site.serve()
        wait_for(lambda: client.fastcgi(site.socket, method="GET").body == b"bxhook: ready\n", "the gateway's store")

    def configure(self, worker="start manual", apps=None, more=""):
        self.site.configure(worker=worker, more=self.cloud.conf(*([self.app] if apps is None else apps)) + more)

    def reconfigure(self, **more):
        """As configure, and until the gateway goes by it."""
        before = self.site.log().count("config loaded")
        self.configure(**more)
        wait_for(lambda: client.fastcgi(self.site.socket, method="GET")
                 and self.site.log().count("config loaded") > before, self.site.log)

    def close(self):
        bitrix.sent_secrets.update(self.cloud.secrets())
        self.cloud.__exit__()
        self.front.close()

    # -- what is done

    def install(self, name="acme", **options):
        """The portal NAME, whose ONAPPINSTALL was taken."""
        portal = self.cloud.portal(name)
        post = portal.install(self.app, **options).wait()
        assert post.status == 200, post
        return portal

    def install_in_no_block(self):
        """(the application that has a block, the portal that installed the one that has none)."""
        other = self.cloud.app(self.app.url)
        self.configure(apps=[other], more=f"app {{ server {self.cloud.url} }}\n")
        return other, wait_for(lambda: self.install(), "the empty block")

    def forge(self, **changes):
        """An ONAPPINSTALL as anybody can send it."""
        auth = {"access_token": secrets.token_hex(35), "expires_in": "3600", "refresh_token": secrets.token_hex(35),
                "scope": "crm", "domain": "acme.bitrix24.com", "member_id": "f" * 32, "user_id": "1",
                "application_token": secrets.token_hex(16),
                "server_endpoint": "https://oauth.bitrix.info/rest/",
                "client_endpoint": "https://acme.bitrix24.com/rest/"} | changes
        body = bitrix.encode({"event": "ONAPPINSTALL", "data": {"VERSION": "1"}, "ts": "1767225600", "auth": auth})
        assert client.fastcgi(self.site.socket, body).status == 200

    def active(self, name="acme", **options):
        portal = self.install(name, **options)
        self.sync()
        assert self.state(portal) == "active", self.shown(portal)
        return portal

    def sync(self, *words, check=True, env=None):
        """`bxhook sync`: its lines."""
        return self.site.run("sync", *words, check=check, env=env).stdout.decode().splitlines()

    def start_sync(self, *words):
        """`bxhook sync`, not waited for."""
        return self.site.start([self.site.binary, "sync", *words, "--config", self.site.config], "sync.log")

    def renew(self, portal, *options, check=True, seen=None, env=None):
        """A renewal process, as `call` starts it: what it reports."""
        seen = self.seen(portal) if seen is None else seen
        done = self.site.run("renew", self.number(portal), "--seen", seen, *options, check=check, env=env)
        return done.stdout.decode()

    def start_renewals(self, portal, count=1):
        """COUNT of them that want the same, not waited for."""
        id, seen = self.row(portal)
        arguments = [self.site.binary, "renew", str(id), "--seen", str(seen), "--config", self.site.config]
        return [self.site.start(arguments, "renewal.log") for _ in range(count)]

    # -- what is known

    def installations(self):
        return [one for one in json.loads(self.site.run("portals", "--json").stdout) if one["source"] == "installed"]

    def shown(self, portal):
        """What `portals` says of the installation on PORTAL; None: there is none."""
        found = [one for one in self.installations() if one["member_id"] == portal.member_id]
        return found[-1] if found else None

    def state(self, portal):
        one = self.shown(portal)
        return one["state"] if one else "none"

    def row(self, portal):
        """(id, renewed_at) of the last installation on PORTAL."""
        rows = self.site.query("SELECT id, coalesce(renewed_at, 0) FROM %installation "
                               f"WHERE member_id = '{portal.member_id}' ORDER BY id")
        return rows[-1]

    def number(self, portal):
        return self.row(portal)[0]

    def seen(self, portal):
        return self.row(portal)[1]

    def codes(self):
        """The events that are there, oldest first."""
        return [line["code"] for line in reversed(self.site.list("--limit", "1000"))]

    def renewals(self, ran=True):
        return [one for one in self.cloud.records.of("oauth/token", done=False) if one.ran or not ran]


@contextlib.contextmanager
def on(site, **options):
    land = Land(site, **options)
    try:
        yield land
    finally:
        land.close()


@pytest.fixture
def land(site):
    with on(site) as made:
        yield made


@pytest.fixture
def portal(land):
    """One where the application is active."""
    return land.active()
