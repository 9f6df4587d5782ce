#include "stores/open.h"

#include "base/fd.h"
#include "sqlite/sqlite_store.h"
#include "stores/module.h"

namespace bx {

std::unique_ptr<Store> open_store(const StorePlace& place, const StoreOptions& options,
                                  const StoreOwner& owner) {
    const std::string& address = place.address;
    if (!place.is_file()) return postgresql_module(owner).open(address, options);
    return std::make_unique<sqlite::SqliteStore>(address, options,
                                                 sqlite::journal_for(directory_of(address)));
}

std::vector<std::string> store_kinds() {
    std::vector<std::string> kinds{"sqlite"};
    if (has_postgresql_module()) kinds.emplace_back("postgresql");
    return kinds;
}

}  // namespace bx
