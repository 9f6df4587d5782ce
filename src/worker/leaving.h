// When a worker leaves: told to stop, out of work, or in trouble for too long; and who follows it.
#pragma once

#include "base/clock.h"
#include "host/worker_lock.h"
#include "worker/context.h"

namespace bx {

class Leaving {
public:
    Leaving(WorkerContext& context, WorkerLock& worker_lock);

    // Starts no run any more; those under way get the grace of the config.  The second time they
    // get none.
    void start();
    // Starts when a file of this worker is not in its place any more, or, at a moment when nothing
    // runs, when its program was replaced.  WOKEN: somebody has work for a worker.
    void look(bool woken);
    // No run is left: the grace is over.
    void end_grace() { grace_.set(context_.now); }
    bool grace_over() const { return context_.stopping && grace_.due(context_.now); }

    // There is unfinished work: a detached worker stays for as long as OPTIONS.idle after it.
    void note_work() { idle_.set(context_.now + context_.options.idle); }
    // Somebody has work for a worker.
    void note_wake() { called_ = called_ || context_.stopping; }

    // RECORDED: no ended run is left to be recorded.  QUIET: nor is there anything else to do.
    bool may_leave(bool recorded, bool quiet) const;
    // When that may change by itself.
    Millis next(Millis now) const;

    // Starts another worker when somebody woke this one while it was stopping, who would have
    // started one otherwise, or when its program was replaced.  Where the directory of the config
    // was renamed, from there: that is where it was woken.
    void hand_over();

    void fail() { exit_status_ = 1; }
    int exit_status() const { return exit_status_; }

private:
    void leave_lost_place(bool woken);
    void make_way_for_program();

    WorkerContext& context_;
    WorkerLock& worker_lock_;
    Timer grace_;
    Timer drain_{Timer::never};  // due: what runs is waited for no more
    Timer idle_;            // due: long enough without unfinished events
    bool called_ = false;   // while stopping: somebody wants a worker
    int exit_status_ = 0;
};

}  // namespace bx
