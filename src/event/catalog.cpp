#include "event/catalog.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/text.h"
#include "event/kinds.h"
#include "form/json_form.h"

namespace bx {

namespace {

constexpr std::string_view dynamic_item = "ONCRMDYNAMICITEM";
constexpr std::size_t max_id = 255;

// The longest first: DELETED is not DELETE and a D.
constexpr auto verbs = std::to_array<std::string_view>({
    "MOVETOCATEGORY", "SETENUMVALUES", "ENTITYSAVED", "UNREGISTER", "SETSTATUS", "REGISTER",
    "DELETED",        "UPDATE",        "DELETE",      "EXPOSE",     "FINISH",    "CHANGE",
    "SAVED",          "START",         "INIT",        "ADD",        "END"});

constexpr std::array<std::string_view, 5> default_id_paths{"FIELDS.ID", "FIELDS_AFTER.ID",
                                                           "FIELDS_BEFORE.ID", "ID", "id"};

// CODE without a `_NUMBER` at its end.
std::string_view without_number(std::string_view code) {
    std::size_t underscore = code.rfind('_');
    if (underscore == std::string_view::npos || underscore + 1 == code.size()) return code;
    bool digits = std::ranges::all_of(code.substr(underscore + 1), is_digit);
    return digits ? code.substr(0, underscore) : code;
}

bool ends_with_ignoring_case(std::string_view text, std::string_view end) {
    return text.size() >= end.size() &&
           equal_ignoring_case(text.substr(text.size() - end.size()), end);
}

const CatalogEvent* find_exactly(const std::string& code) {
    std::span<const CatalogEvent> events = catalog();
    auto found = std::ranges::lower_bound(events, code, {}, &CatalogEvent::code);
    return found != events.end() && found->code == code ? &*found : nullptr;
}

bool is_id(std::string_view text) {
    return !text.empty() && text != "undefined" && text != "0" && text.size() <= max_id;
}

// What stands at PATH of id_paths, or empty.
std::string id_at(Value data, std::string_view path) {
    std::string id;
    for (std::string_view part : split(path, '+')) {
        std::string_view text = (part == "." ? data : data.at(part)).text();
        if (!is_id(text)) return {};
        if (!id.empty()) id += ':';
        id += text;
    }
    return id.size() <= max_id ? id : std::string();
}

std::string dotted(KeyPath path) {
    std::string text;
    for (std::string_view key : path) {
        if (!text.empty()) text += '.';
        text += key;
    }
    return text;
}

}  // namespace

std::span<const CatalogEvent> catalog() {
    static const std::vector<CatalogEvent> events{
#include "catalog.inc"
    };
    return events;
}

const CatalogEvent* find_event(std::string_view code) {
    std::string wanted = upper(code);
    const CatalogEvent* event = find_exactly(wanted);
    if (event != nullptr || !wanted.starts_with(dynamic_item)) return event;
    return find_exactly(std::string(without_number(wanted)));
}

std::string_view nearest_event(std::string_view word) {
    std::vector<std::string_view> codes;
    for (const CatalogEvent& event : catalog()) codes.push_back(event.code);
    return nearest(word, codes);
}

bool is_top_field(std::string_view name) {
    constexpr auto fields = std::to_array<std::string_view>(
        {"event", "event_handler_id", "data", "ts", "auth",
         // of a robot and of an SMS
         "workflow_id", "code", "document_id", "document_type", "event_token", "properties",
         "use_subscription", "timeout_duration", "module_id", "bindings", "type", "message_id",
         "message_to", "message_body"});
    return std::ranges::find(fields, name) != fields.end();
}

std::vector<std::string> field_paths(const CatalogEvent& event) {
    const Tree tree = decode_json("{\"data\":" + std::string(event.sample) + "}", FormLimits{});
    std::vector<std::string> paths;
    each_scalar(tree.root()["data"],
                [&paths](KeyPath path, Value) { paths.push_back(dotted(path)); });
    return paths;
}

std::string_view verb_of(std::string_view code) {
    if (is_reserved_code(code)) return {};  // what a robot is called is its author's
    std::string_view stem = without_number(code);
    for (std::string_view verb : verbs) {
        // A code that is a verb and nothing else names no kind.
        if (stem.size() > verb.size() && ends_with_ignoring_case(stem, verb)) return verb;
    }
    return {};
}

std::string kind_of(std::string_view code, Value data) {
    constexpr std::string_view dotted = ".ON.";
    std::string kind = upper(code);
    std::string_view verb = verb_of(code);
    std::string number;  // of the code, with its underscore
    if (!verb.empty()) {
        std::string_view stem = without_number(code);
        number = code.substr(stem.size());
        kind.resize(stem.size() - verb.size());
        if (kind.size() > dotted.size() && kind.ends_with(dotted)) {
            kind.resize(kind.size() - dotted.size());
        }
    }
    if (kind != dynamic_item) return kind;
    std::string_view type = data["FIELDS"]["ENTITY_TYPE_ID"].text();
    return is_id(type) ? kind + "_" + std::string(type) : kind + number;
}

std::string id_of(std::string_view code, Value data) {
    if (const CatalogEvent* event = find_event(code)) {
        for (std::string_view path : event->id_paths) {
            if (std::string id = id_at(data, path); !id.empty()) return id;
        }
    }
    for (std::string_view path : default_id_paths) {
        if (std::string id = id_at(data, path); !id.empty()) return id;
    }
    return {};
}

}  // namespace bx
