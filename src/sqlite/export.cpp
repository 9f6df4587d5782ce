#include "sqlite/export.h"

#include <algorithm>

#include "sqlite/counters.h"
#include "sqlite/events.h"
#include "sqlite/list.h"
#include "sqlite/statements.h"

namespace bx::sqlite {

namespace {

struct Laned {
    bool ordered = false;
    std::optional<Millis> failed_at;
    std::optional<int> failures;
};

Laned laned(Database& database, DeliveryId d) {
    {
        Rows rows = database.rows(sql::open, d);
        using row = sql::open_row;
        if (rows.next()) {
            return {!rows.is_null(row::lane), rows.maybe_number(row::failed_at),
                    small(rows.maybe_number(row::failures))};
        }
    }
    Rows rows = database.rows(sql::ended_again, d);
    return {rows.next() && rows.number(sql::again_row::laned) != 0, std::nullopt, 0};
}

void read_deliveries(Names& names, MovedEvent& moved) {
    const EventNumber number = moved.event.number;
    Millis ended_at = 0;
    bool open = false;
    for (DeliveryRecord& record : deliveries(names, number)) {
        const DeliveryId d = delivery_id(number, names.known_hook(record.hook).value());
        const auto [ordered, failed_at, failures] = laned(names.database(), d);
        MovedDelivery& delivery = moved.deliveries.emplace_back();
        delivery.record = std::move(record);
        delivery.record.blocked_by.reset();
        delivery.ordered = ordered;
        delivery.failed_at = failed_at;
        delivery.failures = failures;
        delivery.attempts = attempts(names, d);
        open = open || !delivery.record.ended_at;
        ended_at = std::max(ended_at, delivery.record.ended_at.value_or(0));
    }
    if (!open && !moved.deliveries.empty()) moved.ended_at = ended_at;
}

}  // namespace

std::vector<MovedEvent> moved_events(Names& names, EventNumber after, std::size_t at_most) {
    Database& database = names.database();
    const Transaction moment(database, Transaction::Kind::read);
    std::vector<EventNumber> numbers;
    {
        Rows rows = database.rows(sql::events_after, after, at_most);
        while (rows.next()) numbers.push_back(rows.number(sql::age_row::n));
    }
    std::vector<MovedEvent> moved;
    for (const EventNumber number : numbers) {
        MovedEvent& event = moved.emplace_back();
        event.event = load_event(names, number).value();  // what cannot be read of it is empty
        event.event.refused = refusals(database, number);
        if (event.event.state == EventState::skipped) {
            Rows rows = database.rows(sql::skip, number);
            if (rows.next()) event.ended_at = rows.number(sql::skip_row::at);
        } else {
            read_deliveries(names, event);
        }
    }
    return moved;
}

EventNumber last_number(Database& database) {
    return last_event(database).number;
}

}  // namespace bx::sqlite
