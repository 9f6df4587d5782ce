// What every command is made of: its entry in the table, its parsed arguments, and the few things
// most of them need (config, store, stdout).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"
#include "store/owner.h"
#include "store/store.h"

namespace bx {

struct Command;

// One option: "--limit N" takes a value, "--json" none.  `value` names it for the help, empty:
// none.
struct Option {
    std::string_view name;   // "--limit"
    std::string_view value;  // "N"
    std::string_view help;   // one line; empty: for our own processes, told to nobody
};

// The words after the command's name, checked against its options.
class Arguments {
public:
    bool has(std::string_view option) const;
    // The last value given; empty when the option was not.
    std::string value(std::string_view option) const;
    std::vector<std::string> values(std::string_view option) const;
    const std::vector<std::string>& words() const { return words_; }

private:
    friend Arguments parse_arguments(const Command&, std::span<const std::string>);
    std::vector<std::pair<std::string, std::string>> options_;
    std::vector<std::string> words_;
};

struct Command {
    std::string_view name;
    std::string_view synopsis;    // "N[/HOOK]...", without the options
    std::string_view summary;     // one line for `bxhook help`
    std::string_view help;        // of `bxhook help NAME`: paragraphs, which are filled, and
                                  // lines that begin with a blank, which stay as they are
    std::vector<Option> options;  // --config and --help are added for all, --json where `json`
    bool json = false;
    std::size_t min_words = 0;
    std::size_t max_words = 0;
    int (*run)(const Arguments&) = nullptr;
};

// Options may stand anywhere, as "--limit 5" or "--limit=5"; "--" ends them.  Throws UsageError for
// an unknown one (with the nearest known), a missing value, too few or too many words.
Arguments parse_arguments(const Command& command, std::span<const std::string> args);

// All commands in the order of the help.
const std::vector<Command>& commands();
// The command of that name.  Throws UsageError with the nearest known.
const Command& command_named(std::string_view name);

// The text of `bxhook help`, and of `bxhook help COMMAND`.
std::string help_text();
std::string help_text(const Command& command);

// -- For the commands

// The config that ARGS or the environment point to.  Throws Error: the first problem, its file, and
// how many more there are.
ConfigPtr config_of(const Arguments& args, ConfigPart part);
// Becomes the store's owner and opens CONFIG's store, making it (a fresh installation has none
// before its first event), and what becomes of its directory is MISSING.  Throws Error.
std::unique_ptr<Store> store_of(const Config& config, Missing missing = Missing::make);

// "1042", "1042/crm-sync"; also "1042/-", as `list` names an event without delivery.  Throws
// UsageError.
DeliveryName parse_delivery_name(std::string_view text);
// The value of an option, checked.  Throw UsageError naming the option.  When it was not given:
// FALLBACK.
Millis duration_option(const Arguments& args, std::string_view option, Millis fallback);
std::size_t count_option(const Arguments& args, std::string_view option, std::size_t fallback);

// This program as a person can type it: by its name alone only when PATH leads to it.
std::string typed_program();

// Writes TEXT to stdout; throws Error when it cannot (a full disk must not look like success).
void print(std::string_view text);
bool stdout_is_terminal();

// The commands, one file each.
Command serve_command();
Command work_command();
Command init_command();
Command check_command();
Command events_command();
Command trigger_command();
Command decode_command();
Command list_command();
Command show_command();
Command logs_command();
Command retry_command();
Command cancel_command();
Command status_command();
Command prune_command();
Command store_command();
Command help_command();
Command version_command();

}  // namespace bx
