#include "form/variable.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "form/form_error.h"

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
