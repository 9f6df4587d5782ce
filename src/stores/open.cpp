#include "stores/open.h"

#include "base/fd.h"
#include "config/config.h"
#include "config/value.h"
#include "sqlite/sqlite_store.h"
#include "stores/module.h"

namespace bx {

std::unique_ptr<Store> open_store(const std::string& place, const StoreOptions& options) {
    if (is_store_url(place)) return postgresql_module().open(place, options);
    return std::make_unique<sqlite::SqliteStore>(place, options,
                                                 sqlite::journal_for(directory_of(place)));
}

std::vector<std::string> store_kinds() {
    std::vector<std::string> kinds{"sqlite"};
    try {
        postgresql_module();
        kinds.emplace_back("postgresql");
    } catch (const StoreError&) {
        // Not in this build, or not installed.
    }
    return kinds;
}

}  // namespace bx
