#include <chrono>
#include <thread>

#include "cli/command.h"
#include "cli/progress.h"

namespace bx {

namespace {

int run(const Arguments& args) {
    ConfigPtr config = config_of(args, ConfigPart::all);
    Millis now = wall_now();
    PruneOrder order;
    order.done_before = now - duration_option(args, "--older-than", config->retention.done);
    if (args.has("--dead")) {
        order.dead_before = now - duration_option(args, "--older-than", config->retention.dead);
    }
    std::unique_ptr<Store> store = store_of(*config);
    std::size_t total = 0;
    Progress progress("deleting events");
    while (std::size_t deleted = store->prune(order)) {
        total += deleted;
        progress.at(total);
        std::this_thread::sleep_for(std::chrono::milliseconds(prune_pause));
    }
    progress.clear();
    print("deleted " + std::to_string(total) + (total == 1 ? " event\n" : " events\n"));
    return 0;
}

}  // namespace

Command prune_command() {
    Command command;
    command.name = "prune";
    command.summary = "delete finished events";
    command.help = R"(
Deletes events whose deliveries have all ended, and skipped ones; those with a dead
delivery only with --dead.  Without --older-than the configuration's 'retention'
says how old.  The worker does this by itself: the command is for when space is
needed now.
)";
    command.options = {{"--older-than", "D", "those that ended before the last 30s, 6h, 30d"},
                       {"--dead", "", "also events with a dead delivery"}};
    command.run = run;
    return command;
}

}  // namespace bx
