#!/usr/bin/python3
"""Keeps a copy of all deals in an SQLite file: new, changed and deleted ones.

Install  cp mirror-deals.py /usr/local/bin/mirror-deals && chmod 755 /usr/local/bin/mirror-deals
         and a block with `run` as in README.md here, with DEALS_DB, the file, in its env { }: its directory
         must be writable for the hook's user
Set      nothing else where an application is installed on the portal (an `app` block); else, in its
         portal block, `webhook` with the URL of an incoming webhook
Try      bxhook trigger ONCRMDEALUPDATE --set data.FIELDS.ID=7 --follow

A run writes what is true now, so that one that is repeated does no harm.  Those for one deal come in order.
"""
import json
import os
import sqlite3
import subprocess
import sys

COLUMNS = ("TITLE", "STAGE_ID", "CATEGORY_ID", "OPPORTUNITY", "CURRENCY_ID", "DATE_MODIFY")
number = int(os.environ["BX_ID"])
deal = None
if os.environ["BX_EVENT"] != "ONCRMDEALDELETE":
    # Ends with the status of `call`, so that bxhook tries again exactly when that helps.
    words = [os.environ["BXHOOK"], "call", "crm.deal.get", f"id={number}"]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode and "Not found" not in done.stderr:
        sys.stderr.write(done.stderr)
        sys.exit(done.returncode)
    deal = json.loads(done.stdout or "null")

portal = os.environ.get("BX_MEMBER_ID") or os.environ.get("BX_PORTAL", "")  # as its token proved
database = sqlite3.connect(os.environ["DEALS_DB"], timeout=30)
with database:  # one transaction
    database.execute(f"CREATE TABLE IF NOT EXISTS deal (portal, id INTEGER, {', '.join(COLUMNS)}, PRIMARY KEY (portal, id))")
    database.execute("DELETE FROM deal WHERE portal = ? AND id = ?", (portal, number))
    if deal is not None:
        database.execute(f"INSERT INTO deal VALUES (?, ?{', ?' * len(COLUMNS)})",
                         (portal, number, *map(deal.get, COLUMNS)))
print(f"deal {number}: {'deleted' if deal is None else deal['STAGE_ID']}")
