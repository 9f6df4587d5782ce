// What a worker's runner needs of a store: deliveries to run, and a place for how the runs ended.
//
// Lanes: a delivery whose lane (hook, portal, kind, id) has an unfinished delivery of a smaller N,
// or one running, cannot be claimed.
//
// Every function may throw StoreError (store/errors.h); store.h says what holds of all of them.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/records.h"

namespace bx {

// How many deliveries of HOOK may run at a time, on all hosts together; 0: none, it is disabled.
using HookCapacity = std::function<std::size_t(const std::string& hook)>;

class RunQueue {
public:
    virtual ~RunQueue() = default;

    // Claims up to SLOTS deliveries that are due at NOW and free in their lane, for this worker,
    // with attempt and run name; one whose event cannot be read has its `damage`.  Slots go round
    // the hooks, within a hook round the portals, across calls; within a hook and portal the
    // smallest N first.
    std::vector<Claim> claim(std::size_t slots, const HookCapacity& capacity, Millis now) {
        return finish_and_claim({}, slots, capacity, now);
    }
    // Makes CLAIMS `running`, where `claim` has not done it: call it right before their runs start.
    // Gives whether they may, one element each; of one that may not somebody else has taken the place.
    // When it throws, none may: what was made `running` all the same waits again after orphans().
    virtual std::vector<bool> start(std::span<const Claim> claims) = 0;
    // CLAIM may start, and its run was not begun all the same: it waits again after orphans(), and
    // costs no attempt.
    virtual void unstart(const Claim& claim) = 0;
    // Records ended runs.  One whose delivery is not `running` in that attempt any more changes
    // nothing.  Where an event's last delivery ended and none is dead, its secrets are erased.
    void finish(std::span<const Finish> runs) {
        finish_and_claim(runs, 0, [](const std::string&) { return std::size_t{0}; }, 0);
    }
    // finish(RUNS), then claim(...), in one transaction where that is cheaper.  When it throws, the
    // runs may have been recorded all the same; to do it again does no harm.
    virtual std::vector<Claim> finish_and_claim(std::span<const Finish> runs, std::size_t slots,
                                                const HookCapacity& capacity, Millis now) = 0;
    // MatchQueue::dispatch(VERDICTS), then claim(...), in one transaction.
    virtual std::vector<Claim> dispatch_and_claim(std::span<const Dispatch> verdicts,
                                                  std::size_t slots, const HookCapacity& capacity,
                                                  Millis now) = 0;
    // The output so far of a run, for `logs --follow`.
    virtual void save_output(EventNumber event, const std::string& hook, int attempt,
                             const Output& out, const Output& err) = 0;
    // The deliveries left `running`: those of dead workers, which are this one's from now on, and
    // those this one has claimed.  MINE are those it runs, or whose ends it has yet to record.
    virtual std::vector<Orphan> orphans(std::span<const DeliveryName> mine) = 0;
    // The earliest due time of a delivery that could then be claimed; none: nothing waits for a
    // time.  Not later than NOW: more are due than `claim` has come to, or may be.
    virtual std::optional<Millis> next_due(Millis now) = 0;
    // Running deliveries that a person wants ended (cancel --kill).
    virtual std::vector<DeliveryName> kill_requests() = 0;
};

}  // namespace bx
