// Reading events of the PostgreSQL store.
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include <string_view>

#include "postgres/session.h"
#include "store/records.h"

namespace bx::postgres {

// Of an event `e`: what read_event reads, from column FIRST on.  Without body and secrets.
constexpr std::string_view event_columns =
    "e.n, e.state, e.received_at, e.test, e.reason, e.erased, e.code, e.kind, e.id, e.domain, "
    "e.member_id, e.user_id, e.handler_id, e.ts, e.dead";
constexpr int event_width = 15;
StoredEvent read_event(const Session& session, const Result& answer, int row, int first);
// Body and secrets, in two columns from FIRST on, or `damage`.
void read_payload(StoredEvent& event, const Result& answer, int row, int first);

// Of events: the next statement finds no smaller ones later.
EventNumber seen_up_to(Session& session);
std::int64_t unfinished(Session& session);

}  // namespace bx::postgres
