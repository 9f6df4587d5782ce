"""What an application registers: robots and activities of workflows, senders of messages."""

import re
from urllib.parse import urlsplit

from ..errors import Refusal
from ..rest import method


def require_admin(call):
    """By the application itself, with an administrator's token."""
    if not call.installation:
        raise Refusal("ACCESS_DENIED", "Application context required")
    if not call.user.admin:
        raise Refusal("ACCESS_DENIED", "Access denied!")


def code_of(call, what):
    """The CODE; WHAT is `activity` or `sender`, as the errors have it."""
    code = str(call.get("CODE") or "")
    failure = f"ERROR_{what.upper()}_VALIDATION_FAILURE"
    if not code:
        raise Refusal(failure, f"Empty {what} code!")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", code):
        raise Refusal(failure, f"Wrong {what} code!")
    return code


def handler_of(call, of_app=False):
    """The HANDLER; OF_APP: its host is the application's."""
    handler = str(call.get("HANDLER") or "")
    url = urlsplit(handler)
    if "." not in (url.hostname or ""):
        raise Refusal("ERROR_WRONG_HANDLER_URL", "Wrong handler URL")
    if url.scheme not in ("http", "https"):
        raise Refusal("ERROR_UNSUPPORTED_PROTOCOL", "Unsupported handler protocol")
    if of_app and url.hostname != urlsplit(call.installation.app.url).hostname:
        raise Refusal("ERROR_HANDLER_URL_MATCH", "Handler URL host doesn't match application url")
    return handler


def properties_of(call, name):
    """The parameter NAME: {property: {"NAME", "TYPE", ...}}."""
    properties = call.get(name) or {}
    failure = "ERROR_ACTIVITY_VALIDATION_FAILURE"
    if not isinstance(properties, dict):
        raise Refusal(failure, "Wrong properties array!")
    for key, one in properties.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", key):
            raise Refusal(failure, f"Wrong property key {key}!")
        if not isinstance(one, dict) or not any(field.upper() == "NAME" and one[field] for field in one):
            raise Refusal(failure, f"Empty property NAME {key}!")
    return properties


def add_activity(call, kind):
    """Robots and activities share their codes."""
    require_admin(call)
    code, handler = code_of(call, "activity"), handler_of(call, of_app=True)
    if not call.get("NAME"):
        raise Refusal("ERROR_ACTIVITY_VALIDATION_FAILURE", "Empty activity NAME!")
    made = {"kind": kind, "handler": handler, "subscription": str(call.get("USE_SUBSCRIPTION") or ""),
            "user": int(call.get("AUTH_USER_ID") or 0), "properties": properties_of(call, "PROPERTIES"),
            "returns": properties_of(call, "RETURN_PROPERTIES")}
    if code in call.installation.activities:
        raise Refusal("ERROR_ACTIVITY_ALREADY_INSTALLED", "Activity or Robot already installed!")
    call.installation.activities[code] = made
    return True


def delete_activity(call, kind):
    require_admin(call)
    code = code_of(call, "activity")
    if call.installation.activities.get(code, {}).get("kind") != kind:
        raise Refusal("ERROR_ACTIVITY_NOT_FOUND", "Activity or Robot not found!")
    del call.installation.activities[code]
    return True


def list_activities(call, kind):
    require_admin(call)
    return [code for code, one in call.installation.activities.items() if one["kind"] == kind]


def enter(kind):
    for verb, function in (("add", add_activity), ("delete", delete_activity), ("list", list_activities)):
        method(f"bizproc.{kind}.{verb}", scope="bizproc")(lambda call, run=function: run(call, kind))


enter("robot")
enter("activity")


@method("messageservice.sender.add", scope="messageservice")
def sender_add(call):
    require_admin(call)
    code, handler = code_of(call, "sender"), handler_of(call)
    failure, type = "ERROR_SENDER_VALIDATION_FAILURE", call.get("TYPE")
    if not call.get("NAME"):
        raise Refusal(failure, "Empty sender NAME!")
    if type != "SMS":
        raise Refusal(failure, "Unknown sender message TYPE!" if type else "Empty sender message TYPE!")
    if code in call.installation.senders:
        raise Refusal("ERROR_SENDER_ALREADY_INSTALLED", "Sender already installed!")
    call.installation.senders[code] = handler
    return True


@method("messageservice.sender.delete", scope="messageservice")
def sender_delete(call):
    require_admin(call)
    if not call.installation.senders.pop(code_of(call, "sender"), None):
        raise Refusal("ERROR_SENDER_NOT_FOUND", "Sender not found!")
    return True


@method("messageservice.sender.list", scope="messageservice")
def sender_list(call):
    require_admin(call)
    return list(call.installation.senders)
