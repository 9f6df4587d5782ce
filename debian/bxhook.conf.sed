# conf/bxhook.conf as the config of the package.
s|^;store .*|store      /var/lib/bxhook/queue.db|
/^;worker {/,/^;}/ {
    s/^;worker/worker/
    s/^;\( *start *\)auto .*/ \1manual         ; bxhook-worker.service runs it/
    s/^;}/}/
}
