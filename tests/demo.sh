#!/bin/sh
# The demo: nginx on a free loopback port, the gateway behind it, the worker that it starts, and five
# hooks, one of which asks a stand-in for Bitrix24 back.  Posts events as Bitrix24 does, shows what became
# of them, and checks it by what the hooks wrote.  On a terminal it stays up until Enter.  Exit status 0 only if all checks passed.
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
passed=0 failed=0

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
good() { passed=$((passed + 1)); }
bad() {
    printf '  %sFAIL%s  %s\n' "$red" "$plain" "$*"
    failed=$((failed + 1))
}
fail() {
    echo "demo: $*" >&2
    exit 1
}
indented() { sed 's/^/  /'; }

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
as='' group='' nginx='' cloud=''
if [ "$(id -u)" = 0 ]; then
    # Nothing of this may run as root, and www-data may be barred from the clone.
    as=www-data group='--group www-data'
    chmod 0711 "$dir"
fi

# nginx, the stand-in, and everything whose program is our copy: the gateway, and the worker that it starts.
running() {
    for proc in /proc/[0-9]*; do
        case $(readlink "$proc/exe" 2>/dev/null) in
        "$dir"/*) echo "${proc#/proc/}" ;;
        esac
    done
    if [ -n "$nginx" ] && [ -e "$dir/nginx/pid" ]; then
        echo "$nginx"
    fi
    if [ -n "$cloud" ] && kill -0 "$cloud" 2>/dev/null; then
        echo "$cloud"
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

mkdir "$dir/nginx" "$dir/run" "$dir/log" "$dir/hooks" "$dir/state" "$dir/got"
cp "$program" "$dir/bxhook"
# It finds the config beside the program.
bx() { "$dir/bxhook" "$@"; }

show_logs() {
    for log in "$dir"/log/*.log "$dir"/state/*.log; do
        if [ -s "$log" ]; then
            printf '\n--- %s\n' "${log##*/}"
            tail -n 20 "$log"
        fi
    done
}

# Says how it went, and ends.
finish() {
    echo
    if [ "$failed" = 0 ]; then
        printf 'demo: %sall %s checks passed%s\n' "$green" "$passed" "$plain"
        exit 0
    fi
    show_logs
    printf 'demo: %s%s of %s checks failed%s\n' "$red" "$failed" "$((passed + failed))" "$plain"
    exit 1
}

# -- Config and hooks, as a person would write them.

cat >"$dir/bxhook.conf" <<END
portal {
    member_id $member
    domain    $domain
    token     ${DEMO_TOKEN:-$token}
}
defaults { backoff 300ms }
hook ONTASKADD { backoff 1h }
END

# hook NAME: the hook file NAME, its script on stdin.  The copy that runs also keeps what it got on
# stdin, and that it ran, in got/ for the checks.
hook() {
    {
        echo '#!/bin/sh'
        echo "cat >'$dir/got/'\$BX_EVENT_NUMBER.json"
        echo "echo \"\$BX_EVENT \$BX_ID \$BX_ATTEMPT\" >>'$dir/got/ran'"
        tee "$dir/run/script" | sed 1d
    } >"$dir/hooks/$1"
    chmod 755 "$dir/hooks/$1"
}
# The script of the last hook(), as a person sees it.
show_hook() {
    indented <"$dir/run/script"
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
chmod 0700 "$dir/state" "$dir/hooks"
chmod 0711 "$dir/got"
if [ -n "$as" ]; then
    chown -R "$as:$as" "$dir/state" "$dir/hooks" "$dir/got"
fi

title "nginx on 127.0.0.1:$port, bxhook behind it"
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

# body CODE DATA [TOKEN]
body() {
    printf 'event=%s&%s&ts=1736424182&auth%%5Bdomain%%5D=%s&auth%%5Bclient_endpoint%%5D=https%%3A%%2F%%2F%s%%2Frest%%2F' \
        "$1" "$2" "$domain" "$domain"
    printf '&auth%%5Bmember_id%%5D=%s&auth%%5Bapplication_token%%5D=%s' "$member" "${3:-$token}"
}
deal() { # ID STAGE
    echo "data%5BFIELDS%5D%5BID%5D=$1&data%5BFIELDS%5D%5BSTAGE_ID%5D=$2"
}

# post STATUS BODY: sends it; its answer must have that status.
post() {
    code=${2#event=}
    status=$(curl -s -o "$dir/run/answer" -w '%{http_code}' --data "$2" "$url") || status=none
    text="POST ${code%%&*}: $status $(head -n 1 "$dir/run/answer")"
    echo "  $text" | sed 's/,"message":".*"}/}/'
    if [ "$status" = "$1" ]; then good; else bad "$text, not $1"; fi
}

# state N/HOOK: of that delivery, in one word.
state() {
    bx list --json --limit 100 2>/dev/null | sed -n "s:.*\"delivery\"\: *\"$1\".*\"state\"\: *\"\([a-z]*\)\".*:\1:p"
}
is() { [ "$(state "$1")" = "$2" ]; }
# expect N/HOOK STATE: it reaches that state.
expect() {
    if wait_for is "$1" "$2"; then good; else bad "$1 is '$(state "$1")', not $2"; fi
}
# got N DATA: the hook of event N had that on stdin.
got() {
    if grep -qF "\"data\":$2,\"ts\":" "$dir/got/$1.json"; then good; else bad "event $1: its hook got something else"; fi
}
show() {
    echo "  \$ bxhook $*"
    bx "$@" | indented
}

title 'A hook: hooks/ONCRMDEALADD.sh'
hook ONCRMDEALADD.sh <<'END'
#!/bin/sh
echo "new deal $BX_ID on $BX_PORTAL"
END
show_hook
echo
post 200 "$(body ONCRMDEALADD "$(deal 7 NEW)")"
[ "$failed" = 0 ] || finish # nothing else can work
expect 1/ONCRMDEALADD 'done'
got 1 '{"FIELDS":{"ID":"7","STAGE_ID":"NEW"}}'
show logs 1/ONCRMDEALADD

title 'Two updates of one deal: they run in order, one at a time'
hook ONCRMDEALUPDATE.sh <<'END'
#!/bin/sh
sleep 0.3
echo "deal $BX_ID is in stage $BX_DATA_FIELDS_STAGE_ID"
END
post 200 "$(body ONCRMDEALUPDATE "$(deal 7 PREPARATION)")"
post 200 "$(body ONCRMDEALUPDATE "$(deal 7 WON)")"
expect 3/ONCRMDEALUPDATE 'done'
expect 2/ONCRMDEALUPDATE 'done'
got 3 '{"FIELDS":{"ID":"7","STAGE_ID":"WON"}}'
show logs 2/ONCRMDEALUPDATE
show logs 3/ONCRMDEALUPDATE

title 'A hook that fails: it is tried again by itself'
hook ONCRMLEADADD.sh <<'END'
#!/bin/sh
[ "$BX_ATTEMPT" -ge 3 ] || { echo 'the ERP does not answer' >&2; exit 75; }
echo "lead $BX_ID was sent"
END
show_hook
echo
post 200 "$(body ONCRMLEADADD 'data%5BFIELDS%5D%5BID%5D=31')"
expect 4/ONCRMLEADADD 'done'
echo '  $ bxhook show 4/ONCRMLEADADD'
bx show 4/ONCRMLEADADD | sed -n '/^4.ONCRMLEADADD/,$p' | indented

title 'A hook that gives up (exit 65): kept as dead, fixed, run again'
hook ONTASKADD.sh <<'END'
#!/bin/sh
echo "no project for task $BX_ID" >&2; exit 65
END
post 200 "$(body ONTASKADD 'data%5BFIELDS_AFTER%5D%5BID%5D=9')"
expect 5/ONTASKADD dead
show list --state dead
hook ONTASKADD.sh <<'END'
#!/bin/sh
echo "task $BX_ID was taken over"
END
show retry 5
expect 5/ONTASKADD 'done'
show logs 5/ONTASKADD

title 'A wrong token: refused, and the log says why'
post 403 "$(body ONCRMDEALADD "$(deal 8 NEW)" 00000000000000000000000000000000)"
# Without the member_id: the line is to fit on the screen.
grep refused "$dir/log/gateway.log" | tail -n 1 | sed 's/.*\(reason="[^"]*\), member_id .*/\1"/' | indented
if grep -q 'refused status=403 .*wrong token' "$dir/log/gateway.log"; then good; else bad 'the log does not say why'; fi

title 'An application: it installs itself, and a hook calls back'
here=$(cd "$(dirname "$0")" && pwd)
portal() { python3 "$here/portal/serve.py" --folder "$dir/portal" "$@"; }
python3 "$here/portal/serve.py" --folder "$dir/portal" start --port "$(free_port)" "$url" >"$dir/run/portal" 2>"$dir/log/portal.log" &
cloud=$!
if ! wait_for grep -qs "^rest" "$dir/run/portal"; then
    fail "the stand-in for Bitrix24 did not start$(show_logs)"
fi
chmod 0711 "$dir/portal"
chmod 0644 "$dir/portal/ca.pem"
sed '/^;/d; s/^app {/&\n    events        ONCRMCOMPANYADD/' "$dir/run/portal" >>"$dir/bxhook.conf"
hook ONCRMCOMPANYADD.sh <<'END'
#!/bin/sh
"$BXHOOK" call crm.company.get id="$BX_ID"
END
show_hook
echo
knows_app() { curl -s -o "$dir/run/answer" "$url" && [ "$(grep -c 'config loaded' "$dir/log/gateway.log")" -ge 2 ]; }
wait_for knows_app || bad 'the gateway did not load the configuration again'
portal install | sed "s| -> $url||" | indented
active() { bx portals --json 2>/dev/null | grep -q '"source": *"installed", *"state": *"active"'; }
if wait_for active; then good; else bad 'the application is not installed'; fi
show portals
subscribed() { bx bindings --json --portal 127.0.0.1 2>/dev/null | grep -q '"event": *"ONCRMCOMPANYADD"'; }
if wait_for subscribed; then good; else bad 'the application is not subscribed to its events'; fi
show bindings --portal 127.0.0.1
portal fill crm.company 7 >"$dir/run/filled"
portal event ONCRMCOMPANYADD 'FIELDS[ID]=7' | sed "s| -> $url||" | indented
expect 7/ONCRMCOMPANYADD 'done'
show logs 7/ONCRMCOMPANYADD
if bx logs 7/ONCRMCOMPANYADD | grep -q '"TITLE": *"Row 7"'; then good; else bad 'the hook got no company'; fi

idle() { bx status --json 2>/dev/null | grep -q '"unfinished": *0'; }
if wait_for idle; then good; else bad 'events are still unfinished after 10 s'; fi
printf '%s\n' 'ONCRMDEALADD 7 1' 'ONCRMDEALUPDATE 7 1' 'ONCRMDEALUPDATE 7 1' 'ONCRMLEADADD 31 1' \
    'ONCRMLEADADD 31 2' 'ONCRMLEADADD 31 3' 'ONTASKADD 9 1' 'ONTASKADD 9 2' 'ONCRMCOMPANYADD 7 1' >"$dir/run/wanted"
if diff "$dir/run/wanted" "$dir/got/ran" >"$dir/run/diff" 2>&1; then
    good
else
    bad "the hooks ran otherwise than they should: $(cat "$dir/run/diff")"
fi

title 'What there is now'
show list --state "done"

# -- The end, or the time to try it.

if [ -t 0 ] && [ -t 1 ]; then
    title 'Still running.  Try it from another terminal:'
    echo "  cd $dir"
    echo "  ./bxhook trigger ONCRMDEALADD --url $url"
    echo '  ./bxhook list'
    echo 'Press Enter here to stop it.'
    read -r _ || :
    kill -0 "$gateway" 2>/dev/null || bad 'the gateway ended by itself'
fi
finish
