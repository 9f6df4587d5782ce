#!/usr/bin/python3
"""Acts when a deal changes its stage, and on no other change of it.

ONCRMDEALUPDATE says which deal was changed, not what: the deal is asked for over REST, with the
event's own token, and its stage compared with the one seen last.  Two runs for one deal never
overlap and come in order (`order entity`), so the file of a deal needs no lock.

Install  cp stage-change.py HOOKS_DIR/ONCRMDEALUPDATE.py && chmod 755 HOOKS_DIR/ONCRMDEALUPDATE.py
Set      nothing, or in env { } of its block:
         STAGES_DIR    where stages are remembered; default: stages in the home directory
         REST_WEBHOOK  the URL of an incoming webhook: for events that carry no token, because a
                       robot or a workflow caused them
         With `coalesce yes` and `delay 60s` in the block a deal that is changed all the time is
         asked for once a minute.
Try      bxhook trigger ONCRMDEALUPDATE --set data.FIELDS.ID=7
         (with REST_WEBHOOK set: the token of a sample is not a real one)
"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

# Exit statuses.  bxhook repeats the first after a while, and gives up at once on the others.
TRY_AGAIN, BAD_DATA, NO_PERMISSION, BAD_CONFIG = 75, 65, 77, 78


def stop(status, reason):
    print(reason, file=sys.stderr)
    sys.exit(status)


def call(event, method, **parameters):
    """The result of a REST method, with the rights of the user who caused the event."""
    url = os.environ.get("REST_WEBHOOK")
    if not url:
        if "BX_PORTAL" not in os.environ:
            stop(BAD_CONFIG, "no domain is in the portal's block: add it, or set REST_WEBHOOK")
        url = f"https://{os.environ['BX_PORTAL']}/rest/"
        parameters["auth"] = event["auth"].get("access_token")
        if not parameters["auth"]:
            stop(NO_PERMISSION, "the event carries no token: set REST_WEBHOOK in the hook's env")
    body = urllib.parse.urlencode(parameters).encode()
    try:
        with urllib.request.urlopen(url + method, body, timeout=20) as answer:
            return json.load(answer)["result"]
    except urllib.error.HTTPError as error:
        if error.code == 429 or error.code >= 500:
            stop(TRY_AGAIN, f"{method}: {error}")
        # A token lives for an hour; a retry may come later than that.
        stop(NO_PERMISSION if error.code in (401, 403) else BAD_DATA, f"{method}: {error}")
    except (OSError, ValueError, KeyError) as error:
        stop(TRY_AGAIN, f"{method}: {error}")


def main():
    event = json.load(sys.stdin)
    deal = call(event, "crm.deal.get", id=os.environ["BX_ID"])
    stage = deal["STAGE_ID"]

    directory = Path(os.environ.get("STAGES_DIR", Path.home() / "stages"))
    directory.mkdir(parents=True, exist_ok=True)
    memory = directory / str(int(deal["ID"]))
    before = memory.read_text() if memory.exists() else None
    if stage == before:
        print(f"deal {deal['ID']} is still in {stage}")
        return

    print(f"deal {deal['ID']} went from {before} to {stage}")
    # Here is where your own work goes.  After it, so that a failed run is repeated:
    memory.write_text(stage)


main()
