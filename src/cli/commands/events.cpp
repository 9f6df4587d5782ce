#include "base/escape.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/sample.h"
#include "cli/terminal/table.h"
#include "event/catalog.h"
#include "event/payload.h"
#include "form/json_form.h"
#include "report/json.h"

namespace bx {

namespace {

std::string joined(const auto& words, std::string_view separator) {
    std::string text;
    for (const std::string_view word : words) {
        if (!text.empty()) text += separator;
        text += word;
    }
    return text;
}

// What is told of an event.
struct Row {
    std::string code;  // of a robot and the like "ROBOT.*"
    std::string name;
    std::string scope;  // empty: none
    std::string kind;   // empty: it is that of the document
    std::vector<std::string> id_paths;
    std::vector<std::string> fields;
    std::string sample;
    bool below_data = true;  // where paths and sample begin; else at the top
};
using Rows = std::vector<Row>;

Row row_of(const CatalogEvent& event) {
    return {std::string(event.code),
            std::string(event.name),
            std::string(event.scope),
            kind_of(event.code, Value{}),
            {event.id_paths.begin(), event.id_paths.end()},
            field_paths(event),
            std::string(event.sample)};
}

// A post that is no event of Bitrix24's own.
Row row_of(const PostSample& post) {
    Row row;
    row.code = std::string(post.prefix) + "*";
    row.name = post.name;
    row.scope = post.scope;
    row.kind = post.kind;
    if (!post.id_path.empty()) row.id_paths = {std::string(post.id_path)};
    const Tree tree = decode_json(std::string(post.fields), FormLimits{});
    each_scalar(tree.root(), [&row](KeyPath path, Value) {
        row.fields.push_back(joined(path, "."));
    });
    append_tree_json(row.sample, tree);
    row.below_data = false;
    return row;
}

// The events PATTERN means: one by its exact code, those that match a glob, else those that have it
// in their code or name.
Rows find_events(const std::string& pattern) {
    if (const CatalogEvent* event = find_event(pattern)) return {row_of(*event)};
    if (const PostSample* post = sample_of_post(pattern)) return {row_of(*post)};
    const bool glob = pattern.find_first_of("*?[") != std::string::npos;
    const std::string part = upper(pattern);
    const auto fits = [&](const std::string& code) {
        return glob ? glob_match(pattern, code, true) : code.find(part) != std::string::npos;
    };
    Rows found;
    for (const CatalogEvent& event : catalog()) {
        if (fits(std::string(event.code))) found.push_back(row_of(event));
    }
    for (const PostSample& post : post_samples()) {
        if (fits(std::string(post.prefix) + "*")) found.push_back(row_of(post));
    }
    return found;
}

std::string as_json(const Rows& events) {
    std::string text;
    JsonWriter json(text);
    json.begin_array();
    for (const Row& event : events) {
        json.begin_object().field("code", event.code).field("name", event.name);
        json.key("scope").value_or_null(event.scope).key("kind").value_or_null(event.kind);
        json.key("id_paths").begin_array();
        for (const std::string& path : event.id_paths) json.value(path);
        json.end_array().key("fields").begin_array();
        for (const std::string& path : event.fields) json.value(path);
        json.end_array().end_object();
    }
    json.end_array();
    return json_line(text);
}

std::string as_table(const Rows& events) {
    Table table({{"EVENT"}, {"SCOPE"}, {"ID", false, 9}, {"FIELDS", false, 9}},
                Screen::of_stdout());
    const auto or_dash = [](const std::string& text) { return text.empty() ? "-" : text; };
    for (const Row& event : events) {
        table.add({event.code, or_dash(event.scope), or_dash(joined(event.id_paths, ",")),
                   or_dash(joined(event.fields, ","))});
    }
    return table.take();
}

// Where the id is, in words.
std::string id_text(const Row& event) {
    std::string text;
    for (const std::string& path : event.id_paths) {
        text.append(text.empty() ? "" : ", then ").append(path);
        if (path == ".") text += " (data itself)";
        if (path == "document_id.2") text += " (7303 of DEAL_7303)";
        if (path.find('+') != std::string::npos) text += " (joined by ':')";
    }
    return text.empty() ? "none: its deliveries have no order" : text;
}

std::string kind_text(const Row& event) {
    if (!event.kind.empty()) return event.kind;
    return event.id_paths.empty() ? "none" : "of the document (ONCRMDEAL of DEAL_7303)";
}

std::string as_text(const Row& event) {
    std::string text = event.code + "\n";
    text += "  name     " + event.name + "\n";
    text += "  scope    " + (event.scope.empty() ? "none: it comes by a key" : event.scope) + "\n";
    text += "  kind     " + kind_text(event) + "\n";
    text += "  id       " + id_text(event) + "\n";
    text += std::string("  fields   ") + (event.below_data ? "below data" : "for example") + ":\n";
    for (const std::string& path : event.fields) text += "             " + path + "\n";
    return text + "  sample   " + event.sample + "\n";
}

int run(const Arguments& args) {
    std::string pattern = args.words().empty() ? "*" : args.words().front();
    const Rows events = find_events(pattern);
    if (args.has("--json")) {
        print(as_json(events));
    } else if (events.size() == 1) {
        print(as_text(events.front()));
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
and B, joined by ':'.  What robots, SMS and posts by a key make ends with a name that
is its author's: ROBOT.*, SMS.*, WEBHOOK.*, POST.*; its paths begin at the top.

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
