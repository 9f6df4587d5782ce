#include "postgres/postgres_store.h"

namespace bx::postgres {

PostgresStore::PostgresStore(const std::string& url, const StoreOptions& options)
    : session_(url, options),
      sink_(make_sink(session_)),
      matching_(make_match_queue(session_)),
      runs_(make_run_queue(session_)),
      workers_(make_worker_registry(session_)),
      upkeep_(make_upkeep(session_)),
      view_(make_view(session_)),
      operator_(make_operator(session_)) {}

}  // namespace bx::postgres
