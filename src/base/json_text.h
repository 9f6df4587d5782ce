// Reading JSON (RFC 8259) that stays the text it was: a value is a piece of the document, so that
// numbers keep their digits, objects their order, and 64 MB of answer cost no more than that.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bx {

class JsonText {
public:
    enum class Type { null, boolean, number, string, array, object };

    // TEXT as one value, with space around it; none when it is anything else, invalid UTF-8 or
    // nested deeper than max_depth.  Linear in TEXT, which the result looks into.
    static std::optional<JsonText> parse(std::string_view text);
    static constexpr std::size_t max_depth = 1024;  // more than an event may have

    Type type() const;
    bool is_null() const { return type() == Type::null; }
    bool is_array() const { return type() == Type::array; }
    bool is_object() const { return type() == Type::object; }
    // The value as it stands there, without space around it.
    std::string_view text() const { return text_; }

    // Of a string what it means, where half a surrogate pair is U+FFFD; of any other value text().
    std::string string() const;
    // Of an object: the value of the last member of that name; none without one, and for others.
    std::optional<JsonText> find(std::string_view name) const;
    // Of an object, in order; empty for others.
    std::vector<std::pair<std::string, JsonText>> members() const;
    // Of an array, in order; empty for others.
    std::vector<JsonText> items() const;

    // The value without the members of its objects, at any depth, that LEAVE_OUT names and that
    // are no object or array.  All else is the text it was, but for space.  Linear in it.
    std::string without(const std::function<bool(std::string_view name)>& leave_out) const;

private:
    explicit JsonText(std::string_view text) : text_(text) {}

    std::string_view text_;  // valid
};

}  // namespace bx
