// The rows of `list`, newest first.
#pragma once

#include <vector>

#include "sqlite/names.h"
#include "store/records.h"

namespace bx::sqlite {

// Throws StoreError.
std::vector<ListRow> list(Names& names, const ListFilter& filter);

// Of an event, by hook.  Throws StoreError.
std::vector<DeliveryRecord> deliveries(Names& names, EventNumber event);

}  // namespace bx::sqlite
