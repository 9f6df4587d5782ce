#include "base/escape.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/terminal/table.h"
#include "event/catalog.h"
#include "report/json.h"

namespace bx {

namespace {

using Events = std::vector<const CatalogEvent*>;

// The events PATTERN means: one by its exact code, those that match a glob, else those that have it
// in their code or name.
Events find_events(const std::string& pattern) {
    if (const CatalogEvent* event = find_event(pattern)) return {event};
    bool glob = pattern.find_first_of("*?[") != std::string::npos;
    std::string part = upper(pattern);
    Events found;
    for (const CatalogEvent& event : catalog()) {
        bool fits = glob ? glob_match(pattern, event.code, true)
                         : event.code.find(part) != std::string_view::npos;
        if (fits) found.push_back(&event);
    }
    return found;
}

std::string joined(const std::vector<std::string_view>& words, std::string_view separator) {
    std::string text;
    for (std::string_view word : words) {
        if (!text.empty()) text += separator;
        text += word;
    }
    return text;
}

std::string as_json(const Events& events) {
    std::string text;
    JsonWriter json(text);
    json.begin_array();
    for (const CatalogEvent* event : events) {
        json.begin_object().field("code", event->code).field("name", event->name);
        json.field("scope", event->scope).field("kind", kind_of(event->code, Value{}));
        json.key("id_paths").begin_array();
        for (std::string_view path : event->id_paths) json.value(path);
        json.end_array().key("fields").begin_array();
        for (const std::string& path : field_paths(*event)) json.value(path);
        json.end_array().end_object();
    }
    json.end_array();
    return json_line(text);
}

std::string as_table(const Events& events) {
    Table table({{"EVENT"}, {"SCOPE"}, {"ID", false, 9}, {"FIELDS", false, 9}},
                Screen::of_stdout());
    for (const CatalogEvent* event : events) {
        std::vector<std::string> fields = field_paths(*event);
        std::string id = joined(event->id_paths, ",");
        table.add({std::string(event->code), std::string(event->scope), id.empty() ? "-" : id,
                   fields.empty() ? "-" : joined({fields.begin(), fields.end()}, ",")});
    }
    return table.take();
}

// Where the id is, in words.
std::string id_text(const CatalogEvent& event) {
    std::string text;
    for (std::string_view path : event.id_paths) {
        text.append(text.empty() ? "" : ", then ").append(path);
        if (path == ".") text += " (data itself)";
        if (path.find('+') != std::string_view::npos) text += " (joined by ':')";
    }
    return text.empty() ? "none: its deliveries have no order" : text;
}

std::string as_text(const CatalogEvent& event) {
    std::string text = std::string(event.code) + "\n";
    text += "  name     " + std::string(event.name) + "\n";
    text += "  scope    " + std::string(event.scope) + "\n";
    text += "  kind     " + kind_of(event.code, Value{}) + "\n";
    text += "  id       " + id_text(event) + "\n";
    text += "  fields   below data:\n";
    for (const std::string& path : field_paths(event)) text += "             " + path + "\n";
    return text + "  sample   " + std::string(event.sample) + "\n";
}

int run(const Arguments& args) {
    std::string pattern = args.words().empty() ? "*" : args.words().front();
    Events events = find_events(pattern);
    if (args.has("--json")) {
        print(as_json(events));
    } else if (events.size() == 1) {
        print(as_text(*events.front()));
    } else {
        print(as_table(events));
    }
    if (!events.empty()) return 0;
    throw Error("no known event matches '" + printable(pattern) + "'" +
                did_you_mean(nearest_event(pattern)));
}

}  // namespace

Command events_command() {
    Command command;
    command.name = "events";
    command.synopsis = "[PATTERN]";
    command.summary = "list the known Bitrix24 events: fields, scope, where the id is";
    command.help = R"(
Lists the Bitrix24 events this version knows: the event's name (which a hook's file
has too), the REST scope it needs, where the entity's id is (below data) and which
fields it has.  PATTERN is a name, a glob, or a part of a name, in upper or lower
case.  Other events work too: their id is taken from FIELDS.ID, FIELDS_AFTER.ID,
FIELDS_BEFORE.ID, ID or id.  An id of several values is written A+B: the values at A
and B, joined by ':'.

  bxhook events deal
  bxhook events 'ONCRM*USERFIELD*'
  bxhook events ONCRMDEALMOVETOCATEGORY
)";
    command.json = true;
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
