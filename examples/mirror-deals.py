#!/usr/bin/python3
"""Keeps a copy of all deals in an SQLite file: new, changed and deleted ones.

Install  cp mirror-deals.py /usr/local/bin/mirror-deals && chmod 755 /usr/local/bin/mirror-deals
         and a block with `run` as in README.md here
Set      in env { } of the block:
         DEALS_DB      the file; its directory must be writable for the hook's user
         REST_WEBHOOK  the URL of an incoming webhook: for events that carry no token, because a
                       robot or a workflow caused them
Try      bxhook trigger ONCRMDEALUPDATE --set data.FIELDS.ID=7
         (with REST_WEBHOOK set: the token of a sample is not a real one)

An event says which deal was changed, not what: the deal is asked for, so a run writes what is true
now.  A run that is repeated writes the same again, and needs no key.  Runs for one deal come in
order and never overlap; those of different deals do, which SQLite's own lock is for.
"""

import json
import os
import sqlite3
import sys
import urllib.error
import urllib.parse
import urllib.request

# Exit statuses.  bxhook repeats the first after a while, and gives up at once on the others.
TRY_AGAIN, BAD_DATA, NO_PERMISSION, BAD_CONFIG = 75, 65, 77, 78

COLUMNS = ("TITLE", "STAGE_ID", "CATEGORY_ID", "OPPORTUNITY", "CURRENCY_ID", "DATE_MODIFY")


def stop(status, reason):
    print(reason, file=sys.stderr)
    sys.exit(status)


def get_deal(event, number):
    """The deal as Bitrix24 has it now; None when it is gone."""
    url = os.environ.get("REST_WEBHOOK")
    parameters = {"id": number}
    if not url:
        if "BX_PORTAL" not in os.environ:
            stop(BAD_CONFIG, "no domain is in the portal's block: add it, or set REST_WEBHOOK")
        url = f"https://{os.environ['BX_PORTAL']}/rest/"
        parameters["auth"] = event["auth"].get("access_token")
        if not parameters["auth"]:
            stop(NO_PERMISSION, "the event carries no token: set REST_WEBHOOK in the hook's env")
    body = urllib.parse.urlencode(parameters).encode()
    try:
        with urllib.request.urlopen(url + "crm.deal.get", body, timeout=20) as answer:
            return json.load(answer)["result"]
    except urllib.error.HTTPError as error:
        if error.code == 429 or error.code >= 500:
            stop(TRY_AGAIN, f"crm.deal.get: {error}")
        if b"Not found" in error.read(4096):
            return None
        # A token lives for an hour; a retry may come later than that.
        stop(NO_PERMISSION if error.code in (401, 403) else BAD_DATA, f"crm.deal.get: {error}")
    except (OSError, ValueError, KeyError) as error:
        stop(TRY_AGAIN, f"crm.deal.get: {error}")


def write(path, portal, number, deal):
    database = sqlite3.connect(path, timeout=30)
    with database:  # one transaction
        database.execute("CREATE TABLE IF NOT EXISTS deal (portal, id INTEGER, "
                         f"{', '.join(COLUMNS)}, PRIMARY KEY (portal, id))")
        if deal is None:
            database.execute("DELETE FROM deal WHERE portal = ? AND id = ?", (portal, number))
        else:
            database.execute(f"INSERT OR REPLACE INTO deal VALUES (?, ?{', ?' * len(COLUMNS)})",
                             (portal, number, *(deal.get(column) for column in COLUMNS)))


def main():
    event = json.load(sys.stdin)
    path = os.environ.get("DEALS_DB")
    if not path:
        stop(BAD_CONFIG, "DEALS_DB is not set: give it in env { } of this hook in bxhook.conf")
    try:
        number = int(os.environ["BX_ID"])
    except (KeyError, ValueError):
        stop(BAD_DATA, "the event names no deal")
    deleted = os.environ["BX_EVENT"] == "ONCRMDEALDELETE"
    deal = None if deleted else get_deal(event, number)
    # Who it was, as the token proved it.  The member_id stays the same when a portal is renamed; it is
    # there when the portal's block names it.
    portal = os.environ.get("BX_MEMBER_ID") or os.environ.get("BX_PORTAL", "")
    write(path, portal, number, deal)
    print(f"deal {number}: {'deleted' if deal is None else deal['STAGE_ID']}")


main()
