// Reading events of the PostgreSQL store.
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include "postgres/names.h"
#include "store/records.h"

namespace bx::postgres {

// What a function gives of an event, in columns from FIRST on, as {event_row} has them: its facts.  A
// row without one: `damage`.
StoredEvent read_event(const Session& session, const Result& answer, int row, int first);
// Body and secrets, in two columns from FIRST on, or `damage`.
void read_payload(StoredEvent& event, const Result& answer, int row, int first);

// Of events: the next statement finds no smaller ones later.
EventNumber seen_up_to(Session& session);
std::int64_t unfinished(Session& session);

// BX_RUN, and back.
std::string run_name(std::int64_t seed, EventNumber event, const std::string& hook, int attempt);
std::int64_t seed_of(const std::string& run);

}  // namespace bx::postgres
