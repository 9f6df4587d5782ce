// Where a worker says that it lives, and is woken.
//
// Every function may throw StoreError (store/errors.h); store.h says what holds of all of them.
#pragma once

#include <optional>

#include "store/records.h"

namespace bx {

class WorkerRegistry {
public:
    virtual ~WorkerRegistry() = default;

    // Shows this worker in `status`, and renews its lease.
    virtual void register_worker(const WorkerRecord& worker) = 0;
    // Removes it.  Of a worker that leaves by itself (`once`) the store remembers that it was there,
    // until another one registers.
    virtual void unregister_worker(const WorkerRecord& worker) = 0;
    // How long (ms) after its last register_worker began a worker keeps its deliveries; then others
    // may take them as orphans.  None: for ever, there is only one worker.
    virtual std::optional<Millis> lease() const = 0;
    // Readable when there may be something new in the store; take_wakes then tells whether there
    // is, and makes it unreadable again.  -1: it has none now.
    virtual int wake_fd() = 0;
    virtual bool take_wakes() = 0;
};

}  // namespace bx
