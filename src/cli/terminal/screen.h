// What stdout can show: a terminal's width and colours, and text that is safe on it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bx {

enum class Colour { none, bold, dim, red, green, yellow };

struct Screen {
    bool terminal = false;
    bool colours = false;   // only on a terminal, and not with NO_COLOR (no-color.org) or TERM=dumb
    std::size_t width = 0;  // columns; 0: no limit
    std::size_t height = 0; // lines; 0: no limit

    static Screen of_stdout();

    std::string paint(std::string_view text, Colour colour) const;
    // TEXT cut to the width, its end marked.
    std::string fit(std::string_view text) const;
    // FIRST and then WORDS in lines no wider, ended by LF; all but the first begin with 4 blanks.
    std::string filled(std::string_view first, std::string_view words) const;
};

// Columns that TEXT (UTF-8) takes: two a wide character, none a combining one or what `paint` adds.
std::size_t columns_of(std::string_view text);
// FIRST and then WORDS, parted by blanks, in lines of at most WIDTH columns (0: one line) but for a
// word that is longer; all lines but the first begin with INDENT blanks, each ends with LF.
std::string fill(std::string_view first, std::string_view words, std::size_t width,
                 std::size_t indent);
// TEXT in pieces of at most WIDTH columns (0: one piece); one at least.
std::vector<std::string> fold(std::string_view text, std::size_t width);
// TEXT, which has no colours yet, cut to COLUMNS, the last of them "…" when something was cut.
std::string cut_to(std::string_view text, std::size_t columns);

}  // namespace bx
