// The matcher's part of the SQLite store.
#include <algorithm>

#include "sqlite/change.h"
#include "sqlite/events.h"
#include "sqlite/merge.h"
#include "sqlite/parts.h"

namespace bx::sqlite {

namespace {

class Matching final : public MatchQueue {
public:
    explicit Matching(Database& database) : db_(database) {}

    std::vector<StoredEvent> undispatched(std::size_t at_most, std::size_t bytes) override;
    void dispatch(std::span<const Dispatch> verdicts, Millis now) override;
    bool merge_ahead(std::span<const Dispatch> verdicts, Millis now) override {
        return merge_step(db_, verdicts, now);
    }
    std::string fingerprint(const std::string& host) override;
    void keep_fingerprint(const std::string& host, const std::string& fingerprint) override;
    std::size_t renew_skipped(Millis from, Millis before, std::size_t at_most) override;

private:
    Database& db_;
};

std::vector<StoredEvent> Matching::undispatched(std::size_t at_most, std::size_t bytes) {
    const Transaction moment(db_, Transaction::Kind::read);
    std::vector<EventNumber> numbers;
    {
        Rows rows = db_.rows("SELECT n FROM event INDEXED BY event_state "
                             "WHERE state <> 1 AND state = 0 ORDER BY n LIMIT ?",
                             {at_most});
        while (rows.next()) numbers.push_back(rows.number(0));
    }
    std::vector<StoredEvent> events;
    std::size_t read = 0;
    for (EventNumber number : numbers) {
        auto event = load_event(db_, number);
        if (!event) continue;
        read += event->payload_bytes();
        events.push_back(std::move(*event));
        if (read >= bytes) break;
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
        database.run("INSERT OR REPLACE INTO refusal (event, hook, reason) VALUES (?, ?, ?)",
                     {verdict.event, refusal.hook, refusal.reason});
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

void Matching::keep_fingerprint(const std::string& host, const std::string& fingerprint) {
    Change change(db_);
    db_.run("INSERT OR REPLACE INTO hooks_seen (host, fingerprint) VALUES (?, ?)",
            {host, fingerprint});
    change.commit();
}

std::size_t Matching::renew_skipped(Millis from, Millis before, std::size_t at_most) {
    Change change(db_);
    std::vector<EventNumber> numbers;
    {
        Rows rows = db_.rows("SELECT n FROM event INDEXED BY event_dead "
                             "WHERE ended_at IS NOT NULL AND dead > 0 AND ended_at >= ?1 "
                             "AND ended_at < ?2 AND state = 2 AND received_at >= ?1 "
                             "ORDER BY ended_at LIMIT ?3",
                             {from, before, at_most});
        while (rows.next()) numbers.push_back(rows.number(0));
    }
    if (numbers.empty()) return 0;
    for (const EventNumber number : numbers) change.renew(number);
    change.commit();
    return numbers.size();
}

}  // namespace

std::unique_ptr<MatchQueue> make_match_queue(Database& database) {
    return std::make_unique<Matching>(database);
}

}  // namespace bx::sqlite
