"""Who is there: applications, users, portals, and what of an application a portal has."""

import secrets
from dataclasses import dataclass, field

SCOPE = ("crm", "task", "user", "bizproc", "messageservice", "placement", "imbot", "telephony")


@dataclass
class App:
    """An application as its vendor has it, the same on every portal."""

    client_id: str
    client_secret: str
    url: str                 # of the installation: ONAPPINSTALL, or its page, goes there
    scope: tuple = SCOPE
    version: int = 1
    status: str = "L"        # F free, D demo, T trial, P paid, L local, S subscription
    page: bool = False       # it has an interface: a browser brings the installation


def make_app(url, client_id=None, client_secret=None, **more):
    return App(client_id or f"local.{secrets.token_hex(7)}.{secrets.randbelow(10 ** 8):08}",
               client_secret or secrets.token_hex(25), url, **more)


@dataclass
class User:
    id: int
    admin: bool = False
    active: bool = True   # no: dismissed
    access: bool = True   # to applications
    name: str = "Ann"
    last_name: str = "Example"


@dataclass(eq=False)
class Installation:
    """An application on a portal.  Once it is gone its tokens, subscriptions and rows are too: another comes."""

    app: App
    portal: object
    application_token: str
    user: User = None        # who installed it
    installed: bool = False  # its page has called installFinish, or it has none
    active: bool = True
    gone: bool = False
    granted: tuple = ()      # the scope: the app's when it was installed
    placements: list = field(default_factory=list)
    activities: dict = field(default_factory=dict)  # code: a robot or activity, see methods/registered.py
    senders: dict = field(default_factory=dict)     # code: the handler of a sender of messages

    def serves(self, user):
        """Whether the tokens of USER go on: a market application's do after his dismissal, by a system user."""
        return user.active or self.app.status != "L"

    @property
    def works(self):
        return self.installed and self.active and not self.gone


@dataclass
class Webhook:
    """An incoming webhook, or, with `url`, an outgoing one."""

    user: User
    code: str
    scope: tuple = SCOPE
    url: str = ""
    events: tuple = ()
    id: int = 0  # event_handler_id of an outgoing one
