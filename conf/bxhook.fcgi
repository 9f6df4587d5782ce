#!/bin/sh
# bxhook's door: the one file the web server starts.  It lies beside the .htaccess, permissions 755.

# The directory of bxhook.conf, hooks and state: best one that the web server does not show, such as
# /home/USER/bxhook.
home=.htbxhook
program=$home/bxhook

umask 077
case $0 in */*) cd "${0%/*}" || exit ;; esac

# What came by FTP may not run and is open to all: mended before the first event, if it is ours.
if [ ! -e "$home/state/queue.db" ]; then
    mkdir "$home/state"
    case $home in *.htbxhook) chmod 700 "$home" "$home/state" ;; esac
    [ -x "$program" ] || chmod u+x "$program"
fi 2>/dev/null

# The log, unless bxhook.conf names another: renamed to bxhook.log.1 at 10 MB.
log=$home/state/bxhook.log
if true 2>/dev/null >>"$log"; then
    exec 2>>"$log"
    export BXHOOK_LOG="$log"
fi

if [ ! -x "$program" ]; then
    why='the program may not run: give the file bxhook the permissions 755'
    echo "bxhook: $why, or correct home and program in bxhook.fcgi: '$program'" >&2
    [ "${REQUEST_METHOD-}" ] || exit 1
    cat >/dev/null # the body: Apache cuts the answer short where nobody reads it
    printf 'Status: 503\r\nRetry-After: 60\r\nContent-Type: text/plain\r\n\r\nbxhook: not ready: %s\n' "$why"
    exit
fi

# `exec` keeps the socket on fd 0; "$@" must not be passed on, it is what stands after the ? of the URL.
export BXHOOK_CONFIG="$home/bxhook.conf"
exec "$program"
