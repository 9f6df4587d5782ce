// Deliveries of the SQLite store as a person looks at them (store/view.h).
//
// Every function throws StoreError.
#pragma once

#include <span>
#include <vector>

#include "sqlite/database.h"
#include "store/records.h"

namespace bx::sqlite {

std::vector<ListRow> list(Database& database, const ListFilter& filter);
void add_causes(Database& database, std::span<ListRow> rows);
std::vector<DeliveryRecord> deliveries(Database& database, EventNumber number);  // by hook

}  // namespace bx::sqlite
