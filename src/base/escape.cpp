#include "base/escape.h"

#include <algorithm>

namespace bx {

namespace {

void append_number(std::string& out, char32_t code, EscapeStyle style) {
    constexpr std::string_view digits = "0123456789abcdef";
    const bool is_short = style == EscapeStyle::text && code <= 0xFF;
    out += is_short ? "\\x" : "\\u";
    for (int shift = is_short ? 4 : 12; shift >= 0; shift -= 4) out += digits[code >> shift & 15];
}

}  // namespace

Character first_character(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text.front());
    if (lead < 0x80) return {lead, 1};
    const std::size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    Character character{lead & (0xFFu >> (wanted + 1)), std::min(wanted, text.size())};
    for (char c : text.substr(1, character.bytes - 1)) {
        character.code = character.code << 6 | (static_cast<unsigned char>(c) & 0x3Fu);
    }
    return character;
}

bool is_unsafe(char32_t code) {
    if (code < 0xA0) return code < 0x20 || code >= 0x7F;
    const bool turns = code == 0x061C || code == 0x200E || code == 0x200F;
    return turns || (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F);
}

std::string escape_unsafe(std::string_view text, EscapeStyle style, std::string_view kept) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const Character character = first_character(text);
        const std::string_view bytes = text.substr(0, character.bytes);
        if (is_unsafe(character.code) && kept.find(bytes) == std::string_view::npos) {
            append_number(result, character.code, style);
        } else {
            result += bytes;
        }
        text.remove_prefix(character.bytes);
    }
    return result;
}

}  // namespace bx
