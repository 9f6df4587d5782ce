#include "cli/commands/templates.h"

#include <array>

#include "base/shell.h"

namespace bx {

namespace {

#include "templates.inc"

// TEXT with the line "NAME=..." saying VALUE.
void assign(std::string& text, const std::string& name, const std::string& value) {
    std::size_t begin = text.find("\n" + name + "=") + 1;
    text.replace(begin, text.find('\n', begin) - begin, name + "=" + shell_word(value));
}

}  // namespace

std::string_view config_template() {
    return config_text;
}

std::span<const SampleHook> sample_hooks() {
    return samples;
}

std::string public_script(const std::string& binary, const std::string& home) {
    std::string text(script_text);
    assign(text, "home", home);
    assign(text, "program", binary);
    return text;
}

std::string_view public_htaccess() {
    return R"apache(# Made by `bxhook init`: lets Apache run bxhook.fcgi, by mod_fcgid or as CGI.
# "Options not allowed here" in the error log: remove that line, such hosts allow it anyway.
Options +ExecCGI
<FilesMatch "^bxhook\.(fcgi|cgi)$">
    <IfModule mod_fcgid.c>
        SetHandler fcgid-script
    </IfModule>
    <IfModule !mod_fcgid.c>
        SetHandler cgi-script
    </IfModule>
</FilesMatch>
)apache";
}

std::string_view deny_htaccess() {
    return "# Nothing of this directory is ever served.\nRequire all denied\n";
}

}  // namespace bx
