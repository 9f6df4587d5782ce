#!/bin/sh
# Asks Bitrix24 for the deal of an event, with the event's own token, and acts by the deal's stage.
# It needs curl and jq.
#
# Install  cp deal-stage.sh HOOKS_DIR/ONCRMDEALUPDATE.sh && chmod 755 HOOKS_DIR/ONCRMDEALUPDATE.sh
# Set      nothing, or in env { } of its block:
#          CLIENT_ID, CLIENT_SECRET  of your app: a token that expired is renewed, when the event
#                                    brought a refresh token
#          REST_WEBHOOK              the URL of an incoming webhook, used instead of any token: for
#                                    events that a robot or a workflow caused, which carry none
#          OAUTH_URL                 where tokens are renewed, if not at oauth.bitrix.info
# Try      bxhook trigger ONCRMDEALUPDATE --set data.FIELDS.ID=7
#          (with REST_WEBHOOK set: the token of a sample is not a real one)
set -eu
newline='
'

fail() { # STATUS REASON
    echo "$2" >&2
    exit "$1"
}

# Sends one request, given as lines of curl's config: on stdin, so that no secret is among the
# arguments, where every user of the machine could read it.  Sets status and answer.
request() {
    answer=$(printf '%s\n' "$1" | curl --config - --silent --show-error --max-time 20 \
        --write-out '\n%{http_code}') || fail 75 'no answer'
    status=${answer##*"$newline"}
    answer=${answer%"$newline"*}
}

get_deal() {
    request "$(TOKEN=$token jq -nr '
        ($ENV.REST_WEBHOOK // "https://\($ENV.BX_PORTAL)/rest/") as $rest |
        "url = \($rest + "crm.deal.get" | @json)",
        ("id=" + $ENV.BX_ID, if $ENV.REST_WEBHOOK then empty else "auth=" + $ENV.TOKEN end
         | "data-urlencode = \(@json)")')"
}

renew_token() {
    [ -n "$refresh_token" ] || fail 77 'the token expired, and the event has none to renew it'
    [ -n "${CLIENT_ID:+${CLIENT_SECRET-}}" ] ||
        fail 77 'the token expired: set CLIENT_ID and CLIENT_SECRET, or REST_WEBHOOK'
    request "$(REFRESH=$refresh_token jq -nr '
        "url = \($ENV.OAUTH_URL // "https://oauth.bitrix.info/oauth/token/" | @json)", "get",
        ("grant_type=refresh_token", "client_id=" + $ENV.CLIENT_ID,
         "client_secret=" + $ENV.CLIENT_SECRET, "refresh_token=" + $ENV.REFRESH
         | "data-urlencode = \(@json)")')"
    judge 'renewing the token'
    token=$(field .access_token)
}

field() { # FILTER: what it finds in the answer
    printf '%s' "$answer" | jq -er "$1" 2>/dev/null || fail 75 "no $1 in the answer"
}

judge() { # WHAT: goes on only when the answer is good
    error=$(printf '%s' "$answer" | jq -r '.error? // empty' 2>/dev/null) || error=unreadable
    case $status in
    200) ;;
    429 | 5??) fail 75 "$1: $status $error" ;;        # later: bxhook tries again after the backoff
    401 | 403) fail 77 "$1: $status $error" ;;        # never, with this token
    *) fail 65 "$1: $status $error" ;;                # never: no such deal
    esac
}

event=$(cat)
token=$(printf '%s' "$event" | jq -r '.auth.access_token // empty')
refresh_token=$(printf '%s' "$event" | jq -r '.auth.refresh_token // empty')
[ -n "${BX_PORTAL-}" ] || [ -n "${REST_WEBHOOK-}" ] ||
    fail 78 "no domain is in the portal's block: add it, or set REST_WEBHOOK in the hook's env"
[ -n "$token" ] || [ -n "${REST_WEBHOOK-}" ] ||
    fail 77 "the event carries no token: set REST_WEBHOOK in the hook's env"

get_deal
case $status$answer in
401*expired_token*)
    renew_token
    get_deal
    ;;
esac
judge crm.deal.get
stage=$(field .result.STAGE_ID)

# Here is where your own work goes.  It may run twice for one event (after a crash of the machine):
# what must not happen twice takes $BX_EVENT_NUMBER as its key.
case $stage in
WON | *:WON) echo "deal $BX_ID is won: here the invoice would be made, key $BX_EVENT_NUMBER" ;;
LOSE | *:LOSE) echo "deal $BX_ID is lost: here the goods would be released" ;;
*) echo "deal $BX_ID is in stage $stage: nothing to do" ;;
esac
