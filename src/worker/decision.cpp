#include "worker/decision.h"

#include <algorithm>
#include <utility>

#include "event/catalog.h"
#include "event/payload.h"

namespace bx {

namespace {

// Rows written in one transaction, except that those of one event stay together.
constexpr std::size_t rows_at_most = 1000;
// Refusals kept of an event, with a hook that took it and without; of the others the number.
constexpr std::size_t refusals_of_taken = 20;
constexpr std::size_t refusals_of_skipped = 100;

// Each entity's beginning and end is told, however many there are.
bool may_merge(std::string_view code) {
    std::string_view verb = verb_of(code);
    return verb != "ADD" && verb != "DELETE" && verb != "DELETED";
}

NewDelivery delivery_of(const Hook& hook, const StoredEvent& event, Millis now) {
    const HookSettings& settings = hook.settings;
    const bool merges = settings.coalesce && may_merge(event.facts.code);
    // From the receipt on: a worker that comes late does not wait again.  But from now on where
    // events are merged, or a storm that is matched late would run once per batch, each due at
    // once, and not once per delay.
    const Millis from = merges ? now : std::min(event.received_at, now);
    // Nothing is due before it exists: status would count a skipped event that is tried again as
    // overdue since its receipt.
    const Millis due_at = std::max(from + settings.delay, now);
    return {hook.name, settings.order == Order::entity, merges, settings.attempts, due_at,
            hook.conflict};
}

// Who is told first: of a hook that cannot run, then by what others of this very event go, at last
// those of other events.
int rank_of(const Refusal& refusal) {
    if (refusal.rule == HookRule::unable) return 0;
    return is_of_other_event(refusal) ? 2 : 1;
}

// For the log, which is all that a person without a shell has.  KEPT may be fewer than there were;
// hooks of other events go unsaid.
std::string log_reason_of(const Dispatch& dispatch, std::span<const Refusal> kept) {
    std::string reason = dispatch.skip_reason;
    for (const Refusal& refusal : kept) {
        if (!is_of_other_event(refusal)) reason += "; " + refusal.hook + ": " + refusal.reason;
    }
    if (dispatch.refused_more > 0) {
        reason += "; " + std::to_string(dispatch.refused_more) + " more hooks did not match";
    }
    return reason;
}

// Puts the refusals that say most first, and removes those beyond MOST; gives how many.
std::int64_t keep_first(std::vector<Refusal>& refusals, std::size_t most) {
    // clang 14 cannot compile the one of std::ranges.
    std::stable_sort(refusals.begin(), refusals.end(), [](const Refusal& a, const Refusal& b) {
        return rank_of(a) < rank_of(b);
    });
    if (refusals.size() <= most) return 0;
    const auto more = static_cast<std::int64_t>(refusals.size() - most);
    refusals.erase(refusals.begin() + static_cast<std::ptrdiff_t>(most), refusals.end());
    return more;
}

// Throws Error when the event cannot be read.
Tree body_of(const StoredEvent& event) {
    if (!event.damage.empty()) throw Error(event.damage);
    // A skipped event that a person retries may have lost its secrets.
    return decode_payload(event.body, event.secrets,
                          event.secrets_erased ? Secrets::omit : Secrets::keep);
}

Decision match(const StoredEvent& event, const HookSet& hooks, Millis now) {
    Decision decision;
    Dispatch& dispatch = decision.dispatch;
    dispatch.event = event.number;
    HookSet::Match match = hooks.match(event.facts, body_of(event));
    for (const Hook* hook : match.taken) {
        dispatch.deliveries.push_back(delivery_of(*hook, event, now));
    }
    const bool taken = !match.taken.empty();
    dispatch.refused_more =
        keep_first(match.refused, taken ? refusals_of_taken : refusals_of_skipped);
    if (!taken) {
        dispatch.skip_reason = "no matching hook";
        dispatch.retryable = match.broken;
        decision.log_reason = log_reason_of(dispatch, match.refused);
    }
    dispatch.refused = std::move(match.refused);
    return decision;
}

}  // namespace

Decision decide(const StoredEvent& event, const HookSet& hooks, Millis now) {
    try {
        return match(event, hooks, now);
    } catch (const Error& error) {
        Decision unread;
        unread.dispatch.event = event.number;
        unread.dispatch.skip_reason = std::string("cannot be read: ") + error.what();
        unread.dispatch.retryable = true;
        return unread;
    }
}

bool is_taken(const StoredEvent& event, std::span<const Hook> hooks) {
    if (hooks.empty()) return false;
    try {
        const Tree body = body_of(event);
        return std::ranges::any_of(
            hooks, [&](const Hook& hook) { return takes(hook, event.facts, body); });
    } catch (const Error&) {
        return false;
    }
}

std::size_t count_for_transaction(std::span<const Dispatch> dispatches) {
    std::size_t rows = 0;
    std::size_t count = 0;
    for (const Dispatch& dispatch : dispatches) {
        rows += 1 + dispatch.deliveries.size() + dispatch.refused.size();
        if (count > 0 && rows > rows_at_most) break;
        ++count;
    }
    return count;
}

}  // namespace bx
