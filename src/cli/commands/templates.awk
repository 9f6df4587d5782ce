# Files as C++ string constants: templates.inc.  config_text is conf/bxhook.conf, and so on; the
# samples are the elements of an array.
BEGIN {
    end = ")=====\""
}
FNR == 1 {
    close_last()
    name = FILENAME
    sub(".*/", "", name)
    if (name ~ /\.sample$/) {
        if (!samples++) print "constexpr std::array samples{"
        printf "SampleHook{\"%s\", R\"=====(", name
        last = end "},"
    } else {
        constant = name ~ /conf$/ ? "config_text" : "script_text"
        printf "constexpr std::string_view %s = R\"=====(", constant
        last = end ";"
    }
}
{
    print
}
END {
    close_last()
    print "};"
}
function close_last() {
    if (last != "") print last
}
