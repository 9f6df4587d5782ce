// Where a worker says that it lives, and is woken.
#pragma once

#include <optional>

#include "store/records.h"

namespace bx {

class WorkerRegistry {
public:
    virtual ~WorkerRegistry() = default;

    // Shows this worker in `status`, and renews its lease.
    virtual void register_worker(const WorkerRecord& worker) = 0;
    // Takes it back.  Of one that leaves by itself (`once`) it is kept that it was there, until
    // another one comes.
    virtual void unregister_worker(const WorkerRecord& worker) = 0;
    // For so long after the beginning of its last register_worker a worker's deliveries are its
    // own, then they are orphans to the others.  None: for ever, there is one worker.
    virtual std::optional<Millis> lease() const = 0;
    // Readable when there may be something new in the store; take_wakes then tells whether there
    // is, and makes it unreadable again.  -1: it has none now.
    virtual int wake_fd() = 0;
    virtual bool take_wakes() = 0;
};

}  // namespace bx
