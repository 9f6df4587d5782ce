#include <chrono>
#include <thread>

#include "cli/command.h"
#include "cli/confirm.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/scrub.h"
#include "cli/terminal/progress.h"
#include "report/wording.h"
#include "worker/output_files.h"
#include "worker/pruner.h"

namespace bx {

namespace {

// The wall clock, unless it may be wrong: what it calls old is gone for good.
Millis believed_time(Store& store, bool trusted) {
    const ClockReading now = read_clock();
    const ClockRecord known = store.upkeep().watch_clock(now);
    if (trusted || known.is_trusted(now)) return now.wall;
    const std::string why = known.is_large_step()
                                ? "the clock was set by " + known.step_text() + " recently"
                                : "the clock has not been watched for an hour yet";
    throw Error("prune: " + why + ": it says " + iso_time(now.wall) +
                "; if that is right add --trust-clock, or come back at " +
                iso_time(known.wall + clock_trial));
}

std::string counted_events(std::int64_t events) { return counted(events, "event", "events"); }

// The files of hooks' output go with their events.
void sweep_outputs(const Config& config, Store& store) {
    OutputSweep sweep(store.upkeep(), store.view());
    const std::string dir = outputs_directory(config);
    const std::string complaint = sweep.begin(dir);
    if (!complaint.empty()) {
        remark("the files of deleted events stay in '" + dir + "': " + complaint);
    }
    while (sweep.busy()) sweep.step();
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
    const std::int64_t count = store->upkeep().count_prunable(order);
    if (count > 0 && !is_confirmed(args, "delete " + counted_events(count) + "?")) return 0;
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
    sweep_outputs(*config, *store);
    scrub(*store);
    progress.clear();
    print("deleted " + counted_events(static_cast<std::int64_t>(total)) + "\n");
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
this by itself: the command is for when you need the space now.  The count is shown
and confirmed; where there is no terminal to confirm on, add --yes.

A wrong clock makes everything look old.  So nothing is deleted, by the worker
either, until the clock has been right for an hour: since the machine's boot, since
it was set, and since this store was made; --trust-clock says that it is right.
)";
    command.options = {{"--older-than", "D", "those that ended before the last 30s, 6h, 30d"},
                       {"--dead", "", "also events with a dead delivery"},
                       {"--trust-clock", "", "the clock is right, however recently it was set"},
                       yes_option()};
    command.run = run;
    return command;
}

}  // namespace bx
