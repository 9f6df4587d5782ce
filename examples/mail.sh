#!/bin/sh
# Sends an e-mail for each event: by the machine's sendmail, or by curl to the SMTP server of your
# mailbox, which works where hooks may not run sendmail (under the units of systemd, for example).
#
# Install  cp mail.sh HOOKS_DIR/ONCRMLEADADD.sh && chmod 755 HOOKS_DIR/ONCRMLEADADD.sh
# Set      in env { } of its block: MAIL_TO, one address or several with spaces between them;
#          MAIL_FROM; and to send by SMTP: SMTP_URL (smtps://smtp.example.com:465, or
#          smtp://smtp.example.com:587, which must offer TLS), SMTP_USER, SMTP_PASSWORD
# Try      bxhook trigger ONCRMLEADADD --set data.FIELDS.ID=7
set -eu

fail() { # STATUS REASON
    echo "$2" >&2
    exit "$1"
}

case ${MAIL_TO:+to}${MAIL_FROM:+from} in
tofrom) ;;
*) fail 78 'MAIL_TO or MAIL_FROM is not set: give both in env { } of this hook in bxhook.conf' ;;
esac
addresses=$(printf '%s' "$MAIL_TO" | tr ',' ' ')

# What comes from the event may hold anything: on one line, it cannot become a header.
line() {
    printf '%s' "$1" | tr '\000-\037\177' ' '
}
what="$BX_EVENT $(line "${BX_ID-}")"
portal=${BX_PORTAL:-${BX_MEMBER_ID-}}
case $BX_EVENT in
ONCRMLEAD*) page=https://$portal/crm/lead/details/$(line "${BX_ID-}")/ ;;
ONCRMDEAL*) page=https://$portal/crm/deal/details/$(line "${BX_ID-}")/ ;;
*) page= ;;
esac

# A hook runs at least once.  The Message-ID is the same each time it runs for one event: mail
# programs show such a message only once.
message="From: <$MAIL_FROM>
To: $(printf '%s' "$MAIL_TO" | tr -s ' ,' ',')
Subject: $what
Date: $(LC_ALL=C date -R)
Message-ID: <$BX_EVENT_NUMBER.$BX_HOOK@${portal:-bxhook.invalid}>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

$what on $portal
$page"

by_sendmail() {
    command -v sendmail >/dev/null || fail 78 'sendmail is not installed: set SMTP_URL'
    status=0
    # shellcheck disable=SC2086 # a list
    printf '%s\n' "$message" | sendmail -i -f "$MAIL_FROM" -- $addresses || status=$?
    case $status in
    0) echo "given to sendmail for $MAIL_TO" ;;
    64 | 65 | 67 | 68) fail 65 "sendmail refuses it: exit $status" ;; # wrong addresses
    *) fail 75 "sendmail: exit $status" ;;
    esac
}

# Lines of curl's config, on descriptor 3 and not among the arguments, where every user of the
# machine could read the password.
quoted() {
    printf '%s' "$1" | sed 's/[\\"]/\\&/g'
}
curl_config() {
    echo "url = \"$(quoted "$SMTP_URL")\""
    [ -z "${SMTP_USER-}" ] || echo "user = \"$(quoted "$SMTP_USER:${SMTP_PASSWORD-}")\""
    echo "mail-from = \"$(quoted "$MAIL_FROM")\""
    for address in $addresses; do
        echo "mail-rcpt = \"$(quoted "$address")\""
    done
    case $SMTP_URL in
    smtp://localhost[:/]* | smtp://localhost | smtp://127.*) ;; # this machine
    *) echo ssl-reqd ;;
    esac
}

by_smtp() {
    status=0
    code=$(printf '%s\n' "$message" | curl --config /dev/fd/3 --silent --show-error --crlf \
        --max-time 40 --upload-file - --output /dev/null --write-out '%{response_code}' 3<<END
$(curl_config)
END
    ) || status=$?
    case $status:$code in
    0:*) echo "taken for $MAIL_TO" ;;
    67:*) fail 77 'the mail server does not take SMTP_USER and SMTP_PASSWORD' ;;
    *:5??) fail 65 "the mail server refuses it: $code" ;; # for good: dead at once
    *) fail 75 "not now: curl exit $status, answer $code" ;; # bxhook tries again after the backoff
    esac
}

if [ -n "${SMTP_URL-}" ]; then by_smtp; else by_sendmail; fi
