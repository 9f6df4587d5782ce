// Pieces of shell command lines, for a person to type.
#pragma once

#include <string>
#include <string_view>

namespace bx {

// TEXT as one word, in quotes where it needs them.
std::string shell_word(std::string_view text);

// Opens PATH in the person's editor.
std::string edit_command(const std::string& path);

}  // namespace bx
