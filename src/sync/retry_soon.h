// What waits for another attempt, and need not wait any longer.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>

#include "store/store.h"

namespace bx {

// Deliveries of the events of PORTAL, a member_id or domain, that have failed and wait are due NOW.
// The store's MUTEX is held for a page of them at a time.  Gives how many.  Throws StoreError.
std::size_t retry_soon(Store& store, std::mutex& mutex, const std::string& portal, Millis now);

}  // namespace bx
