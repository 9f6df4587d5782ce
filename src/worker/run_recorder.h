// Ended runs on their way into the store: what becomes of their deliveries is decided here, and
// they are kept in memory until they could be recorded.
//
// What fails is tried again by halves, and a run that fails alone, for its own sake, is recorded
// without its output or given up, so that it stops nobody else.
#pragma once

#include <functional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hooks/start_problem.h"
#include "store/run_queue.h"
#include "worker/batch.h"
#include "worker/context.h"
#include "worker/output_files.h"
#include "worker/run_slots.h"

namespace bx {

class RunRecorder {
public:
    // Told of runs when their ends are in the store.
    using Recorded = std::function<void(std::span<const Finish>)>;

    RunRecorder(WorkerContext& context, RunQueue& queue, RunSlots& slots, Recorded recorded)
        : context_(context),
          queue_(queue),
          slots_(slots),
          recorded_(std::move(recorded)),
          output_files_(context) {}

    // RUN is over.
    void add(const Run& run);
    // The run of ORPHAN ended so, and its worker could not record it any more.
    void add(const Orphan& orphan, const Allowance& allowance, const SlotEnd& end);
    // CLAIM's run could not be started.
    void add(const Claim& claim, const Allowance& allowance, const StartProblem& problem);

    // In the order in which they were added.
    const std::vector<Finish>& unrecorded() const { return unrecorded_; }

    // How many record_and_claim() is to claim at the most.
    std::size_t claims_at_most() const { return claim_batch_.size(); }
    // Records some of the runs and claims up to SLOTS deliveries.  Throws what the store throws:
    // the runs are unrecorded still.
    std::vector<Claim> record_and_claim(std::size_t slots, Millis wall);
    // Puts VERDICTS into the store, and claims up to SLOTS deliveries.  Throws what the store throws.
    std::vector<Claim> dispatch_and_claim(std::span<const Dispatch> verdicts, std::size_t slots,
                                          Millis wall);

private:
    void decide(Finish& finish, const Allowance& allowance, const HookSettings& settings);
    void forget(std::size_t count);
    void keep(const std::string& run, Finish finish, int most, Millis started_at);
    void record_alone();
    HookCapacity capacity() const;

    WorkerContext& context_;
    RunQueue& queue_;
    RunSlots& slots_;
    const Recorded recorded_;
    OutputFiles output_files_;
    std::vector<Finish> unrecorded_;
    std::mt19937_64 random_{std::random_device{}()};
    // A run may hold limits.output, a claim limits.body.
    Batch finish_batch_{64};
    Batch claim_batch_{64};
    int failures_ = 0;  // of the first in unrecorded_, alone
};

}  // namespace bx
