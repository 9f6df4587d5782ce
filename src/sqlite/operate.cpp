// What a person changes in the SQLite store.
#include "sqlite/change.h"
#include "sqlite/events.h"
#include "sqlite/parts.h"

namespace bx::sqlite {

namespace {

constexpr auto waiting = DeliveryState::waiting;
constexpr auto running = DeliveryState::running;

struct Stored {
    DeliveryState state;
    std::optional<EventNumber> merged_into;
    LaneKey key;
    bool behind = false;  // it waits, and another of its lane has the turn
};

struct Requested {
    RequestFacts facts;
    EventFacts event{};
    std::vector<Stored> deliveries{};  // those of `facts`
};

std::vector<Stored> stored_deliveries(Database& database, const DeliveryName& name) {
    std::vector<Stored> found;
    Rows rows = database.rows("SELECT hook, state, merged_into, portal, lane, turn FROM delivery "
                              "WHERE event = ?1 AND (?2 = '' OR hook = ?2) ORDER BY hook",
                              {name.event, name.hook});
    while (rows.next()) {
        const auto state = static_cast<DeliveryState>(rows.number(1));
        found.push_back({state, rows.maybe_number(2), {rows.text(0), rows.text(3), rows.text(4)},
                         state == waiting && !rows.maybe_number(5)});
    }
    return found;
}

Requested requested(Database& database, const DeliveryName& name,
                    std::optional<RowState> chosen = std::nullopt) {
    Requested found{{.name = name, .chosen = chosen}};
    const std::optional<StoredEvent> event = load_event(database, name.event);
    if (!event) return found;
    found.event = event->facts;
    found.facts.event = event->state;
    found.facts.retryable = event->retryable;
    found.facts.secrets_erased = event->secrets_erased;
    if (event->state == EventState::matched) found.deliveries = stored_deliveries(database, name);
    for (const Stored& delivery : found.deliveries) {
        found.facts.deliveries.push_back(
            {delivery.key.hook, delivery.state, delivery.merged_into,
             delivery.behind ? blocker(database, name.event, delivery.key) : std::nullopt});
    }
    return found;
}

// One that waits.  Who has the turn in its lane keeps it.
void make_due(Database& database, EventNumber event, const std::string& hook, Millis now) {
    database.run("UPDATE delivery SET due_at = min(due_at, ?3), "
                 "turn = CASE WHEN turn IS NOT NULL THEN 2 END WHERE event = ?1 AND hook = ?2",
                 {event, hook, now});
}

void retry_delivery(Change& change, EventNumber event, const Stored& delivery, int extra,
                    Millis now) {
    Database& database = change.database();
    database.run("UPDATE delivery SET state = 0, turn = ?3, due_at = ?4, ended_at = NULL, "
                 "failed_at = NULL, reason = '', granted = attempt, max_attempts = attempt + ?5 "
                 "WHERE event = ?1 AND hook = ?2",
                 {event, delivery.key.hook, turn_of(delivery.key, now, now), now, extra});
    change.counters().move(delivery.key.hook, delivery.state, waiting);
    change.delivery_resumed(event, delivery.state);
    give_turn(database, delivery.key, now);
}

class Operations final : public Operator {
public:
    explicit Operations(Database& database) : db_(database) {}

    Outcome retry(const DeliveryName& name, const ExtraAttempts& extra_attempts,
                  Millis now, std::optional<RowState> chosen) override;
    Outcome deliver(EventNumber number, const NewDelivery& delivery, Millis now) override;
    Outcome cancel(const DeliveryName& name, bool kill, Millis now,
                   std::optional<RowState> chosen) override;

private:
    Database& db_;
};

Outcome Operations::retry(const DeliveryName& name, const ExtraAttempts& extra_attempts,
                          Millis now, std::optional<RowState> chosen) {
    Change change(db_);
    const Requested found = requested(db_, name, chosen);
    Outcome outcome = judge_retry(found.facts);
    if (outcome.count == 0) return outcome;
    if (found.facts.event == EventState::skipped) change.renew(name.event);
    for (const Stored& delivery : found.deliveries) {
        if (!is_retried(delivery.state, name)) continue;
        const std::string& hook = delivery.key.hook;
        if (delivery.state == waiting) make_due(db_, name.event, hook, now);
        else retry_delivery(change, name.event, delivery, extra_attempts(hook), now);
    }
    change.commit();
    return outcome;
}

Outcome Operations::deliver(EventNumber number, const NewDelivery& delivery, Millis now) {
    Change change(db_);
    const Requested found = requested(db_, {number, delivery.hook});
    Outcome outcome = judge_deliver(found.facts);
    if (outcome.count == 0) return outcome;
    const LaneKey key{delivery.hook, found.event.lane_portal(),
                      delivery.ordered ? lane_of(found.event) : std::string()};
    Bound lane = nullptr;
    if (!key.lane.empty()) lane = key.lane;
    if (found.facts.event == EventState::skipped) change.match(number);
    db_.run("DELETE FROM refusal WHERE event = ? AND hook = ?", {number, delivery.hook});
    db_.run("INSERT INTO delivery (event, hook, state, turn, portal, lane, attempt, max_attempts, "
            "due_at, reason) VALUES (?, ?, 0, ?, ?, ?, 0, ?, ?, '')",
            {number, delivery.hook, turn_of(key, now, now), key.portal, lane, delivery.max_attempts,
             now});
    change.counters().add(delivery.hook, name_of(waiting), 1);
    change.delivery_resumed(number, waiting);
    give_turn(db_, key, now);
    change.commit();
    return outcome;
}

Outcome Operations::cancel(const DeliveryName& name, bool kill, Millis now,
                           std::optional<RowState> chosen) {
    Change change(db_);
    const Requested found = requested(db_, name, chosen);
    Outcome outcome = judge_cancel(found.facts, kill);
    if (outcome.count == 0) return outcome;
    if (found.facts.event == EventState::fresh) change.skip(name.event, "cancelled", false, now);
    if (found.facts.event == EventState::skipped) change.give_up(name.event, "cancelled", now);
    for (const Stored& delivery : found.deliveries) {
        if (delivery.state == waiting) {
            change.end_waiting(name.event, delivery.key, DeliveryState::cancelled, std::nullopt,
                               now);
            give_turn(db_, delivery.key, now);
        } else if (delivery.state == running && kill) {
            db_.run("INSERT OR IGNORE INTO kill_wish (event, hook) VALUES (?, ?)",
                    {name.event, delivery.key.hook});
        }
    }
    change.commit();
    return outcome;
}

}  // namespace

std::unique_ptr<Operator> make_operator(Database& database) {
    return std::make_unique<Operations>(database);
}

}  // namespace bx::sqlite
