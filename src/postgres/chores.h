// When the first chore of the PostgreSQL store is due, which gateway and worker ask for.
#pragma once

#include <optional>

#include "postgres/session.h"
#include "store/chores.h"

namespace bx::postgres {

// As Chores::next_chore.
std::optional<Millis> next_chore(Session& session);

}  // namespace bx::postgres
