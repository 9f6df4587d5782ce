"""One account: what it has, and what happens there."""

import hashlib
import secrets
import urllib.parse
from dataclasses import dataclass, field

from . import kinds, posts
from .accounts import SCOPE, Installation, User, Webhook
from .outbox import make_post
from .work import Message, Workflow

FINISH = b"installFinish"  # what an installation page's script calls


@dataclass(eq=False)
class Account:
    """What the account is: user 1 is an admin, user 2 is not."""

    cloud: object
    name: str
    member_id: str
    domain: str
    users: dict = field(default_factory=dict)          # id: User
    installations: dict = field(default_factory=dict)  # client_id: Installation
    webhooks: list = field(default_factory=list)
    features: set = field(default_factory=lambda: {"rest_offline_extended", "rest_auth_connector"})  # of the plan
    paid: bool = True
    deleted: bool = False
    language: str = "en"
    server: str = "oauth.bitrix.info"                  # or oauth.bitrix24.tech, by region

    def admin(self):
        return next(user for user in self.users.values() if user.admin)

    def add_user(self, admin=False, **more):
        user = User(max(self.users, default=0) + 1, admin, **more)
        self.users[user.id] = user
        return user

    def webhook(self, user=None, scope=SCOPE):
        """The URL of a new incoming webhook, of the admin or USER."""
        made = Webhook(user or self.admin(), secrets.token_hex(8), scope)
        self.webhooks.append(made)
        return f"{self.cloud.client_endpoint(self)}{made.user.id}/{made.code}/"

    def outgoing_webhook(self, url, *events):
        """The application_token of a new outgoing webhook, which posts EVENTS to URL."""
        made = Webhook(self.admin(), secrets.token_hex(16), (), url, tuple(events), self.cloud.subscriptions.next_id())
        self.webhooks.append(made)
        return made.code

    def token_of(self, app):
        """The application_token: the same whenever APP comes back to this portal, unless it got another secret."""
        return hashlib.md5(f"{self.member_id}|{app.client_id}|{app.client_secret}|stand-in".encode()).hexdigest()


@dataclass(eq=False)
class Portal(Account):
    """What is there, and what happens."""

    rows: dict = field(default_factory=dict)      # "crm.deal": {id: row}
    quirks: dict = field(default_factory=dict)    # method: {"ignores_filter", ...}, see methods/lists.py
    bots: dict = field(default_factory=dict)      # id: what registered it
    workflows: dict = field(default_factory=dict)  # event_token: Workflow, of robots that were started
    messages: dict = field(default_factory=dict)  # (code, message_id): Message
    zone: int = 0                                 # hours ahead of UTC, of the times it writes

    def fill(self, entity, count):
        """COUNT more rows of ENTITY ("crm.deal"; "crm.item_31" of items), as if they had always been there."""
        rows = self.rows.setdefault(entity, {})
        typed = entity.startswith(("crm.item", "crm.type", "tasks."))
        for id in range(max(rows, default=0) + 1, max(rows, default=0) + count + 1):
            rows[id] = {"id": id, "title": f"Row {id}"} if typed else {"ID": str(id), "TITLE": f"Row {id}"}

    # -- the life of an application

    def add(self, app, user=None, installed=True):
        """The installation of APP by USER, from now on; nobody hears of it.  A known one is the same again."""
        with self.cloud.lock:
            made = self.installations.get(app.client_id)
            if not made or made.gone:
                made = self.installations[app.client_id] = Installation(app, self, self.token_of(app))
            made.user, made.installed, made.granted = user or self.admin(), installed, tuple(app.scope)
            return made

    def install(self, app, user=None, delay=0):
        """APP is installed, or installed again (another version, another user): the ONAPPINSTALL that goes out.

        One with a page is installed only when that called installFinish: see `open`."""
        made = self.add(app, user, installed=not app.page)
        return None if app.page else self.send(app, "ONAPPINSTALL", {
            "VERSION": app.version, "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": self.language},
            made.user, refresh=True, delay=delay)

    def send(self, app, code, data, user=None, refresh=False, url=None, delay=0):
        """The event CODE goes to APP's URL (or to `url`), bound or not: ONAPPUPDATE, or what a test makes up."""
        installation = self.installations[app.client_id]
        tree = posts.event(self.cloud, code, self.cloud.subscriptions.next_id(), data,
                           posts.auth(self.cloud, installation, user, refresh))
        return self.post(code, url or app.url, tree, delay=delay)

    def uninstall(self, app, clean=True):
        """The ONAPPUNINSTALL that go out, to whoever bound it; tokens, subscriptions and rows are gone then."""
        with self.cloud.lock:
            installation = self.installations[app.client_id]
            sent = self.cloud.subscriptions.notify(installation, "ONAPPUNINSTALL",
                                                 {"CLEAN": int(clean), "LANGUAGE_ID": self.language})
            installation.gone = True
            return sent

    # -- what is posted

    def happens(self, code, data=None, user=None, delay=0):
        """CODE happened, caused by USER (a robot without): the posts that go out to who subscribed."""
        with self.cloud.lock:
            return self.cloud.subscriptions.happens(self, code, data or {}, user, delay=delay)

    def open(self, app, user=None, placement="DEFAULT", options=None, old=False, url=None):
        """USER's browser opens APP's page: the Post with its answer.  Its installFinish installs the app."""
        installation = self.installations[app.client_id]
        query, body = posts.page(self.cloud, installation, user or self.admin(), placement, options, old)
        target = f"{url or app.url}?{urllib.parse.urlencode(query)}"
        made = make_post(placement, target, body, headers={"Origin": f"https://{self.domain}",
                                                           "User-Agent": "Mozilla/5.0"})
        self.cloud.outbox.send(made)
        if FINISH in made.answer and placement == "DEFAULT":
            self.finish(app)
        return made

    def finish(self, app):
        """installFinish, from APP's page: handlers that it bound before hear ONAPPINSTALL, at each call."""
        with self.cloud.lock:
            installation = self.installations[app.client_id]
            installation.installed = True
            return self.cloud.subscriptions.notify(installation, "ONAPPINSTALL", {
                "VERSION": app.version, "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": self.language},
                installation.user, refresh=True)

    def robot(self, app, code, document_id, properties=None, user=None, url=None, **more):
        """A robot or activity of APP starts on the CRM's DOCUMENT_ID (`DEAL_7`): what comes of it is in `workflows`.

        One that APP has registered goes to its handler, in the name of the user it asks for, and waits as it says."""
        installation = self.installations[app.client_id]
        known = installation.activities.get(code)
        if known:
            user, url = self.users.get(known["user"], user), url or known["handler"]
            more.setdefault("wait", known["subscription"] != "N")
        tree = posts.robot(self.cloud, installation, user, code, document_id, properties or {}, **more)
        self.workflows[tree["event_token"]] = Workflow(code, tree["use_subscription"] != "N",
                                                       {name.upper() for name in known["returns"]} if known else None)
        return self.post(code, url or app.url, tree)

    def sms(self, app, code, to, text, user=None, document_id=None, url=None):
        """A message for APP to send, to the handler of its sender where that is registered: see `messages`."""
        installation = self.installations[app.client_id]
        tree = posts.sms(self.cloud, installation, user, code, to, text, document_id)
        self.messages[code, tree["message_id"]] = Message(app.client_id, user)
        return self.post("SMS", url or installation.senders.get(code, app.url), tree)

    def say(self, bot, text, user=None):
        """USER says TEXT to the BOT (an id): its handler hears it."""
        known, user = self.bots[bot], user or self.admin()
        tree = kinds.said_to_bot(self, bot, known["code"], text, user, known["installation"], known["token"])
        return self.post("ONIMBOTV2MESSAGEADD", known["handler"], tree)

    def other(self, app, kind, url=None, user=None):
        """A post of KIND (see kinds.KINDS) to APP's URL; of one whose sender reads the answer, with that."""
        made, read = kinds.post(self.installations[app.client_id], kind, user or self.admin(), url or app.url)
        return self.cloud.outbox.send(made) if read else self.cloud.outbox.put(made)

    def post(self, what, url, tree, delay=0, **more):
        """TREE by the queue, as it is."""
        return self.cloud.outbox.put(make_post(what, url, tree, **more), delay)
