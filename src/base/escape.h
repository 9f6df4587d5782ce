// Characters that nothing of ours shows as they are: they move a terminal's cursor, end a line for
// the program that reads it, or turn the text around them.  What a hook gets keeps them.
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

enum class EscapeStyle {
    text,  // \x1b \u202e
    json,  // \u001b \u202e
};

// TEXT, valid UTF-8, with each unsafe character but those in KEPT as its number.  A JSON document
// stays the same one: only in its strings can such a character stand.
std::string escape_unsafe(std::string_view text, EscapeStyle style, std::string_view kept = "");

}  // namespace bx
