// The parts of the SQLite store, each for one who uses it (store/store.h).  They share a database
// and what is remembered of it, which must outlive them; of one process they are used by one
// thread.
#pragma once

#include <memory>

#include "sqlite/names.h"
#include "sqlite/schema.h"
#include "store/store.h"

namespace bx::sqlite {

std::unique_ptr<EventSink> make_sink(Names& names);
std::unique_ptr<MatchQueue> make_match_queue(Names& names);
std::unique_ptr<RunQueue> make_run_queue(Names& names);
std::unique_ptr<WorkerRegistry> make_worker_registry(Database& database);
std::unique_ptr<Upkeep> make_upkeep(Names& names, Journal journal);
std::unique_ptr<View> make_view(Names& names);
std::unique_ptr<Operator> make_operator(Names& names);
std::unique_ptr<Installations> make_installations(Names& names);
std::unique_ptr<Transfer> make_transfer(Names& names);
std::unique_ptr<Chores> make_chores(Database& database);
std::unique_ptr<Bindings> make_bindings(Database& database);
std::unique_ptr<Limiter> make_limiter(Database& database);

}  // namespace bx::sqlite
