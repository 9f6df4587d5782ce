// The worker's matching of new events to hooks.
#include <algorithm>

#include "base/fault.h"
#include "event/catalog.h"
#include "event/payload.h"
#include "worker/loop.h"

namespace bx {

namespace {

constexpr std::size_t match_batch = 32;  // events; each may hold limits.body in memory

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
    return why;
}

}  // namespace

// True when it made deliveries of new events, or skipped them.
bool Loop::match() {
    if (!hooks_.ready(now_)) return false;
    std::vector<StoredEvent> events = store_.undispatched(match_batch);
    if (events.empty()) return false;
    // A hook that was there before its event must take it, so the last look has to be younger.
    auto is_newer = [&](const StoredEvent& event) { return event.received_at >= refreshed_at_; };
    if (std::ranges::any_of(events, is_newer)) {
        refresh_at_ = 0;
        refresh();
        if (!hooks_.ready(now_)) return false;
    }
    std::vector<Dispatch> verdicts;
    for (const StoredEvent& event : events) verdicts.push_back(verdict_on(event));
    store_.dispatch(verdicts, wall_now());
    fault_point("after-dispatch");
    unscrubbed_ = progress_ = true;
    if (events.size() == match_batch) more_ = true;
    return true;
}

Dispatch Loop::verdict_on(const StoredEvent& event) const {
    Dispatch verdict;
    verdict.event = event.number;
    try {
        // A skipped event that a person retries has lost its secrets.
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
        verdict.refused = std::move(match.refused);
        if (match.taken.empty()) {
            verdict.skip_reason = "no hook takes it";
            log_.info("skipped", {{"event", event.number}, {"reason", why_skipped(verdict)}});
        }
    } catch (const Error& error) {
        verdict.skip_reason = std::string("cannot read its body: ") + error.what();
        log_.error("skipped", {{"event", event.number}, {"reason", verdict.skip_reason}});
    }
    return verdict;
}

}  // namespace bx
