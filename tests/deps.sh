#!/bin/sh
# Installs what is missing to build, show or test bxhook, on Debian and its derivatives.  Asks dpkg
# first, so that nothing is touched when all is there; starts no service.  apt's output is shown only
# when it fails.
#
#     deps.sh build|demo|deb|zip|all|bench|packages      as root, or as someone who may use sudo
#
# shellcheck disable=SC2086 # lists of packages are meant to be split
set -eu

build='g++ make pkg-config libfcgi-dev libcgicc-dev libsqlite3-dev libpq-dev libboost-dev nlohmann-json3-dev'
demo='nginx-light curl python3 openssl'
tests='libboost-test-dev clang libclang-rt-dev apache2 libapache2-mod-fcgid apache2-suexec-custom
lighttpd spawn-fcgi libfcgi-bin systemd jq python3 python3-pytest python3-pytest-xdist php-cli php-cgi php-sqlite3 mandoc
shellcheck autoconf procps sqlite3 postgresql python3-psycopg2 wrk openssl strace zip unzip'
bench='wrk php-fpm php-cli php-cgi php-sqlite3 webhook fcgiwrap spawn-fcgi apache2 libapache2-mod-fcgid
python3 python3-pytest python3-psycopg2 postgresql procps'
# To make a package, or the upload for shared hosting, and nothing else.
# dpkg wants build-essential, whatever the package says.
deb='git autoconf build-essential debhelper dpkg-dev fakeroot lintian libboost-test-dev python3'
zip='zip'
# To make packages, and machines without anything on which to try them.
packages='git build-essential debhelper dpkg-dev fakeroot lintian zip unzip binutils debootstrap systemd-container'

policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
kept=$policy.before-bxhook
clusters=/etc/postgresql-common/createcluster.conf
mark='# bxhook: no service may start while its packages are installed'

fail() {
    echo "bxhook: $*" >&2
    exit 1
}

# Those of the packages "$@" that are not installed.
missing() {
    for package; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=absent
        [ "$state" = installed ] || printf ' %s' "$package"
    done
}

# nginx, apache2 and lighttpd start themselves on port 80 when installed, unless this forbids it.
# A file with our mark is what a killed run left; any other is the machine's, and is put back.
forbid_services() {
    if [ -e "$policy" ] && ! grep -qxF "$mark" "$policy"; then
        mv "$policy" "$kept"
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
    chmod 755 "$policy"
}

allow_services() {
    rm -f "$policy"
    if [ -e "$kept" ]; then
        mv "$kept" "$policy"
    fi
}

# PostgreSQL makes a cluster at its first installation, unless this forbids it.
forbid_cluster() {
    [ -e "$clusters" ] || get postgresql-common
    [ -e "$clusters.before-bxhook" ] || cp -p "$clusters" "$clusters.before-bxhook"
    pg_conftool "$clusters" set create_main_cluster off
}

allow_cluster() {
    if [ -e "$clusters.before-bxhook" ]; then
        mv "$clusters.before-bxhook" "$clusters"
    fi
}

quietly() {
    status=0
    "$@" >>"$output" 2>&1 || status=$?
    [ "$status" = 0 ] || tail -n 30 "$output" >&2
    return "$status"
}

get() {
    quietly apt-get install -y --no-install-recommends "$@"
}

install_packages() {
    output=$(mktemp)
    trap 'allow_services; allow_cluster; rm -f "$output"' EXIT
    trap 'exit 130' HUP INT TERM
    forbid_services
    export DEBIAN_FRONTEND=noninteractive
    quietly apt-get update
    case " $* " in
    *' postgresql '*) forbid_cluster ;;
    esac
    get "$@"
}

case ${1-} in
build) wanted=$build ;;
demo) wanted="$build $demo" ;;
deb) wanted="$build $deb" ;;
zip) wanted="$build $zip" ;;
all) wanted="$build $demo $tests" ;;
bench) wanted="$build $demo $bench" ;;
packages) wanted="$build $demo $tests $packages" ;;
--install) # this script again, as root
    shift
    install_packages "$@"
    exit
    ;;
*)
    echo 'usage: deps.sh build|demo|deb|zip|all|bench|packages' >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    fail 'this system has no apt-get: install what Debian calls' $wanted \
        '- then use "make run-check" and "make run-demo"'
fi

absent=$(missing $wanted)
if [ -z "$absent" ]; then
    [ "$1" = demo ] || echo 'deps: nothing is missing'
    exit
fi

# shellcheck disable=SC2086
set -- $absent
echo "deps: installing $# packages"
if [ "$(id -u)" = 0 ]; then
    install_packages $absent
elif command -v sudo >/dev/null; then
    sudo POLICY_RC_D="$policy" sh "$0" --install $absent
else
    fail "packages are missing, and here is neither root nor sudo: let root run
apt-get install --no-install-recommends$absent"
fi
