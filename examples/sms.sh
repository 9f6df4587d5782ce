#!/bin/sh
# An SMS provider: sends what CRM, robots and workflows write, by the HTTP service of your operator,
# and tells Bitrix24 what became of it.  It needs curl.
#
# Install  cp sms.sh HOOKS_DIR/SMS.MY_SMS.sh && chmod 755 HOOKS_DIR/SMS.MY_SMS.sh
#          and register the provider on the portal, with a key, as README.md here says
# Set      in env { } of its block: SMS_URL, SMS_TOKEN; fields and header below are your operator's
# Try      bxhook trigger SMS.MY_SMS --set properties.phone_number=+12025550100 --follow
set -eu

if [ -z "${SMS_URL-}" ]; then
    echo 'SMS_URL is not set: give it in env { } of this hook in bxhook.conf' >&2
    exit 78 # the config is wrong: dead at once; after fixing it, run bxhook retry
fi
only() { printf '%s' "$2" | tr -cd "$1"; } # these bytes of what came from outside

# A second run for one message has the same id, by which the operator sends it once.  Token, number and
# text are not among curl's arguments, where every user of the machine could read them.
status=$(printf '%s' "$BX_PROPERTY_MESSAGE_TEXT" | curl --config /dev/fd/3 --data-urlencode text@- \
    --silent --show-error --max-time 20 --output /dev/null --write-out '%{http_code}' "$SMS_URL" 3<<END
header = "Authorization: Bearer ${SMS_TOKEN-}"
data-urlencode = "to=$(only +0-9 "$BX_PROPERTY_PHONE_NUMBER")"
data-urlencode = "id=$(only A-Za-z0-9 "$BX_ID")"
END
) || exit 75

case $status in
2??) result=sent ;;
408 | 429 | 5??) echo "not now: $status" >&2 && exit 75 ;; # tried again after the backoff
*) result=failed ;;
esac
echo "message $BX_ID: $result: $status"
[ "$BX_ORIGIN" != test ] || exit 0 # which Bitrix24 knows nothing of
exec "$BXHOOK" call --idempotent messageservice.message.status.update \
    CODE=my_sms MESSAGE_ID="$BX_ID" STATUS="$result" >/dev/null
