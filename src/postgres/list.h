// Events and deliveries of the PostgreSQL store as a person looks at them (store/view.h).
//
// Every function throws StoreError.
#pragma once

#include <span>
#include <vector>

#include "postgres/names.h"
#include "store/records.h"

namespace bx::postgres {

// Those of NUMBERS that are there, in no order; without refusals, body and secrets.
std::vector<StoredEvent> show_events(Session& session, const std::vector<EventNumber>& numbers);
// Deliveries of NUMBERS, by event and hook.
std::vector<DeliveryRecord> show_deliveries(Names& names, const std::vector<EventNumber>& numbers);

std::vector<ListRow> list(Names& names, const ListFilter& filter);
void add_causes(Names& names, std::span<ListRow> rows);

}  // namespace bx::postgres
