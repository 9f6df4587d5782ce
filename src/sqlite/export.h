// What another store takes over of a SQLite store: everything, event by event.
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include <vector>

#include "sqlite/names.h"
#include "store/import.h"

namespace bx::sqlite {

// The events after AFTER in order, at most AT_MOST, with all that became of them.
std::vector<MovedEvent> moved_events(Names& names, EventNumber after, std::size_t at_most);
// The greatest number there ever was, also of an event that is pruned.
EventNumber last_number(Database& database);

}  // namespace bx::sqlite
