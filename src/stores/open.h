// Opens stores of any kind.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/store_place.h"
#include "host/store_owner.h"
#include "store/store.h"

namespace bx {

// Opens the store of PLACE.  Throws StoreError, which names the place.
std::unique_ptr<Store> open_store(const StorePlace& place, const StoreOptions& options,
                                  const StoreOwner& owner);

// The kinds of store that can be opened: {"sqlite"}, and "postgresql" when its module is there.
std::vector<std::string> store_kinds();

}  // namespace bx
