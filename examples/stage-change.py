#!/usr/bin/python3
"""Acts when a deal changes its stage, and on no other change of it.

ONCRMDEALUPDATE says which deal was changed, not what: Bitrix24 is asked for the deal, and its stage compared
with the one seen last.  Two runs for one deal never overlap and come in order (`order entity`), so the file of a
deal needs no lock.

Install  cp stage-change.py HOOKS_DIR/ONCRMDEALUPDATE.py && chmod 755 HOOKS_DIR/ONCRMDEALUPDATE.py
Set      nothing where an application is installed on the portal (an `app` block); else, in its portal
         block, `webhook` with the URL of an incoming webhook.  In env { } of the hook's block STAGES_DIR,
         where stages are remembered; default: stages in the home directory.
         With `coalesce yes` and `delay 60s` in the block a deal that is changed all the time is asked for
         once a minute.
Try      bxhook trigger ONCRMDEALUPDATE --set data.FIELDS.ID=7 --follow
"""
import json
import os
import subprocess
import sys
from pathlib import Path

# Ends with the status of `call`, so that bxhook tries again exactly when that helps.
words = [os.environ["BXHOOK"], "call", "crm.deal.get", f"id={os.environ['BX_ID']}"]
done = subprocess.run(words, stdout=subprocess.PIPE)
if done.returncode:
    sys.exit(done.returncode)
deal = json.loads(done.stdout)
stage = deal["STAGE_ID"]

directory = Path(os.environ.get("STAGES_DIR", Path.home() / "stages"))
directory.mkdir(parents=True, exist_ok=True)
memory = directory / str(int(deal["ID"]))
before = memory.read_text() if memory.exists() else None
if stage == before:
    print(f"deal {deal['ID']} is still in {stage}")
else:
    print(f"deal {deal['ID']} went from {before} to {stage}")
    # Here is where your own work goes.  After it, so that a failed run is repeated:
    memory.write_text(stage)
