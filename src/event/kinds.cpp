#include "event/kinds.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "event/install_post.h"
#include "event/own_events.h"

namespace bx {

namespace {

constexpr std::size_t max_code = 255;
constexpr std::size_t max_name = 255;  // of an entity's kind and id

bool has(Value body, std::string_view name) { return static_cast<bool>(body[name]); }

bool is_settings(Value body) {
    const std::string_view event = body["event"].text();
    return equal_ignoring_case(event, "OnAppSettingsInstall") ||
           equal_ignoring_case(event, "OnAppSettingsChange") ||
           (!has(body, "event") && has(body, "saveform") && has(body, "data") && has(body, "auth"));
}

bool is_event(Value body) { return has(body, "event"); }

bool is_robot(Value body) {
    return has(body, "workflow_id") && has(body, "event_token") && has(body, "code");
}

bool is_sms(Value body) {
    return body["type"].text() == "SMS" && has(body, "message_id");
}

bool is_document(Value body) { return has(body, "document_id"); }

bool is_pay_system(Value body) {
    return body["BX_SYSTEM_PARAMS"].is_array() || has(body, "BX_PAYSYSTEM_ID");
}

// To print a receipt, or to ask how that went, which names nothing but the receipt.
bool is_cashbox(Value body) {
    const bool asks = body.count() == 1 && equal_ignoring_case(body.first().key(), "uuid");
    return asks || has(body, "cashbox_params") ||
           (has(body, "calculated_sign") && has(body, "unique_id"));
}

bool is_delivery(Value body) {
    return body["SHIPMENT"].is_array() || body["SHIPMENTS"].is_array() ||
           (has(body, "DELIVERY_ID") && has(body, "REQUEST_ID"));
}

bool is_ai(Value body) { return has(body, "prompt") && has(body, "callbackUrl"); }

bool is_bi(Value body) { return body["connection"].is_array(); }

bool is_other(Value) { return true; }

// The first that fits counts: what has an `event` is none of those behind it.
constexpr std::array<KindSpec, 12> kinds{{
    {PostKind::page, "the page of an application", is_app_page},
    {PostKind::settings, "the settings wizard of an application", is_settings, true},
    {PostKind::event, "an event", is_event},
    {PostKind::robot, "a robot or activity", is_robot, false, "ROBOT."},
    {PostKind::sms, "an SMS", is_sms, false, "SMS."},
    {PostKind::webhook_robot, "CRM's webhook robot", is_document},
    {PostKind::pay_system, "a pay system", is_pay_system, true},
    {PostKind::cashbox, "a cash register", is_cashbox, true},
    {PostKind::delivery, "a delivery service", is_delivery, true},
    {PostKind::ai, "an AI engine", is_ai, true},
    {PostKind::bi, "a BI connector", is_bi, true},
    {PostKind::other, "no known kind", is_other},
}};

constexpr std::string_view keyed_document = "WEBHOOK.";
constexpr std::string_view keyed = "POST.";

constexpr std::array<std::string_view, 5> reserved{own_prefix, "ROBOT.", "SMS.", keyed_document, keyed};

std::string in_code(std::string_view text) {
    std::string code = upper(text);
    std::ranges::replace_if(
        code,
        [](char c) { return !is_alphanumeric(c) && c != '.' && c != '_' && c != '-'; }, '_');
    return code;
}

// The kind of what CRM calls DEAL, DYNAMIC_31; its events call it ONCRMDEAL, ONCRMDYNAMICITEM_31.
// Of another module its name, with TYPE where there is one.  Empty: CRM's without a type.
std::string entity_kind(std::string_view module, std::string_view type) {
    constexpr std::string_view dynamic = "DYNAMIC_";
    if (!equal_ignoring_case(module, "crm")) {
        return in_code(module) + (type.empty() ? "" : "." + in_code(type));
    }
    if (type.empty()) return {};
    const std::string code = in_code(type);
    return "ONCRM" + (code.starts_with(dynamic) ? "DYNAMICITEM_" + code.substr(dynamic.size())
                                                : code);
}

// `document_id`: module, class, and the entity as TYPE_NUMBER or NUMBER alone.
void set_document(EventFacts& facts, Value document) {
    const std::string_view entity = document["2"].text();
    const std::size_t underscore = entity.rfind('_');
    const bool has_type = underscore != std::string_view::npos;
    const std::string_view number = has_type ? entity.substr(underscore + 1) : entity;
    if (number.empty() || number == "0" || !std::ranges::all_of(number, is_digit)) return;
    std::string kind = entity_kind(document["0"].text(),
                                   has_type ? entity.substr(0, underscore) : std::string_view());
    if (kind.empty() || kind.size() > max_name || number.size() > max_name) return;
    facts.kind = std::move(kind);
    facts.id = number;
}

}  // namespace

const KindSpec& kind_of_post(const Tree& body) {
    const Value root = body.root();
    return *std::ranges::find_if(kinds, [root](const KindSpec& spec) { return spec.is(root); });
}

void check_posted_code(std::string_view code) {
    if (!is_reserved_code(code)) return;
    throw BadEvent("'event' begins with '" + std::string(code.substr(0, code.find('.') + 1)) +
                   "', as no event of Bitrix24 does");
}

bool is_reserved_code(std::string_view code) {
    return std::ranges::any_of(reserved, [code](std::string_view prefix) {
        return equal_ignoring_case(code.substr(0, prefix.size()), prefix);
    });
}

bool is_posts_code(std::string_view code) {
    const std::size_t dot = code.find('.');
    return is_reserved_code(code) && code.size() > dot + 1 &&
           !equal_ignoring_case(code.substr(0, dot + 1), own_prefix);
}

std::string_view post_name_of(std::string_view code) {
    const std::string_view prefix = code.substr(0, code.find('.') + 1);
    const bool names_one =
        equal_ignoring_case(prefix, keyed_document) || equal_ignoring_case(prefix, keyed);
    return names_one ? code.substr(prefix.size()) : std::string_view();
}

bool has_properties(std::string_view code) {
    return code.starts_with("ROBOT.") || code.starts_with("SMS.");
}

std::string read_own_code(Value body, const KindSpec& spec) {
    const Value code = body["code"];
    if (!code.is_text() || code.text().empty()) {
        throw BadEvent("'code' of " + std::string(spec.name) + " is " +
                       (code.is_array() ? "an array" : code ? "empty" : "missing"));
    }
    return make_code(spec.prefix, code.text());
}

std::string make_code(std::string_view prefix, std::string_view text) {
    std::string code = std::string(prefix) + in_code(text);
    if (code.size() > max_code) throw BadEvent("'code' is too long: the code of its event, " +
                                               std::string(prefix) + "..., has at most 255 bytes");
    return code;
}

void set_entity(EventFacts& facts, PostKind kind, Value body) {
    if (kind == PostKind::robot || kind == PostKind::webhook_robot) {
        return set_document(facts, body["document_id"]);
    }
    if (kind != PostKind::sms) return;
    facts.kind = "SMS";
    const std::string_view id = body["message_id"].text();
    if (id.size() <= max_name) facts.id = id;
}

EventFacts read_keyed(const Tree& body, const KindSpec& spec, std::string_view name) {
    const Value root = body.root();
    EventFacts facts;
    if (spec.kind == PostKind::sms) {
        facts.code = read_own_code(root, spec);
    } else {
        facts.code =
            make_code(spec.kind == PostKind::webhook_robot ? keyed_document : keyed, name);
    }
    if (spec.kind != PostKind::robot) set_entity(facts, spec.kind, root);
    facts.ts = root["ts"].text();
    return facts;
}

}  // namespace bx
