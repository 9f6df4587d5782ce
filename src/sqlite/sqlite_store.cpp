#include "sqlite/sqlite_store.h"

namespace bx::sqlite {

SqliteStore::SqliteStore(const std::string& path, const StoreOptions& options, Journal journal)
    : database_(open_database(path, options, journal)),
      sink_(make_sink(*database_)),
      matching_(make_match_queue(*database_)),
      runs_(make_run_queue(*database_)),
      workers_(make_worker_registry(*database_)),
      upkeep_(make_upkeep(*database_, journal)),
      view_(make_view(*database_)),
      operator_(make_operator(*database_)) {}

}  // namespace bx::sqlite
