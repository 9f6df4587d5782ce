#include "worker/leaving.h"

#include "host/worker_start.h"

#include <exception>

namespace bx {

namespace {

constexpr Millis last_tries = 10 * second;  // to record the last runs after the grace

}  // namespace

Leaving::Leaving(WorkerContext& context, WorkerLock& worker_lock)
    : context_(context), worker_lock_(worker_lock) {
    note_work();
}

void Leaving::start() {
    const ConfigPtr& config = context_.live.config();
    const bool again = context_.stopping;
    if (!again) context_.log.info("stopping", {{"running", context_.runs.size()}});
    context_.stopping = true;
    grace_.set(steady_now() + (config && !again ? config->worker.shutdown_grace : 0));
}

bool Leaving::may_leave(bool recorded, bool quiet) const {
    if (context_.runs.size() > 0) return false;
    if (context_.stopping) return recorded || context_.now >= grace_.next() + last_tries;
    if (!quiet) return false;
    if (context_.options.once) return context_.now >= context_.live.hooks().gone_until();
    return context_.options.detached && idle_.due(context_.now);
}

Millis Leaving::next(Millis now) const {
    return context_.stopping && !grace_.due(now) ? grace_.next() : Timer::never;
}

void Leaving::hand_over() {
    if (!context_.options.detached || !context_.stopping) return;
    if (worker_lock_.drain()) note_wake();
    worker_lock_.close_wake();
    const ConfigPtr& config = context_.live.config();
    if (!called_ || !config || !config->worker.auto_start) return;
    try {
        start_worker(context_.live.path());  // it waits for our lock
        context_.log.info("more events came while stopping: starting another worker");
    } catch (const std::exception& error) {
        context_.log.error("cannot start another worker", {{"cause", error.what()}});
    }
}

}  // namespace bx
