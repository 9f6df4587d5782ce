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

void Leaving::look(bool woken) {
    if (context_.stopping) return;
    context_.live.check_place();
    if (!context_.live.lost().empty()) {
        leave_lost_place(woken);
    } else if (context_.live.has_new_program()) {
        make_way_for_program();
    }
}

void Leaving::leave_lost_place(bool woken) {
    context_.log.warning("leaving: a worker must be started where its files are now",
                         {{"cause", context_.live.lost()}});
    if (!context_.options.detached) fail();  // so that a supervisor starts it again
    start();
    if (woken) note_wake();
}

// A hook is not interrupted for it.  Those under way are waited for, but not so long that one that
// takes hours keeps the others waiting.
void Leaving::make_way_for_program() {
    if (drain_.next() == Timer::never) {
        const ConfigPtr& config = context_.live.config();
        drain_.set(context_.now + (config ? config->worker.shutdown_grace : 0));
    }
    context_.draining = !drain_.due(context_.now);
    if (context_.runs.size() > 0) return;
    context_.log.info("restarting: the program was replaced");
    start();
    called_ = true;
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
    const std::string path = context_.live.path_now();
    if (!called_ || !config || !config->worker.auto_start || path.empty()) return;
    try {
        start_worker(path);  // it waits for our lock
        context_.log.info("starting another worker", {{"config", path}});
    } catch (const std::exception& error) {
        context_.log.error("cannot start another worker", {{"cause", error.what()}});
    }
}

}  // namespace bx
