// Reading events of the SQLite store, and what is theirs.
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sqlite/names.h"
#include "store/records.h"

namespace bx::sqlite {

// None: there is no such event.
std::optional<EventState> event_state(Database& database, EventNumber number);
// With body and secrets, or `damage`; without refusals.  None: there is no such event.
std::optional<StoredEvent> load_event(Names& names, EventNumber number);
// Its state, and why it was skipped.
void read_state(Database& database, StoredEvent& event);
// What lanes are made of, and the code.
struct Identity {
    EventFacts facts;
    PortalId account = 0;
};
std::optional<Identity> identity(Names& names, EventNumber number);
std::vector<Refusal> refusals(Database& database, EventNumber number);  // by hook
// Of a delivery, with the one under way; oldest first.
std::vector<AttemptRecord> attempts(Names& names, DeliveryId d);

// BX_RUN of a run: SEED is its row's.
std::string run_name(std::int64_t seed, EventNumber event, const std::string& hook, int attempt);

// Facts and what stands beside them, into EVENT, of a row that has the columns of sql::event_row
// from FIRST on.  What cannot be read is its `damage`.
void read_facts(Names& names, const Rows& rows, int first, StoredEvent& event);
// The body, the same.
void read_body(const Rows& rows, int column, StoredEvent& event);
// Puts the secrets of a slot into EVENT, or why they cannot be read.
void load_secrets(Database& database, std::optional<std::int64_t> slot, StoredEvent& event);

}  // namespace bx::sqlite
