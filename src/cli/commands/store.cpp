#include <filesystem>

#include "base/escape.h"
#include "base/fd.h"
#include "cli/command.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/terminal/progress.h"
#include "config/value.h"
#include "report/wording.h"
#include "stores/copy.h"
#include "stores/module.h"

namespace bx {

namespace {

int copy(const Arguments& args, const Config& config, const StoreModule& module) {
    const std::string from = args.value("--from");
    if (from.empty()) throw UsageError("store: copy needs --from FILE, the SQLite store");
    const std::string path = absolute_path(std::filesystem::current_path().string(), from);
    const std::unique_ptr<StoreImport> into = module.import(config.store.address);
    CopyCount count;
    {
        Progress progress("copying events");
        count = copy_store(path, *into, [&](std::size_t done) { progress.at(done); });
    }
    print("copied " + std::to_string(count.copied) + " of " + std::to_string(count.events) +
          " events" + (count.copied < count.events ? ", the others were there\n" : "\n"));
    if (count.installations + count.held > 0) {
        print("moved " + counted(count.installations, "installation", "installations") + " and " +
              counted(count.held, "held post", "held posts") + "\n");
    }
    return 0;
}

int run(const Arguments& args) {
    const std::string& action = args.words().front();
    const bool known =
        action == "init" || action == "upgrade" || action == "status" || action == "copy";
    if (!known) {
        throw UsageError("store: '" + printable(action) +
                         "' is not one of init, upgrade, status, copy");
    }
    if (action != "copy" && args.has("--from")) throw UsageError("store: --from goes with copy");
    ConfigPtr config = config_of(args, ConfigPart::gateway);
    if (config->store.is_file()) {
        throw Error("store " + action + ": the store is the file '" + config->store.address +
                    "', which needs no such command; set `store` to \"postgresql://...\"");
    }
    const StoreOwner owner = become_store_owner(config->store.worker_files, config->writers);
    const StoreModule& module = postgresql_module(owner);
    if (action == "copy") return copy(args, *config, module);
    if (action == "init") print(module.init(config->store.address) + "\n");
    if (action == "upgrade") print(module.upgrade(config->store.address) + "\n");
    if (action == "status") print(module.status(config->store.address));
    return 0;
}

}  // namespace

Command store_command() {
    Command command;
    command.name = "store";
    command.synopsis = "init|upgrade|status|copy --from FILE";
    command.summary = "prepare and look after the PostgreSQL store";
    command.help = R"(
init makes the schema bxhook in the database that `store` in the config names, with all
it needs; where it exists already, it does nothing.  upgrade brings it up to this
version, while gateways and workers of the version before go on.  status shows server
and schema.  copy copies all events of a SQLite store, with their numbers, deliveries
and attempts, while gateways go on adding to it; run again, it copies what came since.
Installations move: their tokens and held posts are in the PostgreSQL store alone
afterwards, and `portals` of the SQLite store calls them moved.
It stops where another event has the number of one: copy before the new store is used.
init and upgrade need a role that may create; gateways, workers and the
other commands do not: bxhook(1) has the least rights.
A SQLite store needs no such command: the first event makes it, and the first start
of a newer version upgrades it.
)";
    command.options = {{"--from", "FILE", "copy: the SQLite store"}};
    command.min_words = 1;
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
