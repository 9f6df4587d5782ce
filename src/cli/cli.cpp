#include "cli/cli.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/escape.h"
#include "base/fd.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/output.h"

namespace bx {

namespace {

constexpr int wrong_usage = 2;  // exit status

// Which command the first argument means: its name, or one of the options people try first.
std::string_view command_name(const std::string& first) {
    if (first == "--help" || first == "-h") return "help";
    if (first == "--version" || first == "-V") return "version";
    return first;
}

// True where some command has OPTION, followed by a value or not.
bool is_option_of_some(std::string_view option, bool with_value) {
    return std::ranges::any_of(commands(), [&](const Command& command) {
        const std::vector<Option> all = all_options(command);
        const auto found = std::ranges::find(all, option, &Option::name);
        return found != all.end() && found->value.empty() != with_value;
    });
}

// True when OPTION is followed by its value, and not by NEXT, a command: of one that some commands
// take with a value and others without, a command's name is none.
bool takes_value(std::string_view option, const std::string& next) {
    const bool is_command = std::ranges::any_of(commands(), [&](const Command& command) {
        return command.name == command_name(next);
    });
    if (is_command && is_option_of_some(option, false)) return false;
    return is_option_of_some(option, true);
}

// ARGS with the command first: options may stand before it too, as with git and systemctl.
std::vector<std::string> command_first(std::span<const std::string> args) {
    auto is_option = [](const std::string& word) {
        return word.starts_with("--") && command_name(word) == word;
    };
    std::size_t at = 0;
    while (at < args.size() && is_option(args[at])) {
        const std::string next = at + 1 < args.size() ? args[at + 1] : "";
        at += takes_value(args[at], next) ? 2 : 1;
    }
    if (at >= args.size()) {
        throw UsageError("no command after '" + printable(args.front()) + "' (see 'bxhook help')");
    }
    std::vector<std::string> words{args[at]};
    std::ranges::copy(args.first(at), std::back_inserter(words));
    std::ranges::copy(args.subspan(at + 1), std::back_inserter(words));
    return words;
}

}  // namespace

int run_command(std::span<const std::string> args) {
    if (args.empty()) {
        // As wrong usage, but with all there is to choose from.
        return write_all(STDERR_FILENO, help_text()) ? wrong_usage : 1;
    }
    const std::vector<std::string> words = command_first(args);
    const Command& command = command_named(command_name(words.front()));
    Arguments arguments = parse_arguments(command, std::span(words).subspan(1));
    if (arguments.has("--help")) {
        print(help_text(command));
        return 0;
    }
    return command.run(arguments);
}

}  // namespace bx
