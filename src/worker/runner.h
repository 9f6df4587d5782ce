// Runs hooks: claims deliveries that are due, starts their runs, ends those that are to be ended,
// and hands what came of them to the store.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/run_queue.h"
#include "worker/context.h"
#include "worker/adoption.h"
#include "worker/held_claims.h"
#include "worker/launcher.h"
#include "worker/membership.h"
#include "worker/run_recorder.h"

namespace bx {

class Runner {
public:
    // WORKER_FILES: see StorePlace.
    Runner(WorkerContext& context, RunQueue& queue, Membership& membership,
           const std::string& worker_files);

    // Takes the runs that are over, and decides what becomes of their deliveries.
    void collect();

    // The others use the store, and throw what it throws.

    // Starts what is held in the slots that are free; records what ended and claims what may run in its
    // place, once that is worth a transaction.
    void record_and_start();
    // Puts VERDICTS into the store and, in the same transaction, starts what may run now; false: there
    // is no slot for it, and nothing was done.
    bool dispatch_and_start(std::span<const Dispatch> verdicts);
    // Takes over what dead workers left `running`, when it is time to look for that.
    void adopt_orphans();
    void look_for_orphans_next_time() { adoption_.look_next_time(); }
    // Ends what people want ended.
    void end_requested();
    // Of the runs under way, what was printed since the last call.
    void save_outputs();

    // How many ended runs are not recorded yet.
    std::size_t unrecorded() const { return recorder_.unrecorded().size(); }
    // Nothing is left to be recorded, or given back.
    bool all_recorded() const { return unrecorded() == 0 && held_.empty(); }
    // When record_and_start() finds something to do, as far as is known; NOW at the earliest.
    Millis next(Millis now) const;

private:
    std::size_t free_slots() const { return launcher_.free_slots(); }
    ClaimRoom room() const;
    bool is_record_due(Millis now) const;
    bool must_release() const;
    void release_held();
    void start_held();
    void take(std::vector<Claim> claims);
    void start_all(std::vector<Claim> claims);
    std::vector<MayStart> ask_to_start(const std::vector<Claim>& claims);
    bool dispatch_and_hold(std::span<const Dispatch> verdicts);
    void note_next_due(Millis wall);

    WorkerContext& context_;
    RunQueue& queue_;
    Membership& membership_;
    RunSlots slots_;
    RunRecorder recorder_;
    HeldClaims held_;
    ConfigPtr config_;  // that was in force at the last claim
    Launcher launcher_;
    Adoption adoption_;
    Timer due_{Timer::never};  // wall time: when a delivery will be due
    Timer again_;              // steady time: when held runs may be asked for again
};

}  // namespace bx
