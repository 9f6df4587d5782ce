// Subscriptions of ours, as the SQLite store has them.
#pragma once

#include <vector>

#include "sqlite/database.h"
#include "store/installation.h"

namespace bx::sqlite {

// Those of the installation ID, by event.
std::vector<OwnBinding> bindings_of(Database& database, InstallationId id);

}  // namespace bx::sqlite
