// What another store takes over: everything, event by event.
#include "sqlite/sqlite_store.h"

namespace bx {

std::vector<MovedEvent> SqliteStore::moved(EventNumber after, std::size_t at_most) {
    const Transaction moment(db_, Transaction::Kind::read);
    std::vector<MovedEvent> moved;
    {
        Rows rows = db_.rows("SELECT n, ended_at FROM event WHERE n > ? ORDER BY n LIMIT ?",
                             {after, at_most});
        while (rows.next()) {
            moved.emplace_back().event.number = rows.number(0);
            moved.back().ended_at = rows.maybe_number(1);
        }
    }
    for (MovedEvent& event : moved) {
        const EventNumber number = event.event.number;
        event.event = load_event(number).value();  // what cannot be read of it is empty
        event.event.refused = refusals(number);
        read_moved(number, event.deliveries);
        for (MovedDelivery& delivery : event.deliveries) {
            delivery.attempts = attempts(number, delivery.record.hook);
        }
    }
    return moved;
}

void SqliteStore::read_moved(EventNumber number, std::vector<MovedDelivery>& deliveries) {
    Rows rows = db_.rows("SELECT hook, state, reason, attempt, max_attempts, due_at, merged_into, "
                         "ended_at, lane IS NOT NULL, failed_at FROM delivery WHERE event = ?",
                         {number});
    while (rows.next()) {
        MovedDelivery& delivery = deliveries.emplace_back();
        delivery.record.event = number;
        delivery.record.hook = rows.text(0);
        delivery.record.state = static_cast<DeliveryState>(rows.number(1));
        delivery.record.reason = rows.text(2);
        delivery.record.attempt = static_cast<int>(rows.number(3));
        delivery.record.max_attempts = static_cast<int>(rows.number(4));
        delivery.record.due_at = rows.maybe_number(5);
        delivery.record.merged_into = rows.maybe_number(6);
        delivery.record.ended_at = rows.maybe_number(7);
        delivery.ordered = rows.number(8) != 0;
        delivery.failed_at = rows.maybe_number(9);
    }
}

EventNumber SqliteStore::last_number() {
    // AUTOINCREMENT's own memory: also of events that are pruned.
    return db_.number("SELECT seq FROM sqlite_sequence WHERE name = 'event'");
}

}  // namespace bx
