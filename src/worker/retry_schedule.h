// When a failed delivery runs again, and whether: pure decisions.
#pragma once

#include "base/clock.h"
#include "config/config.h"
#include "store/records.h"

namespace bx {

// After the Nth failed attempt (from 1): backoff doubled N-1 times, at most backoff_max, +-10 %.
// RANDOM is in [0, 1).
Millis backoff_after(int attempt, const HookSettings& settings, double random);

// Exit statuses that end a delivery at once: 65, 77, 78 (sysexits) and 100 (qmail).
bool is_permanent(int exit_status);

// What becomes of a delivery whose ATTEMPT of MAX_ATTEMPTS ended so: fills `next`, `due_at`,
// `counts` and `delivery_reason` of FINISH from its `result`, `exit`, `signal` and `reason`.
void decide_next(Finish& finish, int max_attempts, const HookSettings& settings, Millis now,
                 double random);

}  // namespace bx
