#!/bin/bash
# What an administrator would write instead, behind fcgiwrap: checks the token and runs the hook.
read -r -N "$CONTENT_LENGTH" body
case $body in
*'auth%5Bapplication_token%5D=51856fefc120afa4b628cc82d3935cce'*)
    id=${body#*'data%5BFIELDS%5D%5BID%5D='}
    if "$BENCH_HOOK" "${id%%&*}"; then
        printf 'Status: 200 OK\r\nContent-Type: application/json\r\n\r\n{"status":"ok"}'
    else
        printf 'Status: 503 Service Unavailable\r\n\r\n'
    fi
    ;;
*) printf 'Status: 403 Forbidden\r\n\r\n' ;;
esac
