#include "postgres/postgres_store.h"

namespace bx::postgres {

PostgresStore::PostgresStore(const std::string& url, const StoreOptions& options)
    : session_(url, options),
      names_(session_),
      sink_(make_sink(names_)),
      matching_(make_match_queue(names_)),
      runs_(make_run_queue(names_)),
      workers_(make_worker_registry(names_)),
      upkeep_(make_upkeep(names_)),
      view_(make_view(names_)),
      operator_(make_operator(names_)),
      installations_(make_installations(names_)),
      transfer_(make_transfer(names_)),
      chores_(make_chores(names_)),
      bindings_(make_bindings(names_)),
      limiter_(make_limiter(names_)) {}

}  // namespace bx::postgres
