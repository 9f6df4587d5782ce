#include "worker/runner.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/fault.h"
#include "hooks/invocation.h"

namespace bx {

namespace {

// Longer than others have to wait for what a dead worker left.
constexpr Millis left_kept = 2 * minute;

// Why HOOK, whose delivery was claimed before this was known, must not run; none: it may.
std::optional<StartProblem> held_back(const Hook& hook) {
    if (!hook.conflict.empty()) return StartProblem{StartFault::ambiguous, hook.conflict, ""};
    if (hook.put_aside.empty()) return std::nullopt;
    return StartProblem{StartFault::disabled, disabled_reason(hook), ""};
}

}  // namespace

Runner::Runner(WorkerContext& context, RunQueue& queue, Membership& membership,
               const std::string& worker_files)
    : context_(context),
      queue_(queue),
      membership_(membership),
      slots_(context, worker_files),
      recorder_(context, queue, slots_),
      home_(own_home()),
      left_(context.now + left_kept) {}

void Runner::collect() {
    for (const std::unique_ptr<Run>& run : context_.runs.take_over()) {
        membership_.forget(run->name());
        fault_point("before-end");
        recorder_.add(*run);
        fault_point("after-end");
    }
}

void Runner::record_and_start() {
    const std::size_t free = free_slots();
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
    queue_.started(claims);
    for (Claim& claim : claims) {
        start(claim);
        claim = {};  // its event may be large, and more are to be started
    }
    if (claims.size() < slots) {
        note_next_due(wall);
    } else if (slots < free) {
        context_.more = true;
    }
}

bool Runner::dispatch_and_start(std::span<const Dispatch> verdicts) {
    const std::size_t slots = std::min(free_slots(), recorder_.claims_at_most());
    if (slots == 0 || unrecorded() > 0) return false;
    std::vector<Claim> claims = recorder_.dispatch_and_claim(verdicts, slots, wall_now());
    fault_point("after-dispatch");
    queue_.started(claims);
    for (Claim& claim : claims) {
        start(claim);
        claim = {};  // as above
    }
    return true;
}

void Runner::note_next_due(Millis wall) {
    const std::optional<Millis> due = queue_.next_due(wall);
    if (!due) return;
    due_.set(*due > wall ? *due : wall + step_pause);  // more are due than it came to
}

Millis Runner::next(Millis now) const {
    if (unrecorded() > 0) return now;
    if (context_.stopping || context_.draining || due_.next() == Timer::never) return Timer::never;
    return now + std::max(due_.next() - wall_now(), Millis{0});
}

// How many hooks may be started now.
std::size_t Runner::free_slots() const {
    const ConfigPtr& config = context_.live.config();
    if (!config || context_.stopping || context_.draining) return 0;
    if (!membership_.may_start_runs()) return 0;
    const auto most = static_cast<std::size_t>(config->worker.concurrency);
    return most - std::min(most, context_.runs.size());
}

// As HOOK is configured; none: it is not there.
std::optional<int> Runner::attempts_of(const std::string& hook) const {
    const Hook* known = context_.live.hooks().set().find(hook);
    if (!known) return std::nullopt;
    return known->settings.attempts;
}

void Runner::start(Claim& claim) {
    const Allowance allowance = allowance_of(claim.attempt, claim.max_attempts, claim.failures,
                                             attempts_of(claim.hook));
    claim.max_attempts = allowance.most;  // what the hook is told
    std::optional<StartProblem> problem;
    try {
        problem = launch(claim, allowance);
    } catch (const std::exception& error) {
        problem = StartProblem{StartFault::failed, error.what(), ""};
    }
    if (!problem) return;
    membership_.forget(claim.run);
    slots_.take_back(claim);
    recorder_.add(claim, allowance, *problem);
}

// Why CLAIM's run could not be started; none: it runs.  Throws std::exception too.
std::optional<StartProblem> Runner::launch(const Claim& claim, const Allowance& allowance) {
    const Config& config = *context_.live.config();
    const Hook* hook = context_.live.find_hook(claim.hook, context_.now);
    if (!hook) {
        return StartProblem{StartFault::missing,
                            "missing: no file named " + claim.hook + ", and no block with run",
                            ""};
    }
    if (auto held = held_back(*hook)) return held;
    if (hook->problem) return hook->problem;
    if (auto problem = start_problem(*hook, config.hooks_dir)) return problem;
    Invocation what = prepare_invocation(claim, *hook, home_);
    if (!what.refusal.empty()) return StartProblem{StartFault::bad_argument, what.refusal, ""};
    fault_point("before-mark");
    slots_.begin(claim);
    fault_point("before-spawn");
    membership_.watch(claim.run);
    auto process = std::make_unique<Process>(std::move(what), config.limits.output);
    membership_.watch(claim.run, process->pid());
    fault_point("after-spawn");
    context_.runs.add(std::make_unique<Run>(claim, allowance, context_.live.settings_of(claim.hook),
                                            std::move(process), steady_now()));
    const DeliveryName name{claim.event.number, claim.hook};
    context_.log.debug("run started", {{"delivery", to_string(name)}, {"attempt", claim.attempt}});
    return std::nullopt;
}

// What it runs, and what has ended and is not recorded yet.
std::vector<DeliveryName> Runner::deliveries() const {
    std::vector<DeliveryName> names;
    for (const std::unique_ptr<Run>& run : context_.runs.all()) {
        names.push_back({run->event(), run->hook()});
    }
    for (const Finish& finish : recorder_.unrecorded()) {
        names.push_back({finish.event, finish.hook});
    }
    return names;
}

// Deliveries that are `running`, but not by us: a dead worker's, at the start; later those of a
// claim whose commit was reported as failed and was not.
void Runner::adopt_orphans() {
    if (!context_.live.config()) return;
    if (!orphans_.every(membership_.orphan_period(), context_.now)) return;
    const std::vector<DeliveryName> ours = deliveries();
    for (const Orphan& orphan : queue_.orphans(ours)) {
        const auto is_same = [&](const DeliveryName& name) {
            return name.event == orphan.event && name.hook == orphan.hook;
        };
        if (std::ranges::none_of(ours, is_same)) adopt(orphan);
    }
    if (left_.due(context_.now)) slots_.forget_left();
    slots_.open_again();
}

void Runner::adopt(const Orphan& orphan) {
    const Allowance allowance = allowance_of(orphan.attempt, orphan.max_attempts, orphan.failures,
                                             attempts_of(orphan.hook));
    context_.progress = true;
    const std::optional<RunSlots::Left> left = slots_.take_left(orphan);
    if (left && left->end) return recorder_.add(orphan, allowance, *left->end);
    context_.log.warning("a run was lost", {{"event", orphan.event},
                                            {"hook", orphan.hook},
                                            {"attempt", orphan.attempt},
                                            {"started_at", iso_time(orphan.started_at)}});
    context_.runs.add(std::make_unique<Run>(
        orphan, allowance, context_.live.settings_of(orphan.hook), context_.now));
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
