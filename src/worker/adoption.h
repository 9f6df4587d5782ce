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

    // It is time to look.
    bool is_due();
    void look_next_time() { look_.set(0); }
    // Looks.  A run whose end is known is recorded as it ended; of another one what is left is ended,
    // and it is lost.  Throws what the store throws.
    void adopt();

private:
    std::vector<DeliveryName> ours() const;
    void adopt(const Orphan& orphan);

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
