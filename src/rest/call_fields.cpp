#include "rest/call_fields.h"

#include <algorithm>

#include "base/error.h"
#include "base/escape.h"
#include "base/json_text.h"
#include "base/url.h"
#include "rest/method_call.h"

namespace bx {

namespace {

constexpr std::string_view plain = "-._~";  // beside letters and digits

// Where the name of WORD ends: '=' in brackets is a part of it, as in "filter[>=ID]=7".
std::size_t end_of_name(std::string_view word) {
    bool inside = false;
    for (std::size_t i = 0; i < word.size(); ++i) {
        if (word[i] == '[') inside = true;
        if (word[i] == ']') inside = false;
        if (word[i] == '=' && !inside) return i;
    }
    return word.find('=');
}

struct TypedField {
    std::string_view name;
    std::string_view value;
};

// WORD, which outlives what it gives.  Throws UsageError.
TypedField field_of(const std::string& word) {
    const std::size_t equals = end_of_name(word);
    const std::string_view name = std::string_view(word).substr(0, equals);
    if (equals == std::string::npos || top_name(name).empty()) {
        throw UsageError("'" + printable(word, 60) + "' is not NAME=VALUE");
    }
    return {name, std::string_view(word).substr(equals + 1)};
}

}  // namespace

void require_free_name(const std::string& name) {
    if (!is_taken_by_server(name)) return;
    throw UsageError("Bitrix24 keeps an argument '" + name +
                     "' for itself: the method would not get it");
}

std::string form_field(std::string_view name, std::string_view value) {
    return percent_encoded(name, plain) + "=" + percent_encoded(value, plain);
}

std::string top_name(std::string_view name) {
    name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
    std::string top(name.substr(0, name.find('[')));
    std::ranges::replace_if(
        top, [](char c) { return c == ' ' || c == '.'; }, '_');
    return top;
}

std::string form_of(const std::vector<std::string>& words) {
    std::string form;
    for (const std::string& word : words) {
        const TypedField field = field_of(word);
        require_free_name(top_name(field.name));
        if (!form.empty()) form += '&';
        form += form_field(field.name, field.value);
    }
    return form;
}

std::string form_below(const std::string& top, const std::vector<std::string>& words) {
    std::string form;
    for (const std::string& word : words) {
        const TypedField field = field_of(word);
        const std::string_view first = field.name.substr(0, field.name.find('['));
        const std::string_view rest = field.name.substr(first.size());
        if (!form.empty()) form += '&';
        form += form_field(top + "[" + std::string(first) + "]" + std::string(rest), field.value);
    }
    return form;
}

void check_json_call(const std::string& text, const std::string& name) {
    const auto json = JsonText::parse(text);
    if (!json || !json->is_object()) throw UsageError(name + " is not a JSON object");
    for (const auto& [member, value] : json->members()) require_free_name(member);
}

}  // namespace bx
