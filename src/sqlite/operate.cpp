// What people wish for: retry, cancel, prune.
#include "sqlite/sqlite_store.h"

namespace bx {

namespace {

constexpr auto waiting = DeliveryState::waiting;
constexpr auto running = DeliveryState::running;

std::string name_text(EventNumber event, const std::string& hook) {
    return std::to_string(event) + '/' + hook;
}

Wish refused(const std::string& text) {
    return {false, text, 0};
}

void append_line(std::string& text, const std::string& line) {
    if (!text.empty()) text += "; ";
    text += line;
}

}  // namespace

struct SqliteStore::Stored {
    EventNumber event;
    DeliveryState state;
    int attempt;
    std::optional<EventNumber> merged_into;
    LaneKey key;

    std::string is() const {  // "1042/crm-sync is running"
        std::string text = name_text(event, key.hook) + " is " + std::string(name_of(state));
        if (merged_into) text += " into " + std::to_string(*merged_into);
        return text;
    }
};

std::vector<SqliteStore::Stored> SqliteStore::stored_deliveries(const DeliveryName& name) {
    std::vector<Stored> found;
    Rows rows = db_.rows("SELECT hook, state, attempt, merged_into, portal, lane FROM delivery "
                         "WHERE event = ?1 AND (?2 = '' OR hook = ?2) ORDER BY hook",
                         {name.event, name.hook});
    while (rows.next()) {
        found.push_back({name.event, static_cast<DeliveryState>(rows.number(1)),
                         static_cast<int>(rows.number(2)), rows.maybe_number(3),
                         {rows.text(0), rows.text(4), rows.text(5)}});
    }
    return found;
}

// -- Retry

Wish SqliteStore::retry(const DeliveryName& name,
                        const std::function<int(const std::string& hook)>& extra_attempts,
                        Millis now) {
    Change change(db_);
    const std::optional<StoredEvent> event = load_event(name.event);
    if (!event) return refused("there is no event " + std::to_string(name.event));
    Wish wish;
    if (event->secrets_erased) wish.text = without_secrets;
    const std::string number = std::to_string(name.event);

    if (event->state != EventState::matched) {
        if (!name.hook.empty()) return refused(no_delivery(name.event, name.hook, event->state));
        if (event->state == EventState::fresh) {
            return refused(is_new(name.event));
        }
        change.renew(name.event);
        wish.count = 1;
    } else {
        const std::vector<Stored> found = stored_deliveries(name);
        if (found.empty()) return refused(no_delivery(name.event, name.hook, event->state));
        for (const Stored& delivery : found) {
            const bool ended = delivery.state == DeliveryState::dead ||
                               delivery.state == DeliveryState::cancelled;
            const bool named = delivery.state == DeliveryState::done && !name.hook.empty();
            if (!ended && !named) continue;
            retry_delivery(change, delivery, extra_attempts(delivery.key.hook), now);
            ++wish.count;
        }
        if (wish.count == 0 && !name.hook.empty()) return refused(found.front().is());
        if (wish.count == 0) return refused(number + " has no dead or cancelled delivery");
    }
    change.commit();
    wish.done = true;
    return wish;
}

void SqliteStore::retry_delivery(Change& change, const Stored& delivery, int extra, Millis now) {
    std::optional<std::int64_t> turn;
    if (delivery.key.lane.empty()) turn = Change::turn_at(now, now);
    db_.run("UPDATE delivery SET state = 0, turn = ?3, due_at = ?4, ended_at = NULL, "
            "failed_at = NULL, reason = '', max_attempts = attempt + ?5 "
            "WHERE event = ?1 AND hook = ?2",
            {delivery.event, delivery.key.hook, turn, now, extra});
    change.count_move(delivery.key.hook, delivery.state, waiting);
    change.delivery_resumed(delivery.event, delivery.state);
    change.settle(delivery.key, now);
}

Wish SqliteStore::deliver(EventNumber number, const NewDelivery& delivery, Millis now) {
    Change change(db_);
    const std::optional<StoredEvent> event = load_event(number);
    if (!event) return refused("there is no event " + std::to_string(number));
    if (event->state == EventState::fresh) return refused(is_new(number));
    const std::vector<Stored> found = stored_deliveries({number, delivery.hook});
    if (!found.empty()) return refused(found.front().is());

    const LaneKey key{delivery.hook, event->facts.lane_portal(),
                      delivery.ordered ? lane_of(event->facts) : std::string()};
    std::optional<std::int64_t> turn;
    Bound lane = nullptr;
    if (key.lane.empty()) turn = Change::turn_at(now, now);
    else lane = key.lane;
    if (event->state == EventState::skipped) change.match(number);
    db_.run("DELETE FROM refusal WHERE event = ? AND hook = ?", {number, delivery.hook});
    db_.run("INSERT INTO delivery (event, hook, state, turn, portal, lane, attempt, max_attempts, "
            "due_at, reason) VALUES (?, ?, 0, ?, ?, ?, 0, ?, ?, '')",
            {number, delivery.hook, turn, key.portal, lane, delivery.max_attempts, now});
    change.count(delivery.hook, name_of(waiting), 1);
    change.delivery_resumed(number, waiting);
    change.settle(key, now);
    change.commit();
    return {true, event->secrets_erased ? std::string(without_secrets) : std::string(), 1};
}

// -- Cancel

Wish SqliteStore::cancel(const DeliveryName& name, bool kill, Millis now) {
    Change change(db_);
    const std::optional<StoredEvent> event = load_event(name.event);
    const std::string number = std::to_string(name.event);
    if (!event) return refused("there is no event " + number);
    if (event->state != EventState::matched) {
        if (!name.hook.empty()) return refused(no_delivery(name.event, name.hook, event->state));
        if (event->state == EventState::skipped) return refused(number + " is skipped");
        change.skip(name.event, "cancelled", false, now);
        change.commit();
        return {true, {}, 1};
    }
    const std::vector<Stored> found = stored_deliveries(name);
    if (found.empty()) return refused(no_delivery(name.event, name.hook, event->state));
    Wish wish;
    for (const Stored& delivery : found) {
        if (delivery.state == waiting) {
            change.end_waiting(name.event, delivery.key, DeliveryState::cancelled, std::nullopt,
                               now);
            change.settle(delivery.key, now);
            ++wish.count;
        } else if (delivery.state == running && kill) {
            db_.run("INSERT OR IGNORE INTO kill_wish (event, hook) VALUES (?, ?)",
                    {name.event, delivery.key.hook});
            ++wish.count;
        } else if (delivery.state == running) {
            append_line(wish.text, delivery.is() + " (--kill ends it)");
        }
    }
    if (wish.count == 0 && wish.text.empty()) {
        if (!name.hook.empty()) return refused(found.front().is());
        return refused(number + " has no waiting delivery");
    }
    wish.done = wish.text.empty();
    change.commit();
    return wish;
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
