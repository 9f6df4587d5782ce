// Where the secrets of events, tokens and held posts lie in a SQLite file.
//
// SQLite's secure_delete overwrites what is deleted, but when it balances a b-tree it moves rows to
// other pages, and what they leave behind stays (3.40: of ten thousand rows deleted one by one some
// could still be read in the file).  So secrets never move: each lies in a slot, a row padded to a
// multiple of 64 bytes; erasing writes zeros over it, and the slot is used again by secrets of the
// same padded size.  SQLite overwrites a row by one of the same size in place, and adds one of a
// new greatest key without touching the others.  Slots are never deleted.
//
// What anybody may send (held posts, and the tokens with them) has slots of few sizes, each used
// again before there is a new one: so there are never more than at the time when most was held.
//
// Whose the secrets are stands before them, since an event's row keeps the number of its slot when
// they are erased, and another's may lie there by then.  An event's number is always greater than
// that of the event that had its slot before; what is no event's has a negative owner
// (held_posts.h), which counts as greater than all of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sqlite/database.h"
#include "store/records.h"

namespace bx::sqlite {

// Where to look for a slot that is free: some are looked at for each that is needed, going round
// them, and without one among these there will be one more.  So their number grows to a small
// multiple of those in use at the busiest time.  While many in a row were in vain, which is when a
// queue grows, only now and then some are looked at.
struct SlotHand {
    std::optional<std::int64_t> at;  // begins anywhere
    std::int64_t last = 0;
    int misses = 0;  // in a row
};

// OWNER is the number of an event, or negative.

// Inside a write transaction.  Gives their slot; none: there are none.
std::optional<std::int64_t> keep_secrets(Database& database, SlotHand& hand, std::int64_t owner,
                                         std::string_view secrets);
// Tokens, in place of those of OWNER in the slot BEFORE, if any, and there where they fit.
std::int64_t replace_tokens(Database& database, std::optional<std::int64_t> before,
                            std::int64_t owner, std::string_view tokens);
// What may be long: in pieces, each with a slot of its own.  Gives the first.
std::int64_t keep_pieces(Database& database, std::int64_t owner, std::string_view secrets);
// True when they were there, and are zeros now.
bool erase_secrets(Database& database, std::int64_t slot, std::int64_t owner);
bool erase_pieces(Database& database, std::int64_t first, std::int64_t owner);

// The secrets of OWNER, as they were given; none: they were erased.  Throws StoreDamaged.
std::optional<std::string> secrets_in(Database& database, std::int64_t slot, std::int64_t owner);
std::optional<std::string> pieces_in(Database& database, std::int64_t first, std::int64_t owner);

}  // namespace bx::sqlite
