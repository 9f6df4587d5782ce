#include "base/base64.h"

#include <cstddef>
#include <cstdint>

namespace bx {

namespace {

constexpr std::string_view digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t group = 4;  // digits, of three bytes

}  // namespace

std::string encode_base64(std::string_view bytes) {
    std::string text;
    std::uint32_t bits = 0;
    unsigned count = 0;  // of bits that are not written yet
    for (const char c : bytes) {
        bits = bits << 8 | static_cast<unsigned char>(c);
        for (count += 8; count >= 6; count -= 6) text += digits[bits >> (count - 6) & 0x3F];
    }
    if (count > 0) text += digits[bits << (6 - count) & 0x3F];
    while (text.size() % group != 0) text += '=';
    return text;
}

std::optional<std::string> decode_base64(std::string_view text) {
    if (text.size() % group == 0 && text.ends_with('=')) {
        text.remove_suffix(text.ends_with("==") ? 2 : 1);
    }
    if (text.size() % group == 1) return std::nullopt;
    std::string bytes;
    std::uint32_t bits = 0;
    unsigned count = 0;  // of bits that are no byte yet
    for (const char c : text) {
        const std::size_t digit = digits.find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(digit);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        bytes += static_cast<char>(bits >> count & 0xFF);
    }
    const bool is_whole = (bits & ((1U << count) - 1)) == 0;
    return is_whole ? std::optional(bytes) : std::nullopt;
}

}  // namespace bx
