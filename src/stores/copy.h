// Moves a SQLite store's events and installations into a store that many hosts share.
#pragma once

#include <functional>
#include <string>

#include "store/import.h"

namespace bx {

struct CopyCount {
    std::size_t events = 0;  // that the SQLite store has
    std::size_t copied = 0;  // that were not there yet
    std::size_t installations = 0;  // that were handed over
    std::size_t held = 0;           // posts that were handed over
};

// Copies every event of the SQLite store at PATH, in order of N, with its number, deliveries,
// attempts and secrets.  Gateways may go on adding to it meanwhile and afterwards: another copy
// takes what came since.  No worker may: the copy holds the worker lock while it lasts, and what
// one did between two copies would not be copied.  The events stay in the SQLite store.
// Its installations, their tokens and held posts are handed over first: what the other store has
// committed is `moved` here (sqlite/moved.h), so that a refresh token is in one store alone.  A
// copy that is broken off in between does that when it is run again.
// An event whose number another event has there ends the copy, before the first step where
// that is the first event there.  DONE_SO_FAR is told after every step.  Throws Error when a worker
// runs, or tokens are being renewed, StoreError.
CopyCount copy_store(const std::string& path, StoreImport& into,
                     const std::function<void(std::size_t done)>& done_so_far);

}  // namespace bx
