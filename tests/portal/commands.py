"""What a person may type: the commands of serve.py, without what does them (console.py)."""

import argparse
import re
from pathlib import Path

PORT = 8443
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text):
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration: write 90s, 5m, 2h or 20d")
    return int(found[1]) * UNITS[found[2]]


def file(text):
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"no file {text!r}")
    return text


def arg(*names, **options):
    return names, options


def user(does):
    return arg("--user", type=int, metavar="ID", help=f"who {does} (1)")


def values(help):
    return arg("data", nargs="*", metavar="NAME=VALUE", help=help)


COMMANDS = {
    "start": ("serve, in the foreground", [
        arg("url", metavar="URL", help="where the application takes its installation and events"),
        arg("--port", type=int, default=PORT, help="of 127.0.0.1 (%(default)s)"),
        arg("--name", default="acme", help="of the portal (%(default)s)"),
        arg("--names", action="store_true", help="Bitrix24's own names, for a client that uses the proxy"),
        arg("--clock", type=file, metavar="FILE", help="its first number, of seconds, is added to the time")]),
    "install": ("install the application, or install it again: sends ONAPPINSTALL", [user("installs it")]),
    "page": ("open the application's page as a user's browser does; DEFAULT installs it", [
        arg("placement", nargs="?", default="DEFAULT"), arg("--options", metavar="JSON"), user("opens it")]),
    "uninstall": ("remove the application: sends ONAPPUNINSTALL to whoever bound it", []),
    "bind": ("subscribe the application to events, as its own event.bind does", [arg("event", nargs="+")]),
    "outgoing": ("make an outgoing webhook for events: prints its application_token", [
        arg("event", nargs="+"), arg("--url", help="where they go (the application's)")]),
    "event": ("let an event happen: it goes to whoever bound it", [
        arg("event"), values("below data: FIELDS[ID]=7"), user("causes it"),
        arg("--robot", action="store_true", help="nobody causes it")]),
    "robot": ("start a robot or activity of the application on a document, as DEAL_7", [
        arg("code"), arg("document"), values("properties")]),
    "sms": ("have a message sent by the application", [
        arg("code"), arg("to"), arg("text"),
        arg("--robot", action="store_true", help="nobody is its author: it has no token")]),
    "other": ("send a post of bots, pay systems, cash registers ...: `other list` names them", [arg("kind")]),
    "registered": ("list the robots, activities and senders that the application has registered", []),
    "returned": ("show what robots and messages were answered", []),
    "webhook": ("make an incoming webhook: prints its URL", []),
    "fill": ("add rows to crm.deal, crm.lead, crm.contact, crm.company, crm.item_TYPE, tasks.task", [
        arg("entity"), arg("count", type=int)]),
    "rename": ("give the portal another name: the old URL redirects", [arg("name")]),
    "step": ("set the stand-in's clock forward", [arg("duration", type=duration, help="90s, 5m, 2h, 20d")]),
    "fail": ("order what goes wrong with the next requests", [
        arg("kind", help="html, empty, status, error, cut, reset, hang, slow, redirect, edit, big"),
        values("what the kind takes, as seconds=5"), arg("--method", metavar="GLOB", help="of these methods"),
        arg("--times", type=int, default=1, metavar="N", help="for so many requests (1)"),
        arg("--after", action="store_true", help="when the method ran")]),
    "mend": ("nothing goes wrong from now on", []),
    "requests": ("list what was asked: number, portal, method, status, fault", [
        arg("method", nargs="?", default="*", metavar="GLOB")]),
    "show": ("show one request with its parameters and answer", [arg("number", type=int)]),
}


def parser(doc, folder):
    """DOC describes the program, FOLDER is what it uses unless it is named."""
    made = argparse.ArgumentParser(prog="serve.py", description=doc,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--folder", type=Path, default=folder,
                      help="for the certificate, the application's secret and the socket (%(default)s)")
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (help, arguments) in COMMANDS.items():
        command = commands.add_parser(name, help=help, description=help)
        for names, options in arguments:
            command.add_argument(*names, **options)
    return made
