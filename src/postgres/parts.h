// The parts of the PostgreSQL store, each for one who uses it (store/store.h).  They share a session,
// which must outlive them; of one process they are used by one thread.
//
// What changes the store is done by functions in the database (shared_sql.cpp), one statement
// and one transaction each.
#pragma once

#include <memory>

#include "postgres/session.h"
#include "store/store.h"

namespace bx::postgres {

std::unique_ptr<EventSink> make_sink(Session& session);
std::unique_ptr<MatchQueue> make_match_queue(Session& session);
std::unique_ptr<RunQueue> make_run_queue(Session& session);
std::unique_ptr<WorkerRegistry> make_worker_registry(Session& session);
std::unique_ptr<Upkeep> make_upkeep(Session& session);
std::unique_ptr<View> make_view(Session& session);
std::unique_ptr<Operator> make_operator(Session& session);

}  // namespace bx::postgres
