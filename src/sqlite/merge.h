// Coalescing in the SQLite store: what of a lane can be merged, and merging it.
#pragma once

#include <vector>

#include "sqlite/change.h"

namespace bx {

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
struct Inheritance {
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

// Merges OLDER into the delivery of event INTO; the lane is yet to be settled.
Inheritance merge(Change& change, const LaneKey& key, const std::vector<Older>& older,
                  EventNumber into, Millis now);

}  // namespace bx
