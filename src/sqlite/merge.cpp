#include "sqlite/merge.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "sqlite/events.h"

namespace bx::sqlite {

namespace {

// Of a lane: how many of those that wait are looked at, how many a dispatch may merge by itself,
// and how many one step ahead of it merges.  A merge takes some 35 us.
constexpr std::size_t merge_window = 1000;
constexpr std::size_t merged_at_once = 5;
constexpr std::size_t merged_a_step = 200;

}  // namespace

void CarriedOver::take(const Older& older) {
    attempt = std::max(attempt, older.attempt);
    max_attempts = std::max(max_attempts, older.max_attempts);
    due_at = due_at ? std::min(*due_at, older.due_at) : older.due_at;
    if (!older.failed_at) return;
    failed_at = older.failed_at;
    reason = older.reason;
}

std::vector<Older> mergeable(Database& database, const LaneKey& key, EventNumber before,
                             const std::string& code) {
    std::vector<Older> found;
    Rows rows = database.rows(
        "SELECT d.event, d.attempt, d.max_attempts, d.due_at, d.failed_at, d.reason FROM ("
        "SELECT event FROM delivery INDEXED BY delivery_lane "
        "WHERE hook = ?1 AND portal = ?2 AND lane = ?3 AND state < 2 AND state = 0 AND event < ?4 "
        "ORDER BY event DESC LIMIT ?6) AS last_waiting "
        "CROSS JOIN event AS e ON e.n = last_waiting.event "
        "CROSS JOIN delivery AS d ON d.event = last_waiting.event AND d.hook = ?1 "
        "WHERE e.code = ?5",
        {key.hook, key.portal, key.lane, before, code, merge_window});
    while (rows.next()) {
        found.push_back({rows.number(0), static_cast<int>(rows.number(1)),
                         static_cast<int>(rows.number(2)), rows.number(3), rows.maybe_number(4),
                         rows.text(5)});
    }
    std::ranges::reverse(found);
    return found;
}

CarriedOver merge(Change& change, const LaneKey& key, const std::vector<Older>& older,
                  EventNumber into, Millis now) {
    CarriedOver carried_over;
    for (const Older& one : older) {
        change.end_waiting(one.event, key, DeliveryState::merged, into, now);
        carried_over.take(one);
    }
    return carried_over;
}

namespace {

// The oldest into the newest, which is not the lane's first and so has no turn.
void merge_some(Database& database, const LaneKey& key, EventNumber before,
                const std::string& code, Millis now) {
    Change change(database);
    std::vector<Older> older = mergeable(database, key, before, code);
    if (older.size() <= merged_at_once) return;
    const Older newest = older.back();
    older.pop_back();
    if (older.size() > merged_a_step) older.resize(merged_a_step);
    CarriedOver carried_over = merge(change, key, older, newest.event, now);
    carried_over.take(newest);
    database.run("UPDATE delivery SET attempt = ?3, max_attempts = ?4, due_at = ?5, "
                 "failed_at = ?6, reason = ?7 WHERE event = ?1 AND hook = ?2",
                 {newest.event, key.hook, carried_over.attempt, carried_over.max_attempts,
                  carried_over.due_at, carried_over.failed_at, carried_over.reason});
    give_turn(database, key, now);
    change.commit();
}

}  // namespace

bool merge_step(Database& database, std::span<const Dispatch> verdicts, Millis now) {
    std::set<std::tuple<std::string, std::string, std::string, std::string>> seen;
    for (const Dispatch& verdict : verdicts) {
        for (const NewDelivery& delivery : verdict.deliveries) {
            if (!delivery.coalesce || !delivery.ordered) continue;
            const std::optional<EventFacts> facts = new_facts(database, verdict.event);
            if (!facts) break;
            const LaneKey key{delivery.hook, facts->lane_portal(), lane_of(*facts)};
            if (key.lane.empty()) break;
            if (!seen.emplace(key.hook, key.portal, key.lane, facts->code).second) continue;
            const std::size_t older =
                mergeable(database, key, verdict.event, facts->code).size();
            if (older <= merged_at_once) continue;
            merge_some(database, key, verdict.event, facts->code, now);
            return true;
        }
    }
    return false;
}

}  // namespace bx::sqlite
