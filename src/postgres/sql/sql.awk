# *.sql as C++: postgres/sql.h says what comes of them.
#
#   -- numbers ENUM prefix_: first second ...   {prefix_first} stands for 0, and so on, as in C++
#   -- columns NAME: a, b.c, f(d) AS e          {NAME} stands for that list, from here on
#   CREATE FUNCTION bxhook.NAME(a_x type, ...) RETURNS ... LANGUAGE ...   and a line that ends with $$;
#
# tables.sql is the script `tables`; the others are one, `functions`.

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

function expanded(text,    head, word) {
    head = ""
    while (match(text, /\{[a-z_0-9]+\}/)) {
        word = substr(text, RSTART + 1, RLENGTH - 2)
        if (!(word in macro)) complain("nothing is called " word)
        head = head substr(text, 1, RSTART - 1) macro[word]
        text = substr(text, RSTART + RLENGTH)
    }
    return head text
}

function note_numbers(text,    words, count, i, enum, prefix) {
    sub(/^-- numbers /, "", text)
    prefix = text
    sub(/:.*/, "", prefix)
    sub(/^[^:]*: */, "", text)
    enum = prefix
    sub(/ .*/, "", enum)
    if (!sub(/^[^ ]* /, "", prefix)) prefix = ""
    count = split(text, words, " ")
    for (i = 1; i <= count; i++) {
        macro[prefix words[i]] = i - 1
        print "static_assert(static_cast<int>(" enum "::" words[i] ") == " i - 1 ");"
    }
}

function note_columns(text,    name, list) {
    sub(/^-- columns /, "", text)
    name = list = text
    sub(/:.*/, "", name)
    sub(/^[^:]*: */, "", list)
    macro[name] = expanded(list)
}

# The text between the bracket at its beginning and its fellow; `rest` is what comes behind.
function bracketed(text,    i, c, depth) {
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c == "(") depth++
        if (c == ")" && --depth == 0) break
    }
    rest = substr(text, i + 1)
    return substr(text, 2, i - 2)
}

function name_of(declared) {
    sub(/ .*/, "", declared)
    return declared
}

function type_of(declared) {
    sub(/^[^ ]* /, "", declared)
    return declared
}

function end_head(    name, list, count, i, word, names, values, columns, selected) {
    name = head
    sub(/^CREATE FUNCTION bxhook\./, "", name)
    list = name
    sub(/\(.*/, "", name)
    sub(/^[^(]*/, "", list)
    if (name in known) complain(name " is there already")
    known[name] = 1
    count = parts(bracketed(list), parameter)
    for (i = 1; i <= count; i++) {
        word = name_of(parameter[i])
        if (!sub(/^a_/, "", word)) complain("the parameter " word " of " name " is not called a_...")
        names = names word ", "
        values = values (i > 1 ? ", " : "") "$" i "::" type_of(parameter[i])
    }
    inputs = count
    columns = selected = ""
    if (match(rest, /RETURNS TABLE \(/)) {
        list = substr(rest, RSTART + RLENGTH - 1)
        count = parts(bracketed(list), column)
        for (i = 1; i <= count; i++) {
            columns = columns name_of(column[i]) ", "
            selected = selected (i > 1 ? ", " : "") name_of(column[i])
        }
    }
    printf "struct %s {\n    struct In { enum : int { %swidth }; };\n", name, names
    printf "    struct Out { enum : int { %swidth }; };\n", columns
    if (columns != "")
        text = "SELECT " selected " FROM bxhook." name "(" values ")"
    else
        text = "SELECT bxhook." name "(" values ")"
    printf "    static constexpr std::string_view text =\n        \"%s\";\n};\n", text
    listed = listed "    {\"" name "\", \"" called(inputs) "\"},\n"
}

function called(count,    i, all) {
    all = ""
    for (i = 1; i <= count; i++) all = all (i > 1 ? ", " : "") parameter[i]
    return all
}

# A piece, since compilers take string literals of some size only.
function put(line) {
    piece = piece line "\n"
}

function put_piece(    script) {
    if (piece == "") return
    script = in_tables ? "tables" : "functions"
    pieces[script] = pieces[script] "    R\"sql(" piece ")sql\",\n"
    piece = ""
}

FNR == 1 {
    put_piece()
    in_tables = FILENAME ~ /tables\.sql$/
}

/^-- numbers / { note_numbers($0); next }
/^-- columns / { note_columns($0); next }
/^[ \t]*--/ || /^[ \t]*$/ { next }

{ $0 = expanded($0) }

/^CREATE FUNCTION/ {
    in_head = 1
    head = ""
    begun = FNR
}

in_head {
    head = head (head == "" ? "" : " ") trim($0)
    if ($0 ~ /LANGUAGE/) {
        in_head = 0
        end_head()
    }
}

/\$\$;[ \t]*$/ {
    if (FNR - begun >= 60) complain("the function that ends here has more than 60 lines")
}

{
    sub(/^CREATE FUNCTION/, "CREATE OR REPLACE FUNCTION")
    put($0)
    if (/\$\$;[ \t]*$/) put_piece()
}

END {
    if (failed) exit 1
    put_piece()
    print "struct FunctionHead { const char* name; const char* arguments; };"
    print "inline constexpr FunctionHead function_heads[] = {\n" listed "};"
    print "inline constexpr const char* tables[] = {\n" pieces["tables"] "};"
    print "inline constexpr const char* functions[] = {\n" pieces["functions"] "};"
}
