#include <array>
#include <limits>

#include "cli/bulk.h"
#include "cli/command.h"
#include "cli/open.h"
#include "cli/scrub.h"
#include "host/worker_lock.h"
#include "host/worker_start.h"

namespace bx {

namespace {

constexpr std::array states{RowState::waiting, RowState::fresh, RowState::running};

int run(const Arguments& args) {
    bool kill = args.has("--kill");
    std::span<const RowState> choice(states);
    BulkAction action{"cancel", "cancelled", kill ? choice : choice.first(2), {}};
    check_choice(args, action);
    ConfigPtr config = config_of(args, ConfigPart::gateway);
    std::unique_ptr<Store> store = store_of(*config);
    action.perform = [&](const Chosen& row) {
        return reply_of(store->operate().cancel(row.name, kill, wall_now(), row.state));
    };
    std::vector<Chosen> chosen = choose(args, *store, action);
    bool all = perform(args, chosen, action);
    if (!chosen.empty()) scrub(*store);
    // It frees the next of a lane, and only the worker can end what runs.
    if (!chosen.empty()) {
        summon_worker(config->store.worker_files, config->path, config->worker.auto_start);
    }
    return all ? 0 : 1;
}

}  // namespace

Command cancel_command() {
    Command command;
    command.name = "cancel";
    command.synopsis = "N[/HOOK]... | FILTER... | --all";
    command.summary = "cancel waiting deliveries";
    command.help = R"(
Makes waiting deliveries 'cancelled', those of event N or N/HOOK alone; an event
that is still new becomes skipped, and one that was skipped for a mistake is not
matched again.  With --kill running ones too: the worker ends all their processes.
'bxhook retry' undoes it.  A dead delivery runs no more and has nothing to cancel.

The options choose in bulk, as those of 'list': waiting deliveries, or --state new,
with --kill also running.  The count is shown and confirmed; where there is no
terminal to confirm on, add --yes.

If one of several fails, the others are still processed and the exit status is 1.
)";
    command.options = bulk_options();
    command.options.push_back({"--kill", "", "end running ones too"});
    command.max_words = std::numeric_limits<std::size_t>::max();
    command.run = run;
    return command;
}

}  // namespace bx
