// Lanes of the SQLite store: which delivery has the turn.  The rules are in sql/schema.sql.
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include <cstdint>
#include <optional>

#include "sqlite/names.h"

namespace bx::sqlite {

// What a delivery that waits is claimed by.
struct Waiting {
    DeliveryId d = 0;
    PortalId account = 0;
    Millis due_at = 0;
};

// Gives the turn to a delivery that has none, and whose it is.
void give_turn(Database& database, const Waiting& waiting, Millis now);
// Takes it back; false: it had none.
bool take_turn(Database& database, const Waiting& waiting);
// Gives the lane's turn to whom it belongs, after any change of the lane.
void settle_lane(Database& database, Lane lane, Millis now);
// The same when the lane's run has ended, and nothing else changed.
void pass_turn(Database& database, Lane lane, Millis now);
// Makes the deliveries whose time has come claimable, at most AT_MOST; gives how many.
std::size_t make_claimable(Names& names, Millis now, std::size_t at_most);
// The unfinished delivery right before it in its lane; for one that was put back before a running
// one, that one.  None: there is none.
std::optional<EventNumber> blocker(Database& database, DeliveryId d, Lane lane);

}  // namespace bx::sqlite
