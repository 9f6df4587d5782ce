# *.sql as C++: statements.h says what comes of them.
#
#   -- Words about what follows.
#   -- columns NAME: a, b.c, f(d) AS e     from here on {NAME} stands for that list
#   -- @NAME (first, second)               the statement NAME begins, and ends with a line's ';'
#   SELECT {NAME} FROM t WHERE x = :first AND y = :second;
#
# schema.sql is no such statement: its text, without comments, is the script `schema`.

function complain(text) {
    print FILENAME ":" FNR ": " text > "/dev/stderr"
    failed = 1
    exit 1
}

function trim(text) {
    gsub(/^[ \t]+|[ \t]+$/, "", text)
    return text
}

# The parts of a list, which may have commas between brackets; gives how many.
function parts(list, into,    i, c, depth, count, part) {
    part = ""
    count = depth = 0
    for (i = 1; i <= length(list); i++) {
        c = substr(list, i, 1)
        if (c == "(") depth++
        if (c == ")") depth--
        if (c == "," && depth == 0) {
            into[++count] = trim(part)
            part = ""
        } else part = part c
    }
    if (trim(part) != "") into[++count] = trim(part)
    return count
}

# "b.c" and "f(d) AS c" are called c.
function called(column) {
    sub(/.*[. ]/, "", column)
    return column
}

function begin_columns(text,    name, list, count, i, names) {
    sub(/^-- columns /, "", text)
    name = list = text
    sub(/:.*/, "", name)
    sub(/^[^:]*: */, "", list)
    macro[name] = list
    count = parts(list, column)
    for (i = 1; i <= count; i++)
        names = names (i > 1 ? ", " : "") called(column[i]) " = " (i - 1)
    print "struct " name " { static constexpr int " names "; };"
}

function begin_statement(text,    list) {
    if (name != "") complain("statement " name " has no end")
    sub(/^-- @/, "", text)
    name = list = text
    sub(/ .*/, "", name)
    parameters = 0
    if (sub(/^[^(]*\(/, "", list)) {
        sub(/\).*/, "", list)
        parameters = parts(list, parameter)
    }
    body = ""
}

function expanded(text,    head, word) {
    head = ""
    while (match(text, /\{[a-z_]+\}/)) {
        word = substr(text, RSTART + 1, RLENGTH - 2)
        if (!(word in macro)) complain("no columns " word)
        head = head substr(text, 1, RSTART - 1) macro[word]
        text = substr(text, RSTART + RLENGTH)
    }
    return head text
}

function numbered(text,    head, word, i, found, seen) {
    head = ""
    while (match(text, /:[a-z_0-9]+/)) {
        word = substr(text, RSTART + 1, RLENGTH - 1)
        found = 0
        for (i = 1; i <= parameters; i++) if (parameter[i] == word) found = i
        if (!found) complain("statement " name " has no parameter " word)
        seen[found] = 1
        head = head substr(text, 1, RSTART - 1) "?" found
        text = substr(text, RSTART + RLENGTH)
    }
    for (i = 1; i <= parameters; i++)
        if (!(i in seen)) complain("statement " name " does not use " parameter[i])
    return head text
}

function end_statement() {
    printf "inline constexpr Statement<%d> %s{%d, \"%s\",\n    R\"sql(%s)sql\"};\n",
        parameters, name, statements++, name, numbered(expanded(trim(body)))
    name = ""
}

FNR == 1 { in_schema = FILENAME ~ /schema\.sql$/ }

in_schema {
    sub(/^[ \t]*--.*/, "")
    if (trim($0) != "") script = script trim($0) "\n"
    next
}

/^-- columns / { begin_columns($0); next }
/^-- @/ { begin_statement($0); next }
/^[ \t]*--/ || /^[ \t]*$/ { next }
name == "" { complain("outside of a statement: " $0) }
{
    body = body " " trim($0)
    if ($0 ~ /;[ \t]*$/) {
        sub(/;[ \t]*$/, "", body)
        end_statement()
    }
}

END {
    if (failed) exit 1
    if (name != "") complain("statement " name " has no end")
    print "inline constexpr int statement_count = " statements + 0 ";"
    printf "inline constexpr const char* schema = R\"sql(%s)sql\";\n", script
}
