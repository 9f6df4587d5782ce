#include "base/shell.h"

#include <algorithm>

#include "base/text.h"

namespace bx {

std::string shell_word(std::string_view text) {
    constexpr std::string_view plain = "/._-+:@=,";
    bool safe = !text.empty() && std::ranges::all_of(text, [&](char c) {
        return is_alphanumeric(c) || plain.find(c) != std::string_view::npos;
    });
    if (safe) return std::string(text);
    std::string word = "'";
    for (char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return word + "'";
}

std::string edit_command(const std::string& path) {
    return "${EDITOR:-vi} " + shell_word(path);
}

}  // namespace bx
