#include "store/store.h"

#include "base/fd.h"
#include "store/sqlite_store.h"

namespace bx {

std::unique_ptr<Store> open_store(const std::string& place, const StoreOptions& options) {
    if (place.starts_with("postgresql://") || place.starts_with("postgres://")) {
        // The place is not shown: it may hold a password.
        throw StoreError("cannot open the postgresql:// store: not in this version; set `store` to "
                         "the path of a file");
    }
    return std::make_unique<SqliteStore>(place, options, journal_for(directory_of(place)));
}

std::vector<std::string> store_kinds() {
    return {"sqlite"};
}

}  // namespace bx
