#!/bin/sh
# Sends every event on to another HTTP service, as JSON, without its tokens, and signed
# as Standard Webhooks (standardwebhooks.com): the receiver verifies who sent it with one of
# that project's libraries, and tells a repeated event by its webhook-id.  What auth says is
# as the sender wrote it.  Several services: a hook block for each with the same program;
# each has its own deliveries and retries.
# It needs curl.
#
# Install  cp forward.sh /usr/local/bin/forward && chmod 755 /usr/local/bin/forward
#          and a block with `run` as in README.md here
# Set      in env { } of the block: TARGET_URL; FORWARD_SECRET (openssl rand -base64 32),
#          which the receiver has too; without one nothing is signed
# Try      bxhook trigger ONCRMDEALADD && bxhook logs 1/to-erp --follow
if [ -z "${TARGET_URL-}" ]; then
    echo 'TARGET_URL is not set: give it in env { } of this hook in bxhook.conf' >&2
    exit 78 # the config is wrong: dead at once; after fixing it, run bxhook retry
fi
exec "$BXHOOK" forward "$TARGET_URL"
