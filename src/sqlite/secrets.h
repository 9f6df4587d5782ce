// Where the secrets of events lie in a SQLite file.
//
// SQLite's secure_delete overwrites what is deleted, but when it balances a b-tree it moves rows to
// other pages, and what they leave behind stays (3.40: of ten thousand rows deleted one by one some
// could still be read in the file).  So secrets never move: each lies in a slot, a row padded to a
// multiple of 64 bytes; erasing writes zeros over it, and the slot is used again by secrets of the
// same padded size.  SQLite overwrites a row by one of the same size in place, and adds one of a
// new greatest key without touching the others.  Slots are never deleted; there are as many as there
// were secrets at the busiest time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sqlite/database.h"

namespace bx::sqlite {

// An event's secrets are erased by the transaction that ends its last open delivery, or skips it,
// unless it may be tried again: a delivery is dead, or the skip is retryable.  In PostgreSQL
// bxhook.deliveries_ended and bxhook.skip do it (postgres/shared_sql.cpp).
inline bool are_due_for_erasure(std::int64_t open, std::int64_t dead) {
    return open == 0 && dead == 0;
}

// Inside a write transaction.  Gives their slot; none: there are none.
std::optional<std::int64_t> keep_secrets(Database& database, std::string_view secrets);
void erase_slot(Database& database, std::int64_t slot);

// The secrets of a slot, as they were given.  Throws StoreDamaged.
std::string secrets_in(Database& database, std::int64_t slot);

}  // namespace bx::sqlite
