#include "sqlite/merge.h"

#include <algorithm>
#include <set>

#include "sqlite/events.h"
#include "sqlite/statements.h"
#include "store/errors.h"
#include "store/facts.h"

namespace bx::sqlite {

namespace {

// Of a lane: how many of those that wait are looked at, how many a dispatch may merge by itself,
// and how many one step ahead of it merges.
constexpr std::size_t merge_window = 1000;
constexpr std::size_t merged_at_once = 5;
constexpr std::size_t merged_a_step = 200;

// Of the same hook, portal, kind, id and code.
bool is_alike(const Merging& merging, const Rows& rows) {
    using row = sql::older_row;
    if (hook_of(rows.number(row::d)) != merging.hook) return false;
    if (rows.number(row::portal) != merging.account) return false;
    EventFacts facts;
    try {
        unpack_facts(rows.view(row::facts), std::nullopt, facts);
    } catch (const StoreDamaged&) {
        return false;
    }
    return facts.code == merging.facts.code && facts.kind == merging.facts.kind &&
           facts.id == merging.facts.id;
}

Open read_older(const Rows& rows, Lane lane) {
    using row = sql::older_row;
    Open open{.d = rows.number(row::d), .lane = lane};
    open.account = rows.number(row::portal);
    open.due_at = rows.number(row::due_at);
    open.attempt = static_cast<int>(rows.number(row::attempt));
    open.max_attempts = static_cast<int>(rows.number(row::max_attempts));
    open.fellows = rows.number(row::fellows);
    open.failures = small(rows.maybe_number(row::failures));
    open.failed_at = rows.maybe_number(row::failed_at);
    open.reason = rows.text(row::reason);
    return open;
}

}  // namespace

std::vector<Open> mergeable(Names& names, const Merging& merging, DeliveryId before) {
    std::vector<Open> found;
    Rows rows = names.database().rows(sql::lane_waiting, merging.lane, before, merge_window);
    while (rows.next()) {
        if (is_alike(merging, rows)) found.push_back(read_older(rows, merging.lane));
    }
    std::ranges::reverse(found);
    return found;
}

void merge(Change& change, const std::vector<Open>& older, Open& into, Millis now) {
    std::optional<Millis> due_at;
    for (const Open& one : older) {
        change.end_waiting(one, DeliveryState::merged, event_of(into.d), now);
        if (one.attempt > 0) into.failures.reset();
        into.attempt = std::max(into.attempt, one.attempt);
        into.max_attempts = std::max(into.max_attempts, one.max_attempts);
        due_at = std::min(due_at.value_or(one.due_at), one.due_at);
        if (!one.failed_at) continue;
        into.failed_at = one.failed_at;
        into.reason = one.reason;
    }
    if (due_at) into.due_at = *due_at;
}

namespace {

// The oldest into the newest, which is not the lane's first and so has no turn.  False: there are
// too few for a step.
bool merge_some(Names& names, const Merging& merging, DeliveryId before, Millis now) {
    const std::int64_t counted =
        names.database().number(sql::lane_counted, merging.lane, merged_at_once + 1);
    if (counted <= std::int64_t{merged_at_once}) return false;
    Change change(names);
    std::vector<Open> older = mergeable(names, merging, before);
    if (older.size() <= merged_at_once) return false;
    Open newest = older.back();
    older.pop_back();
    if (older.size() > merged_a_step) older.resize(merged_a_step);
    const Open as_it_was = newest;
    merge(change, older, newest, now);
    newest.due_at = std::min(newest.due_at, as_it_was.due_at);
    if (as_it_was.failed_at) {
        newest.failed_at = as_it_was.failed_at;
        newest.reason = as_it_was.reason;
    }
    change.database().run(sql::open_take_over, newest.d, newest.attempt, newest.max_attempts,
                          newest.due_at, newest.failures, newest.failed_at, newest.reason);
    settle_lane(change.database(), merging.lane, now);
    names.ready().add(merging.hook);
    change.commit();
    return true;
}

// What DELIVERY of an event is merged as; none: with nothing.
std::optional<Merging> merging_of(Names& names, const NewDelivery& delivery,
                                  const Identity& of) {
    if (!delivery.coalesce || !delivery.ordered || of.facts.id.empty()) return std::nullopt;
    const std::optional<HookId> hook = names.known_hook(delivery.hook);
    if (!hook) return std::nullopt;
    return Merging{*hook, names.lane(*hook, of.account, of.facts), of.account, of.facts};
}

}  // namespace

bool merge_step(Names& names, std::span<const Dispatch> verdicts, Millis now) {
    std::set<std::pair<std::int64_t, std::string>> seen;  // lane and code
    for (const Dispatch& verdict : verdicts) {
        const auto merges = [](const NewDelivery& delivery) { return delivery.coalesce; };
        if (std::ranges::none_of(verdict.deliveries, merges)) continue;
        if (event_state(names.database(), verdict.event) != EventState::fresh) continue;
        const std::optional<Identity> of = identity(names, verdict.event);
        for (const NewDelivery& delivery : verdict.deliveries) {
            const std::optional<Merging> merging = merging_of(names, delivery, of.value());
            if (!merging || !seen.emplace(*merging->lane, of->facts.code).second) continue;
            const DeliveryId before = delivery_id(verdict.event, merging->hook);
            if (merge_some(names, *merging, before, now)) return true;
        }
    }
    return false;
}

}  // namespace bx::sqlite
