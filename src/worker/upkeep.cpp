#include "worker/upkeep.h"

#include <algorithm>
#include <utility>

namespace bx {

namespace {

constexpr Millis scrub_limit = 50 * second;  // the contract's minute, without the work itself

}  // namespace

WorkerUpkeep::WorkerUpkeep(WorkerContext& context, Upkeep& store, View& view,
                           Uninstallations& uninstallations)
    : context_(context),
      store_(store),
      uninstallations_(uninstallations),
      pruner_(store),
      outputs_(context, store, view),
      scrub_(context.now + scrub_limit),
      wall_ahead_(wall_now() - context.now) {}

void WorkerUpkeep::work() {
    if (minute_.every(minute, context_.now)) {
        store_.recount_running();
        pruning_.under_way = capping_ = context_.unscrubbed = true;
        if (hour_.every(hour, context_.now)) pruning_.all = true;
    }
    if (next() <= context_.now) {
        if (capping_) cap_waits();
        if (pruning_.under_way) {
            prune();
            if (!pruning_.under_way && outputs_.begin(pruning_.deleted)) pruning_.deleted = false;
        }
        if (outputs_.busy()) outputs_.step();
        step_.set(steady_now() + step_pause);
    }
    scrub();
}

Millis WorkerUpkeep::next() const { return busy() ? step_.next() : Timer::never; }

Millis WorkerUpkeep::clock_step() {
    const Millis ahead = wall_now() - context_.now;
    const Millis step = ahead - std::exchange(wall_ahead_, ahead);
    return step > -second && step < second ? 0 : step;
}

// No delivery is to wait for longer than its hook may have it wait, whatever the clock was.
void WorkerUpkeep::cap_waits() {
    const ConfigPtr& config = context_.live.config();
    if (!config) return;
    Millis longest = std::max(config->defaults.delay, config->defaults.backoff_max);
    for (const Hook& hook : context_.live.hooks().set().hooks()) {
        longest = std::max({longest, hook.settings.delay, hook.settings.backoff_max});
    }
    capping_ = store_.cap_due(wall_now() + longest);
}

// The wall clock, when it can be believed.
std::optional<Millis> WorkerUpkeep::trusted_time() {
    const ClockReading now = read_clock();
    const ClockRecord known = store_.watch_clock(now);
    if (known.is_trusted(now)) return now.wall;
    if (known.up == now.up && known.is_large_step()) {
        context_.log.error(
            "the clock was set: nothing is deleted until it has been right for an hour",
            {{"by", known.step_text()}});
    }
    return std::nullopt;
}

void WorkerUpkeep::prune() {
    const ConfigPtr& config = context_.live.config();
    if (!config) return;
    const std::optional<Millis> wall = trusted_time();
    if (!wall) {
        pruning_.under_way = false;
        return;
    }
    if (pruning_.all) uninstallations_.drop_old(*wall);
    const PruneStep step = pruner_.step({.done_before = *wall - config->retention.done,
                                         .dead_before = *wall - config->retention.dead,
                                         .all = pruning_.all});
    pruning_.under_way = step.more;
    if (!pruning_.under_way) pruning_.all = false;
    pruning_.deleted = pruning_.deleted || step.deleted > 0;
    if (step.passed_over == 0) return;
    context_.log.error("cannot delete an old event",
                       {{"event", std::to_string(step.passed_over)}, {"cause", step.cause}});
}

// When idle, and at the latest in time: the checkpoint costs the gateway a moment.
void WorkerUpkeep::scrub() {
    if (!context_.unscrubbed) return;
    const bool idle =
        context_.runs.size() == 0 && context_.now - context_.progress_at >= second;
    if (!idle && !scrub_.due(context_.now)) return;
    scrub_.set(context_.now + scrub_limit);
    context_.unscrubbed = !store_.scrub();
}

}  // namespace bx
