"""Bodies and queries: what a portal makes of a request."""

import email
import json
import re
import urllib.parse

NAME = re.compile(r"([^\[]+)((?:\[[^\]]*\])*)")


def decode(text):
    """The tree of an urlencoded TEXT; lists stay dicts with numbers for names until `lists` looks at them."""
    tree = {}
    for name, value in urllib.parse.parse_qsl(text, keep_blank_values=True):
        place(tree, name, value)
    return lists(tree)


def place(tree, name, value):
    """VALUE under NAME, `a[b][]`, in TREE; what stood there goes."""
    found = NAME.fullmatch(name)
    path = [found[1], *re.findall(r"\[([^\]]*)\]", found[2])] if found else [name]
    for here, following in zip(path, path[1:]):
        here = here or str(len(tree))
        if not isinstance(tree.get(here), dict):
            tree[here] = {}
        tree = tree[here]
    tree[path[-1] or str(len(tree))] = value


def lists(tree):
    """TREE with lists where the names are 0, 1, 2, ... in order."""
    if not isinstance(tree, dict):
        return tree
    kept = {name: lists(value) for name, value in tree.items()}
    return list(kept.values()) if kept and list(kept) == [str(i) for i in range(len(kept))] else kept


def parameters(query, body, content_type):
    """What a method gets: QUERY and BODY merged, the body's name before the query's."""
    return {**top(decode(query)), **top(of_body(body, content_type))}


def of_body(body, content_type):
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            return json.loads(body or b"{}")
        except ValueError:
            return {}
    if kind == "multipart/form-data":
        return of_multipart(body, content_type)
    return decode(body.decode("utf-8", "replace"))


def of_multipart(body, content_type):
    tree = {}
    message = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    for part in message.get_payload() if message.is_multipart() else ():
        name = part.get_param("name", header="Content-Disposition")
        place(tree, name, part.get_payload(decode=True).decode("utf-8", "replace"))
    return lists(tree)


def top(tree):
    """The top level of TREE by names, also where it is a list."""
    if isinstance(tree, list):
        return {str(i): value for i, value in enumerate(tree)}
    return tree if isinstance(tree, dict) else {}
