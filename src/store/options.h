// How a store is opened.
#pragma once

#include <functional>

#include "base/clock.h"

namespace bx {

// Who opens it.  Commits are durable (they survive a power cut), but for a worker's: its marks
// survive a crash of the process, and after a power cut a hook may run again.
enum class Role {
    cgi,      // a gateway of one request: it adds once and exits, and leaves SQLite's log to others
    gateway,
    worker,
    person,   // a command
};

struct StoreOptions {
    Role role = Role::gateway;
    bool create = true;    // make it when there is none; false: StoreError
    Millis wait = second;  // how long to wait for another process's lock
    // Asked about every millisecond while waiting for the lock; true ends the wait (StoreBusy).
    std::function<bool()> give_up{};
};

}  // namespace bx
