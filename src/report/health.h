// Whether the events of a store are worked on: the one verdict, and its words, for everything that
// shows it (`status`, `check`).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/problem.h"
#include "config/config.h"
#include "host/own_commands.h"
#include "store/records.h"

namespace bx {

// What else is known, and said elsewhere: it is not said again of the store.
struct Known {
    std::vector<std::string> stopped;   // hooks none of whose deliveries may start
    std::vector<std::string> problems;  // of configuration and hooks, as a worker words them
    // The machine on which those are all there are: what its workers report beyond them, a moment
    // after a change, they have not read again yet.  Empty: of no machine is that known.
    std::string read_on{};
    // When configuration, portals file or hooks_dir last changed there; wall time.
    Millis changed_at = 0;
};

struct Health {
    // Errors: work is overdue, a worker on another machine cannot use configuration or hooks.
    // Warnings: a worker here that has not read them again yet, or is in trouble with its store,
    // deliveries that have waited for a slot for over 10 s (10 minutes where the hook's own
    // `concurrency` is below the worker's), blocked lanes, deliveries that died in the last hour,
    // the clock, the queue's limit.
    std::vector<Problem> problems;
    std::optional<Millis> overdue_since;
};

// COMMANDS is how the fixes are typed.
Health judge_health(const StoreStatus& status, const Config& config, Millis now,
                    const OwnCommands& commands, const Known& known = {});

// Since when the oldest work could have been done, when that is too long to be explained by
// anything but a worker that is missing or stuck: an event is new, or a delivery due with a slot
// free for it, for over 10 s, or 90 s where only cron's `work --once` works.  Whatever waits for a
// slot, for its hook's concurrency, or for a hook that is disabled or stopped is not counted.
std::optional<Millis> overdue_since(const StoreStatus& status, const Config& config, Millis now,
                                    const Known& known = {});

// A warning where deliveries are dead that did not die in the last hour; of the others
// judge_health() speaks.
std::optional<Problem> judge_old_dead(const StoreStatus& status, const OwnCommands& commands);

// Starts a worker of CONFIG that stays, as it can be typed.
std::string start_worker_command(const Config& config, const OwnCommands& commands);
// Shows the end of the log of a worker of CONFIG on this machine; or, where that is not known, what
// to do.
std::string show_log_command(const Config& config);

}  // namespace bx
