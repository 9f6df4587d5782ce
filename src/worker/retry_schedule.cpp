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

Millis backoff_after(int attempt, const HookSettings& settings, double random) {
    Millis most = settings.backoff_max;
    Millis wait = std::min(settings.backoff, most);
    for (int i = 1; i < attempt && wait < most; ++i) wait = wait > most / 2 ? most : wait * 2;
    double jitter = 0.9 + 0.2 * random;
    return std::min(static_cast<Millis>(static_cast<double>(wait) * jitter), most);
}

bool is_permanent(int exit_status) {
    return exit_status == 65 || exit_status == 77 || exit_status == 78 || exit_status == 100;
}

void decide_next(Finish& finish, int max_attempts, const HookSettings& settings, Millis now,
                 double random) {
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
    if (permanent || finish.attempt >= max_attempts) {
        finish.next = DeliveryState::dead;
        return;
    }
    // Failures since the attempts were last given: a person's retry, and an interruption, give
    // more, and the backoff begins anew.  The config may give others now than it gave then.
    int failures = settings.attempts - (max_attempts - finish.attempt);
    finish.next = DeliveryState::waiting;
    finish.due_at = now + backoff_after(std::clamp(failures, 1, finish.attempt), settings, random);
}

}  // namespace bx
