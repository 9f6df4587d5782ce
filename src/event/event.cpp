#include "event/event.h"

#include <algorithm>

#include "base/text.h"
#include "config/portal_name.h"
#include "event/catalog.h"
#include "event/kinds.h"

namespace bx {

namespace {

constexpr std::size_t max_code = 255;

bool is_code_byte(char c) {
    return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
}

// A scalar's text, empty when there is none.  Throws BadEvent for an array.
std::string_view scalar(Value value, std::string_view name) {
    if (value.is_array()) throw BadEvent("'" + std::string(name) + "' is an array");
    return value.text();
}

// Why a body has no `event`: common mistakes show in the name of its first field.
std::string missing_event(Value root) {
    const std::string text = "'event' is missing";
    const Value first = root.first();
    if (!first) return text + ": the body has no fields";
    std::string_view name = trim(first.key());
    if (name.starts_with('{')) {
        return text + ": the body is JSON, but its Content-Type says it is a form: send it as "
                      "application/json";
    }
    if (name.starts_with("--") && name.find("ontent-") != std::string_view::npos) {
        return text + ": the body is multipart/form-data, but its Content-Type says otherwise";
    }
    if (name.starts_with("\x1F\x8B")) {
        return text + ": the body is compressed (gzip): send it as it is";
    }
    return text;
}

std::string read_code(Value root) {
    Value event = root["event"];
    if (!event) throw BadEvent(missing_event(root));
    std::string_view code = scalar(event, "event");
    if (code.empty()) throw BadEvent("'event' is empty");
    if (code.size() > max_code) throw BadEvent("'event' is longer than 255 bytes");
    if (!std::ranges::all_of(code, is_code_byte)) {
        throw BadEvent("'event' has a byte other than letters, digits, '.', '_' and '-'");
    }
    return upper(code);
}

// Empty for what is no event and never becomes one: its sender waits for an answer.
std::string code_of(Value root, const KindSpec& spec) {
    if (!spec.prefix.empty()) return read_own_code(root, spec);
    return spec.sender_waits && !root["event"] ? std::string() : read_code(root);
}

}  // namespace

std::string EventFacts::lane_portal() const {
    return member_id.empty() ? lower(domain) : member_id;
}

std::string read_portal_name(Value value, std::string_view name) {
    std::string_view text = scalar(value, name);
    if (text.size() > max_portal_name) {
        throw BadEvent("'" + std::string(name) + "' is longer than 255 bytes");
    }
    if (!std::ranges::all_of(text, is_portal_name_byte)) {
        throw BadEvent("'" + std::string(name) +
                       "' has a byte other than letters, digits, '.', '_', ':' and '-'");
    }
    return std::string(text);
}

EventFacts read_event(const Tree& body) {
    Value root = body.root();
    Value auth = root["auth"];
    Value data = root["data"];
    EventFacts facts;
    const KindSpec& spec = kind_of_post(body);
    facts.code = code_of(root, spec);
    facts.member_id = read_portal_name(auth["member_id"], "auth[member_id]");
    facts.domain = read_portal_name(auth["domain"], "auth[domain]");
    facts.user_id = auth["user_id"].text();
    facts.handler_id = root["event_handler_id"].text();
    facts.ts = root["ts"].text();
    if (!spec.prefix.empty()) {
        set_entity(facts, spec.kind, root);
    } else {
        facts.kind = kind_of(facts.code, data);
        facts.id = id_of(facts.code, data);
    }
    return facts;
}

}  // namespace bx
