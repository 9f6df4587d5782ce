#include "cli/command.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/escape.h"
#include "base/text.h"

namespace bx {

namespace {

// What the command NAME of other programs is called here; empty for most.
std::string_view meant_by(std::string_view name) {
    using Pair = std::pair<std::string_view, std::string_view>;
    constexpr std::array<Pair, 9> others{{{"tail", "logs --follow"},
                                          {"exec", "run"},
                                          {"replay", "retry"},
                                          {"resend", "retry"},
                                          {"redeliver", "retry"},
                                          {"rerun", "retry"},
                                          {"ls", "list"},
                                          {"ps", "status"},
                                          {"send", "trigger"}}};
    auto found = std::ranges::find(others, name, &Pair::first);
    return found == others.end() ? std::string_view{} : found->second;
}

}  // namespace

std::vector<Option> all_options(const Command& command) {
    std::vector<Option> options = command.options;
    if (command.json) options.push_back({"--json", "", "write JSON, for programs"});
    options.push_back({"--config", "FILE", "the configuration file"});
    options.push_back({"--help", "", "this text"});
    return options;
}

const std::vector<Command>& commands() {
    static const std::vector<Command> table{
        serve_command(),   work_command(),   init_command(),    check_command(), events_command(),
        trigger_command(), decode_command(), list_command(),    show_command(),  logs_command(),
        run_command(),     retry_command(),  cancel_command(),  status_command(), portals_command(),
        call_command(),    token_command(),  answer_command(),  forward_command(),
        bindings_command(), bind_command(),  unbind_command(),  sync_command(),
        prune_command(),   store_command(),  help_command(),    version_command(), renew_command()};
    return table;
}

const Command& command_named(std::string_view name) {
    auto found = std::ranges::find(commands(), name, &Command::name);
    if (found != commands().end()) return *found;
    std::vector<std::string_view> names;
    for (const Command& command : commands()) {
        if (!command.hidden) names.push_back(command.name);
    }
    std::string_view near = meant_by(name);
    if (near.empty()) near = nearest(name, names);
    throw UsageError("unknown command '" + printable(name) + "'" +
                     (near.empty() ? " (see 'bxhook help')" : did_you_mean(near)));
}

}  // namespace bx
