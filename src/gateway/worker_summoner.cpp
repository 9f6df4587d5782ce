#include "gateway/worker_summoner.h"

#include <algorithm>
#include <exception>

#include "host/worker_lock.h"

namespace bx {

namespace {

constexpr Millis try_again_every = 10 * second;

}  // namespace

void WorkerSummoner::summon(const Config& config) {
    due_ = false;
    const Millis now = steady_now();
    try {
        wake_or_start(config, now);
    } catch (const std::exception& error) {
        report(error.what(), now);
        // A try that takes its time is not to take all of ours.
        const Millis end = steady_now();
        next_start_.set(std::max(next_start_.next(), end + 10 * (end - now)));
        // What was added waits: it must not need another event to be tried again.
        due_ = true;
        next_try_.set(end + try_again_every);
    }
}

void WorkerSummoner::wake_or_start(const Config& config, Millis now) {
    const bool woken = wake_worker(config.store.worker_files) == WakeResult::woken;
    if (!woken && config.worker.auto_start) {
        // The one just started looks into the store when it is up; but it may have died.
        due_ = !next_start_.every(second, now);
        if (due_) return next_try_.set(std::min(next_try_.next(), next_start_.next()));
        start_(config.path);
    }
    cause_.clear();
    next_try_.set(0);
}

void WorkerSummoner::report(const std::string& cause, Millis now) {
    const bool is_new = cause != cause_;
    cause_ = cause;
    if (is_new) next_report_.set(now);
    if (next_report_.every(minute, now)) {
        log_.error("cannot start the worker", {{"cause", cause}});
    }
}

}  // namespace bx
