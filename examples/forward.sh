#!/bin/sh
# Sends every event on to another HTTP service, as JSON, without its tokens; auth says who it
# was as the token proved it, not what the sender wrote.  Several services: a
# hook block for each with the same program; each has its own deliveries and retries.
# It needs curl and jq.
#
# Install  cp forward.sh /usr/local/bin/forward && chmod 755 /usr/local/bin/forward
#          and a block with `run` as in README.md here
# Set      in env { } of the block: TARGET_URL; TARGET_TOKEN if it wants "Authorization: Bearer ..."
# Try      bxhook trigger ONCRMDEALADD && bxhook logs 1/to-erp --follow
set -eu

if [ -z "${TARGET_URL-}" ]; then
    echo 'TARGET_URL is not set: give it in env { } of this hook in bxhook.conf' >&2
    exit 78 # the config is wrong: dead at once; after fixing it, run bxhook retry
fi

event=$(jq -c '.auth |= {domain: $ENV.BX_PORTAL, member_id: $ENV.BX_MEMBER_ID, user_id}') || exit 65

# URL and token in lines of curl's config, not among the arguments, where others could read them.
# The receiver can tell a repeated event by its Idempotency-Key.
header=${TARGET_TOKEN:+"header = \"Authorization: Bearer $TARGET_TOKEN\""}
status=$(printf '%s' "$event" | curl --config /dev/fd/3 --silent --show-error --max-time 20 \
    --output /dev/null --write-out '%{http_code}' --header 'Content-Type: application/json' \
    --header "Idempotency-Key: ${BX_MEMBER_ID:-${BX_PORTAL:-bitrix24}}-$BX_EVENT_NUMBER" --data-binary @- 3<<END
url = "$TARGET_URL"
$header
END
) || exit 75 # no answer, or none in time

case $status in
2??) echo "sent: $status" ;;
408 | 429 | 5??)
    echo "not now: $status" >&2
    exit 75 # temporary: bxhook tries again after the backoff
    ;;
*)
    echo "refused: $status" >&2
    exit 100 # for good: the same again would be refused again, dead at once
    ;;
esac
