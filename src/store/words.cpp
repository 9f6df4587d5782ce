#include "store/words.h"

#include <cstddef>

namespace bx {

namespace {

constexpr std::size_t more_follows = 0x80;  // in a byte of a length, of 7 bits each, the lowest first
constexpr int length_bytes = 5;

}  // namespace

void append_word(std::string& out, std::string_view word) {
    std::size_t length = word.size();
    for (; length >= more_follows; length >>= 7) {
        out += static_cast<char>(more_follows | (length & (more_follows - 1)));
    }
    out += static_cast<char>(length);
    out += word;
}

std::optional<std::string_view> take_word(std::string_view& packed) {
    std::size_t length = 0;
    for (int i = 0; i < length_bytes && !packed.empty(); ++i) {
        const auto byte = static_cast<unsigned char>(packed.front());
        packed.remove_prefix(1);
        length |= (byte & (more_follows - 1)) << (7 * i);
        if (byte >= more_follows) continue;
        if (length > packed.size()) return std::nullopt;
        const std::string_view word = packed.substr(0, length);
        packed.remove_prefix(length);
        return word;
    }
    return std::nullopt;
}

}  // namespace bx
