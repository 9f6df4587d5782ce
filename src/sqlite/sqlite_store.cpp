#include "sqlite/sqlite_store.h"

#include "sqlite/repair.h"

namespace bx::sqlite {

SqliteStore::SqliteStore(const std::string& path, const StoreOptions& options, Journal journal)
    : database_(open_database(path, options, journal)),
      names_(*database_),
      sink_(make_sink(names_)),
      matching_(make_match_queue(names_)),
      runs_(make_run_queue(names_)),
      workers_(make_worker_registry(*database_)),
      upkeep_(make_upkeep(names_, journal)),
      view_(make_view(names_)),
      operator_(make_operator(names_)),
      installations_(make_installations(names_)),
      transfer_(make_transfer(names_)),
      chores_(make_chores(*database_)),
      bindings_(make_bindings(*database_)),
      limiter_(make_limiter(*database_)) {
    if (options.role == Role::worker) repair(names_, wall_now());
}

}  // namespace bx::sqlite
