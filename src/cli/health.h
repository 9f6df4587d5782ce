// What is amiss with queue and workers: `check` and `status` judge alike and tell it in the same
// words.  An error is what makes both exit with 1.
#pragma once

#include <optional>

#include "cli/check/findings.h"
#include "store/records.h"

namespace bx {

// Since when the oldest work could have been done, when that is too long to be explained by
// anything but a worker that is missing or stuck: an event is new, or a delivery due with a slot
// free for it, for over 10 s, or 90 s where only cron's `work --once` works.  Whatever waits for a
// slot, for its hook's concurrency or for a disabled hook is not counted.
std::optional<Millis> overdue_since(const StoreStatus& status, const Config& config, Millis now);

// How a worker of this config is started that stays, as it can be typed.
std::string start_worker_command(const Config& config, const Findings& findings);

void check_health(const StoreStatus& status, const Config& config, Millis now, Findings& findings);

}  // namespace bx
