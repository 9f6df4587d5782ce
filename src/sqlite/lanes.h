// Lanes of the SQLite store: which delivery has the turn.  The rules are at the top of schema.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sqlite/database.h"
#include "store/records.h"

namespace bx::sqlite {

// Where a delivery queues.  `lane` is empty for one without a lane.
struct LaneKey {
    std::string hook;
    std::string portal;
    std::string lane;
};

// True when no delivery of the lane is waiting or running.
bool lane_is_free(Database& database, const LaneKey& key);
// Gives the turn to the delivery it belongs to; call it after every change of a lane's deliveries.
void give_turn(Database& database, const LaneKey& key, Millis now);
// `delivery.turn` of one that has the turn.
constexpr int turn_at(Millis due_at, Millis now) { return due_at <= now ? 2 : 1; }
// The turn of a waiting delivery that is due at DUE_AT and has no lane.  None for one in a lane,
// where give_turn decides.
std::optional<std::int64_t> turn_of(const LaneKey& key, Millis due_at, Millis now);
// Makes the deliveries whose time has come claimable, at most AT_MOST; gives how many.
std::int64_t make_claimable(Database& database, Millis now, std::size_t at_most);
// The unfinished delivery right before that of EVENT; for one that was put back before a running
// one, that one.  None: there is none.
std::optional<EventNumber> blocker(Database& database, EventNumber event, const LaneKey& key);

}  // namespace bx::sqlite
