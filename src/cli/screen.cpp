#include "cli/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.h"

namespace bx {

namespace {

constexpr std::size_t usual_width = 80;
constexpr std::string_view ellipsis = "\xE2\x80\xA6";  // one column

std::size_t terminal_width() {
    struct winsize size {};
    bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : usual_width;
}

// An environment variable that counts when it is set and not empty.
std::string_view setting(const char* name) {
    const char* text = std::getenv(name);
    return text == nullptr ? "" : text;
}

// SGR parameters, ECMA-48 8.3.117.
std::string_view sgr(Colour colour) {
    switch (colour) {
        case Colour::none: return "";
        case Colour::bold: return "1";
        case Colour::dim: return "2";
        case Colour::red: return "31";
        case Colour::green: return "32";
        case Colour::yellow: return "33";
    }
    return "";
}

bool starts_character(char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

}  // namespace

Screen Screen::of_stdout() {
    Screen screen;
    screen.terminal = ::isatty(STDOUT_FILENO) == 1;
    if (!screen.terminal) return screen;
    screen.colours = setting("NO_COLOR").empty() && setting("TERM") != "dumb";
    screen.width = terminal_width();
    return screen;
}

std::string Screen::paint(std::string_view text, Colour colour) const {
    if (!colours || colour == Colour::none || text.empty()) return std::string(text);
    return "\x1b[" + std::string(sgr(colour)) + "m" + std::string(text) + "\x1b[0m";
}

std::string Screen::fit(std::string_view text) const {
    return width == 0 ? std::string(text) : cut_to(text, width);
}

std::size_t columns_of(std::string_view text) {
    std::size_t columns = 0;
    for (char c : text) columns += starts_character(c) ? 1 : 0;
    return columns;
}

std::string cut_to(std::string_view text, std::size_t columns) {
    if (columns_of(text) <= columns) return std::string(text);
    if (columns == 0) return "";
    std::size_t kept = 0;
    std::size_t end = 0;
    for (; end < text.size(); ++end) {
        if (starts_character(text[end]) && kept++ == columns - 1) break;
    }
    return std::string(text.substr(0, end)) + std::string(ellipsis);
}

std::string visible(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string valid = valid_utf8(text);
    std::string result;
    result.reserve(valid.size());
    for (std::size_t i = 0; i < valid.size(); ++i) {
        auto c = static_cast<unsigned char>(valid[i]);
        // C1 controls are U+0080..U+009F: C2 80..C2 9F.
        bool c1 = c == 0xC2 && static_cast<unsigned char>(valid[i + 1]) < 0xA0;
        if (c1) c = static_cast<unsigned char>(valid[++i]);
        if (c1 || c == 0x7F || (c < 0x20 && c != '\n' && c != '\t')) {
            result += "\\x";
            result += digits[c >> 4];
            result += digits[c & 15];
        } else {
            result += valid[i];
        }
    }
    return result;
}

}  // namespace bx
