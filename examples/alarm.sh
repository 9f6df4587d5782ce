#!/bin/sh
# Tells a person what nobody else would: that deliveries died, or that an application's installation
# needs help.  By a chat's webhook (Slack, Mattermost, Rocket.Chat, Telegram or any other that takes
# {"text": "..."}), which needs curl, or by e-mail with the machine's sendmail.
#
# Install  cp alarm.sh HOOKS_DIR/BXHOOK.DEAD.sh && cp alarm.sh HOOKS_DIR/BXHOOK.PORTAL.sh &&
#          chmod 755 HOOKS_DIR/BXHOOK.*.sh
# Set      in env { } of both blocks: WEBHOOK_URL (for Telegram CHAT_ID too), or MAIL_TO and MAIL_FROM
# Try      bxhook trigger BXHOOK.DEAD
set -eu

fail() { # STATUS REASON
    echo "$2" >&2
    exit "$1"
}

case $BX_EVENT in
BXHOOK.DEAD)
    subject="$BX_DATA_HOOK: $BX_DATA_COUNT dead"
    text="$BX_DATA_COUNT deliveries of the hook $BX_DATA_HOOK died. The first: $BX_DATA_DELIVERY
(${BX_DATA_EVENT-} ${BX_DATA_ENTITY-}), ${BX_DATA_REASON-}. To see why: ${BX_DATA_FIX-}"
    ;;
BXHOOK.PORTAL)
    subject="${BX_PORTAL:-${BX_MEMBER_ID-}}: $BX_DATA_STATE"
    text="The application ${BX_DATA_CLIENT_ID-} on ${BX_PORTAL:-${BX_MEMBER_ID-}} is $BX_DATA_STATE:
${BX_DATA_PROBLEM-}. ${BX_DATA_FIX-}"
    ;;
*) fail 78 "$BX_EVENT is not an event of bxhook's own: give this file the name BXHOOK.DEAD.sh" ;;
esac

json() { # TEXT as a JSON string
    printf '%s' "$1" | tr '\000-\037' ' ' | sed 's/[\\"]/\\&/g; s/.*/"&"/'
}

# The URL on stdin, not among the arguments, where every user of the machine could read it.
by_chat() {
    message="{${CHAT_ID:+\"chat_id\":$(json "$CHAT_ID"),}\"text\":$(json "bxhook: $text")}"
    status=$(printf 'url = "%s"\n' "$WEBHOOK_URL" | curl --config - --silent --show-error \
        --max-time 20 --output /dev/null --write-out '%{http_code}' \
        --header 'Content-Type: application/json' --data-raw "$message") || exit 75
    case $status in
    2??) echo "sent: $status" ;;
    408 | 429 | 5??) fail 75 "not now: $status" ;; # bxhook tries again after the backoff
    *) fail 65 "refused: $status" ;;
    esac
}

by_mail() {
    case ${MAIL_TO:+to}${MAIL_FROM:+from} in
    tofrom) ;;
    *) fail 78 'set WEBHOOK_URL, or MAIL_TO and MAIL_FROM, in env { } of this hook in bxhook.conf' ;;
    esac
    command -v sendmail >/dev/null || fail 78 'sendmail is not installed: set WEBHOOK_URL'
    status=0
    # shellcheck disable=SC2086 # a list
    printf '%s\n' "From: <$MAIL_FROM>" "To: $(echo $MAIL_TO | tr -s ' ' ',')" \
        "Subject: bxhook: $(printf '%s' "$subject" | tr '\000-\037\177' ' ')" \
        "Message-ID: <$BX_EVENT_NUMBER.$BX_HOOK@bxhook.invalid>" \
        'Content-Type: text/plain; charset=utf-8' '' "$text" |
        sendmail -i -f "$MAIL_FROM" -- $MAIL_TO || status=$?
    [ "$status" = 0 ] || fail 75 "sendmail: exit $status"
    echo "given to sendmail for $MAIL_TO"
}

if [ -n "${WEBHOOK_URL-}" ]; then by_chat; else by_mail; fi
