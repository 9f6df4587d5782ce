#!/bin/sh
# The one file that the web server starts.  It is beside the .htaccess; permissions 755.

# The directory of bxhook.conf, hooks and state: best one that the web server does not serve, such as
# /home/USER/bxhook, or from here ../../bxhook.
home=.htbxhook
program=$home/bxhook

umask 077
case $0 in */*) cd "${0%/*}" || exit ;; esac

# What came by FTP may not run, also after an upgrade, and is open to all: fixed here, if it is ours.
[ -x "$program" ] || chmod u+x "$program" 2>/dev/null
if [ ! -e "$home/state/queue.db" ]; then
    mkdir "$home/state"
    # A directory of bxhook's own, not one that the web server reads as well.
    chmod 600 "$home/bxhook.conf"
    case $home in
    *.htbxhook | */bxhook) [ -e "$home/bxhook.fcgi" ] || chmod 700 "$home" "$home/state" ;;
    esac
fi 2>/dev/null

# The log, unless bxhook.conf names another: renamed to bxhook.log.1 at 10 MB.
log=$home/state/bxhook.log
if true 2>/dev/null >>"$log"; then
    exec 2>>"$log"
    export BXHOOK_LOG="$log"
fi

if [ ! -x "$program" ]; then
    if [ -e "$program" ]; then
        why="the program may not run: set the permissions of the file ${program##*/} to 755"
    else
        why="the program is missing: upload it, or correct the line home= in bxhook.fcgi"
    fi
    echo "bxhook: $why: '$program'" >&2
    [ "${REQUEST_METHOD-}" ] || exit 1
    cat >/dev/null # the body: Apache cuts the answer short where nobody reads it
    printf 'Status: 503\r\nRetry-After: 60\r\nContent-Type: text/plain\r\n\r\nbxhook: not ready: %s\n' "$why"
    exit
fi

# `exec` keeps the socket on fd 0; "$@" must not be passed on: it is what follows the ? of the URL.
export BXHOOK_CONFIG="$home/bxhook.conf"
exec "$program"
