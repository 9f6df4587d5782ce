#include "gateway/worker_summoner.h"

#include <algorithm>
#include <exception>

#include "host/worker_lock.h"

namespace bx {

void WorkerSummoner::summon(const Config& config) {
    due_ = false;
    const Millis now = steady_now();
    try {
        if (wake_worker(config.store.worker_files) == WakeResult::woken) return;
        if (!config.worker.auto_start) return;
        // The one just started looks into the store when it is up; but it may have died.
        due_ = now < next_start_;
        if (due_) return;
        next_start_ = now + second;
        start_(config.path);
    } catch (const std::exception& error) {
        log_.error("cannot start the worker", {{"cause", error.what()}});
        // A try that takes its time is not to take all of ours.
        const Millis end = steady_now();
        next_start_ = std::max(next_start_, end + 10 * (end - now));
    }
}

}  // namespace bx
