#include "worker/runner.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/fault.h"

namespace bx {

Runner::Runner(WorkerContext& context, RunQueue& queue, Membership& membership,
               const std::string& worker_files, RunRecorder::Recorded recorded)
    : context_(context),
      queue_(queue),
      membership_(membership),
      slots_(context, worker_files),
      recorder_(context, queue, slots_, std::move(recorded)),
      launcher_(context, membership, recorder_),
      adoption_(context, queue, membership, slots_, recorder_) {}

void Runner::collect() {
    slots_.look();
    for (const std::unique_ptr<Run>& run : context_.runs.take_over()) {
        membership_.forget(run->name());
        fault_point("before-end");
        recorder_.add(*run);
        fault_point("after-end");
    }
}

Millis Runner::next(Millis now) const {
    if (unrecorded() > 0) return now;
    if (launcher_.free_slots() == 0 || due_.next() == Timer::never) return Timer::never;
    return now + std::max(due_.next() - wall_now(), Millis{0});
}

void Runner::record_and_start() {
    const std::size_t free = launcher_.free_slots();
    const std::size_t slots = std::min(free, recorder_.claims_at_most());
    const bool ended = unrecorded() > 0;
    due_.set(Timer::never);
    if (slots == 0 && !ended) return;
    const Millis wall = wall_now();
    if (ended) fault_point("before-finish");
    std::vector<Claim> claims = recorder_.record_and_claim(slots, wall);
    if (ended) fault_point("after-finish");
    if (ended || !claims.empty()) context_.progress = true;
    context_.unscrubbed = context_.unscrubbed || ended;
    const std::size_t count = claims.size();
    start_all(std::move(claims));
    if (count < slots) {
        note_next_due(wall);
    } else if (slots < free) {
        context_.more = true;
    }
}

bool Runner::dispatch_and_start(std::span<const Dispatch> verdicts) {
    const std::size_t slots = std::min(launcher_.free_slots(), recorder_.claims_at_most());
    if (slots == 0 || unrecorded() > 0) return false;
    std::vector<Claim> claims = recorder_.dispatch_and_claim(verdicts, slots, wall_now());
    fault_point("after-dispatch");
    start_all(std::move(claims));
    return true;
}

// The runs of CLAIMS begin, as far as they may.
void Runner::start_all(std::vector<Claim> claims) {
    if (claims.empty()) return;
    const std::vector<bool> may = ask_to_start(claims);
    for (std::size_t i = 0; i < claims.size(); ++i) {
        if (!may[i] || !begin(claims[i])) context_.more = true;  // another may have the slot
        claims[i] = {};  // its event may be large, and more are to be started
    }
}

// None may once the lease is over, however long this process did not run: others run them.
std::vector<bool> Runner::ask_to_start(const std::vector<Claim>& claims) {
    if (membership_.may_start_runs(steady_now())) return queue_.start(claims);
    adoption_.look_next_time();  // those that are this worker's still
    return std::vector<bool>(claims.size(), false);
}

// False, and it is given back: the lease is over by now.
bool Runner::begin(Claim& claim) {
    if (membership_.may_start_runs(steady_now())) {
        launcher_.start(claim);
        return true;
    }
    queue_.unstart(claim);
    adoption_.look_next_time();
    return false;
}

void Runner::note_next_due(Millis wall) {
    const std::optional<Millis> due = queue_.next_due(wall);
    if (!due) return;
    due_.set(*due > wall ? *due : wall + step_pause);  // more are due than it came to
}

// -- Runs that are under way

void Runner::adopt_orphans() {
    if (adoption_.is_due()) adoption_.adopt();
}

void Runner::end_requested() {
    if (context_.runs.size() == 0) return;
    for (const DeliveryName& name : queue_.kill_requests()) {
        context_.runs.end(name.event, name.hook, AttemptResult::cancelled, context_.now);
    }
}

void Runner::save_outputs() {
    for (const std::unique_ptr<Run>& run : context_.runs.all()) {
        if (!run->take_unsaved()) continue;
        try {
            queue_.save_output(run->event(), run->hook(), run->attempt(),
                               run->process()->out().take(), run->process()->err().take());
        } catch (const StoreDataError& error) {  // it is tried again with the run's end
            context_.log.warning(
                "cannot keep the output so far",
                {{"event", run->event()}, {"hook", run->hook()}, {"cause", error.what()}});
        }
    }
}

}  // namespace bx
