// The parts of the SQLite store, each for one who uses it (store/store.h).  They share a database,
// which must outlive them; of one process they are used by one thread.
#pragma once

#include <memory>

#include "sqlite/database.h"
#include "sqlite/schema.h"
#include "store/store.h"

namespace bx::sqlite {

std::unique_ptr<EventSink> make_sink(Database& database);
std::unique_ptr<MatchQueue> make_match_queue(Database& database);
std::unique_ptr<RunQueue> make_run_queue(Database& database);
std::unique_ptr<WorkerRegistry> make_worker_registry(Database& database);
std::unique_ptr<Upkeep> make_upkeep(Database& database, Journal journal);
std::unique_ptr<View> make_view(Database& database);
std::unique_ptr<Operator> make_operator(Database& database);

}  // namespace bx::sqlite
