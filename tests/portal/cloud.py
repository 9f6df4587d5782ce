"""The stand-in as a test holds it: one server, with as many portals and applications as it makes."""

import shutil
import tempfile
import threading
from hashlib import md5
from pathlib import Path

from . import methods, routes, tls, wire  # noqa: F401
from .accounts import make_app
from .clock import Clock
from .errors import Refusal
from .faults import Faults, of_json
from .oauth import Authorization
from .offline import Offline
from .outbox import Outbox
from .portal import Portal
from .records import Records
from .rest import Rest
from .rest3 import Rest3
from .subscriptions import Subscriptions
from .tokens import Tokens


class Cloud:
    """Serves from `with` on.  For any thread; what belongs together is done under `lock`.

    clock: a file as tests/faults/clock.c reads it.  names: Bitrix24's own names are used in what is sent
    (https://acme.bitrix24.example/rest/, oauth.bitrix.info), for clients that come through `proxy`.  folder: where
    the certificate is kept.  live: HTTP statuses as seen on live portals, where the documentation says others.
    senders: so many posts are under way at once; with one they arrive in order.
    """

    def __init__(self, port=0, clock=None, names=False, folder=None, live=False, senders=1):
        self._made = None if folder else Path(tempfile.mkdtemp(prefix="bxhook-portal-"))
        self.folder = Path(folder or self._made)
        if self._made:
            self._made.chmod(0o711)  # programs of another user read the certificate
        self.clock, self.names, self.live = Clock(clock), names, live
        self.lock = threading.RLock()
        self.records, self.faults = Records(), Faults()
        self.apps, self.portals = {}, {}  # by client_id, by name
        self.names_of = {}                # name or domain, of today or former: portal
        self.tokens, self.offline, self.outbox = Tokens(self.clock), Offline(self.clock), Outbox(self.clock, senders)
        self.oauth, self.rest, self.rest3 = Authorization(self), Rest(self), Rest3(self)
        self.subscriptions = Subscriptions(self)
        self.killed_token = "expired_token"  # what one that a renewal killed gets; None: it works on, as a cached one
        self.own_changes = "skipped"         # or "kept": the sources conflict on the offline queue of who made them
        self.cacert, key = tls.make(self.folder)
        self._server = wire.Server(self, tls.context(self.cacert, key), port)
        self.port = self._server.server_port
        self.hosts = (f"127.0.0.1:{self.port}", f"localhost:{self.port}")

    def __enter__(self):
        self.outbox.start()
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(self, *_):
        self.faults.clear()
        self.outbox.close()
        self._server.shutdown()
        self._server.server_close()
        if self._made:
            shutil.rmtree(self._made, ignore_errors=True)

    # -- where it is

    @property
    def url(self):
        """What `app.server` names: the authorization server."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def proxy(self):
        return f"http://127.0.0.1:{self.port}"

    def client_endpoint(self, portal):
        return f"https://{portal.domain}/rest/" if self.names else f"{self.url}/{portal.name}/rest/"

    def server_endpoint(self, portal):
        return f"https://{portal.server}/rest/" if self.names else f"{self.url}/rest/"

    def conf(self, *apps):
        """The lines of bxhook.conf by which it finds this server: with `names` through the proxy."""
        server = "" if self.names else f"    server        {self.url}\n"
        blocks = "".join(f"app {{\n    client_id     {app.client_id}\n    client_secret {app.client_secret}\n"
                         f"    url           {app.url}\n{server}}}\n" for app in apps)
        proxy = f"  proxy {self.proxy}" if self.names else ""
        return f"{blocks}rest {{ cacert {self.cacert}{proxy} }}\n"

    # -- who is there

    def portal(self, name="acme", member_id=None, domain=None):
        """The portal NAME, made when it is not there."""
        if name not in self.portals:
            made = Portal(self, name, member_id or md5(name.encode()).hexdigest(), domain or domain_of(name))
            made.add_user(admin=True)
            made.add_user(name="Bob")
            self.portals[name] = self.names_of[name] = self.names_of[made.domain] = made
        return self.portals[name]

    def app(self, url, **more):
        """A new application whose installations and events go to URL: see accounts.App."""
        made = make_app(url, **more)
        self.apps[made.client_id] = made
        return made

    def rename(self, portal, name):
        """PORTAL's URL changes; at the old one is a redirect."""
        with self.lock:
            del self.portals[portal.name]
            portal.name, portal.domain = name, domain_of(name)
            self.portals[name] = self.names_of[name] = self.names_of[portal.domain] = portal

    def secrets(self):
        """All that nobody but the application may see: tokens, also those that are dead, codes, client_secrets."""
        with self.lock:
            found = {app.client_secret for app in self.apps.values()} | self.tokens.secrets()
            for portal in self.portals.values():
                found |= set(portal.workflows) | {hook.code for hook in portal.webhooks}
                found |= {one.application_token for one in portal.installations.values()}
            return found

    # -- what is asked

    def answer(self, request):
        """The Reply to REQUEST, with what goes wrong as ordered."""
        handle = routes.find(self, request)
        fault = self.faults.take(request)
        return fault.play(lambda: self._run(request, handle)) if fault else self._run(request, handle)

    def _run(self, request, handle):
        with self.lock:
            try:
                request.ran = request.method is not None
                return handle()
            except (Refusal, ValueError) as error:  # a number that is not one
                refusal = error if isinstance(error, Refusal) else Refusal("ERROR_ARGUMENT", str(error))
                request.ran = False
                return of_json(refusal.body(), refusal.status(self.live))

    def inner(self, call, name, params):
        """What the method NAME answers inside of a batch."""
        fault = self.faults.take_inner(name, call.portal.name)
        if fault:
            raise Refusal(**fault.options)
        return self.rest.run(call, name, params)


def domain_of(name):
    return f"{name}.bitrix24.example"
