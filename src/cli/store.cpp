#include "base/text.h"
#include "cli/command.h"
#include "store/module.h"
#include "store/owner.h"

namespace bx {

namespace {

int run(const Arguments& args) {
    const std::string& action = args.words().front();
    const bool known = action == "init" || action == "upgrade" || action == "status";
    if (!known) {
        throw UsageError("store: '" + printable(action) + "' is none of init, upgrade, status");
    }
    ConfigPtr config = config_of(args, ConfigPart::gateway);
    if (!is_store_url(config->store)) {
        throw Error("store " + printable(action) + ": the store is the file '" + config->store +
                    "', which needs none of it; set `store` to \"postgresql://...\"");
    }
    become_store_owner(config->seat);
    const StoreModule& module = postgresql_module();
    if (action == "init") print(module.init(config->store) + "\n");
    if (action == "upgrade") print(module.upgrade(config->store) + "\n");
    if (action == "status") print(module.status(config->store));
    return 0;
}

}  // namespace

Command store_command() {
    Command command;
    command.name = "store";
    command.synopsis = "init|upgrade|status";
    command.summary = "prepare and look after the PostgreSQL store";
    command.help = R"(
init makes the schema bxhook in the database that `store` in the config names, with all
it needs; it does nothing where that is there already.  upgrade brings it up to this
version, while gateways and workers of the version before go on.  status shows server
and schema.  init and upgrade need a role that may create; gateways, workers and the
other commands do not: bxhook(1) has the least rights.
The SQLite store needs none of it: it is made by the first event and upgraded by the
first start of a newer version.
)";
    command.min_words = 1;
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
