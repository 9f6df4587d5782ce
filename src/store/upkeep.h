// What keeps a store small, clean and honest about time: a worker does it beside its work.
//
// Every function may throw StoreError (store/errors.h); store.h says what holds of all of them.
#pragma once

#include <cstddef>
#include <vector>

#include "store/records.h"

namespace bx {

struct PruneOrder {
    Millis done_before = 0;     // events that ended before it: done, merged, cancelled, skipped
    Millis dead_before = 0;     // and those with a dead delivery; 0: none
    std::size_t at_most = 100;  // events in one transaction; fewer when many rows are theirs
    std::vector<EventNumber> passed_over{};  // these stay; few
    bool all = true;            // also those that were looked at before, and left; else it may be
                                // that only what has become old since is found
};

struct Pruned {
    std::size_t deleted = 0;  // events
    bool more = false;        // there may be more: call it again
};

// Between two steps of prune, merge_ahead or cap_due: the others are to get the store's lock.
constexpr Millis step_pause = 5;

class Upkeep {
public:
    virtual ~Upkeep() = default;

    // Deletes finished events, oldest first: a step of it, in one bounded transaction.
    virtual Pruned prune(const PruneOrder& order) = 0;
    // Those that the next step of prune would delete, and in that order.
    virtual std::vector<EventNumber> prunable(const PruneOrder& order) = 0;
    // Counts anew how many deliveries of each hook run, which bounds the next claim: a count that
    // was changed by hand would hold up its hook for ever.
    virtual void recount_running() = 0;
    // How many events prune deletes in all its steps.
    virtual std::int64_t count_prunable(const PruneOrder& order) = 0;
    // Due times after LATEST become LATEST: a clock that was set back since had given them.  A step
    // of it; true: there may be more, call it again.
    virtual bool cap_due(Millis latest) = 0;
    // Makes erased secrets leave the store's files (SQLite: WAL checkpoint with TRUNCATE).  True
    // when nothing is left to do.
    virtual bool scrub() = 0;
    // Compares NOW with what is known of this machine's clocks; gives since when they agree.  Where
    // the store has a clock of its own, by which things are deleted, that is what is compared.
    virtual ClockRecord watch_clock(const ClockReading& now) = 0;
    // Events that are `new` or have a delivery waiting or running, due or not.
    virtual std::int64_t unfinished() = 0;
    // The largest number that was ever given to an event; 0: none was.
    virtual EventNumber newest() = 0;
};

}  // namespace bx
