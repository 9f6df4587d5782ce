// What a person changes: retry, deliver, cancel, prune.
#include "sqlite/sqlite_store.h"

namespace bx {

namespace {

constexpr auto waiting = DeliveryState::waiting;
constexpr auto running = DeliveryState::running;

}  // namespace

struct SqliteStore::Stored {
    DeliveryState state;
    std::optional<EventNumber> merged_into;
    LaneKey key;
};

struct SqliteStore::Requested {
    Target target;
    EventFacts facts{};
    std::vector<Stored> deliveries{};  // those of `target`
};

std::vector<SqliteStore::Stored> SqliteStore::stored_deliveries(const DeliveryName& name) {
    std::vector<Stored> found;
    Rows rows = db_.rows("SELECT hook, state, attempt, merged_into, portal, lane FROM delivery "
                         "WHERE event = ?1 AND (?2 = '' OR hook = ?2) ORDER BY hook",
                         {name.event, name.hook});
    while (rows.next()) {
        found.push_back({static_cast<DeliveryState>(rows.number(1)), rows.maybe_number(3),
                         {rows.text(0), rows.text(4), rows.text(5)}});
    }
    return found;
}

SqliteStore::Requested SqliteStore::requested(const DeliveryName& name) {
    Requested found{{.name = name}};
    const std::optional<StoredEvent> event = load_event(name.event);
    if (!event) return found;
    found.facts = event->facts;
    found.target.event = event->state;
    found.target.secrets_erased = event->secrets_erased;
    if (event->state == EventState::matched) found.deliveries = stored_deliveries(name);
    for (const Stored& delivery : found.deliveries) {
        found.target.deliveries.push_back(
            {delivery.key.hook, delivery.state, delivery.merged_into});
    }
    return found;
}

Outcome SqliteStore::retry(const DeliveryName& name,
                           const std::function<int(const std::string& hook)>& extra_attempts,
                           Millis now) {
    Change change(db_);
    const Requested found = requested(name);
    Outcome outcome = judge_retry(found.target);
    if (outcome.count == 0) return outcome;
    if (found.target.event == EventState::skipped) change.renew(name.event);
    for (const Stored& delivery : found.deliveries) {
        if (!is_retried(delivery.state, name)) continue;
        retry_delivery(change, name.event, delivery, extra_attempts(delivery.key.hook), now);
    }
    change.commit();
    return outcome;
}

void SqliteStore::retry_delivery(Change& change, EventNumber event, const Stored& delivery,
                                 int extra, Millis now) {
    std::optional<std::int64_t> turn;
    if (delivery.key.lane.empty()) turn = Change::turn_at(now, now);
    db_.run("UPDATE delivery SET state = 0, turn = ?3, due_at = ?4, ended_at = NULL, "
            "failed_at = NULL, reason = '', max_attempts = attempt + ?5 "
            "WHERE event = ?1 AND hook = ?2",
            {event, delivery.key.hook, turn, now, extra});
    change.count_move(delivery.key.hook, delivery.state, waiting);
    change.delivery_resumed(event, delivery.state);
    change.settle(delivery.key, now);
}

Outcome SqliteStore::deliver(EventNumber number, const NewDelivery& delivery, Millis now) {
    Change change(db_);
    const Requested found = requested({number, delivery.hook});
    Outcome outcome = judge_deliver(found.target);
    if (outcome.count == 0) return outcome;
    const LaneKey key{delivery.hook, found.facts.lane_portal(),
                      delivery.ordered ? lane_of(found.facts) : std::string()};
    std::optional<std::int64_t> turn;
    Bound lane = nullptr;
    if (key.lane.empty()) turn = Change::turn_at(now, now);
    else lane = key.lane;
    if (found.target.event == EventState::skipped) change.match(number);
    db_.run("DELETE FROM refusal WHERE event = ? AND hook = ?", {number, delivery.hook});
    db_.run("INSERT INTO delivery (event, hook, state, turn, portal, lane, attempt, max_attempts, "
            "due_at, reason) VALUES (?, ?, 0, ?, ?, ?, 0, ?, ?, '')",
            {number, delivery.hook, turn, key.portal, lane, delivery.max_attempts, now});
    change.count(delivery.hook, name_of(waiting), 1);
    change.delivery_resumed(number, waiting);
    change.settle(key, now);
    change.commit();
    return outcome;
}

Outcome SqliteStore::cancel(const DeliveryName& name, bool kill, Millis now) {
    Change change(db_);
    const Requested found = requested(name);
    Outcome outcome = judge_cancel(found.target, kill);
    if (outcome.count == 0) return outcome;
    if (found.target.event == EventState::fresh) change.skip(name.event, "cancelled", false, now);
    for (const Stored& delivery : found.deliveries) {
        if (delivery.state == waiting) {
            change.end_waiting(name.event, delivery.key, DeliveryState::cancelled, std::nullopt,
                               now);
            change.settle(delivery.key, now);
        } else if (delivery.state == running && kill) {
            db_.run("INSERT OR IGNORE INTO kill_wish (event, hook) VALUES (?, ?)",
                    {name.event, delivery.key.hook});
        }
    }
    change.commit();
    return outcome;
}

// -- Prune

std::size_t SqliteStore::prune(const PruneOrder& order) {
    Change change(db_);
    std::vector<EventNumber> numbers;
    {
        Rows rows = db_.rows("SELECT n FROM event INDEXED BY event_done "
                             "WHERE ended_at IS NOT NULL AND dead = 0 AND ended_at < ? "
                             "ORDER BY ended_at LIMIT ?",
                             {order.done_before, order.at_most});
        while (rows.next()) numbers.push_back(rows.number(0));
    }
    if (order.dead_before > 0) {
        // What else became of such an event keeps it for as long as that is kept.
        Rows rows = db_.rows(
            "SELECT n FROM event INDEXED BY event_dead "
            "WHERE ended_at IS NOT NULL AND dead > 0 AND ended_at < ?1 AND NOT EXISTS "
            "(SELECT 1 FROM delivery WHERE event = n AND state <> 3 AND ended_at >= ?2) "
            "ORDER BY ended_at LIMIT ?3",
            {order.dead_before, order.done_before, order.at_most - numbers.size()});
        while (rows.next()) numbers.push_back(rows.number(0));
    }
    if (numbers.empty()) return 0;
    std::size_t removed = 0;
    const auto most_rows = static_cast<std::int64_t>(10 * order.at_most);
    for (std::int64_t rows = 0; removed < numbers.size() && rows < most_rows; ++removed) {
        rows += rows_of(numbers[removed]);
        remove_event(change, numbers[removed]);
    }
    change.commit();
    return removed;
}

std::int64_t SqliteStore::rows_of(EventNumber number) {
    return db_.number("SELECT (SELECT count(*) FROM delivery WHERE event = ?1) + "
                      "(SELECT count(*) FROM attempt WHERE event = ?1) + "
                      "(SELECT count(*) FROM refusal WHERE event = ?1)",
                      {number});
}

void SqliteStore::remove_event(Change& change, EventNumber number) {
    {
        Rows rows = db_.rows("SELECT state, slot FROM event WHERE n = ?", {number});
        rows.next();
        change.count("", name_of(static_cast<EventState>(rows.number(0))), -1);
        if (const auto slot = rows.maybe_number(1)) change.erase_slot(*slot);
    }
    for (const Stored& delivery : stored_deliveries({number, {}})) {
        change.count(delivery.key.hook, name_of(delivery.state), -1);
    }
    db_.run("DELETE FROM attempt WHERE event = ?", {number});
    db_.run("DELETE FROM delivery WHERE event = ?", {number});
    db_.run("DELETE FROM refusal WHERE event = ?", {number});
    db_.run("DELETE FROM body WHERE event = ?", {number});
    db_.run("DELETE FROM event WHERE n = ?", {number});
}

}  // namespace bx
