// The parts of the PostgreSQL store, each for one who uses it (store/store.h).  They share names
// and a session, which must outlive them; of one process they are used by one thread.
//
// What changes the store is done by functions in the database (sql/*.sql), one statement and one
// transaction each.
#pragma once

#include <memory>

#include "postgres/names.h"
#include "store/store.h"

namespace bx::postgres {

std::unique_ptr<EventSink> make_sink(Names& names);
std::unique_ptr<MatchQueue> make_match_queue(Names& names);
std::unique_ptr<RunQueue> make_run_queue(Names& names);
std::unique_ptr<WorkerRegistry> make_worker_registry(Names& names);
std::unique_ptr<Upkeep> make_upkeep(Names& names);
std::unique_ptr<View> make_view(Names& names);
std::unique_ptr<Operator> make_operator(Names& names);
std::unique_ptr<Installations> make_installations(Names& names);
std::unique_ptr<Transfer> make_transfer(Names& names);
std::unique_ptr<Chores> make_chores(Names& names);
std::unique_ptr<Bindings> make_bindings(Names& names);
std::unique_ptr<Limiter> make_limiter(Names& names);

}  // namespace bx::postgres
