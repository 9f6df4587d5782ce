// How a store is opened.
#pragma once

#include <functional>

#include "base/clock.h"

namespace bx {

struct StoreOptions {
    bool durable = true;    // fsync at every commit; false: the worker's marks
    bool create = true;     // make it when there is none; else StoreError
    bool one_shot = false;  // a CGI process: one add, then exit; leave checkpoints to others
    Millis wait = 1000;     // how long to wait for another process's lock
    // Asked about every millisecond while waiting for the lock; true ends the wait (StoreBusy).
    std::function<bool()> give_up;
};

}  // namespace bx
