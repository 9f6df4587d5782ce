// Runs hooks: claims deliveries that are due, starts their runs, ends those that are to be ended,
// and hands what came of them to the store.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/run_queue.h"
#include "worker/adoption.h"
#include "worker/context.h"
#include "worker/launcher.h"
#include "worker/membership.h"
#include "worker/run_recorder.h"

namespace bx {

class Runner {
public:
    // WORKER_FILES: see StorePlace.  RECORDED is told of runs when their ends are in the store.
    Runner(WorkerContext& context, RunQueue& queue, Membership& membership,
           const std::string& worker_files, RunRecorder::Recorded recorded);

    // Takes the runs that are over, and decides what becomes of their deliveries.
    void collect();

    // The others use the store, and throw what it throws.

    // Records what ended, and starts what may run in its place.
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
    // Of how many of these the next worker on this host knows how they ended.
    std::size_t written() const { return slots_.written(); }
    // When record_and_start() finds something to do, as far as is known; NOW at the earliest.
    Millis next(Millis now) const;

private:
    void start_all(std::vector<Claim> claims);
    std::vector<bool> ask_to_start(const std::vector<Claim>& claims);
    bool begin(Claim& claim);
    void note_next_due(Millis wall);

    WorkerContext& context_;
    RunQueue& queue_;
    Membership& membership_;
    RunSlots slots_;
    RunRecorder recorder_;
    Launcher launcher_;
    Adoption adoption_;
    Timer due_{Timer::never};  // wall time: when a delivery will be due
};

}  // namespace bx
