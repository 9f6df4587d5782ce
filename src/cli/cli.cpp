#include "cli/cli.h"

#include "base/error.h"
#include "cli/command.h"

namespace bx {

namespace {

// Which command the first argument means: its name, or one of the options people try first.
std::string_view command_name(const std::string& first) {
    if (first == "--help" || first == "-h") return "help";
    if (first == "--version" || first == "-V") return "version";
    return first;
}

}  // namespace

int run_command(std::span<const std::string> args) {
    if (args.empty()) throw UsageError("usage: bxhook COMMAND [ARGUMENTS] (see 'bxhook help')");
    const Command& command = command_named(command_name(args.front()));
    Arguments arguments = parse_arguments(command, args.subspan(1));
    if (arguments.has("--help")) {
        print(help_text(command));
        return 0;
    }
    return command.run(arguments);
}

}  // namespace bx
