#include "base/text.h"
#include "cli/command.h"

namespace bx {

namespace {

int run(const Arguments& args) {
    const std::string& action = args.words().front();
    bool known = action == "init" || action == "upgrade" || action == "status" || action == "copy";
    if (!known) {
        throw UsageError("store: '" + printable(action) +
                         "' is none of init, upgrade, status, copy");
    }
    throw Error("store " + action + ": the PostgreSQL store is not in this version");
}

}  // namespace

Command store_command() {
    Command command;
    command.name = "store";
    command.synopsis = "init|upgrade|status|copy";
    command.summary = "the PostgreSQL store (not in this version)";
    command.help = R"(
Prepares and looks after the PostgreSQL store, which is not in this version.  The
SQLite store needs none of it: it is made by the first event and upgraded by the
first start of a newer version.
)";
    command.options = {{"--from", "FILE", "copy: the SQLite store to take the events from"}};
    command.min_words = 1;
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
