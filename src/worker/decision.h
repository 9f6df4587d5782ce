// What becomes of a new event: pure decisions.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/clock.h"
#include "hooks/hooks.h"
#include "store/records.h"

namespace bx {

struct Decision {
    Dispatch dispatch;
    std::string log_reason;  // of an event that no hook takes, with the rules of its hooks
};

// The deliveries of EVENT (with body and secrets) for HOOKS at NOW (wall time), or why it is
// skipped.  An event that cannot be read is skipped too, and may be retried.
Decision decide(const StoredEvent& event, const HookSet& hooks, Millis now);

// True when one of HOOKS would take EVENT, whether it can run or not; false also for an event that
// cannot be read.
bool is_taken(const StoredEvent& event, std::span<const Hook> hooks);

// How many of DISPATCHES, from the first on, one transaction should write; 0 only of none.
std::size_t count_for_transaction(std::span<const Dispatch> dispatches);

}  // namespace bx
