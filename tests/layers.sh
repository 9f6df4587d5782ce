#!/bin/sh
# Who may include whom: a folder of src/ includes itself and what stands above it in the design, and
# each third-party library is known to one .cpp only; the header of that name may declare an opaque
# type of it, but includes nothing of it.  Comments may name anything.
#
#     layers.sh [SRC]
#
# shellcheck disable=SC2016 # $0 is awk's
set -eu
cd "${1:-src}"

find . -name '*.h' -o -name '*.cpp' | sort | sed 's:^\./::' | xargs awk '
BEGIN {
    # The gateway knows no hooks, and the worker no gateway.
    allowed["base"] = "base"
    allowed["host"] = "base host"
    allowed["config"] = "base host config"
    allowed["form"] = "base form"
    allowed["event"] = "base config form event"
    allowed["store"] = "base host config event store"
    allowed["rest"] = "base host config rest"
    allowed["sqlite"] = "base host store sqlite"
    allowed["stores"] = "base host config store sqlite stores"
    allowed["postgres"] = "base config store stores postgres"
    allowed["sync"] = "base host config form event store rest sync"
    allowed["report"] = "base host config form event store report"
    allowed["gateway"] = "base host config form event store stores gateway"
    allowed["hooks"] = "base host config form event store hooks"
    allowed["worker"] = "base host config form event store stores hooks worker"
    allowed["cli"] = "base host config form event store stores rest sync report gateway hooks worker cli"
    allowed["main.cpp"] = allowed["cli"]

    library["libfcgi"] = "FCGX_|<fcgi"
    library["cgicc"] = "cgicc"
    library["Boost.PropertyTree"] = "ptree|property_tree"
    library["SQLite"] = "sqlite3"
    library["nlohmann-json"] = "nlohmann"
    library["libpq"] = "PGconn|libpq"
}
FNR == 1 {
    room = FILENAME
    sub("/.*", "", room)
    if (!(room in allowed)) complain("src/" FILENAME " is in no room of the design")
}
{ sub("//.*", "") }
# A generated table (.inc) is data of the file that includes it.
/^#[ \t]*include[ \t]*"/ && !/\.inc"/ {
    split($0, quoted, "\"")
    other = quoted[2]
    sub("/.*", "", other)
    if (index(" " allowed[room] " ", " " other " ") == 0)
        complain("src/" FILENAME ":" FNR " includes " quoted[2] ", which does not stand above it")
}
{
    for (name in library)
        if ($0 ~ library[name] && !seen[name, FILENAME]++) {
            users[name] = users[name] " src/" FILENAME
            unit = FILENAME
            sub("\\.[a-z]*$", "", unit)
            if (!seen[name, unit]++) units[name]++
            if (units[name] > 1 || (FILENAME ~ /\.h$/ && /#[ \t]*include/)) leaked[name] = 1
        }
}
END {
    for (name in leaked) complain(name " is known to more than one .cpp:" users[name])
    exit bad
}
function complain(text) { print text; bad = 1 }
'
