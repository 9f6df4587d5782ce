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

struct Health {
    // Workers, overdue work, the clock, the queue's limit.  An error makes `status` and `check` exit
    // with 1.
    std::vector<Problem> problems;
    std::optional<Millis> overdue_since;
};

// COMMANDS is how the fixes are typed.
Health judge_health(const StoreStatus& status, const Config& config, Millis now,
                    const OwnCommands& commands);

// Since when the oldest work could have been done, when that is too long to be explained by
// anything but a worker that is missing or stuck: an event is new, or a delivery due with a slot
// free for it, for over 10 s, or 90 s where only cron's `work --once` works.  Whatever waits for a
// slot, for its hook's concurrency or for a disabled hook is not counted.
std::optional<Millis> overdue_since(const StoreStatus& status, const Config& config, Millis now);

// Warnings: lanes that stand still behind a failing delivery (the first 5, and how many more), and
// deliveries that are dead.
std::vector<Problem> judge_deliveries(const StoreStatus& status, const OwnCommands& commands);

// Starts a worker of CONFIG that stays, as it can be typed.
std::string start_worker_command(const Config& config, const OwnCommands& commands);

}  // namespace bx
