// This worker among those of its store: it is shown there, and where several work on one store it
// holds a lease, for as long as its runs are its own.
#pragma once

#include <optional>
#include <string>

#include "store/worker_registry.h"
#include "worker/context.h"
#include "worker/store_trouble.h"
#include "worker/warden.h"

namespace bx {

class Membership {
public:
    // Where there are leases, forks the warden: the process must have one thread.  Throws Error.
    Membership(WorkerContext& context, WorkerRegistry& registry, const StoreTrouble& trouble);

    // Shows what changed, and renews the lease in time; call it once a second.
    void update();
    // Takes the worker back from the store.
    void leave();

    // A worker that cannot reach the store ends its runs while they are still its own.
    void end_runs_in_time();
    bool may_start_runs() const { return may_start_runs(context_.now); }
    // The same at another moment (steady) than this iteration's.
    bool may_start_runs(Millis now) const { return !lease_end_.due(now); }
    // How often to look for deliveries that a dead worker left.
    Millis orphan_period() const;
    Millis next(Millis now) const;

    // For the warden: the run RUN (BX_RUN) begins, and again once its session is known; it is over.
    void watch(const std::string& run, pid_t session = 0);
    void forget(const std::string& run);

private:
    WorkerRecord record() const;

    WorkerContext& context_;
    WorkerRegistry& registry_;
    const StoreTrouble& trouble_;
    std::optional<Warden> warden_;
    WorkerRecord shown_;
    Timer renewal_{Timer::never};
    // The lease, without what ending runs takes.
    Timer lease_end_{Timer::never};
    bool cut_off_ = false;  // from the store for too long to keep runs
};

}  // namespace bx
