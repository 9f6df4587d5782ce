#include <chrono>
#include <thread>

#include "cli/command.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/terminal/progress.h"
#include "worker/pruner.h"

namespace bx {

namespace {

// The wall clock, unless it may be wrong: what it calls old is gone for good.
Millis believed_time(Store& store, bool trusted) {
    const ClockReading now = read_clock();
    const ClockRecord known = store.upkeep().watch_clock(now);
    if (trusted || known.is_trusted(now)) return now.wall;
    const std::string why = known.is_large_step()
                                ? "the clock was set by " + known.step_text() + " lately"
                                : "the clock has not been watched for an hour yet";
    throw Error("prune: " + why + ": it says " + iso_time(now.wall) +
                "; if that is right add --trust-clock, or come back at " +
                iso_time(known.wall + clock_trial));
}

int run(const Arguments& args) {
    ConfigPtr config = config_of(args, ConfigPart::all);
    const Millis done_age = duration_option(args, "--older-than", config->retention.done);
    const Millis dead_age = duration_option(args, "--older-than", config->retention.dead);
    std::unique_ptr<Store> store = store_of(*config);
    const Millis now = believed_time(*store, args.has("--trust-clock"));
    PruneOrder order;
    order.done_before = now - done_age;
    if (args.has("--dead")) order.dead_before = now - dead_age;
    std::size_t total = 0;
    Progress progress("deleting events");
    Pruner pruner(store->upkeep());
    int status = 0;
    for (PruneStep step{.more = true}; step.more;) {
        step = pruner.step(order);
        total += step.deleted;
        if (step.passed_over != 0) {
            progress.clear();
            remark("cannot delete event " + std::to_string(step.passed_over) + ": " + step.cause);
            status = 1;
        }
        progress.at(total);
        std::this_thread::sleep_for(std::chrono::milliseconds(step_pause));
    }
    progress.clear();
    print("deleted " + std::to_string(total) + (total == 1 ? " event\n" : " events\n"));
    return status;
}

}  // namespace

Command prune_command() {
    Command command;
    command.name = "prune";
    command.summary = "delete finished events";
    command.help = R"(
Deletes events whose deliveries have all ended, and skipped ones; only with --dead
those with a dead delivery, and skipped ones that 'retry' could match again.
Without --older-than the configuration's 'retention' says how old.  The worker does
this by itself: the command is for when space is needed now.

A clock that is wrong makes everything old.  So nothing is deleted, by the worker
neither, until the clock has gone right for an hour since the machine's boot or
since it was set; --trust-clock says that it is right.
)";
    command.options = {{"--older-than", "D", "those that ended before the last 30s, 6h, 30d"},
                       {"--dead", "", "also events with a dead delivery"},
                       {"--trust-clock", "", "the clock is right, however lately it was set"}};
    command.run = run;
    return command;
}

}  // namespace bx
