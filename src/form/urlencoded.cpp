#include "form/urlencoded.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "form/variable.h"

namespace bx {

namespace {

using Slice = Tree::Slice;

// Offsets into the buffer, not pointers: the buffer may move when the tree adds to it.
using Offset = std::uint32_t;

// The value of a hex digit, -1 of any other byte.
constexpr auto hex_digits = [] {
    std::array<std::int8_t, 256> digits{};
    digits.fill(-1);
    for (const std::string_view order : {"0123456789abcdef", "0123456789ABCDEF"}) {
        std::int8_t value = 0;
        for (const char c : order) digits[static_cast<unsigned char>(c)] = value++;
    }
    return digits;
}();

int hex_digit(char c) {
    return hex_digits[static_cast<unsigned char>(c)];
}

// The bytes that mean something in an urlencoded body.
constexpr auto specials = [] {
    std::array<bool, 256> is_special{};
    for (const char c : {'&', '=', '%', '+'}) is_special[static_cast<unsigned char>(c)] = true;
    return is_special;
}();

// Decodes '+' and %XX in place from AT to the next '&', or STOP before it, or END, where it leaves
// AT; any other '%' stays.
Slice url_decode(std::string& bytes, Offset& at, Offset end, char stop) {
    const Offset begin = at;
    const char* in = bytes.data() + begin;
    const char* const last = bytes.data() + end;
    char* out = bytes.data() + begin;
    for (; in < last; ++in) {
        char c = *in;
        if (specials[static_cast<unsigned char>(c)]) {
            if (c == '&' || c == stop) break;
            if (c == '+') {
                c = ' ';
            } else if (c == '%' && last - in > 2) {
                const int high = hex_digit(in[1]);
                const int low = hex_digit(in[2]);
                if (high >= 0 && low >= 0) {
                    c = static_cast<char>(high << 4 | low);
                    in += 2;
                }
            }
        }
        *out++ = c;
    }
    at = static_cast<Offset>(in - bytes.data());
    return {begin, static_cast<Offset>(out - bytes.data()) - begin};
}

// Segments between '&', empty ones too; a trailing '&' adds none.  Throws when they are over LIMIT.
std::size_t count_fields(std::string_view body, std::size_t limit) {
    std::size_t fields = body.empty() || body.back() == '&' ? 0 : 1;
    while (!body.empty() && fields <= limit) {
        const std::size_t separator = std::min(body.find('&'), body.size());
        if (separator < body.size()) ++fields;
        body.remove_prefix(std::min(separator + 1, body.size()));
    }
    if (fields <= limit) return fields;
    const auto rest = std::count(body.begin(), body.end(), '&');
    throw FormError::too_many_fields(fields + static_cast<std::size_t>(rest), limit);
}

}  // namespace

Tree decode_urlencoded(std::string body, const FormLimits& limits) {
    const std::size_t fields = count_fields(body, limits.fields);
    Tree tree(std::move(body));
    tree.reserve(fields);
    std::string& bytes = tree.buffer();
    const auto end = static_cast<Offset>(bytes.size());  // before the tree adds to it
    for (Offset at = 0; at < end; ++at) {  // past the '&'
        const Slice name = url_decode(bytes, at, end, '=');
        Slice text{at, 0};
        if (at < end && bytes[at] == '=') text = url_decode(bytes, ++at, end, '&');
        if (name.length > 0) assign_variable(tree, name, text, limits.depth);
    }
    return tree;
}

}  // namespace bx
