#!/bin/sh
# Tells a chat or another service of an event, by its webhook.
#
#     cp notify.sh HOOKS_DIR/ONCRMLEADADD.sh        (or any.sh: for every event)
#
# and in bxhook.conf:
#
#     hook ONCRMLEADADD {
#         env { WEBHOOK_URL "https://chat.example/hooks/..." }
#     }
set -eu

if [ -z "${WEBHOOK_URL-}" ]; then
    echo 'WEBHOOK_URL is not set: give it in env { } of this hook in bxhook.conf' >&2
    exit 78 # the config is wrong: dead at once, until a person mends it and says bxhook retry
fi

# The URL on stdin, not among the arguments, where every user of the machine could read it.  The
# event itself is not sent on: it holds your portal's tokens.
status=$(printf 'url = "%s"\n' "$WEBHOOK_URL" | curl --config - --silent --show-error \
    --max-time 20 --output /dev/null --write-out '%{http_code}' \
    --header "Idempotency-Key: ${BX_MEMBER_ID:-bitrix24}-$BX_EVENT_NUMBER" \
    --data-urlencode "text=$BX_EVENT ${BX_ID-} on ${BX_PORTAL-}") || exit 75

case $status in
2??)
    echo "told: $status"
    ;;
408 | 429 | 5??)
    echo "not now: $status" >&2
    exit 75 # temporary: bxhook tries again after the backoff
    ;;
*)
    echo "refused: $status" >&2
    exit 65 # the same again would be refused again: dead at once
    ;;
esac
