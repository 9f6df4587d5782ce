// Text from outside, made safe to show.
//
// Unsafe is what moves a terminal's cursor, ends a line for the program that reads it, or turns the
// text around it.  Whatever is shown or logged passes here; what a hook gets does not.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bx {

// The character at the front of valid UTF-8.
struct Character {
    char32_t code = 0;
    std::size_t bytes = 1;
};
Character first_character(std::string_view text);

// Controls (C0, DEL, C1), the separators of lines and paragraphs (U+2028, U+2029), and the marks of
// Unicode's bidirectional algorithm (UAX 9) and the other invisible ones beside them.
bool is_unsafe(char32_t code);

// UTF-8 made valid: each maximal invalid part becomes U+FFFD (Unicode 15, 3.9, practice of W3C).
std::string valid_utf8(std::string_view bytes);

enum class EscapeStyle {
    bytes,  // \x1b, \xe2\x80\xae; LF and a backslash are \n and \\; invalid UTF-8 is \xff
    text,   // \x1b, \u202e; invalid UTF-8 is U+FFFD
    json,   // \u001b, \u202e; invalid UTF-8 is U+FFFD
};

struct Escape {
    EscapeStyle style;
    std::string_view kept = {};                 // unsafe characters that stay as they are
    std::size_t max = std::string_view::npos;   // bytes of the result; it is cut there with "..."
};

// BYTES with each unsafe character written as HOW says.  A JSON document stays the same one: only in
// its strings can an unsafe character but LF stand.
std::string escaped(std::string_view bytes, const Escape& how);

// BYTES as one line, which tells every byte, of at most MAX bytes: for messages and the log.
std::string printable(std::string_view bytes, std::size_t max = 200);

// TEXT, which may be of several lines, LF and tab kept: what a program printed cannot move the
// cursor, change colours or answer for the person.
std::string visible(std::string_view text);

}  // namespace bx
