#include "cli/command.h"
#include "cli/output.h"
#include "config/config.h"
#include "report/json.h"
#include "stores/open.h"

namespace bx {

namespace {

// The limits that hold where the configuration says nothing.
std::string as_json() {
    Config::Limits limits;
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("version", BXHOOK_VERSION).key("stores").begin_array();
    for (const std::string& kind : store_kinds()) json.value(kind);
    json.end_array().key("limits").begin_object();
    json.field("body", limits.body).field("fields", limits.fields).field("depth", limits.depth);
    json.field("queue", limits.queue).field("output", limits.output);
    json.end_object().end_object();
    return json_line(text);
}

std::string as_text() {
    Config::Limits limits;
    std::string text = "bxhook " BXHOOK_VERSION "\nstores:";
    for (const std::string& kind : store_kinds()) text += " " + kind;
    text += "\nlimits:";
    text += " body " + std::to_string(limits.body) + ",";
    text += " fields " + std::to_string(limits.fields) + ",";
    text += " depth " + std::to_string(limits.depth) + ",";
    text += " queue " + std::to_string(limits.queue) + ",";
    text += " output " + std::to_string(limits.output);
    return text + " (unless configured)\n";
}

int run(const Arguments& args) {
    print(args.has("--json") ? as_json() : as_text());
    return 0;
}

}  // namespace

Command version_command() {
    Command command;
    command.name = "version";
    command.summary = "the version, the stores and limits built in";
    command.help = "Shows the version, the kinds of store and the default limits built in.";
    command.json = true;
    command.run = run;
    return command;
}

}  // namespace bx
