#!/bin/sh
# `make check-debian`: what the README tells a person to run, on a fresh Debian of each SUITE with nothing
# but make, in a clone with nothing beside it.  Needs root, minutes, and 4 GB in /var/tmp; mirror and proxies are
# those of this machine's apt.
#
#     debian.sh SUITE...
#
# The last line of each is `SUITE: N passed, N failed`.
#
# shellcheck disable=SC2086 # lists are meant to be split
set -eu

source=$(cd "$(dirname "$0")/.." && pwd)

fail() {
    echo "check-debian: $*" >&2
    exit 1
}

# Where this machine's apt has Debian from.
mirror() {
    # shellcheck disable=SC2016 # apt's variables
    apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' | awk '$1 $2 == "DebianDebian" { print $3; exit }'
}

# Runs the script $2 in the machine below $1: a container of systemd-nspawn, a chroot where these do not
# work.
inside() {
    if systemd-nspawn $nspawn --directory="$1" true 2>/dev/null; then
        SYSTEMD_NSPAWN_TMPFS_TMP=0 systemd-nspawn $nspawn --directory="$1" sh -c "$2"
    else
        in_chroot "$1" "$2"
    fi
}
# Tests look for keys of root, which containers have none of by default.
nspawn='--quiet --register=no --keep-unit --as-pid2 --pipe --system-call-filter=@keyring'

# The mounts are in a namespace that ends with the script.
in_chroot() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --pid --fork --kill-child sh -c '
        mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/dev/shm" && mount -t sysfs -o ro sysfs "$0/sys" &&
        mount -t proc proc "$0/proc" && exec chroot "$0" sh -c "$1"' "$1" "$2"
}

# A machine of SUITE below ROOT, with a clone in its root's home.
make_machine() {
    debootstrap --variant=minbase --include=ca-certificates,make "$1" "$2" "$(mirror)" >"$work/log" 2>&1 ||
        { tail -n 20 "$work/log" && fail "debootstrap $1 failed"; }
    apt-config dump Acquire | grep -i '::proxy' >"$2/etc/apt/apt.conf.d/90proxy" || true
    git clone -q "$source" "$2/root/bxhook"
}

check() {
    echo "== $1"
    make_machine "$1" "$work/$1" || return
    status=0
    inside "$work/$1" 'export LC_ALL=C.UTF-8 && cd /root/bxhook && make demo && make check' || status=$?
    echo "$1: $(cat "$work/$1/root/bxhook/build/count" 2>/dev/null || echo 'no test ran')"
    rm -rf --one-file-system "${work:?}/$1"
    return "$status"
}

[ $# -gt 0 ] || fail 'which? debian.sh bookworm trixie'
[ "$(id -u)" = 0 ] || fail 'only root can make machines'
work=$(mktemp -d /var/tmp/bxhook-debian-XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' HUP INT TERM
worst=0
for suite; do
    check "$suite" || worst=1
done
exit "$worst"
