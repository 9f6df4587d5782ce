#include <algorithm>
#include <array>
#include <limits>

#include "cli/bulk.h"
#include "cli/command.h"
#include "cli/confirm.h"
#include "cli/filter.h"
#include "cli/missed.h"
#include "cli/names.h"
#include "cli/open.h"
#include "cli/output.h"
#include "hooks/hooks.h"
#include "host/worker_lock.h"
#include "host/worker_start.h"
#include "report/wording.h"

namespace bx {

namespace {

constexpr std::array states{RowState::dead, RowState::cancelled, RowState::skipped,
                            RowState::waiting, RowState::done};

bool has_delivery(Store& store, const DeliveryName& name) {
    const std::vector<DeliveryRecord> all = store.view().deliveries(name.event);
    return std::ranges::find(all, name.hook, &DeliveryRecord::hook) != all.end();
}

// The hook did not take the event: it was disabled, could not run, or is new since.
Reply deliver(const Config& config, Store& store, const DeliveryName& name) {
    const HookSet hooks = HookSet::load(config);
    const Hook* hook = hooks.find(name.hook);
    if (!hook) return {false, 0, no_hook(name.hook, hooks)};
    NewDelivery delivery;
    delivery.hook = hook->name;
    delivery.ordered = hook->settings.order == Order::entity;
    delivery.max_attempts = hook->settings.attempts;
    Reply reply = reply_of(store.operate().deliver(name.event, delivery, wall_now()));
    if (!reply.done) return reply;
    std::string text = "a new delivery";
    if (hook->settings.disabled) text += ", it waits while its hook is disabled";
    if (!hook->conflict.empty()) text += ", it waits: " + hook->conflict;
    if (hook->problem) text += ", its hook cannot run: " + hook->problem->reason;
    if (!reply.text.empty()) text += ", " + reply.text;
    reply.text = text;
    return reply;
}

// Events of every state, by what they are: which of their deliveries there are does not count.
void check_missed(const Arguments& args) {
    for (const std::string_view option : {"--state", "--hook"}) {
        if (args.has(option)) throw UsageError("--missed: not with " + std::string(option));
    }
    if (args.words().empty()) return;
    throw UsageError("--missed: choose events by filters, or one by its name N/HOOK");
}

// What --missed chooses: new deliveries of that hook.  Empty: nothing, or the person said no.
std::vector<Chosen> choose_missed(const Arguments& args, const Config& config, View& view) {
    const std::string name = args.value("--missed");
    const HookSet hooks = HookSet::load(config);
    const Hook* hook = hooks.find(name);
    if (!hook) throw UsageError("--missed: " + no_hook(name, hooks));
    std::vector<Chosen> chosen;
    for (const EventNumber event : missed_events(view, filter_of(args), *hook)) {
        chosen.push_back({{event, hook->name}});
    }
    const std::string count = counted(static_cast<std::int64_t>(chosen.size()), "event that ",
                                      "events that ") + hook->name + " missed";
    if (chosen.empty()) print(count + ", nothing to retry\n");
    const bool go_on = !chosen.empty() && is_confirmed(args, "retry " + count + "?");
    return go_on ? chosen : std::vector<Chosen>{};
}

int run(const Arguments& args) {
    BulkAction action{"retry", "retried", states, {}};
    if (args.has("--missed")) check_missed(args);
    check_choice(args, action);
    ConfigPtr config = config_of(args, ConfigPart::all);
    std::unique_ptr<Store> store = store_of(*config);
    action.perform = [&](const Chosen& row) {
        const DeliveryName& name = row.name;
        if (!row.state && !name.hook.empty() && !has_delivery(*store, name)) {
            const std::optional<StoredEvent> event = store->view().event(name.event);
            if (event && event->state != EventState::fresh) return deliver(*config, *store, name);
        }
        auto extra = [&](const std::string& hook) { return settings_of(*config, hook).attempts; };
        return reply_of(store->operate().retry(name, extra, wall_now(), row.state));
    };
    const std::vector<Chosen> chosen = args.has("--missed")
                                           ? choose_missed(args, *config, store->view())
                                           : choose(args, *store, action);
    bool all = perform(args, chosen, action);
    if (!chosen.empty()) {
        summon_worker(config->store.worker_files, config->path, config->worker.auto_start);
    }
    return all ? 0 : 1;
}

}  // namespace

Command retry_command() {
    Command command;
    command.name = "retry";
    command.synopsis = "N[/HOOK]... | FILTER... | --all";
    command.summary = "run deliveries again";
    command.help = R"(
Puts deliveries back: the dead and cancelled ones of event N, or the delivery
N/HOOK, also when it is done.  One that waits becomes due now.  A skipped event is
matched again.  Each keeps its place: it runs before unfinished later ones of its
lane.  All but those that wait get as many more attempts as 'attempts' says.  The
worker is started if none runs ('worker.start auto').

N/HOOK of a hook that did not take event N (it was disabled, could not run, or is
new since) makes that delivery.  Tokens that were erased meanwhile are not in it.
--missed HOOK does so for all events of the filters that HOOK takes and did not get.

The options choose in bulk, as those of 'list': dead deliveries, or those of another
--state: cancelled, skipped, waiting, done.  The count is shown and confirmed; where
there is no terminal to confirm on, add --yes.

If one of several fails, the others are still processed and the exit status is 1.

  bxhook retry 1042                             what of event 1042 is not done
  bxhook retry --state dead --hook crm-sync     all that this hook gave up
  bxhook retry --state waiting --id 7303        what waits, once its hook works
  bxhook retry --state done --hook crm-sync --from 03:00 --to 04:00
                                                do that hour again
  bxhook retry --missed crm-sync --from 12h     what came while it was not there
)";
    command.options = bulk_options();
    command.options.push_back({"--missed", "HOOK", "events that this hook takes and did not get"});
    command.max_words = std::numeric_limits<std::size_t>::max();
    command.run = run;
    return command;
}

}  // namespace bx
