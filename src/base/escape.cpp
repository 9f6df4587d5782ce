#include "base/escape.h"

#include <algorithm>

namespace bx {

namespace {

constexpr std::string_view digits = "0123456789abcdef";
constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

// What stands at the front of a text: one character, or the longest part that could have begun one.
struct Piece {
    std::size_t bytes = 1;  // at least 1
    bool valid = false;
};

// Unicode 15, table 3-7.
Piece first_piece(std::string_view text) {
    auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return {1, true};
    if (first < 0xC2 || first > 0xF4) return {1, false};
    const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    for (std::size_t i = 1; i < length; ++i) {
        if (i >= text.size() || byte(i) < low || byte(i) > high) return {i, false};
        low = 0x80;
        high = 0xBF;
    }
    return {length, true};
}

void append_bytes(std::string& out, std::string_view bytes) {
    if (bytes == "\n") {
        out += "\\n";
    } else if (bytes == "\\") {
        out += "\\\\";
    } else {
        for (char c : bytes) {
            const auto byte = static_cast<unsigned char>(c);
            out += "\\x";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        }
    }
}

void append_number(std::string& out, char32_t code, EscapeStyle style) {
    const bool is_short = style == EscapeStyle::text && code <= 0xFF;
    out += is_short ? "\\x" : "\\u";
    for (int shift = is_short ? 4 : 12; shift >= 0; shift -= 4) out += digits[code >> shift & 15];
}

void append_character(std::string& out, std::string_view bytes, const Escape& how) {
    const char32_t code = first_character(bytes).code;
    const bool in_bytes = how.style == EscapeStyle::bytes;
    const bool plain = !is_unsafe(code) || how.kept.find(bytes) != std::string_view::npos;
    if (plain && !(in_bytes && code == U'\\')) {
        out += bytes;
    } else if (in_bytes) {
        append_bytes(out, bytes);
    } else {
        append_number(out, code, how.style);
    }
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

std::string valid_utf8(std::string_view bytes) {
    std::string result;
    result.reserve(bytes.size());
    while (!bytes.empty()) {
        const Piece piece = first_piece(bytes);
        result += piece.valid ? bytes.substr(0, piece.bytes) : replacement;
        bytes.remove_prefix(piece.bytes);
    }
    return result;
}

std::string escaped(std::string_view bytes, const Escape& how) {
    std::string result;
    result.reserve(std::min(bytes.size(), how.max));
    while (!bytes.empty()) {
        if (result.size() >= how.max) return result + "...";
        const Piece piece = first_piece(bytes);
        const std::string_view front = bytes.substr(0, piece.bytes);
        if (piece.valid) {
            append_character(result, front, how);
        } else if (how.style == EscapeStyle::bytes) {
            append_bytes(result, front);
        } else {
            result += replacement;
        }
        bytes.remove_prefix(piece.bytes);
    }
    return result;
}

std::string printable(std::string_view bytes, std::size_t max) {
    return escaped(bytes, {.style = EscapeStyle::bytes, .max = max});
}

std::string visible(std::string_view text) {
    return escaped(text, {.style = EscapeStyle::text, .kept = "\n\t"});
}

}  // namespace bx
