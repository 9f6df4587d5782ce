#!/bin/sh
# The upload for shared hosting: a directory with everything in it, to be copied by FTP.
#
#     upload.sh PROGRAM DIR [ZIP]     makes DIR, and of it ZIP, dated SOURCE_DATE_EPOCH
set -eu
umask 022

program=$1
dir=$2
home=$dir/.htbxhook
packaging=$(dirname "$0")
conf=$packaging/../conf
examples=$packaging/../examples

mkdir -p "$home/hooks" "$home/examples"
install -m 755 "$program" "$home/bxhook"
install -m 755 "$conf/bxhook.fcgi" "$dir/bxhook.fcgi"
install -m 644 "$conf/htaccess" "$dir/.htaccess"
install -m 644 "$packaging/README.txt" "$packaging/README.ru.txt" "$dir"
install -m 755 "$conf"/hooks/*.sample "$home/hooks"
install -m 644 "$examples"/* "$home/examples"
# The page beside them stays here.
sed -i 's|\[\([a-z]*\)\](\.\./docs/\([^)]*\))|docs/\2 of the source|' "$home"/examples/README*.md
printf '# Nothing of this directory is ever served.\nRequire all denied\n' >"$home/.htaccess"
# A portal without a token yet: an empty one is refused, so that nobody can guess it meanwhile.
sed -f "$packaging/bxhook.conf.sed" "$conf/bxhook.conf" >"$home/bxhook.conf"

[ "${3-}" ] || exit 0
find "$dir" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
rm -f "$3"
cd "$dir/.."
find "$(basename "$dir")" -type f | LC_ALL=C sort | TZ=UTC zip -q -X -9 -@ "$3"
