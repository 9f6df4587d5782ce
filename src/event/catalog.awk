# catalog.tsv as C++ initialisers of CatalogEvent, one a line.
BEGIN { FS = "\t" }

# S as a C++ string literal.  Character by character: awks differ in how gsub escapes.
function literal(s,    i, c, text) {
    text = ""
    for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        text = text (c == "\"" || c == "\\" ? "\\" c : c)
    }
    return "\"" text "\""
}

/^#/ || /^$/ { next }

NF != 5 {
    print FILENAME ":" FNR ": " NF " columns, must be 5" > "/dev/stderr"
    failed = 1
    exit 1
}

{
    count = split($4, paths, ",")
    list = ""
    for (n = 1; n <= count; n++) list = list (n > 1 ? ", " : "") literal(paths[n])
    print "{" literal($1) ", " literal($2) ", " literal($3) ", {" list "}, " literal($5) "},"
}

END { exit failed }
