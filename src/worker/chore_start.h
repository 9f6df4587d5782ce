// Starts `bxhook sync` when a chore is due: the worker itself never talks to Bitrix24.
#pragma once

#include <sys/types.h>

#include "store/chores.h"
#include "worker/context.h"

namespace bx {

class ChoreStart {
public:
    ChoreStart(WorkerContext& context, Chores& chores) : context_(context), chores_(chores) {}

    // Starts one when none runs, a chore is due and an `app` block stands; at most once a second.
    // With OPTIONS.once they have a minute in all, and none is started for what is left of it when
    // that is too short.  A failed start is logged and tried again after a minute.
    // Throws StoreError.
    void look();
    // A child of this worker ended.
    void reaped(pid_t pid, int wait_status);
    // Ends the one that runs, which costs nothing: what it did is done, the rest stays due.
    void end();

    bool runs() const { return pid_ > 0; }

private:
    void start(const Config& config);

    WorkerContext& context_;
    Chores& chores_;
    pid_t pid_ = -1;
    Timer next_;                               // steady
    Timer end_of_once_{steady_now() + minute};
};

}  // namespace bx
