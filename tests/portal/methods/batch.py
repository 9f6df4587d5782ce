"""batch: up to fifty calls in one."""

import json
import re
import time

from .. import form
from ..errors import Refusal
from ..rest import TAKEN, Call, method

MOST = 50
FORBIDDEN = re.compile(r"batch|.*\.(upload|download)", re.IGNORECASE)
REFERENCE = re.compile(r"\$result((?:\[[^\]]*\])+)")
SECTIONS = ("result", "result_error", "result_total", "result_next", "result_time")


@method("batch")
def batch(call):
    """Always a result; an empty section is `[]`, as PHP writes an empty array."""
    commands = call.get("cmd") or {}
    halt = str(call.get("halt", "0")).lower() in ("1", "true", "y")
    if isinstance(commands, list):
        commands = {str(i): command for i, command in enumerate(commands)}
    said = {section: {} for section in SECTIONS}
    whole = {key: command for key, command in commands.items() if isinstance(command, str)}
    for number, (key, command) in enumerate(whole.items()):
        try:
            if number >= MOST:
                raise Refusal("ERROR_BATCH_LENGTH_EXCEEDED")
            one(call, key, command, said)
        except Refusal as refusal:
            said["result_error"][key] = refusal.body()
            if halt:
                break
    as_list = set(commands) == {str(i) for i in range(len(commands))}
    return {section: php(values, as_list) for section, values in said.items()}


def one(call, key, command, said):
    name, _, query = command.partition("?")
    if FORBIDDEN.fullmatch(name):
        raise Refusal("ERROR_BATCH_METHOD_NOT_ALLOWED")
    params = resolve(form.decode(query), said["result"])
    inner = Call(call.cloud, call.portal, call.user, call.installation, call.webhook,
                 start=int(params.get("start") or 0), connector=params.get("auth_connector", call.connector))
    began = time.time()
    answer = call.cloud.inner(inner, name, {name: value for name, value in params.items() if name not in TAKEN})
    if answer.error:
        raise answer.error
    said["result"][key] = answer.result
    said["result_time"][key] = call.cloud.rest.time(inner, began)
    for section, value in (("result_total", answer.total), ("result_next", answer.next)):
        if value is not None:
            said[section][key] = value


def resolve(tree, results):
    """TREE with each `$result[key][path]` replaced; one that leads nowhere stays as text."""
    if isinstance(tree, dict):
        return {name: resolve(value, results) for name, value in tree.items()}
    if isinstance(tree, list):
        return [resolve(value, results) for value in tree]
    whole = REFERENCE.fullmatch(tree)
    if whole:
        found = look_up(results, whole[1])
        return found if isinstance(found, (dict, list)) else text(found, tree)
    return REFERENCE.sub(lambda reference: text(look_up(results, reference[1]), reference[0]), tree)


def look_up(results, path):
    """What stands at PATH, `[a][b]`, of RESULTS, or None."""
    for name in re.findall(r"\[([^\]]*)\]", path):
        if isinstance(results, list) and name.isdigit() and int(name) < len(results):
            results = results[int(name)]
        elif isinstance(results, dict):
            results = results.get(name)
        else:
            return None
    return results


def text(value, otherwise):
    """A number becomes a string; what cannot be text leaves OTHERWISE."""
    if value is None or isinstance(value, (dict, list)):
        return otherwise
    return value if isinstance(value, str) else json.dumps(value)


def php(values, as_list):
    """VALUES as json_encode() writes the array: `[]` when empty, a list when its keys are 0, 1, 2, ..."""
    if not values or (as_list and list(values) == [str(i) for i in range(len(values))]):
        return list(values.values())
    return values
