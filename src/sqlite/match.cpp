// The matcher's part of the SQLite store.
#include <algorithm>

#include "sqlite/change.h"
#include "sqlite/events.h"
#include "sqlite/merge.h"
#include "sqlite/parts.h"

namespace bx::sqlite {

namespace {

constexpr Millis hooks_seen_kept = 30 * day;

class Matching final : public MatchQueue {
public:
    explicit Matching(Database& database) : db_(database) {}

    std::vector<StoredEvent> undispatched(std::size_t at_most) override;
    void dispatch(std::span<const Dispatch> verdicts, Millis now) override;
    bool merge_ahead(std::span<const Dispatch> verdicts, Millis now) override {
        return merge_step(db_, verdicts, now);
    }
    std::string fingerprint(const std::string& host) override;
    void keep_fingerprint(const std::string& host, const std::string& fingerprint,
                          Millis now) override;
    EventNumber newest_retryable() override;
    Renewed renew_skipped(const RenewRange& range, std::size_t at_most) override;
    std::size_t forget_reasons(const std::vector<std::string>& stopped,
                               std::size_t at_most) override;

private:
    Database& db_;
};

std::vector<StoredEvent> Matching::undispatched(std::size_t at_most) {
    const Transaction moment(db_, Transaction::Kind::read);
    std::vector<EventNumber> numbers;
    {
        Rows rows = db_.rows("SELECT n FROM event INDEXED BY event_state "
                             "WHERE state <> 1 AND state = 0 ORDER BY n LIMIT ?",
                             {at_most});
        while (rows.next()) numbers.push_back(rows.number(0));
    }
    std::vector<StoredEvent> events;
    for (EventNumber number : numbers) {
        if (auto event = load_event(db_, number)) events.push_back(std::move(*event));
    }
    return events;
}

void insert_delivery(Change& change, EventNumber event, const EventFacts& facts,
                     const NewDelivery& delivery, Millis now) {
    Database& database = change.database();
    const LaneKey key{delivery.hook, facts.lane_portal(),
                      delivery.ordered ? lane_of(facts) : std::string()};
    const bool laned = !key.lane.empty();
    const bool alone = !laned || lane_is_free(database, key);
    CarriedOver carried_over;
    if (!alone && delivery.coalesce) {
        carried_over = merge(change, key, mergeable(database, key, event, facts.code), event, now);
    }
    const Millis due_at = carried_over.due_at.value_or(delivery.due_at);
    if (carried_over.reason.empty()) carried_over.reason = delivery.reason;

    std::optional<std::int64_t> turn;
    if (alone) turn = turn_at(due_at, now);
    Bound lane = nullptr;
    if (laned) lane = key.lane;
    database.run("INSERT INTO delivery (event, hook, state, turn, portal, lane, attempt, "
                 "max_attempts, due_at, failed_at, reason) "
                 "VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)",
                 {event, delivery.hook, turn, key.portal, lane, carried_over.attempt,
                  std::max(carried_over.max_attempts, delivery.max_attempts), due_at,
                  carried_over.failed_at, carried_over.reason});
    change.counters().add(delivery.hook, name_of(DeliveryState::waiting), 1);
    if (!alone) give_turn(database, key, now);
}

void dispatch_one(Change& change, const Dispatch& verdict, Millis now) {
    Database& database = change.database();
    const std::optional<EventFacts> facts = new_facts(database, verdict.event);
    if (!facts) return;  // cancelled meanwhile
    for (const Refusal& refusal : verdict.refused) {
        database.run("INSERT OR REPLACE INTO refusal (event, hook, reason, rule) "
                     "VALUES (?, ?, ?, ?)",
                     {verdict.event, refusal.hook, refusal.reason,
                      static_cast<int>(refusal.rule)});
    }
    if (verdict.refused_more > 0) {
        database.run("UPDATE event SET refused_more = ?2 WHERE n = ?1",
                     {verdict.event, verdict.refused_more});
    }
    if (verdict.deliveries.empty()) {
        change.skip(verdict.event, verdict.skip_reason, verdict.retryable, now);
        return;
    }
    database.run("UPDATE event SET state = 1, open = ?2 WHERE n = ?1",
                 {verdict.event, verdict.deliveries.size()});
    change.counters().add("", "new", -1);
    change.counters().add("", "matched", 1);
    for (const NewDelivery& delivery : verdict.deliveries) {
        insert_delivery(change, verdict.event, *facts, delivery, now);
    }
}

void Matching::dispatch(std::span<const Dispatch> verdicts, Millis now) {
    if (verdicts.empty()) return;
    Change change(db_);
    for (const Dispatch& verdict : verdicts) dispatch_one(change, verdict, now);
    change.commit();
}

std::string Matching::fingerprint(const std::string& host) {
    Rows rows = db_.rows("SELECT fingerprint FROM hooks_seen WHERE host = ?", {host});
    return rows.next() ? rows.text(0) : std::string();
}

void Matching::keep_fingerprint(const std::string& host, const std::string& fingerprint,
                                Millis now) {
    Change change(db_);
    db_.run("DELETE FROM hooks_seen WHERE seen_at < ?", {now - hooks_seen_kept});
    db_.run("INSERT OR REPLACE INTO hooks_seen (host, fingerprint, seen_at) VALUES (?, ?, ?)",
            {host, fingerprint, now});
    change.commit();
}

EventNumber Matching::newest_retryable() {
    return db_.number("SELECT n FROM event INDEXED BY event_retryable "
                      "WHERE state = 2 AND dead > 0 ORDER BY n DESC LIMIT 1");
}

Renewed Matching::renew_skipped(const RenewRange& range, std::size_t at_most) {
    Change change(db_);
    Renewed renewed{.last = range.after};
    std::vector<EventNumber> numbers;
    {
        Rows rows = db_.rows("SELECT n FROM event INDEXED BY event_retryable WHERE state = 2 "
                             "AND dead > 0 AND received_at >= ?1 AND n > ?2 AND n <= ?3 "
                             "ORDER BY n LIMIT ?4",
                             {range.received_from, range.after, range.up_to, at_most});
        while (rows.next()) numbers.push_back(rows.number(0));
    }
    if (numbers.empty()) return renewed;
    for (const EventNumber number : numbers) change.renew(number);
    change.commit();
    return {numbers.size(), numbers.back(), numbers.size() == at_most};
}

// The hook of a delivery that has the reason of its dispatch, and is not among STOPPED.
std::optional<std::string> reasoned_hook(Database& database,
                                         const std::vector<std::string>& stopped) {
    Rows rows = database.rows("SELECT hook FROM delivery INDEXED BY delivery_state "
                              "WHERE state <> 2 AND state = 0 AND attempt = 0 AND reason <> ''");
    while (rows.next()) {
        std::string hook = rows.text(0);
        if (std::ranges::find(stopped, hook) == stopped.end()) return hook;
    }
    return std::nullopt;
}

std::size_t Matching::forget_reasons(const std::vector<std::string>& stopped,
                                     std::size_t at_most) {
    const std::optional<std::string> hook = reasoned_hook(db_, stopped);
    if (!hook) return 0;
    Change change(db_);
    const std::int64_t count =
        db_.run("UPDATE delivery SET reason = '' WHERE hook = ?1 AND event IN ("
                "SELECT event FROM delivery INDEXED BY delivery_state WHERE state <> 2 "
                "AND state = 0 AND hook = ?1 AND attempt = 0 AND reason <> '' LIMIT ?2)",
                {*hook, at_most});
    change.commit();
    return static_cast<std::size_t>(count);
}

}  // namespace

std::unique_ptr<MatchQueue> make_match_queue(Database& database) {
    return std::make_unique<Matching>(database);
}

}  // namespace bx::sqlite
