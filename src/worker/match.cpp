// The worker's matching of new events to hooks.
#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/fault.h"
#include "worker/decision.h"
#include "worker/loop.h"

namespace bx {

namespace {

// Of a turn, for merging ahead: the hooks' pipes wait as long.
constexpr Millis merge_time = second / 5;

}  // namespace

// True when it made deliveries of new events, or skipped them.  They are matched in order of N, so
// one that fails holds up the others: for as long as it takes to find out that it is that one.
bool Loop::match() {
    if (!hooks_.ready(now_)) return false;
    const std::size_t size = match_batch_.size();
    matching_ = 0;
    const Millis begun = steady_now();
    try {
        const bool matched = match_oldest(size);
        match_batch_.went(steady_now() - begun);
        return matched;
    } catch (const std::exception& error) {
        match_batch_.failed();
        if (size > 1 || !may_be_its_own_fault(error) || !has_failed_often(matching_)) throw;
        set_aside(matching_, error.what());
        return true;
    }
}

bool Loop::match_oldest(std::size_t at_most) {
    std::vector<StoredEvent> events = store_.undispatched(at_most);
    if (events.empty()) return false;
    matching_ = events.front().number;
    // A hook that was there before its event must take it, so the last look has to be younger.
    auto is_newer = [&](const StoredEvent& event) { return event.received_at >= refreshed_at_; };
    if (std::ranges::any_of(events, is_newer)) {
        refresh_at_ = 0;
        refresh();
        if (!hooks_.ready(now_)) return false;
    }
    if (events.size() == at_most) more_ = true;
    std::vector<Dispatch> dispatches;
    std::vector<std::string> log_reasons;
    for (const StoredEvent& event : events) {
        Decision decision = decide(event, hooks_.set(), wall_now());
        dispatches.push_back(std::move(decision.dispatch));
        log_reasons.push_back(std::move(decision.log_reason));
    }
    if (!merge_ahead(dispatches)) {
        more_ = true;
        return false;
    }
    dispatch(dispatches, log_reasons);
    unscrubbed_ = progress_ = true;
    return true;
}

// In transactions of bounded size.  LOG_REASONS are those of DISPATCHES.
void Loop::dispatch(std::span<const Dispatch> dispatches,
                    std::span<const std::string> log_reasons) {
    while (!dispatches.empty()) {
        const std::size_t count = count_for_transaction(dispatches);
        store_.dispatch(dispatches.first(count), wall_now());
        fault_point("after-dispatch");
        for (std::size_t i = 0; i < count; ++i) report(dispatches[i], log_reasons[i]);
        dispatches = dispatches.subspan(count);
        log_reasons = log_reasons.subspan(count);
    }
}

// False: there is more to merge than fits into a turn.
bool Loop::merge_ahead(std::span<const Dispatch> verdicts) {
    const Millis end = steady_now() + merge_time;
    while (store_.merge_ahead(verdicts, wall_now())) {
        unscrubbed_ = progress_ = true;
        if (steady_now() >= end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(step_pause));
    }
    return true;
}

bool Loop::has_failed_often(EventNumber event) {
    if (event == 0) return false;  // it did not come so far
    if (std::exchange(failing_, event) != event) failures_ = 0;
    return ++failures_ >= failures_at_most;
}

// So that the others go on.  Were it the store's fault, this would fail as well.
void Loop::set_aside(EventNumber event, const std::string& why) {
    Dispatch verdict;
    verdict.event = event;
    verdict.skip_reason = "cannot be matched: " + why;
    verdict.retryable = true;
    store_.dispatch({&verdict, 1}, wall_now());
    report(verdict, "");
    progress_ = more_ = true;
}

void Loop::report(const Dispatch& verdict, const std::string& log_reason) const {
    if (!verdict.deliveries.empty()) return;
    if (verdict.retryable && verdict.refused.empty()) {  // no hook was asked
        log_.error("set aside", {{"event", verdict.event},
                                 {"reason", verdict.skip_reason},
                                 {"fix", "bxhook retry " + std::to_string(verdict.event)}});
    } else {
        log_.info("skipped", {{"event", verdict.event}, {"reason", log_reason}});
    }
}

}  // namespace bx
