// Coalescing in the SQLite store: what of a lane can be merged, and merging it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sqlite/change.h"

namespace bx::sqlite {

// A delivery that waits.
struct Older {
    EventNumber event = 0;
    int attempt = 0;
    int max_attempts = 0;
    Millis due_at = 0;
    std::optional<Millis> failed_at;
    std::string reason;
};

// What a delivery takes over from those that are merged into it.
struct CarriedOver {
    int attempt = 0;
    int max_attempts = 0;
    std::optional<Millis> due_at;
    std::optional<Millis> failed_at;
    std::string reason;

    void take(const Older& older);  // in the order of N
};

// The lane's waiting deliveries of events before BEFORE with that code, by N; of the lane's last
// thousand that wait before it.
std::vector<Older> mergeable(Database& database, const LaneKey& key, EventNumber before,
                             const std::string& code);

// Merges OLDER into the delivery of event INTO; give_turn is yet to be called.
CarriedOver merge(Change& change, const LaneKey& key, const std::vector<Older>& older,
                  EventNumber into, Millis now);

// A step of MatchQueue::merge_ahead.
bool merge_step(Database& database, std::span<const Dispatch> verdicts, Millis now);

}  // namespace bx::sqlite
