#!/bin/sh
# The demo: nginx on a free loopback port, the gateway behind it, the worker it starts, and four hooks
# that write down what they get.  Posts five events and one with a wrong token, then judges by what
# the hooks wrote.  On a terminal it stays up until Ctrl-C.  Exit status 0 only if all was right.
#
#     demo.sh PROGRAM             DEMO_TOKEN: the token of the config, when not the events'
#
# shellcheck disable=SC2317 # functions that traps and wait_for call
set -eu

program=$1
token=51856fefc120afa4b628cc82d3935cce
member=a223c6b3710f85df22e9377d6c4f7553
domain=some-domain.bitrix24.com

bold='' red='' green='' plain=''
if [ -t 1 ]; then
    bold=$(printf '\033[1m') red=$(printf '\033[31m') green=$(printf '\033[32m') plain=$(printf '\033[0m')
fi
wrong=0

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
good() { printf '  %sright%s  %s\n' "$green" "$plain" "$*"; }
bad() {
    printf '  %sWRONG%s  %s\n' "$red" "$plain" "$*"
    wrong=1
}
fail() {
    echo "demo: $*" >&2
    exit 1
}

# Waits until the command "$@" succeeds, at most ten seconds.
wait_for() {
    looks=200 pause=0.05
    until "$@"; do
        looks=$((looks - 1))
        [ "$looks" -gt 0 ] || return 1
        sleep "$pause"
    done
}

# -- The scratch directory, and what may run in it.

dir=$(mktemp -d "${TMPDIR:-/tmp}/bxhook-demo.XXXXXX")
as='' group='' nginx=''
if [ "$(id -u)" = 0 ]; then
    # Nothing of this may run as root, and www-data may be barred from the clone.
    as=www-data group='--group www-data'
    chmod 0711 "$dir"
fi

# nginx, and everything whose program is our copy: the gateway, and the worker that it starts.
running() {
    for proc in /proc/[0-9]*; do
        case $(readlink "$proc/exe" 2>/dev/null) in
        "$dir"/*) echo "${proc#/proc/}" ;;
        esac
    done
    if [ -n "$nginx" ] && [ -e "$dir/nginx/pid" ]; then
        echo "$nginx"
    fi
}
all_ended() { [ -z "$(running)" ]; }

clean_up() {
    trap '' HUP INT TERM
    # shellcheck disable=SC2046 # a list of pids
    kill $(running) 2>/dev/null || :
    if ! wait_for all_ended; then
        # shellcheck disable=SC2046
        kill -KILL $(running) 2>/dev/null || :
    fi
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' HUP INT TERM

mkdir "$dir/nginx" "$dir/run" "$dir/log" "$dir/bx" "$dir/bx/hooks" "$dir/bx/state" "$dir/bx/got"
cp "$program" "$dir/bxhook"
bx() { "$dir/bxhook" "$@" --config "$dir/bx/bxhook.conf"; }

show_logs() {
    for log in "$dir"/log/*.log "$dir"/bx/state/*.log; do
        if [ -s "$log" ]; then
            printf '\n--- %s\n' "${log##*/}"
            tail -n 20 "$log"
        fi
    done
}

# -- Config and hooks, as a person would write them.

cat >"$dir/bx/bxhook.conf" <<END
portal {
    member_id $member
    domain    $domain
    token     ${DEMO_TOKEN:-$token}
}
hook smart-process {
    event  ONCRMDYNAMICITEM*
    when { data.FIELDS.ENTITY_TYPE_ID 1220 }
    run    smart-process.sh
    arg    "item {data.FIELDS.ID}"
}
END

# Makes the hook FILE: it prints a line (stdin is the script's third line), and keeps what it got in
# got/ for the judge.
hook() {
    cat >"$dir/bx/$1" <<END
#!/bin/sh
cat >"$dir/bx/got/\$BX_EVENT_NUMBER.json"
$2
echo "\$BX_EVENT \$BX_ID" >"$dir/bx/got/\$BX_EVENT_NUMBER.ran"
END
    chmod 755 "$dir/bx/$1"
}
# shellcheck disable=SC2016 # the hooks expand these
{
    hook hooks/ONCRMDEALMOVETOCATEGORY.sh \
        'echo "deal $BX_ID moved to category $BX_DATA_FIELDS_CATEGORY_ID, stage $BX_DATA_FIELDS_STAGE_ID"'
    hook hooks/ONCRMTIMELINECOMMENTUPDATE.sh \
        'echo "comment $BX_ID was edited on $BX_PORTAL"'
    hook hooks/ONCRMCONTACTUSERFIELDUPDATE.sh \
        'echo "field $BX_DATA_FIELDS_FIELD_NAME of $BX_DATA_FIELDS_ENTITY_ID was changed"'
    hook smart-process.sh \
        'echo "$1 of smart process $BX_DATA_FIELDS_ENTITY_TYPE_ID: $BX_EVENT"'
}

# -- nginx.

# curl's status 7: nobody listens there.
free_port() {
    for candidate in $(shuf -i 20000-31999 -n 20); do
        status=0
        curl -s -o "$dir/run/probe" "http://127.0.0.1:$candidate/" || status=$?
        if [ "$status" = 7 ]; then
            echo "$candidate"
            return
        fi
    done
    fail 'found no free port'
}
port=$(free_port)
url=http://127.0.0.1:$port/bitrix24

location=$(cd "$(dirname "$0")/../conf" && sed "s:/run/bxhook/bxhook.sock:$dir/run/bxhook.sock:
s:include  *fastcgi_params:include /etc/nginx/fastcgi_params:" nginx.conf.example)
cat >"$dir/nginx/nginx.conf" <<END
${as:+user $as;}
daemon off;
pid $dir/nginx/pid;
error_log $dir/log/nginx.log;
events { }
http {
    access_log off;
    client_body_temp_path $dir/nginx/body;
    fastcgi_temp_path $dir/nginx/fastcgi;
    proxy_temp_path $dir/nginx/proxy;
    scgi_temp_path $dir/nginx/scgi;
    uwsgi_temp_path $dir/nginx/uwsgi;
    server {
        listen 127.0.0.1:$port;
        $location
    }
}
END
chmod 0700 "$dir/bx" "$dir/bx/state"
if [ -n "$as" ]; then
    chown -R "$as:$as" "$dir/bx"
fi

title "nginx on 127.0.0.1:$port, the gateway behind it"
# shellcheck disable=SC2086 # two words or none
bx serve --listen "unix:$dir/run/bxhook.sock" $group 2>"$dir/log/gateway.log" &
gateway=$!
if ! wait_for test -S "$dir/run/bxhook.sock"; then
    fail "the gateway did not start$(show_logs)"
fi
PATH=$PATH:/usr/sbin nginx -e "$dir/log/nginx.log" -p "$dir/nginx" -c "$dir/nginx/nginx.conf" &
nginx=$!
if ! wait_for curl -sf -o "$dir/run/answer" "$url"; then
    fail "nobody answers$(show_logs)"
fi
echo "  GET $url"
echo "  $(cat "$dir/run/answer")"

# -- The events, each body as PHP's http_build_query writes it.

# body CODE TS DATA [TOKEN]
body() {
    printf 'event=%s&%s&ts=%s&auth%%5Bdomain%%5D=%s&auth%%5Bclient_endpoint%%5D=https%%3A%%2F%%2F%s%%2Frest%%2F' \
        "$1" "$3" "$2" "$domain" "$domain"
    printf '&auth%%5Bmember_id%%5D=%s&auth%%5Bapplication_token%%5D=%s' "$member" "${4:-$token}"
}

# post STATUS BODY: sends it; its answer must have that status.
post() {
    code=${2#event=}
    status=$(curl -s -o "$dir/run/answer" -w '%{http_code}' --data "$2" "$url") || status=none
    text="${code%%&*}: $status $(head -n 1 "$dir/run/answer")"
    if [ "$status" = "$1" ]; then good "$text"; else bad "$text, not $1"; fi
}

title 'Five events, and one with a wrong token'
move='data%5BFIELDS%5D%5BID%5D=6675&data%5BFIELDS%5D%5BCATEGORY_ID%5D=1&data%5BFIELDS%5D%5BSTAGE_ID%5D=C1%3ANEW'
comment='data%5BID%5D=999'
item='data%5BFIELDS%5D%5BID%5D=24&data%5BFIELDS%5D%5BENTITY_TYPE_ID%5D=1220'
field='data%5BFIELDS%5D%5BID%5D=554&data%5BFIELDS%5D%5BENTITY_ID%5D=CRM_CONTACT&data%5BFIELDS%5D%5BFIELD_NAME%5D=UF_CRM_1724771514'
gone='data%5BFIELDS%5D%5BID%5D=23&data%5BFIELDS%5D%5BENTITY_TYPE_ID%5D=1220'
post 200 "$(body ONCRMDEALMOVETOCATEGORY 1736424182 "event_handler_id=655&$move")"
post 200 "$(body onCrmTimelineCommentUpdate 1466439714 "$comment")"
post 200 "$(body ONCRMDYNAMICITEMUPDATE 1723538517 "event_handler_id=5&$item")"
post 200 "$(body ONCRMCONTACTUSERFIELDUPDATE 1724775198 "event_handler_id=15&$field")"
post 200 "$(body ONCRMDYNAMICITEMDELETE 1723538149 "event_handler_id=6&$gone")"
post 403 "$(body ONCRMDEALUPDATE 1736405807 "$comment" 00000000000000000000000000000000)"

# -- What the hooks got.

idle() { bx status --json 2>/dev/null | grep -q '"unfinished":0'; }
wait_for idle || bad 'events are still unfinished after 10 s'

title 'What the hooks printed'
bx list --json --limit 100 | sed -n 's/.*"delivery":"\([^"]*\)".*/\1/p' | sort -n >"$dir/run/deliveries"
while read -r delivery; do
    printf '  %-32s %s\n' "$delivery" "$(bx logs "$delivery")"
done <"$dir/run/deliveries"

title 'bxhook list'
bx list
title 'bxhook status'
bx status || bad 'bxhook status is not content'

# expect NUMBER LINE DATA: the hook of event NUMBER ran, and had that in its environment and on stdin.
expect() {
    if [ "$(cat "$dir/bx/got/$1.ran" 2>/dev/null)" = "$2" ] &&
        grep -qF "\"data\":$3,\"ts\":" "$dir/bx/got/$1.json"; then
        good "$2"
    else
        bad "$2: its hook did not run, or got something else"
    fi
}

title 'Judged by what the hooks wrote'
expect 1 'ONCRMDEALMOVETOCATEGORY 6675' '{"FIELDS":{"ID":"6675","CATEGORY_ID":"1","STAGE_ID":"C1:NEW"}}'
expect 2 'ONCRMTIMELINECOMMENTUPDATE 999' '{"ID":"999"}'
expect 3 'ONCRMDYNAMICITEMUPDATE 24' '{"FIELDS":{"ID":"24","ENTITY_TYPE_ID":"1220"}}'
expect 4 'ONCRMCONTACTUSERFIELDUPDATE 554' \
    '{"FIELDS":{"ID":"554","ENTITY_ID":"CRM_CONTACT","FIELD_NAME":"UF_CRM_1724771514"}}'
expect 5 'ONCRMDYNAMICITEMDELETE 23' '{"FIELDS":{"ID":"23","ENTITY_TYPE_ID":"1220"}}'
runs=$(find "$dir/bx/got" -name '*.ran' | wc -l)
if [ "$runs" -eq 5 ]; then good 'the wrong token reached no hook'; else bad "$runs hooks ran, not 5"; fi

# -- The end, or the time to try it.

if [ -t 0 ] && [ -t 1 ]; then
    title 'It stays up.  Try, from another terminal:'
    printf "  curl --data '%s' %s\n" "$(body ONCRMDEALMOVETOCATEGORY 1736424182 "$move")" "$url"
    printf '  %s list --config %s\n' "$dir/bxhook" "$dir/bx/bxhook.conf"
    printf 'Ctrl-C ends it.\n'
    # Ctrl-C reaches the gateway too, perhaps first: asked to end it exits with 0.
    stopped='' status=0
    trap 'stopped=yes' INT
    wait "$gateway" || status=$?
    [ -n "$stopped" ] || [ "$status" = 0 ] || bad "the gateway ended by itself, status $status"
fi
echo
if [ "$wrong" = 0 ]; then
    echo 'demo: all was as it must be'
else
    show_logs
    echo 'demo: something was wrong'
fi
exit "$wrong"
