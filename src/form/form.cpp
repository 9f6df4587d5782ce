#include "form/form.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace bx {

namespace {

using Slice = Tree::Slice;

// Offsets into the buffer, not pointers: the buffer may move when the tree adds to it.
using Offset = std::uint32_t;

// The first BYTE of BYTES in [BEGIN, END), or END.
Offset find_byte(const std::string& bytes, Offset begin, Offset end, char byte) {
    const void* found = begin < end ? std::memchr(&bytes[begin], byte, end - begin) : nullptr;
    if (!found) return end;
    return static_cast<Offset>(static_cast<const char*>(found) - bytes.data());
}

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

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// PHP's guard of cookie prefixes (php_is_forbidden_variable_name), active for forms too: no key
// may begin with a prefix that the name as it was sent does not begin with.
class PrefixGuard {
public:
    explicit PrefixGuard(std::string_view name)
        : host_(name.starts_with(host)), secure_(name.starts_with(secure)) {}

    bool forbids(std::string_view key) const {
        return key.starts_with("__") &&
               ((!host_ && key.starts_with(host)) || (!secure_ && key.starts_with(secure)));
    }

private:
    static constexpr std::string_view host = "__Host-";
    static constexpr std::string_view secure = "__Secure-";

    bool host_;
    bool secure_;
};

// The way of one variable into the tree, key by key.  The keys are moved together in the name's own
// bytes, one apart, as Tree::child wants them.
class Descent {
public:
    Descent(Tree& tree, PrefixGuard guard) : tree_(tree), guard_(guard) {}

    void enter_name(Slice name) {
        end_ = name.offset + name.length;
        enter(name);
    }

    // KEY lies behind all keys entered before.
    void enter_key(Slice key) {
        char* const bytes = tree_.buffer().data();
        std::memmove(bytes + end_ + 1, bytes + key.offset, key.length);
        key.offset = end_ + 1;
        end_ += 1 + key.length;
        enter(key);
    }

    void enter_next_index() {
        if (stopped_) return;
        const auto index = tree_.next_index(place_);
        if (!index) {
            stopped_ = true;
        } else if (*index >= 0 && *index <= 9) {
            tree_.buffer()[end_ + 1] = static_cast<char>('0' + *index);  // where "[]" was
            place_ = tree_.append(place_, {end_ + 1, 1});
            end_ += 2;
        } else {
            place_ = tree_.append(place_, tree_.add_text(std::to_string(*index)));
        }
    }

    // What stopped on the way leaves the arrays it has passed.
    void finish(Slice text) {
        if (stopped_) {
            tree_.set_array(place_);
        } else {
            tree_.set_text(place_, text);
        }
    }

private:
    void enter(Slice key) {
        stopped_ = stopped_ || guard_.forbids(tree_.view(key));
        if (!stopped_) place_ = tree_.child(place_, key);
    }

    Tree& tree_;
    Place place_ = Tree::root_place;
    Offset end_ = 0;  // of the last key in the name's bytes
    PrefixGuard guard_;
    bool stopped_ = false;
};

// The ']' of the '[' at OPEN, or END.  One blank after the '[' is never that ']'.
Offset closing_bracket(const std::string& bytes, Offset open, Offset end) {
    Offset begin = open + 1;
    if (begin < end && is_space(bytes[begin])) ++begin;
    return find_byte(bytes, begin, end, ']');
}

// "[]" and "[ ]" append.
bool is_append(const std::string& bytes, Offset open, Offset close) {
    return close == open + 1 || (close == open + 2 && is_space(bytes[open + 1]));
}

// What a top-level name may not hold becomes '_'.  A '[' is in it only when it is never closed.
void mangle(std::string& bytes, Offset begin, Offset end) {
    std::replace_if(
        bytes.begin() + begin, bytes.begin() + end,
        [](char c) { return c == ' ' || c == '.' || c == '['; }, '_');
}

}  // namespace

FormError FormError::too_many_fields(std::size_t fields, std::size_t limit) {
    return {Problem::too_many_fields, std::to_string(fields) + " fields are over the limit of " +
                                          std::to_string(limit) + " (limits.fields)"};
}

FormError FormError::too_deep(unsigned limit) {
    return {Problem::too_deep,
            "a field is more than " + std::to_string(limit) + " levels deep (limits.depth)"};
}

FormError FormError::malformed(const std::string& message) {
    return {Problem::malformed, message};
}

MediaType media_type(std::string_view content_type) {
    const std::string_view type = content_type.substr(0, content_type.find_first_of(";, "));
    if (equal_ignoring_case(type, "application/x-www-form-urlencoded")) return MediaType::form;
    if (equal_ignoring_case(type, "multipart/form-data")) return MediaType::multipart;
    if (equal_ignoring_case(type, "application/json")) return MediaType::json;
    return MediaType::other;
}

Tree decode_body(std::string body, std::string_view content_type, const FormLimits& limits) {
    switch (media_type(content_type)) {
        case MediaType::form:
            return decode_urlencoded(std::move(body), limits);
        case MediaType::multipart:
            return decode_multipart(body, content_type, limits);
        case MediaType::json:
            return decode_json(body, limits);
        case MediaType::other:
            break;
    }
    throw FormError::malformed("content type is none that can be decoded");
}

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

// The order of PHP's php_register_variable_ex.
void assign_variable(Tree& tree, Slice name, Slice text, unsigned depth) {
    std::string& bytes = tree.buffer();
    Offset begin = name.offset;
    const Offset end = find_byte(bytes, begin, begin + name.length, '\0');
    while (begin < end && bytes[begin] == ' ') ++begin;
    Offset open = find_byte(bytes, begin, end, '[');
    if (open == begin) return;  // without a name it is ignored

    Descent descent(tree, PrefixGuard(tree.view({begin, end - begin})));
    if (depth > 0 && closing_bracket(bytes, open, end) == end) open = end;
    mangle(bytes, begin, open);
    descent.enter_name({begin, open - begin});
    for (unsigned level = 1; open < end && bytes[open] == '['; ++level) {
        if (level > depth) throw FormError::too_deep(depth);
        const Offset close = closing_bracket(bytes, open, end);
        if (close == end) break;
        if (is_append(bytes, open, close)) {
            descent.enter_next_index();
        } else {
            descent.enter_key({open + 1, close - open - 1});
        }
        open = close + 1;
    }
    descent.finish(text);
}

}  // namespace bx
