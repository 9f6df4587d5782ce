#include "event/own_events.h"

#include "base/escape.h"
#include "base/json.h"
#include "form/json_form.h"

namespace bx {

namespace {

constexpr std::size_t max_value = 1000;  // bytes

}  // namespace

bool is_own_code(std::string_view code) { return code.starts_with(own_prefix); }

Tree own_event_body(std::string_view code, OwnEventData data, const std::string& domain,
                    const std::string& member_id, Millis now) {
    std::string text;
    JsonWriter json(text);
    const auto write = [&](std::string_view name, const std::string& value) {
        if (!value.empty()) json.field(name, printable(value, max_value));
    };
    json.begin_object().field("event", code);
    json.key("data").begin_object();
    for (const auto& [name, value] : data) write(name, value);
    json.end_object().field("ts", std::to_string(now / second));
    json.key("auth").begin_object();
    write("domain", domain);
    write("member_id", member_id);
    json.end_object().end_object();
    return decode_json(text, FormLimits{});
}

}  // namespace bx
