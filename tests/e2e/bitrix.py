"""What Bitrix24 sends: request bodies as its PHP encodes them, and the documented samples."""

import copy
import json
import urllib.parse
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "bitrix24"

MEMBER_ID = "a223c6b3710f85df22e9377d6c4f7553"
DOMAIN = "some-domain.bitrix24.com"
TOKEN = "51856fefc120afa4b628cc82d3935cce"
WRONG_TOKEN = "6b0e3d9c51f84a27b6e2c07d94a1f538"

# Of one event: what an app gets when no user caused it carries none of these.
OAUTH_KEYS = ("access_token", "refresh_token", "expires", "expires_in", "scope", "status", "user_id")
# Contract §7: a scalar under one of these keys is a secret.
SECRET_KEYS = {"access_token", "refresh_token", "application_token", "event_token", "token",
               "client_secret", "auth_id", "refresh_id", "bottoken"}


def urlencode(text):
    """PHP's urlencode(): everything but letters, digits, - _ . is %XX, a blank is +."""
    return urllib.parse.quote_plus(text).replace("~", "%7E")


def scalar(value):
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def pairs(tree, prefix=""):
    items = enumerate(tree) if isinstance(tree, list) else tree.items()
    for key, value in items:
        name = f"{prefix}[{key}]" if prefix else str(key)
        if isinstance(value, (dict, list)):
            yield from pairs(value, name)
        elif value is not None:
            yield name, scalar(value)


def encode(tree):
    """The body of TREE as http_build_query() writes it: null and empty arrays leave no trace."""
    sent_secrets.update(secrets_of(tree))
    return "&".join(f"{urlencode(k)}={urlencode(v)}" for k, v in pairs(tree)).encode()


def received(tree):
    """TREE as a hook gets it: all scalars strings, nulls and empty arrays gone, lists lists."""
    if not isinstance(tree, (dict, list)):
        return scalar(tree)
    items = enumerate(tree) if isinstance(tree, list) else tree.items()
    kept = {str(k): received(v) for k, v in items if v is not None and v != {} and v != []}
    kept = {k: v for k, v in kept.items() if v not in ({}, [])}
    if kept and list(kept) == [str(i) for i in range(len(kept))]:
        return list(kept.values())
    return kept


def auth(token=TOKEN, member_id=MEMBER_ID, domain=DOMAIN, oauth=True):
    """The auth block of an event; without OAUTH that of an event no user caused."""
    block = {"domain": domain, "client_endpoint": f"https://{domain}/rest/",
             "server_endpoint": "https://oauth.bitrix.info/rest/", "member_id": member_id,
             "application_token": token}
    if oauth:
        block |= {"access_token": "s6p6eclrvim6da22ft9ch94ekreb52lv", "expires_in": "3600",
                  "scope": "crm", "status": "L", "user_id": "17",
                  "refresh_token": "4s386p3q0tr8dy89xvmt96234v3dljg8"}
    return block


def event(code="ONCRMDEALUPDATE", id="6675", fields=None, token=TOKEN, **auth_options):
    """An event as a tree: CODE for the entity ID, with more FIELDS."""
    return {"event": code, "event_handler_id": "655", "data": {"FIELDS": {"ID": str(id), **(fields or {})}},
            "ts": "1736424182", "auth": auth(token, **auth_options)}


def body(*args, **options):
    return encode(event(*args, **options))


def without_oauth(tree):
    tree = copy.deepcopy(tree)
    for key in OAUTH_KEYS:
        tree["auth"].pop(key, None)
    return tree


def secrets_of(tree):
    """Every secret value of TREE, of the six bytes and more that are hidden in output."""
    found = set()
    items = enumerate(tree) if isinstance(tree, list) else tree.items()
    for key, value in items:
        if isinstance(value, (dict, list)):
            found |= secrets_of(value)
        elif str(key).lower() in SECRET_KEYS and value is not None and len(scalar(value)) >= 6:
            found.add(scalar(value))
    return found


# Every secret the tests sent so far (leaks.py looks for them).
sent_secrets = {TOKEN, WRONG_TOKEN}


def samples():
    """(name, tree) of every documented sample, in order."""
    lines = (DATA / "samples.jsonl").read_text().splitlines()
    return [(line["name"], line["event"]) for line in map(json.loads, lines)]


def documented_codes():
    """The codes of the documented events; <...> stands for a number."""
    return [line.split("\t")[0] for line in (DATA / "events.tsv").read_text().splitlines()[1:]]


def portals_of(trees):
    """{member_id: (domain, [tokens])} of all auth blocks, as a config that accepts them needs."""
    found = {MEMBER_ID: (DOMAIN, [TOKEN])}
    for tree in trees:
        block = tree.get("auth") or {}
        if "member_id" in block:
            domain, tokens = found.setdefault(block["member_id"], (block["domain"], []))
            token = block.get("application_token")
            if token and token not in tokens:
                tokens.append(token)
    return found


def with_portal(tree, token=TOKEN):
    """TREE with what its auth block lacks of the configured portal's."""
    tree = copy.deepcopy(tree)
    block = tree.get("auth") or {}
    block.setdefault("member_id", MEMBER_ID)
    block.setdefault("domain", DOMAIN)
    block.setdefault("application_token", token)
    tree["auth"] = block
    return tree
