#include "worker/runner.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "base/fault.h"

namespace bx {

Runner::Runner(WorkerContext& context, RunQueue& queue, Membership& membership,
               const std::string& worker_files)
    : context_(context),
      queue_(queue),
      membership_(membership),
      slots_(context, worker_files),
      recorder_(context, queue, slots_, membership.is_alone()),
      launcher_(context, membership, slots_, recorder_),
      adoption_(context, queue, membership, slots_, recorder_) {}

void Runner::collect() {
    for (const std::unique_ptr<Run>& run : context_.runs.take_over()) {
        membership_.forget(run->name());
        fault_point("before-end");
        recorder_.add(*run);
        fault_point("after-end");
        held_.note_end(context_.now);
    }
}

// -- When to use the store

// True at once when a slot waits for it.
bool Runner::is_record_due(Millis now) const {
    if (!recorder_.has_news()) return false;
    return unrecorded() >= HeldClaims::most || recorder_.due_at() <= now ||
           (free_slots() > 0 && held_.empty());
}

Millis Runner::next(Millis now) const {
    if (is_record_due(now) || must_release()) return now;
    Millis next = std::min(recorder_.due_at(), held_.too_old_at());
    if (free_slots() == 0) return next;
    if (!held_.empty()) next = std::min(next, std::max(again_.next(), now));
    if (due_.next() == Timer::never) return next;
    return std::min(next, now + std::max(due_.next() - wall_now(), Millis{0}));
}

// What may be claimed now.
ClaimRoom Runner::room() const {
    const std::size_t most = recorder_.claims_at_most();
    const std::size_t slots = std::min(free_slots(), most);
    if (context_.stopping || context_.draining || !slots_.usable()) return slots;
    return {slots, std::min(held_.wanted(context_.now), most - slots)};
}

void Runner::record_and_start() {
    if (must_release()) release_held();
    start_held();
    const bool ended = unrecorded() > 0;
    const bool due = is_record_due(context_.now);
    due_.set(Timer::never);
    if (recorder_.has_news() ? !due : free_slots() == 0) return;
    const std::size_t free = free_slots();
    const ClaimRoom wanted = room();
    const Millis wall = wall_now();
    if (ended) fault_point("before-finish");
    std::vector<Claim> claims = recorder_.record_and_claim(wanted, wall);
    if (ended) fault_point("after-finish");
    config_ = context_.live.config();
    if (ended || !claims.empty()) context_.progress = true;
    context_.unscrubbed = context_.unscrubbed || ended;
    const std::size_t count = claims.size();
    take(std::move(claims));
    if (count < wanted.all()) {
        note_next_due(wall);
    } else if (wanted.slots < free) {
        context_.more = true;
    }
}

bool Runner::dispatch_and_start(std::span<const Dispatch> verdicts) {
    if (free_slots() == 0) return dispatch_and_hold(verdicts);
    if (recorder_.has_news()) return false;
    std::vector<Claim> claims = recorder_.dispatch_and_claim(verdicts, room(), wall_now());
    fault_point("after-dispatch");
    config_ = context_.live.config();
    take(std::move(claims));
    return true;
}

// A fresh event of a hook that has nothing to do does not wait behind those that are held.
bool Runner::dispatch_and_hold(std::span<const Dispatch> verdicts) {
    if (held_.empty() || must_release()) return false;
    std::set<std::string> idle;
    for (const Dispatch& verdict : verdicts) {
        for (const NewDelivery& delivery : verdict.deliveries) idle.insert(delivery.hook);
    }
    std::erase_if(idle, [this](const std::string& hook) {
        return held_.has_hook(hook) || context_.runs.has_hook(hook);
    });
    if (idle.empty()) return false;
    const std::size_t most = std::min(idle.size(), HeldClaims::most);
    std::vector<Claim> claims =
        recorder_.dispatch_and_claim(verdicts, {0, most}, wall_now(), idle);
    fault_point("after-dispatch");
    while (!claims.empty()) {
        held_.add_first(std::move(claims.back()), context_.now);
        claims.pop_back();
    }
    return true;
}

// -- Held claims

// They were made for what is no more: they wait with all others.
bool Runner::must_release() const {
    if (held_.empty()) return false;
    return context_.stopping || context_.draining || !membership_.may_start_runs() ||
           config_ != context_.live.config() || context_.now >= held_.too_old_at();
}

void Runner::release_held() {
    if (held_.empty()) return;
    queue_.release(held_.names(), wall_now());
    held_.clear();
    context_.progress = true;
}

void Runner::start_held() {
    while (!held_.empty() && free_slots() > 0 && again_.due(context_.now)) {
        std::vector<Claim> claims = held_.take(free_slots(), context_.now);
        const bool stopped = std::ranges::any_of(claims, [this](const Claim& claim) {
            return context_.live.concurrency_of(claim.hook) == 0;
        });
        if (stopped) {
            while (!claims.empty()) {
                held_.add_first(std::move(claims.back()), context_.now);
                claims.pop_back();
            }
            return release_held();
        }
        for (Claim& claim : claims) claim.started_at = wall_now();
        start_all(std::move(claims));
    }
}

// CLAIMS have just been made: those that are for free slots start, the others are held.
void Runner::take(std::vector<Claim> claims) {
    std::vector<Claim> first;
    for (Claim& claim : claims) {
        held_.note_event(claim.event.payload_bytes());
        if (claim.held) {
            held_.add(std::move(claim), context_.now);
        } else {
            held_.drop({claim.event.number, claim.hook});
            first.push_back(std::move(claim));
        }
    }
    start_all(std::move(first));
}

// The runs of CLAIMS begin, as far as they may.
void Runner::start_all(std::vector<Claim> claims) {
    if (claims.empty()) return;
    fault_point("before-mark");
    // Of one without a mark nobody could tell that it has begun.
    const auto cannot_start = [this](const Claim& claim) {
        return !slots_.begin(claim) && claim.held;
    };
    if (std::erase_if(claims, cannot_start) > 0) adoption_.look_next_time();
    const std::vector<MayStart> may = ask_to_start(claims);
    for (std::size_t i = claims.size(); i-- > 0;) {  // the first that are to wait stay the first
        if (may[i] == MayStart::yes) continue;
        slots_.take_back(claims[i]);
        if (may[i] == MayStart::no) {
            context_.more = true;  // another may have the slot
            continue;
        }
        again_.set(context_.now + 1);
        held_.add_first(std::move(claims[i]), context_.now);
    }
    for (std::size_t i = 0; i < claims.size(); ++i) {
        if (may[i] == MayStart::yes) {
            if (claims[i].held) recorder_.note_begun();
            launcher_.start(claims[i]);
        }
        claims[i] = {};  // its event may be large, and more are to be started
    }
}

// None may once the lease is over, however long this process did not run: others run them.
std::vector<MayStart> Runner::ask_to_start(const std::vector<Claim>& claims) {
    const std::vector<MayStart> none(claims.size(), MayStart::no);
    try {
        if (membership_.may_start_runs(steady_now())) {
            std::vector<MayStart> may = queue_.start(claims);
            if (membership_.may_start_runs(steady_now())) return may;
        }
    } catch (...) {
        for (const Claim& claim : claims) slots_.take_back(claim);
        throw;
    }
    adoption_.look_next_time();  // those that are this worker's still
    return none;
}

void Runner::note_next_due(Millis wall) {
    const std::optional<Millis> due = queue_.next_due(wall);
    if (!due) return;
    due_.set(*due > wall ? *due : wall + step_pause);  // more are due than it came to
}

// -- Runs that are under way

void Runner::adopt_orphans() {
    if (!adoption_.is_due()) return;
    release_held();  // so that what is held then is nobody's
    adoption_.adopt();
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
