"""What a person does on the portal by serve.py: one function a command."""

import json
import re
import time
import urllib.parse

import bitrix

from . import form, kinds
from .errors import Refusal
from .subscriptions import Binding, scope_of

WAIT = 20  # seconds for a post


class Mistake(ValueError):
    """What was typed makes no sense; the text says why."""


def of_words(words):
    """The tree of NAME=VALUE WORDS, `FIELDS[ID]=7`."""
    tree = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise Mistake(f"{word!r} is not NAME=VALUE")
        form.place(tree, name, value)
    return form.lists(tree)


def number(value):
    """VALUE, or the number that it is."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value) if "." in value else int(value)
    return value


def said(post):
    """What came of POST, on a line."""
    post.wait(WAIT)
    answer = post.answer.decode("utf-8", "replace").strip()
    return f"{post.what} -> {post.url}: {post.status or post.error} {answer}"[:300].rstrip()


DO = {}  # name: function


def command(function):
    """Makes FUNCTION of a Console and of words (see commands.py) the command of its name: it gives what to print."""
    DO[function.__name__] = function
    return function


def posts(sent, otherwise):
    return "\n".join(map(said, sent)) or otherwise


class Console:
    """Acts on one portal of CLOUD and one application there."""

    def __init__(self, cloud, portal, app):
        self.cloud, self.portal, self.app = cloud, portal, app

    def obey(self, words):
        """What the command of WORDS prints; throws ValueError or AssertionError."""
        try:
            return DO[words.command](self, words)
        except Refusal as refusal:
            raise Mistake(refusal.text) from None

    def user(self, id):
        if id is not None and id not in self.portal.users:
            raise Mistake(f"no user {id}: there are {' '.join(map(str, self.portal.users))}")
        return self.portal.users.get(id)

    def installed(self):
        made = self.portal.installations.get(self.app.client_id)
        if not made or made.gone:
            raise Mistake("the application is not installed: type install")
        return made


@command
def install(console, words):
    return said(console.portal.install(console.app, console.user(words.user)))


@command
def page(console, words):
    if console.app.client_id not in console.portal.installations:
        console.portal.add(console.app, console.user(words.user), installed=False)
    options = json.loads(words.options) if words.options else None
    post = console.portal.open(console.app, console.user(words.user), words.placement, options)
    return f"{said(post)}\ninstalled: {'yes' if console.installed().installed else 'no'}"


@command
def uninstall(console, words):
    console.installed()
    return posts(console.portal.uninstall(console.app), "nobody has bound ONAPPUNINSTALL")


@command
def bind(console, words):
    for code in map(str.upper, words.event):
        if scope_of(code) is None:
            raise Mistake(f"no event {code}")
        console.cloud.subscriptions.add(Binding(console.installed(), code, console.app.url))
    return "\n".join(one.event for one in console.cloud.subscriptions.of(console.installed()))


@command
def outgoing(console, words):
    return console.portal.outgoing_webhook(words.url or console.app.url, *map(str.upper, words.event))


@command
def event(console, words):
    code = words.event.upper()
    if scope_of(code) is None:
        raise Mistake(f"no event {code}")
    sample = next((tree.get("data") for name, tree in bitrix.samples() if name.upper() == code), None)
    data = {**(sample if isinstance(sample, dict) else {}), **of_words(words.data)}
    user = None if words.robot else console.user(words.user) or console.portal.admin()
    return posts(console.portal.happens(code, data, user), f"nobody has bound {code}: type bind {code}")


@command
def robot(console, words):
    console.installed()
    admin = console.portal.admin()
    return said(console.portal.robot(console.app, words.code, words.document, of_words(words.data), admin))


@command
def sms(console, words):
    console.installed()
    author = None if words.robot else console.portal.admin()
    return said(console.portal.sms(console.app, words.code, words.to, words.text, author))


@command
def other(console, words):
    console.installed()
    if words.kind not in kinds.KINDS:
        raise Mistake(f"no kind {words.kind}: there are {' '.join(sorted(kinds.KINDS))}")
    return said(console.portal.other(console.app, words.kind))


@command
def returned(console, words):
    found = [f"{one.code}: {state_of(one)}" for one in console.portal.workflows.values()]
    found += [f"{code}: message {id}: {one.status or 'no status yet'}"
              for (code, id), one in console.portal.messages.items()]
    return "\n".join(found) or "no robot was started, no message sent"


def state_of(workflow):
    """What became of a robot, on a line."""
    if workflow.values is None:
        return "waits for an answer" if workflow.waits else "waits for none"
    return f"{json.dumps(workflow.values, ensure_ascii=False)}, log: {'; '.join(workflow.log)}"


@command
def registered(console, words):
    installation = console.installed()
    found = [f"{one['kind']} {code} -> {one['handler']}" for code, one in installation.activities.items()]
    found += [f"sender {code} -> {handler}" for code, handler in installation.senders.items()]
    return "\n".join(found) or "the application has registered nothing"


@command
def webhook(console, words):
    return console.portal.webhook()


@command
def fill(console, words):
    console.portal.fill(words.entity, words.count)
    return f"{words.entity}: {len(console.portal.rows[words.entity])} rows"


@command
def rename(console, words):
    console.cloud.rename(console.portal, words.name)
    return console.cloud.client_endpoint(console.portal)


@command
def step(console, words):
    console.cloud.clock.step(words.duration)
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(console.cloud.clock.now()))


@command
def fail(console, words):
    options = {name: number(value) for name, value in of_words(words.data).items()}
    for name in options.keys() & {"kind", "times", "method", "after"}:
        raise Mistake(f"{name} is not a value of a fault: see serve.py fail --help")
    console.cloud.faults.order(words.kind, words.times, words.method, after=words.after, **options)
    return f"{words.kind}: the next {words.times} of {words.method or 'all methods'}"


@command
def mend(console, words):
    console.cloud.faults.clear()
    return "all is well"


@command
def requests(console, words):
    return "\n".join(line_of(one) for one in console.cloud.records.of(words.method))


@command
def show(console, words):
    found = [one for one in console.cloud.records if one.number == words.number]
    if not found:
        raise Mistake(f"no request {words.number}: type requests")
    return (f"{found[0].verb} https://{found[0].host}{found[0].path}\n"
            f"{json.dumps(found[0].params, indent=1, ensure_ascii=False)}\n"
            f"{found[0].status} {found[0].answer.decode('utf-8', 'replace')}")


def line_of(request):
    fault = f" ({request.fault})" if request.fault else ""
    what = request.method or urllib.parse.quote(request.path)
    return f"{request.number} {request.portal or '-'} {what} {request.status}{fault}"
