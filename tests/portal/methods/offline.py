"""event.offline.*: fetching what was kept."""

from operator import attrgetter

from ..errors import Refusal
from ..filters import fits, ordered
from ..rest import Answer, method

PAGE = 50
FIELDS = ("ID", "TIMESTAMP_X", "EVENT_NAME", "MESSAGE_ID")


def admin(call):
    if not call.user.admin:
        raise Refusal("ACCESS_DENIED")
    if call.connector and "rest_auth_connector" not in call.portal.features:
        raise Refusal("WRONG_LICENSE")
    return call.cloud.offline.rows(call.installation, call.connector)


def yes(value):
    return str(value).lower() in ("1", "true", "y")


def chosen(call, rows, fields):
    """ROWS that the filter takes, in the order asked for; only FIELDS may be named."""
    wanted = call.get("filter") or {}
    for name, value in wanted.items():
        if name.lstrip("=<>@%") not in fields or isinstance(value, dict):
            raise Refusal("ERROR_ARGUMENT", f"Filter field '{name}' is not allowed")
    return [row for row in rows if fits(row.public(more=True), wanted)] if wanted else rows


def in_order(call, rows, otherwise):
    """ROWS as `order` asks, or by the attribute OTHERWISE."""
    if call.get("order"):
        return ordered(rows, call.get("order"), lambda row: row.public(more=True))
    return sorted(rows, key=attrgetter(otherwise))


@method("event.offline.get", app_only=True)
def get(call):
    """Rows, deleted at once unless clear=0; reserved under a process_id then.  A package by its process_id."""
    rows, clear = admin(call), yes(call.get("clear", 1))
    if not clear and "rest_offline_extended" not in call.portal.features:
        raise Refusal("WRONG_LICENSE")
    limit = int(call.get("limit", PAGE))
    if limit <= 0:
        raise Refusal("ERROR_ARGUMENT", "Argument 'limit' must be positive")
    process, error = call.get("process_id"), yes(call.get("error", 0))
    if process:
        found = package = [row for row in rows if row.process_id == process]
    else:
        found = chosen(call, [row for row in rows if not row.process_id and bool(row.error) == error], FIELDS)
    found = in_order(call, found, "at")[:limit]
    if clear:
        call.cloud.offline.delete(package if process else found)  # the whole package, also beyond `limit`
    elif not process:
        process = call.cloud.offline.reserve(found)
    return {"process_id": process or None, "events": [row.public() for row in found]}


def listed(call, name):
    """The values of the list NAME as strings."""
    value = call.get(name) or []
    if isinstance(value, dict):
        value = list(value.values())
    return [str(one) for one in (value if isinstance(value, list) else [value])]


def package_of(call):
    """Rows of process_id: those of message_id, else of id, else (none, or an empty list) all."""
    process = call.need("process_id")
    rows = [row for row in admin(call) if row.process_id == process]
    messages, ids = listed(call, "message_id"), listed(call, "id")
    if messages:
        return [row for row in rows if row.message_id in messages]
    if ids:
        return [row for row in rows if str(row.id) in ids]
    return rows


@method("event.offline.clear", app_only=True)
def clear(call):
    call.cloud.offline.delete(package_of(call))
    return True


@method("event.offline.error", app_only=True)
def error(call):
    call.need("message_id")
    call.cloud.offline.mark_error(package_of(call))
    return True


@method("event.offline.list", app_only=True)
def list_all(call):
    """Reserves nothing, hides nothing."""
    rows = in_order(call, chosen(call, admin(call), (*FIELDS, "PROCESS_ID", "ERROR")), "id")
    page = rows[call.start:call.start + PAGE]
    following = call.start + PAGE
    return Answer([row.public(more=True) for row in page], len(rows), following if following < len(rows) else None)
