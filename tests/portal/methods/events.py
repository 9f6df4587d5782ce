"""event.*: what an application subscribes to."""

from urllib.parse import urlsplit

from ..errors import Refusal
from ..rest import method
from ..subscriptions import CATALOG, Binding, scope_of

NOT_OFFLINE = {"ONOFFLINEEVENT", "ONAPPINSTALL", "ONAPPUNINSTALL", "ONAPPUPDATE", "ONAPPTEST"}


@method("events")
def events(call):
    """The names: all with FULL, those of SCOPE, or those the caller may bind."""
    scope = call.get("SCOPE")
    if call.get("FULL"):
        return sorted(CATALOG)
    return sorted(code for code, of in CATALOG.items() if (of == scope if scope is not None else allowed(call, of)))


def allowed(call, scope):
    return scope == "" or scope in call.scope


@method("event.bind", app_only=True)
def bind(call):
    code = str(call.need("event")).upper()
    offline = str(call.get("event_type", "online")).lower() == "offline"
    user = int(call.get("auth_type") or 0)
    if not call.user.admin and (offline or user not in (0, call.user.id)):
        raise Refusal("ACCESS_DENIED")
    if scope_of(code) is None or not allowed(call, scope_of(code)):
        raise Refusal("ERROR_EVENT_NOT_FOUND")
    handler = "" if offline else absolute(call.need("handler"))
    if offline:
        may_be_offline(call, code)
    options = call.get("options") or {}
    call.cloud.subscriptions.add(Binding(call.installation, code, handler, user, offline,
                                         call.connector if offline else "",
                                         int(options.get("minTimeout", 1)) if isinstance(options, dict) else 1))
    return True


def may_be_offline(call, code):
    if code in NOT_OFFLINE:
        raise Refusal("ERROR_ARGUMENT", "The event cannot be offline")
    if call.connector and "rest_auth_connector" not in call.portal.features:
        raise Refusal("WRONG_LICENSE")


def absolute(handler):
    url = urlsplit(str(handler))
    if url.scheme not in ("http", "https") or "." not in (url.hostname or ""):
        raise Refusal("ERROR_ARGUMENT", "Argument 'handler' is not an absolute URL")
    return str(handler)


@method("event.unbind", app_only=True)
def unbind(call):
    code = str(call.need("event")).upper()
    offline = str(call.get("event_type", "online")).lower() == "offline"
    handler = "" if offline else call.need("handler")
    user = call.get("auth_type")
    if isinstance(user, str) and not call.user.admin:
        return {"count": 0}  # the portal compares it with a number, strictly
    found = [one for one in call.cloud.subscriptions.of(call.installation)
             if (one.event, one.offline, one.handler) == (code, offline, handler)
             and (not offline or one.connector == call.connector)
             and (call.user.admin or one.user in (0, call.user.id))
             and user in (None, one.user, str(one.user))]
    for one in found:
        call.cloud.subscriptions.remove(one)
    return {"count": len(found)}


@method("event.get", app_only=True)
def get(call):
    return [{"event": one.event, "connector_id": one.connector, "offline": 1} if one.offline else
            {"event": one.event, "handler": one.handler, "auth_type": str(one.user), "offline": 0}
            for one in call.cloud.subscriptions.of(call.installation)
            if call.user.admin or (not one.offline and one.user in (0, call.user.id))]


@method("event.test", app_only=True)
def test(call):
    """ONAPPTEST to whoever bound it, with the query and a refresh token."""
    call.cloud.subscriptions.notify(call.installation, "ONAPPTEST", {"QUERY": dict(call.params)}, call.user,
                                    refresh=True)
    return 1
