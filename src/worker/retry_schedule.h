// When a failed delivery runs again, and whether: pure decisions.
#pragma once

#include <optional>

#include "base/clock.h"
#include "config/config.h"
#include "store/records.h"

namespace bx {

// After the Nth failed attempt (from 1): backoff doubled N-1 times, at most backoff_max, +-10 %.
// RANDOM is in [0, 1).
Millis backoff_after(int failures, const HookSettings& settings, double random);

// Exit statuses that end a delivery at once: 65, 77, 78 (sysexits) and 100 (qmail).
bool is_permanent(int exit_status);

// The attempts of a delivery at the beginning of one of them, as its hook is configured now.
struct Allowance {
    int failures = 0;      // since attempts were last given, by the match or by a person's retry
    int most = 1;          // the number of the last one there may be
    bool changed = false;  // MOST is not what the delivery was given
};

// Of the attempt ATTEMPT of a delivery that was given MAX_ATTEMPTS; FAILURES as Claim has it;
// CONFIGURED are the attempts of its hook.  Of a hook that is not there any more (none) what was
// given stays; and where the failures are not known, when all attempts before count for the pause.
Allowance allowance_of(int attempt, int max_attempts, std::optional<int> failures,
                       std::optional<int> configured);

// What becomes of a delivery whose attempt, begun with ALLOWANCE, ended so: fills `next`, `due_at`,
// `counts`, `max_attempts` and `delivery_reason` of FINISH from its `result`, `exit`, `signal` and
// `reason`.
void decide_next(Finish& finish, const Allowance& allowance, const HookSettings& settings,
                 Millis now, double random);

}  // namespace bx
