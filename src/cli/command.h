// The table of commands.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "cli/arguments.h"

namespace bx {

struct Command {
    std::string_view name;
    std::string_view synopsis;    // "N[/HOOK]...", without the options
    std::string_view summary;     // one line for `bxhook help`
    std::string_view help;        // of `bxhook help NAME`: paragraphs, which are filled, and
                                  // lines that begin with a blank, which stay as they are
    std::vector<Option> options;  // its own: all_options() adds the shared ones
    bool hidden = false;          // for our own processes, not in any help
    bool json = false;            // it takes --json
    std::size_t min_words = 0;
    std::size_t max_words = 0;
    int (*run)(const Arguments&) = nullptr;  // gives the exit status
};

// COMMAND's own options and those it shares with others: --json where it has `json`, --config,
// --help.
std::vector<Option> all_options(const Command& command);

// All commands in the order of the help.
const std::vector<Command>& commands();
// The command of that name.  Throws UsageError with the nearest known.
const Command& command_named(std::string_view name);

// In commands/, one file each.
Command serve_command();
Command work_command();
Command init_command();
Command check_command();
Command events_command();
Command sync_command();
Command trigger_command();
Command decode_command();
Command list_command();
Command show_command();
Command logs_command();
Command renew_command();
Command run_command();
Command retry_command();
Command cancel_command();
Command status_command();
Command portals_command();
Command call_command();
Command token_command();
Command answer_command();
Command forward_command();
Command bindings_command();
Command bind_command();
Command unbind_command();
Command prune_command();
Command store_command();
Command help_command();
Command version_command();

}  // namespace bx
