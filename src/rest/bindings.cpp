#include "rest/bindings.h"

#include "base/json.h"
#include "base/text.h"
#include "rest/call_fields.h"

namespace bx {

namespace {

// An error has a code that other refusals have too.
bool says(const RestAnswer& answer, std::string_view words) {
    return answer.cause == RestCause::refused && lower(answer.text).find(words) != std::string::npos;
}

std::string text_of(const JsonText& object, std::string_view name) {
    const auto value = object.find(name);
    return value && !value->is_null() ? value->string() : "";
}

// "offline" is a number, in some versions a string.
Binding binding_in(const JsonText& object) {
    Binding binding{.event = upper(text_of(object, "event")), .handler = {}};
    const std::string offline = text_of(object, "offline");
    binding.offline = !offline.empty() && offline != "0" && offline != "false";
    if (!binding.offline) binding.handler = text_of(object, "handler");
    binding.user = text_of(object, "auth_type");
    return binding;
}

MethodCall call_of(const std::string& method, const std::string& event,
                   const std::string& handler) {
    return {.method = method,
            .body = form_field("event", event) + "&" + form_field("handler", handler),
            .idempotent = true};
}

}  // namespace

MethodCall bindings_call() { return {.method = "event.get"}; }

std::optional<std::vector<Binding>> bindings_in(const JsonText& result) {
    if (!result.is_array()) return std::nullopt;
    std::vector<Binding> bindings;
    for (const JsonText& item : result.items()) {
        if (!item.is_object()) return std::nullopt;
        bindings.push_back(binding_in(item));
    }
    return bindings;
}

MethodCall events_call() { return {.method = "events", .idempotent = true}; }

std::optional<std::vector<std::string>> events_in(const JsonText& result) {
    if (!result.is_array()) return std::nullopt;
    std::vector<std::string> events;
    for (const JsonText& item : result.items()) events.push_back(upper(item.string()));
    return events;
}

MethodCall bind_call(const std::string& event, const std::string& handler) {
    return call_of("event.bind", event, handler);
}

// A text never equals the number that the portal compares auth_type with.
MethodCall unbind_call(const std::string& event, const std::string& handler, TokenOf whose) {
    MethodCall call = call_of("event.unbind", event, handler);
    if (whose == TokenOf::anybody) return call;
    call.body.clear();
    call.json = true;
    JsonWriter(call.body)
        .begin_object()
        .field("event", event)
        .field("handler", handler)
        .field("auth_type", 0)
        .end_object();
    return call;
}

void accept_if_so_already(RestAnswer& answer) {
    if (says(answer, "already bind")) answer.cause = RestCause::none;
}

bool is_being_bound(const RestAnswer& answer) { return says(answer, "already started"); }

MethodCall test_call(const std::string& nonce) {
    return {.method = "event.test", .body = form_field("nonce", nonce)};
}

}  // namespace bx
