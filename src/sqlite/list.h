// Deliveries of the SQLite store as a person looks at them (store/view.h).
//
// Every function throws StoreError.
#pragma once

#include <span>
#include <vector>

#include "sqlite/names.h"
#include "store/records.h"

namespace bx::sqlite {

std::vector<ListRow> list(Names& names, const ListFilter& filter);
void add_causes(Names& names, std::span<ListRow> rows);
std::vector<DeliveryRecord> deliveries(Names& names, EventNumber event);  // by hook

}  // namespace bx::sqlite
