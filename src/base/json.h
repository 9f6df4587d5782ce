// Writing JSON.  Reading it is nlohmann-json's work (form/json_form.cpp).
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bx {

// Appends one JSON document, compact, to a string.  The caller keeps the order right: inside an
// object each value follows its key().  Strings may be any bytes: invalid UTF-8 becomes U+FFFD;
// '/' and non-ASCII are written as they are (RFC 8259 allows both).
class JsonWriter {
public:
    explicit JsonWriter(std::string& out) : out_(out) {}

    JsonWriter& begin_object();
    JsonWriter& end_object();
    JsonWriter& begin_array();
    JsonWriter& end_array();
    JsonWriter& key(std::string_view name);

    JsonWriter& value(std::string_view text);
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
    JsonWriter& value(std::integral auto number) {
        return number_value(static_cast<std::int64_t>(number));
    }
    JsonWriter& value(bool yes);
    JsonWriter& null();
    // null when TEXT is empty: "nothing to say" in the contract's --json.
    JsonWriter& value_or_null(std::string_view text) { return text.empty() ? null() : value(text); }
    template <typename T>
    JsonWriter& value(const std::optional<T>& maybe) {
        return maybe ? value(*maybe) : null();
    }
    // A document that is JSON already.
    JsonWriter& raw(std::string_view json);

    template <typename T>
    JsonWriter& field(std::string_view name, const T& content) {
        return key(name).value(content);
    }

private:
    JsonWriter& number_value(std::int64_t number);
    void separate();

    std::string& out_;
    bool need_comma_ = false;
};

// TEXT as a JSON string, quotes included, appended to OUT.
void append_json_string(std::string& out, std::string_view text);

}  // namespace bx
