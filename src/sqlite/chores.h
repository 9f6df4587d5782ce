// Chores, for other parts of the SQLite store: when the first is due, which gateway and worker ask
// for, and what makes them due.
#pragma once

#include <optional>

#include "sqlite/database.h"
#include "store/chores.h"

namespace bx::sqlite {

// As Chores::next_chore.
std::optional<Millis> next_chore(Database& database);

// One that is under way becomes due once more, since AT, when it has ended.  False, and nothing is
// changed: it is not under way.  Inside a write transaction.
bool want_again(Database& database, InstallationId id, Chore what, Millis at);

}  // namespace bx::sqlite
