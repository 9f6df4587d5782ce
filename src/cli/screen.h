// What stdout can show: a terminal's width and colours, and text that is safe on it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bx {

enum class Colour { none, bold, dim, red, green, yellow };

struct Screen {
    bool terminal = false;
    bool colours = false;   // only on a terminal, and not with NO_COLOR (no-color.org) or TERM=dumb
    std::size_t width = 0;  // columns; 0: no limit

    static Screen of_stdout();

    std::string paint(std::string_view text, Colour colour) const;
    // TEXT cut to the width, its end marked.
    std::string fit(std::string_view text) const;
};

// Columns that TEXT takes: one a character (UTF-8).
std::size_t columns_of(std::string_view text);
// TEXT cut to COLUMNS, the last of them "…" when something was cut.
std::string cut_to(std::string_view text, std::size_t columns);

// TEXT with every control character but LF and tab as \x1b: what a program printed cannot move the
// cursor, change colours or answer for the person.
std::string visible(std::string_view text);

}  // namespace bx
