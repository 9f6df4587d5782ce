// When the first chore of the SQLite store is due, which gateway and worker ask for.
#pragma once

#include <optional>

#include "sqlite/database.h"
#include "store/chores.h"

namespace bx::sqlite {

// As Chores::next_chore.
std::optional<Millis> next_chore(Database& database);

}  // namespace bx::sqlite
