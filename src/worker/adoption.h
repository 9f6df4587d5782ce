// What is claimed and not run by this worker: a dead worker's, at the start; later what was claimed in a
// transaction that was reported as failed and was not.
#pragma once

#include <vector>

#include "store/run_queue.h"
#include "worker/context.h"
#include "worker/membership.h"
#include "worker/run_recorder.h"
#include "worker/run_slots.h"

namespace bx {

class Adoption {
public:
    Adoption(WorkerContext& context, RunQueue& queue, Membership& membership, RunSlots& slots,
             RunRecorder& recorder);

    // It is time to look; nothing may be held then.
    bool is_due();
    void look_next_time() { look_.set(0); }
    // Looks.  A run that had ended is recorded, of one that had not what is left is ended and it is
    // lost, and what never began waits again.  Throws what the store throws.
    void adopt();

private:
    std::vector<DeliveryName> ours() const;
    bool adopt(Orphan orphan);

    WorkerContext& context_;
    RunQueue& queue_;
    Membership& membership_;
    RunSlots& slots_;
    RunRecorder& recorder_;
    // Steady times.
    Timer look_;
    const Timer left_;  // no run of the worker before this one is found any more
};

}  // namespace bx
