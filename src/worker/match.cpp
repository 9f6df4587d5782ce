// The worker's matching of new events to hooks.
#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/fault.h"
#include "event/catalog.h"
#include "event/payload.h"
#include "worker/loop.h"

namespace bx {

namespace {

// Rows written in one transaction, but for those of a single event.
constexpr std::size_t rows_at_most = 1000;
// Refusals kept of an event, with a hook that took it and without; of the others the number.
constexpr std::size_t refusals_of_taken = 20;
constexpr std::size_t refusals_of_skipped = 100;
// Of a turn, for merging ahead: the hooks' pipes wait as long.
constexpr Millis merge_time = second / 5;

// Each entity's beginning and end is told, however many there are.
bool may_merge(std::string_view code) {
    std::string_view verb = verb_of(code);
    return verb != "ADD" && verb != "DELETE" && verb != "DELETED";
}

// For the log, which is all that a person without a shell has.  Hooks of other events go unsaid.
std::string why_skipped(const Dispatch& verdict) {
    std::string why = verdict.skip_reason;
    for (const Refusal& refusal : verdict.refused) {
        if (refusal.reason.starts_with("event ")) continue;
        why += "; " + refusal.hook + ": " + refusal.reason;
    }
    if (verdict.refused_more > 0) {
        why += "; " + std::to_string(verdict.refused_more) + " more hooks did not take it";
    }
    return why;
}

// What says most comes first: the rules of hooks of this very event.
void keep_refusals(Dispatch& verdict, std::vector<Refusal> all, std::size_t most) {
    // clang 14 cannot compile the one of std::ranges.
    std::stable_partition(all.begin(), all.end(), [](const Refusal& refusal) {
        return !refusal.reason.starts_with("event ");
    });
    if (all.size() > most) {
        verdict.refused_more = static_cast<std::int64_t>(all.size() - most);
        all.resize(most);
    }
    verdict.refused = std::move(all);
}

// How many of VERDICTS, from the first on, fit into one transaction.
std::size_t fitting(std::span<const Dispatch> verdicts) {
    std::size_t rows = 0;
    std::size_t count = 0;
    for (const Dispatch& verdict : verdicts) {
        rows += 1 + verdict.deliveries.size() + verdict.refused.size();
        if (count > 0 && rows > rows_at_most) break;
        ++count;
    }
    return count;
}

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
    std::vector<StoredEvent> events = store_.matching().undispatched(at_most);
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
    std::vector<Dispatch> verdicts;
    for (const StoredEvent& event : events) verdicts.push_back(verdict_on(event));
    if (!merge_ahead(verdicts)) {
        more_ = true;
        return false;
    }
    for (std::span<const Dispatch> rest = verdicts; !rest.empty();) {
        const std::span<const Dispatch> some = rest.first(fitting(rest));
        store_.matching().dispatch(some, wall_now());
        fault_point("after-dispatch");
        for (const Dispatch& verdict : some) report(verdict);
        rest = rest.subspan(some.size());
    }
    unscrubbed_ = progress_ = true;
    return true;
}

// False: there is more to merge than fits into a turn.
bool Loop::merge_ahead(std::span<const Dispatch> verdicts) {
    const Millis end = steady_now() + merge_time;
    while (store_.matching().merge_ahead(verdicts, wall_now())) {
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
    store_.matching().dispatch({&verdict, 1}, wall_now());
    report(verdict);
    progress_ = more_ = true;
}

void Loop::report(const Dispatch& verdict) const {
    if (!verdict.deliveries.empty()) return;
    if (verdict.retryable && verdict.refused.empty()) {  // no hook was asked
        log_.error("set aside", {{"event", verdict.event},
                                 {"reason", verdict.skip_reason},
                                 {"fix", "bxhook retry " + std::to_string(verdict.event)}});
    } else {
        log_.info("skipped", {{"event", verdict.event}, {"reason", why_skipped(verdict)}});
    }
}

Dispatch Loop::verdict_on(const StoredEvent& event) const {
    Dispatch verdict;
    verdict.event = event.number;
    try {
        if (!event.damage.empty()) throw Error(event.damage);
        // A skipped event that a person retries may have lost its secrets.
        Tree body = decode_payload(event.body, event.secrets,
                                   event.secrets_erased ? Secrets::omit : Secrets::keep);
        HookSet::Match match = hooks_.set().match(event.facts, body);
        // From the receipt on: a worker that comes late does not wait again.  But from now on where
        // events are merged, or a storm that is matched late would run once per batch, each due at
        // once, and not once per delay.
        Millis now = wall_now();
        Millis received = std::min(event.received_at, now);
        for (const Hook* hook : match.taken) {
            const HookSettings& settings = hook->settings;
            bool merges = settings.coalesce && may_merge(event.facts.code);
            verdict.deliveries.push_back({hook->name, settings.order == Order::entity, merges,
                                          settings.attempts,
                                          (merges ? now : received) + settings.delay});
        }
        const bool taken = !match.taken.empty();
        keep_refusals(verdict, std::move(match.refused),
                      taken ? refusals_of_taken : refusals_of_skipped);
        if (!taken) {
            verdict.skip_reason = "no hook takes it";
            verdict.retryable = match.broken;
        }
    } catch (const Error& error) {
        verdict.skip_reason = std::string("cannot be read: ") + error.what();
        verdict.retryable = true;
    }
    return verdict;
}

}  // namespace bx
