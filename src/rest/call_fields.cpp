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
        const std::size_t equals = end_of_name(word);
        const std::string name = word.substr(0, equals);
        if (equals == std::string::npos || top_name(name).empty()) {
            throw UsageError("'" + printable(word, 60) + "' is not NAME=VALUE");
        }
        require_free_name(top_name(name));
        if (!form.empty()) form += '&';
        form += form_field(name, std::string_view(word).substr(equals + 1));
    }
    return form;
}

void check_json_call(const std::string& text, const std::string& name) {
    const auto json = JsonText::parse(text);
    if (!json || !json->is_object()) throw UsageError(name + " is not a JSON object");
    for (const auto& [member, value] : json->members()) require_free_name(member);
}

}  // namespace bx
