#!/bin/sh
# Asks Bitrix24 for the deal of an event, and acts by the deal's stage.  It needs jq.
#
# Install  cp deal-stage.sh HOOKS_DIR/ONCRMDEALUPDATE.sh && chmod 755 HOOKS_DIR/ONCRMDEALUPDATE.sh
# Set      nothing where an application is installed on the portal (an `app` block); else, in its portal
#          block, `webhook` with the URL of an incoming webhook
# Try      bxhook trigger ONCRMDEALUPDATE --set data.FIELDS.ID=7 --follow
set -eu

# `call` has the token, renews it and keeps to the limits; it says on stderr what is wrong.  A hook that
# ends with its status is tried again exactly when that helps.
deal=$("$BXHOOK" call crm.deal.get id="$BX_ID") || exit
stage=$(printf '%s' "$deal" | jq -r .STAGE_ID)

# Here is where your own work goes.  It may run twice for one event (after a crash of the machine):
# what must not happen twice takes $BX_EVENT_NUMBER as its key.
case $stage in
WON | *:WON) echo "deal $BX_ID is won: here the invoice would be made, key $BX_EVENT_NUMBER" ;;
LOSE | *:LOSE) echo "deal $BX_ID is lost: here the goods would be released" ;;
*) echo "deal $BX_ID is in stage $stage: nothing to do" ;;
esac
