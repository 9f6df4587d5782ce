// Deliveries of the PostgreSQL store as a person looks at them (store/view.h).
//
// Every function throws StoreError.
#pragma once

#include <span>
#include <vector>

#include "postgres/session.h"
#include "store/records.h"

namespace bx::postgres {

std::vector<ListRow> list(Session& session, const ListFilter& filter);
void add_causes(Session& session, std::span<ListRow> rows);
std::vector<DeliveryRecord> deliveries(Session& session, EventNumber number);  // by hook

}  // namespace bx::postgres
