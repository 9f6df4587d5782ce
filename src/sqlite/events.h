// Reading events of the SQLite store, and what is theirs.
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sqlite/database.h"
#include "store/records.h"

namespace bx::sqlite {

// With body and secrets, or `damage`; without refusals.  None: there is no such event.
std::optional<StoredEvent> load_event(Database& database, EventNumber number);
// What lanes are made of, and the code.  None: it is not new (any more).
std::optional<EventFacts> new_facts(Database& database, EventNumber number);
std::vector<Refusal> refusals(Database& database, EventNumber number);  // by hook
std::vector<AttemptRecord> attempts(Database& database, EventNumber number,
                                    const std::string& hook);

// Of an event `e`: what read_event reads, from column FIRST on.  Without body and secrets.
constexpr std::string_view event_columns =
    "e.n, e.state, e.received_at, e.test, e.reason, e.erased, e.code, e.kind, e.id, e.domain, "
    "e.member_id, e.user_id, e.handler_id, e.ts, e.dead";
constexpr int event_width = 15;
StoredEvent read_event(const Rows& rows, int first);

}  // namespace bx::sqlite
