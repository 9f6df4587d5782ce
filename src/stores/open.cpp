#include "stores/open.h"

#include "base/fd.h"
#include "config/config.h"
#include "config/value.h"
#include "sqlite/sqlite_store.h"
#include "stores/module.h"

namespace bx {

std::unique_ptr<Store> open_store(const std::string& place, const StoreOptions& options,
                                  const StoreOwner& owner) {
    if (is_store_url(place)) return postgresql_module(owner).open(place, options);
    return std::make_unique<sqlite::SqliteStore>(place, options,
                                                 sqlite::journal_for(directory_of(place)));
}

std::vector<std::string> store_kinds() {
    std::vector<std::string> kinds{"sqlite"};
    if (has_postgresql_module()) kinds.emplace_back("postgresql");
    return kinds;
}

}  // namespace bx
