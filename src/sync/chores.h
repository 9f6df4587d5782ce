// Does the chores of a store that are due: many beside each other, since each waits for Bitrix24.
#pragma once

#include <functional>
#include <vector>

#include "config/config.h"
#include "store/store.h"
#include "sync/context.h"
#include "sync/renewal_process.h"

namespace bx {

// What is left of SyncOptions::end for those that are under way when no more is begun: a renewal,
// and a request before or after it.
constexpr Millis last_begin = renewal_takes + 5 * second;

struct SyncOptions {
    // None is begun after that time; 0: until none is due any more.
    Millis limit = 0;
    // Nothing is waited for after that time: requests are cut, a renewal that would last longer is
    // not begun; 0: there is no end.
    Millis end = 0;
    // After that time installations are verified, and application_tokens looked for, only where
    // that was due from the first: anybody can send posts that ask for it.  0: always.
    Millis newcomers = 0;
    // Asked once a second and more: true ends it as `limit` does, and the next is due at once.
    std::function<bool()> is_over{};
    // The chores of these alone, due or not; empty: those of all that are due.
    std::vector<InstallationId> only{};
    std::size_t width = 16;  // at a time
    // What was taken and waits longer behind others is given back.
    Millis begun_within = minute;
};

struct SyncCount {
    std::size_t done = 0;  // or put off, without a problem
    std::size_t in_vain = 0;
};

// Returns when none is due any more, or its time is over: what was taken and not begun is due as
// before then, also when it fails, and when SIGTERM or SIGINT ends the process.  Chores of
// each kind have their turn.  TELL is told of what happens, by one thread at a time.  One that
// hangs holds nobody, and a request takes rest.timeout at most.  Throws StoreError when the store
// fails.
SyncCount do_chores(Store& store, const Config& config, const SyncOptions& options,
                    const std::function<void(const SyncNews&)>& tell);

// How often what is done for all installations is done: the shortest catch_up of CONFIG's
// applications.
Millis pass_period(const Config& config);

}  // namespace bx
