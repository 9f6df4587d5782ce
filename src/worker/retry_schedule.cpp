#include "worker/retry_schedule.h"

#include <algorithm>

namespace bx {

namespace {

// An attempt's end in a few words: "exit 1", "signal SIGKILL", "unsafe permissions".
std::string describe(const Finish& finish) {
    if (!finish.reason.empty()) return finish.reason;
    if (finish.exit) return "exit " + std::to_string(*finish.exit);
    if (!finish.signal.empty()) return "signal " + finish.signal;
    return std::string(name_of(finish.result));
}

}  // namespace

Millis backoff_after(int failures, const HookSettings& settings, double random) {
    Millis most = settings.backoff_max;
    Millis wait = std::min(settings.backoff, most);
    for (int i = 1; i < failures && wait < most; ++i) wait = wait > most / 2 ? most : wait * 2;
    double jitter = 0.9 + 0.2 * random;
    return std::min(static_cast<Millis>(static_cast<double>(wait) * jitter), most);
}

bool is_permanent(int exit_status) {
    return exit_status == 65 || exit_status == 77 || exit_status == 78 || exit_status == 100;
}

Allowance allowance_of(int attempt, int max_attempts, std::optional<int> failures,
                       std::optional<int> configured) {
    if (!failures || !configured) return {failures.value_or(attempt - 1), max_attempts, false};
    const int most = std::max(attempt, attempt - 1 - *failures + *configured);
    return {*failures, most, most != max_attempts};
}

void decide_next(Finish& finish, const Allowance& allowance, const HookSettings& settings,
                 Millis now, double random) {
    if (allowance.changed) finish.max_attempts = allowance.most;
    finish.counts = finish.result != AttemptResult::interrupted;
    finish.due_at = 0;
    if (finish.result == AttemptResult::done) {
        finish.next = DeliveryState::done;
        finish.delivery_reason.clear();
        return;
    }
    finish.delivery_reason = describe(finish);
    if (finish.result == AttemptResult::cancelled) {
        finish.next = DeliveryState::cancelled;
        return;
    }
    if (finish.result == AttemptResult::interrupted) {
        finish.next = DeliveryState::waiting;
        finish.due_at = now;
        return;
    }
    bool permanent =
        finish.result == AttemptResult::failed && finish.exit && is_permanent(*finish.exit);
    if (permanent || finish.attempt >= allowance.most) {
        finish.next = DeliveryState::dead;
        return;
    }
    finish.next = DeliveryState::waiting;
    finish.due_at = now + backoff_after(allowance.failures + 1, settings, random);
}

}  // namespace bx
