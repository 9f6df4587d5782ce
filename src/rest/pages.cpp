#include "rest/pages.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "base/url.h"
#include "rest/call_fields.h"

namespace bx {

namespace {

constexpr std::size_t page_size = 50;

// -- What is asked

// The names at the top of CALL, each once.
std::vector<std::string> top_names(const MethodCall& call) {
    std::vector<std::string> names;
    const auto add = [&](std::string name) {
        if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
    };
    if (call.json) {
        const auto json = JsonText::parse(call.body);
        if (json) {
            for (const auto& [name, value] : json->members()) add(name);
        }
        return names;
    }
    for (const std::string_view field : split(call.body, '&')) {
        if (!field.empty()) add(top_name(percent_decoded(field.substr(0, field.find('=')))));
    }
    return names;
}

// As CALL spells NAME, which methods take in any case; else NAME itself.
std::string spelled(const MethodCall& call, std::string_view name) {
    for (const std::string& known : top_names(call)) {
        if (equal_ignoring_case(known, name)) return known;
    }
    return std::string(name);
}

void add_field(std::string& form, std::string_view name, std::string_view value) {
    if (!form.empty()) form += '&';
    form += form_field(name, value);
}

// The member NAME of JSON, an object with what it has already and KEY: VALUE.
void write_with(JsonWriter& json, const std::optional<JsonText>& object, std::string_view key,
                std::string_view value) {
    json.begin_object();
    if (object) {
        for (const auto& [name, member] : object->members()) {
            if (name != key) json.key(name).raw(member.text());
        }
    }
    json.field(key, value);
    json.end_object();
}

std::string json_beyond(const MethodCall& call, const std::string& key, const std::string& last) {
    const JsonText all = JsonText::parse(call.body).value();
    const std::string filter = spelled(call, "filter");
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    for (const auto& [name, member] : all.members()) {
        if (name != filter || last.empty()) json.key(name).raw(member.text());
    }
    if (!last.empty()) write_with(json.key(filter), all.find(filter), ">" + key, last);
    write_with(json.key("order"), std::nullopt, key, "ASC");
    json.field("start", -1);
    json.end_object();
    return text;
}

// -- What was answered

// The list in RESULT: itself, or its `items`, `tasks`, or the only list that it has.
std::optional<JsonText> list_in(const JsonText& result) {
    if (result.is_array()) return result;
    for (const std::string_view name : {"items", "tasks"}) {
        const auto list = result.find(name);
        if (list && list->is_array()) return list;
    }
    std::optional<JsonText> only;
    for (const auto& [name, member] : result.members()) {
        if (!member.is_array()) continue;
        if (only) return std::nullopt;
        only = member;
    }
    return only;
}

// Of an item; empty: it has none that can be counted on.
std::string id_in(const JsonText& item, std::string_view key) {
    const auto id = item.find(key);
    return id && parse_number(id->string()) ? id->string() : "";
}

// The key of the ids of ITEMS; empty: one has none.
std::string key_of(const std::vector<JsonText>& items) {
    for (const std::string_view key : {"ID", "id"}) {
        const bool all = std::ranges::all_of(
            items, [&](const JsonText& item) { return !id_in(item, key).empty(); });
        if (all) return std::string(key);
    }
    return "";
}

// As the filter of METHOD names it: tasks have `id`, and take ID.
std::string filter_name(const std::string& method, const std::string& key) {
    return lower(method).starts_with("tasks.") ? upper(key) : key;
}

std::size_t total_of(const RestAnswer& answer) {
    const auto total = answer.find("total");
    return static_cast<std::size_t>(total ? parse_number(total->string()).value_or(0) : 0);
}

std::optional<std::int64_t> next_of(const RestAnswer& answer) {
    const auto next = answer.find("next");
    return next ? parse_number(next->string()) : std::nullopt;
}

// ANSWER, to a call that began with the first item, has all of them.
bool is_whole(const RestAnswer& answer, std::size_t items) {
    if (next_of(answer)) return false;
    if (answer.find("total")) return items >= total_of(answer);
    return items % page_size != 0 || items == 0;
}

}  // namespace

void check_list_call(const MethodCall& call) {
    bool has_filter = false;
    for (const std::string& name : top_names(call)) {
        const bool is_filter = equal_ignoring_case(name, "filter");
        if (is_filter && std::exchange(has_filter, true)) {
            throw UsageError("--all: 'filter' is spelled in two ways");
        }
        if (equal_ignoring_case(name, "start") || equal_ignoring_case(name, "order")) {
            throw UsageError("--all: leave '" + name + "' out: the items come in the order of ids");
        }
    }
}

MethodCall beyond(const MethodCall& call, const std::string& key, const std::string& last) {
    MethodCall next = call;
    if (call.json) {
        next.body = json_beyond(call, key, last);
        return next;
    }
    add_field(next.body, "order[" + key + "]", "ASC");
    if (!last.empty()) add_field(next.body, spelled(call, "filter") + "[>" + key + "]", last);
    add_field(next.body, "start", "-1");
    return next;
}

MethodCall from_start(const MethodCall& call, std::int64_t start) {
    MethodCall next = call;
    if (!call.json) {
        add_field(next.body, "start", std::to_string(start));
        return next;
    }
    next.body.clear();
    JsonWriter json(next.body);
    json.begin_object();
    for (const auto& [name, member] : JsonText::parse(call.body)->members()) {
        json.key(name).raw(member.text());
    }
    json.field("start", start);
    json.end_object();
    return next;
}

ListReader::ListReader(MethodCall call, Ask ask, Give give)
    : call_(std::move(call)), ask_(std::move(ask)), give_(std::move(give)) {}

ListReader::Page ListReader::ask(const MethodCall& call) {
    Page page{.answer = ask_(call)};
    if (!page.answer.succeeded()) {
        page.problem = page.answer.text;
        page.refused = page.answer.cause == RestCause::refused;
        return page;
    }
    const auto list = list_in(*page.answer.find("result"));
    if (list) {
        page.items = list->items();
    } else {
        page.answer.cause = RestCause::refused;
        page.problem = "there is no list in its result";
    }
    return page;
}

ListEnd ListReader::cut_short(RestCause cause, std::string why) const {
    return {cause, std::move(why), last_, by_id_ ? filter_name(call_.method, key_) : ""};
}

void ListReader::give(const Page& page) {
    give_(page.items, total_);
    given_ += page.items.size();
}

std::string ListReader::too_few() const {
    return std::to_string(given_) + " of " + std::to_string(total_) + " came";
}

// The first page tells whether there are more, and whether they have ids; in which order they come
// is the method's choice, so that by id it begins anew.
ListEnd ListReader::read() {
    Page first = ask(call_);
    if (first.problem) return cut_short(first.answer.cause, *first.problem);
    const bool whole = is_whole(first.answer, first.items.size());
    key_ = key_of(first.items);
    total_ = total_of(first.answer);
    if (whole || key_.empty() || first.items.empty()) return read_by_start(std::move(first));
    Page by_id = ask(beyond(call_, filter_name(call_.method, key_), ""));
    // A method that takes no such order has pages all the same.
    const bool gives_none = !by_id.problem && by_id.items.empty();
    if (by_id.refused || gives_none) {
        if (next_of(first.answer)) return read_by_start(std::move(first));
        if (gives_none) return cut_short(RestCause::refused, "in the order of ids it gives nothing");
    }
    return read_by_id(std::move(by_id));
}

// What is wrong with the ids of PAGE; none: they grow, from the last that was given.
std::optional<std::string> ListReader::check_ids(const Page& page) {
    std::int64_t before = parse_number(last_).value_or(-1);
    for (const JsonText& item : page.items) {
        const std::string id = id_in(item, key_);
        if (id.empty()) return "an item has no " + key_;
        const std::int64_t number = *parse_number(id);
        if (number <= before) {
            return "it does not keep to the filter or the order by " + key_ + ": after " +
                   std::to_string(before) + " came " + id;
        }
        before = number;
    }
    return std::nullopt;
}

// Until a page is empty: one that is short need not be the last.
ListEnd ListReader::read_by_id(Page page) {
    const std::string name = filter_name(call_.method, key_);
    for (int pages = 0;; page = ask(beyond(call_, name, last_)), ++pages) {
        if (page.problem) return cut_short(page.answer.cause, *page.problem);
        if (page.items.empty()) {
            if (pages == 1 && given_ < total_) return cut_short(RestCause::refused, too_few());
            return {RestCause::none, "", last_, name};
        }
        if (const auto wrong = check_ids(page)) return cut_short(RestCause::refused, *wrong);
        by_id_ = true;
        give(page);
        last_ = id_in(page.items.back(), key_);
    }
}

ListEnd ListReader::read_by_start(Page page) {
    std::int64_t start = 0;
    std::string before;  // the page before
    for (;;) {
        std::string text;
        for (const JsonText& item : page.items) text.append(item.text()) += '\n';
        if (!text.empty() && text == before) {
            return cut_short(RestCause::refused, "it does not keep to `start`: a page came twice");
        }
        before = std::move(text);
        give(page);
        if (!key_.empty() && !page.items.empty()) last_ = id_in(page.items.back(), key_);
        const std::optional<std::int64_t> next = next_of(page.answer);
        if (!next) {
            // While it is read a list may become shorter, but not before its second page.
            if (start == 0 && given_ < total_) return cut_short(RestCause::refused, too_few());
            return {};
        }
        if (*next <= start)
            return cut_short(RestCause::refused, "`next` stands still at " + std::to_string(*next));
        if (page.items.empty())
            return cut_short(RestCause::refused, "a page is empty, and is not the last");
        start = *next;
        page = ask(from_start(call_, start));
        if (page.problem) return cut_short(page.answer.cause, *page.problem);
    }
}

}  // namespace bx
