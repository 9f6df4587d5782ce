#include "cli/terminal/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cwchar>

#include "base/escape.h"
#include "base/text.h"

namespace bx {

namespace {

constexpr std::size_t usual_width = 80;
constexpr std::size_t usual_height = 24;
constexpr std::string_view ellipsis = "\xE2\x80\xA6";  // one column

struct winsize terminal_size() {
    struct winsize size {};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) size = {};
    if (size.ws_col == 0) size.ws_col = usual_width;
    if (size.ws_row == 0) size.ws_row = usual_height;
    return size;
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

// One character of valid UTF-8, or one colour: its bytes and the columns they take.
struct Glyph {
    std::size_t bytes = 1;
    std::size_t columns = 1;
};

// How a terminal shows a character is the C library's to know; of a UTF-8 locale, whatever ours is.
std::size_t width_of(wchar_t character) {
    static const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{});
    if (utf8 == locale_t{}) return 1;
    locale_t before = ::uselocale(utf8);
    int columns = ::wcwidth(character);
    ::uselocale(before);
    return columns < 0 ? 1 : static_cast<std::size_t>(columns);
}

Glyph first_glyph(std::string_view text) {
    auto lead = static_cast<unsigned char>(text[0]);
    if (lead == 0x1B) return {std::min(text.find('m'), text.size() - 1) + 1, 0};
    if (lead < 0x80) return {1, 1};
    const Character character = first_character(text);
    return {character.bytes, width_of(static_cast<wchar_t>(character.code))};
}

// The bytes of TEXT's front that fit into COLUMNS, with combining characters that follow.
std::size_t bytes_that_fit(std::string_view text, std::size_t columns) {
    std::size_t bytes = 0;
    while (bytes < text.size()) {
        Glyph glyph = first_glyph(text.substr(bytes));
        if (glyph.columns > columns) break;
        columns -= glyph.columns;
        bytes += glyph.bytes;
    }
    return bytes;
}

}  // namespace

Screen Screen::of_stdout() {
    Screen screen;
    screen.terminal = ::isatty(STDOUT_FILENO) == 1;
    if (!screen.terminal) return screen;
    screen.colours = setting("NO_COLOR").empty() && setting("TERM") != "dumb";
    const struct winsize size = terminal_size();
    screen.width = size.ws_col;
    screen.height = size.ws_row;
    return screen;
}

std::string Screen::paint(std::string_view text, Colour colour) const {
    if (!colours || colour == Colour::none || text.empty()) return std::string(text);
    return "\x1b[" + std::string(sgr(colour)) + "m" + std::string(text) + "\x1b[0m";
}

std::string Screen::fit(std::string_view text) const {
    return width == 0 ? std::string(text) : cut_to(text, width);
}

std::string Screen::filled(std::string_view first, std::string_view words) const {
    return fill(first, words, width, 4);
}

std::size_t columns_of(std::string_view text) {
    std::size_t columns = 0;
    while (!text.empty()) {
        Glyph glyph = first_glyph(text);
        columns += glyph.columns;
        text.remove_prefix(glyph.bytes);
    }
    return columns;
}

std::string fill(std::string_view first, std::string_view words, std::size_t width,
                 std::size_t indent) {
    std::string text;
    std::string line(first);
    bool empty = true;  // no word stands in the line yet
    for (std::string_view word : split(words, ' ')) {
        if (empty && word.empty()) continue;  // the second of two blanks between sentences
        std::size_t needed = columns_of(line) + (empty ? 0 : 1) + columns_of(word);
        bool has_text = line.find_first_not_of(' ') != std::string::npos;
        if (width > 0 && needed > width && has_text) {
            text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
            line.assign(indent, ' ');
            empty = true;
        }
        if (!empty) line += ' ';
        line += word;
        empty = false;
    }
    return text + line + "\n";
}

std::vector<std::string> fold(std::string_view text, std::size_t width) {
    std::vector<std::string> pieces;
    do {
        std::size_t bytes = width == 0 ? text.size() : bytes_that_fit(text, width);
        if (bytes == 0 && !text.empty()) bytes = first_glyph(text).bytes;
        pieces.emplace_back(text.substr(0, bytes));
        text.remove_prefix(bytes);
    } while (!text.empty());
    return pieces;
}

std::string cut_to(std::string_view text, std::size_t columns) {
    if (columns_of(text) <= columns) return std::string(text);
    if (columns == 0) return "";
    return std::string(text.substr(0, bytes_that_fit(text, columns - 1))) + std::string(ellipsis);
}

}  // namespace bx
