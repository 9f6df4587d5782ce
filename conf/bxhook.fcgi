#!/bin/sh
# The only file of bxhook below the document root: copy it there, mode 0755, beside the .htaccess.
# Config, hooks and store belong outside.  `exec` keeps the socket on fd 0; "$@" must not be passed
# on, a web server fills it with what stands after the ? of the URL.
export BXHOOK_CONFIG=/home/USER/bxhook/bxhook.conf
exec /home/USER/bxhook/bxhook
