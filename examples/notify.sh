#!/bin/sh
# Writes to a chat about each event, by the chat's webhook: Slack, Mattermost, Rocket.Chat, Telegram or any
# other that takes {"text": "..."}.  It needs curl.
#
# Install  cp notify.sh HOOKS_DIR/ONCRMLEADADD.sh && chmod 755 HOOKS_DIR/ONCRMLEADADD.sh
#          (or any.sh: for every event)
# Set      in env { } of its block: WEBHOOK_URL; for Telegram, where that is
#          https://api.telegram.org/botTOKEN/sendMessage, CHAT_ID too
# Try      bxhook trigger ONCRMLEADADD --set data.FIELDS.ID=7
set -eu

if [ -z "${WEBHOOK_URL-}" ]; then
    echo 'WEBHOOK_URL is not set: give it in env { } of this hook in bxhook.conf' >&2
    exit 78 # the config is wrong: dead at once; after fixing it, run bxhook retry
fi

json() { # TEXT as a JSON string
    printf '%s' "$1" | tr '\000-\037' ' ' | sed 's/[\\"]/\\&/g; s/.*/"&"/'
}

text="$BX_EVENT ${BX_ID-} on ${BX_PORTAL-${BX_MEMBER_ID-}}"
message="{${CHAT_ID:+\"chat_id\":$(json "$CHAT_ID"),}\"text\":$(json "$text")}"

# The URL on stdin, not among the arguments, where every user of the machine could read it.  The
# event itself is not sent on: it holds your portal's tokens.
status=$(printf 'url = "%s"\n' "$WEBHOOK_URL" | curl --config - --silent --show-error \
    --max-time 20 --output /dev/null --write-out '%{http_code}' \
    --header "Idempotency-Key: ${BX_MEMBER_ID:-${BX_PORTAL:-bitrix24}}-$BX_EVENT_NUMBER" \
    --header 'Content-Type: application/json' --data-raw "$message") || exit 75

case $status in
2??)
    echo "sent: $status"
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
