"""Things with an id: add, get, update, delete, list and fields of CRM entities, tasks, users."""

import random
from dataclasses import dataclass

from ..errors import Refusal
from ..filters import fits, ordered
from ..rest import Answer, method
from .core import row as user_row

PAGE = 50


@dataclass(frozen=True)
class Entity:
    """`within` holds a list in result (None: result is the list), `one` what `get` gives."""

    name: str
    scope: str
    id: str = "ID"
    within: str = None
    one: str = None
    event: str = None

    def key(self, call):
        """Where its rows are: an item's type is a kind of its own."""
        return f"{self.name}_{call.need('entityTypeId')}" if self.name == "crm.item" else self.name

    def rows(self, call):
        return call.portal.rows.setdefault(self.key(call), {})


ENTITIES = [
    Entity("crm.deal", "crm", event="ONCRMDEAL"), Entity("crm.lead", "crm", event="ONCRMLEAD"),
    Entity("crm.contact", "crm", event="ONCRMCONTACT"), Entity("crm.company", "crm", event="ONCRMCOMPANY"),
    Entity("crm.item", "crm", "id", "items", "item", "ONCRMDYNAMICITEM"),
    Entity("crm.type", "crm", "id", "types", "type"),
    Entity("tasks.task", "task", "id", "tasks", "task"),
]


def add(entity, call):
    fields, rows = call.get("fields") or {}, entity.rows(call)
    id = max(rows, default=0) + 1
    shown = id if entity.id == "id" else str(id)
    rows[id] = {entity.id: shown, **(fields if isinstance(fields, dict) else {})}
    rows[id][entity.id] = shown
    happened(entity, call, "ADD", id)
    return {entity.one: rows[id]} if entity.one else id


def find(entity, call):
    """The id and row that is asked for; an error without a name, as of old methods, when there is none."""
    rows, id = entity.rows(call), call.get("taskId") or call.get("id")
    if not str(id or "").isdigit():
        raise Refusal("", "ID is not defined or invalid.")
    if int(id) not in rows:
        raise Refusal("NOT_FOUND" if entity.one else "", "Element not found" if entity.one else "Not found")
    return int(id), rows[int(id)]


def get(entity, call):
    row = find(entity, call)[1]
    return {entity.one: row} if entity.one else row


def update(entity, call):
    id, row = find(entity, call)
    fields = call.get("fields") or {}
    row.update((name, value) for name, value in fields.items() if name != entity.id)
    happened(entity, call, "UPDATE", id)
    return {entity.one: row} if entity.one else True


def delete(entity, call):
    id = find(entity, call)[0]
    del entity.rows(call)[id]
    happened(entity, call, "DELETE", id)
    return [] if entity.one else True


def happened(entity, call, verb, id):
    if entity.event:
        data = {"FIELDS": {"ID": id}}
        if entity.name == "crm.item":
            data["FIELDS"]["ENTITY_TYPE_ID"] = int(call.need("entityTypeId"))
        call.cloud.subscriptions.happens(call.portal, entity.event + verb, data, call.user, call.installation,
                                         call.connector)


def fields(entity, call):
    return {entity.id: {"type": "integer", "isReadOnly": True}, "TITLE": {"type": "string", "isReadOnly": False}}


def pick(entity, call):
    return page(call, list(entity.rows(call).values()), entity.within)


def page(call, rows, within=None):
    """One page of ROWS as filter, order, select and start ask, with the quirks the method was given."""
    quirks = call.portal.quirks.get(call.method, ())
    if "ignores_filter" not in quirks:
        rows = [row for row in rows if fits(row, call.get("filter") or {})]
    if "unordered" in quirks and not call.get("order"):
        rows = random.sample(rows, len(rows))
    if "ignores_order" not in quirks:
        rows = ordered(rows, call.get("order") or {})
    start, size = max(call.start, 0), PAGE // 2 if "short_pages" in quirks else PAGE
    found = [selected(row, call.get("select")) for row in rows[start:start + size]]
    counted = call.start >= 0 and "no_total" not in quirks
    following = start + size if start + size < len(rows) else None
    if "next_for_ever" in quirks:
        following = start
    return Answer({within: found} if within else found, len(rows) if counted else None,
                  following if call.start >= 0 else None)


def selected(row, select):
    names = [name.lower() for name in (select.values() if isinstance(select, dict) else select or ())]
    if not names or "*" in names:
        return row
    return {name: value for name, value in row.items() if name.lower() in names or name.lower() == "id"}


@method("user.get", scope="user")
def user_get(call):
    """The filter's names may stand at top level; result is the list, of 50 as all."""
    top = {name: value for name, value in call.params.items() if name.lower() not in ("filter", "sort", "order")}
    call.params = {**call.params, "filter": {**top, **(call.get("filter") or {})}}
    return page(call, [user_row(user) for user in call.portal.users.values()])


def enter(entity, verb, function):
    """The method of VERB; its Call knows which entity."""
    method(f"{entity.name}.{verb}", scope=entity.scope)(lambda call: function(entity, call))


for kind in ENTITIES:
    for verb, function in (("add", add), ("get", get), ("update", update), ("delete", delete), ("list", pick),
                           ("fields", fields)):
        enter(kind, verb, function)
