// What a gateway needs of a store: to put events into it.
//
// Every function may throw StoreError (store/errors.h); store.h says what holds of all of them.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "store/records.h"

namespace bx {

class EventSink {
public:
    virtual ~EventSink() = default;

    // Adds the events in order, with ascending numbers, in one transaction.  An element is empty
    // when that event would be beyond QUEUE_LIMIT unfinished ones; the others are added.
    // Throws StoreError: none was, or (lost at the commit itself) it is not known.
    virtual std::vector<std::optional<EventNumber>> add(std::span<const NewEvent> events,
                                                        std::int64_t queue_limit) = 0;
    // Proves that an add would work now: takes the write lock, writes, rolls back.  Throws
    // StoreError.  Gives the number of unfinished events.
    virtual std::int64_t probe() = 0;
    // Events that are `new` or have a delivery waiting or running, due or not.
    virtual std::int64_t unfinished() = 0;
};

}  // namespace bx
