#include "sqlite/export.h"

#include "sqlite/events.h"

namespace bx::sqlite {

namespace {

void read_deliveries(Database& database, EventNumber number,
                     std::vector<MovedDelivery>& deliveries) {
    Rows rows =
        database.rows("SELECT hook, state, reason, attempt, max_attempts, due_at, merged_into, "
                      "ended_at, lane IS NOT NULL, failed_at, granted FROM delivery WHERE event = ?",
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
        delivery.granted = static_cast<int>(rows.number(10));
    }
}

}  // namespace

std::vector<MovedEvent> moved_events(Database& database, EventNumber after, std::size_t at_most) {
    const Transaction moment(database, Transaction::Kind::read);
    std::vector<MovedEvent> moved;
    {
        Rows rows = database.rows("SELECT n, ended_at FROM event WHERE n > ? ORDER BY n LIMIT ?",
                                  {after, at_most});
        while (rows.next()) {
            moved.emplace_back().event.number = rows.number(0);
            moved.back().ended_at = rows.maybe_number(1);
        }
    }
    for (MovedEvent& event : moved) {
        const EventNumber number = event.event.number;
        event.event = load_event(database, number).value();  // what cannot be read of it is empty
        event.event.refused = refusals(database, number);
        read_deliveries(database, number, event.deliveries);
        for (MovedDelivery& delivery : event.deliveries) {
            delivery.attempts = attempts(database, number, delivery.record.hook);
        }
    }
    return moved;
}

EventNumber last_number(Database& database) {
    // AUTOINCREMENT's own memory.
    return database.number("SELECT seq FROM sqlite_sequence WHERE name = 'event'");
}

}  // namespace bx::sqlite
