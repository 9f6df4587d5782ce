#!/bin/sh
# Adds a line to a CSV file for every new deal.
#
# Install  cp log-deals.sh HOOKS_DIR/ONCRMDEALADD.sh && chmod 755 HOOKS_DIR/ONCRMDEALADD.sh
# Set      nothing, or CSV_FILE in env { } of its block; default: deals.csv in the home
#          directory of the user that hooks run as
# Try      bxhook trigger ONCRMDEALADD --set data.FIELDS.ID=7
set -eu
file=${CSV_FILE:-$HOME/deals.csv}

quoted() {
    printf '"%s"' "$(printf %s "$1" | sed 's/"/""/g')"
}

# Several deals may be added at once: the lock keeps the lines apart.
exec 9>>"$file"
flock 9
[ -s "$file" ] || echo 'event,received at,deal,portal,user' >&9

# A hook runs at least once.  A repeated run is recognized by the event's number, and by its time: the
# numbers of another installation that writes here, or of a new store, are others'.
if grep -q "^$BX_EVENT_NUMBER,$BX_RECEIVED_AT," "$file"; then
    echo "event $BX_EVENT_NUMBER is in $file already"
    exit
fi
who=$(quoted "${BX_PORTAL-}"),$(quoted "${BX_USER_ID-}")
echo "$BX_EVENT_NUMBER,$BX_RECEIVED_AT,$(quoted "${BX_ID-}"),$who" >&9
