#include "cli/command.h"
#include "cli/help.h"
#include "cli/output.h"

namespace bx {

namespace {

int run(const Arguments& args) {
    if (args.words().empty()) {
        print(help_text());
        return 0;
    }
    const Command& command = command_named(args.words().front());
    print(help_text(command));
    return 0;
}

}  // namespace

Command help_command() {
    Command command;
    command.name = "help";
    command.synopsis = "[COMMAND]";
    command.summary = "this list, or what one command does";
    command.help = "Lists the commands, or shows what COMMAND does, its options and examples.";
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
