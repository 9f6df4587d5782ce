#include "worker/adoption.h"

#include <algorithm>
#include <memory>

#include "worker/launcher.h"

namespace bx {

namespace {

// Longer than others have to wait for what a dead worker left.
constexpr Millis left_kept = 2 * minute;

}  // namespace

Adoption::Adoption(WorkerContext& context, RunQueue& queue, Membership& membership,
                   RunSlots& slots, RunRecorder& recorder)
    : context_(context),
      queue_(queue),
      membership_(membership),
      slots_(slots),
      recorder_(recorder),
      left_(context.now + left_kept) {}

bool Adoption::is_due() {
    return context_.live.config() && look_.every(membership_.orphan_period(), context_.now);
}

// What it runs, and what has ended and is not recorded yet.
std::vector<DeliveryName> Adoption::ours() const {
    std::vector<DeliveryName> names;
    for (const std::unique_ptr<Run>& run : context_.runs.all()) {
        names.push_back({run->event(), run->hook()});
    }
    for (const Finish& finish : recorder_.unrecorded()) {
        names.push_back({finish.event, finish.hook});
    }
    return names;
}

void Adoption::adopt() {
    const std::vector<DeliveryName> mine = ours();
    for (const Orphan& orphan : queue_.orphans(mine)) {
        const auto is_same = [&](const DeliveryName& name) {
            return name.event == orphan.event && name.hook == orphan.hook;
        };
        if (std::ranges::none_of(mine, is_same)) adopt(orphan);
    }
    if (left_.due(context_.now)) slots_.forget_left();
}

void Adoption::adopt(const Orphan& orphan) {
    const Allowance allowance = allowance_of(orphan.attempt, orphan.max_attempts, orphan.failures,
                                             attempts_of(context_.live, orphan.hook));
    context_.progress = true;
    if (const std::optional<SlotEnd> end = slots_.take_left(orphan)) {
        return recorder_.add(orphan, allowance, *end);
    }
    context_.log.warning("a run was lost", {{"event", orphan.event},
                                            {"hook", orphan.hook},
                                            {"attempt", orphan.attempt},
                                            {"started_at", iso_time(orphan.started_at)}});
    context_.runs.add(std::make_unique<Run>(
        orphan, allowance, context_.live.settings_of(orphan.hook), context_.now));
}

}  // namespace bx
