#include "sqlite/list.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "sqlite/events.h"
#include "sqlite/lanes.h"
#include "store/errors.h"
#include "store/listing.h"

namespace bx::sqlite {

namespace {

constexpr int shown_stderr = 4096;  // bytes at its end, for its last line

// The order of the columns is that of read_delivery.
constexpr std::string_view delivery_columns =
    "d.event, d.hook, d.state, d.reason, d.attempt, d.max_attempts, d.due_at, d.merged_into, "
    "d.ended_at, d.turn, d.portal, d.lane";
constexpr int delivery_width = 12;

struct DeliveryRow {
    DeliveryRecord record;
    LaneKey key;
    bool behind = false;  // another of its lane
};

DeliveryRow read_delivery(const Rows& rows) {
    DeliveryRow row;
    row.record.event = rows.number(0);
    row.record.hook = rows.text(1);
    row.record.state = static_cast<DeliveryState>(rows.number(2));
    row.record.reason = rows.text(3);
    row.record.attempt = static_cast<int>(rows.number(4));
    row.record.max_attempts = static_cast<int>(rows.number(5));
    row.record.due_at = rows.maybe_number(6);
    row.record.merged_into = rows.maybe_number(7);
    row.record.ended_at = rows.maybe_number(8);
    row.key = {row.record.hook, rows.text(10), rows.text(11)};
    row.behind = row.record.state == DeliveryState::waiting && !rows.maybe_number(9);
    return row;
}

ListRow read_row(Database& database, const Rows& rows) {
    ListRow row;
    row.event = read_event(rows, delivery_width);
    if (!rows.maybe_number(0)) return row;
    DeliveryRow delivery = read_delivery(rows);
    if (delivery.behind) {
        delivery.record.blocked_by = blocker(database, row.event.number, delivery.key);
    }
    row.delivery = std::move(delivery.record);
    return row;
}

// -- The rows of `list`, newest first: those of one state, or of any, by the index that has them.
// ?1 is the smallest event, ?2 and ?3 the row that they come after, ?4 the one hook or empty, ?5 the
// entity's id or empty, ?6 the time they were received before.
std::string list_statement(std::optional<RowState> state) {
    const std::string columns =
        "SELECT " + std::string(delivery_columns) + ", " + std::string(event_columns) + " FROM ";
    const std::string chosen = " AND (?4 = '' OR d.hook = ?4) AND (?5 = '' OR e.id = ?5) "
                               "AND e.received_at < ?6";
    const std::string range = " AND e.n >= ?1 AND e.n <= ?2 AND (e.n < ?2 OR d.hook < ?3)" + chosen;
    if (!state) {
        return columns + "event AS e LEFT JOIN delivery AS d ON d.event = e.n WHERE 1" + range +
               " ORDER BY e.n DESC, d.hook DESC";
    }
    if (is_of_event(*state)) {  // -1: such an event has no delivery
        return columns +
               "event AS e INDEXED BY event_state LEFT JOIN delivery AS d ON d.event = -1 " +
               "WHERE e.state <> 1 AND e.state = " +
               std::to_string(static_cast<int>(event_state(*state))) + range + " ORDER BY e.n DESC";
    }
    const std::string code = std::to_string(static_cast<int>(delivery_state(*state)));
    if (state == RowState::done) {  // nearly all: the index leaves them out
        return columns + "event AS e CROSS JOIN delivery AS d ON d.event = e.n WHERE d.state = " +
               code + range + " ORDER BY e.n DESC, d.hook DESC";
    }
    return columns + "delivery AS d INDEXED BY delivery_state CROSS JOIN event AS e " +
           "ON e.n = d.event WHERE d.state <> 2 AND d.event >= ?1 AND d.event <= ?2 " +
           "AND (d.event < ?2 OR d.hook < ?3) AND d.state = " + code + chosen +
           " ORDER BY d.event DESC, d.hook DESC";
}

// A row of a statement, for `passes`.
class Columns {
public:
    explicit Columns(const Rows& rows) : rows_(rows) {}

    Millis received_at() const { return rows_.number(delivery_width + 2); }
    std::string hook() const { return rows_.text(1); }
    std::string code() const { return rows_.text(delivery_width + 6); }
    std::string domain() const { return rows_.text(delivery_width + 9); }
    std::string member_id() const { return rows_.text(delivery_width + 10); }

private:
    const Rows& rows_;
};

// The rows of one statement of a list, those that match.
class Source {
public:
    Source(Database& database, Rows rows, const ListFilter& filter)
        : database_(database), rows_(std::move(rows)), filter_(filter) {
        next();
    }

    bool has_row() const { return more_; }
    DeliveryName place() const { return {rows_.number(delivery_width), rows_.text(1)}; }
    // The row, which there is; then on to the next.
    ListRow take() {
        ListRow row = read_row(database_, rows_);
        next();
        return row;
    }

private:
    void next() {
        do more_ = rows_.next();
        while (more_ && !passes(filter_, Columns(rows_)));
    }

    Database& database_;
    Rows rows_;
    const ListFilter& filter_;
    bool more_ = false;
};

std::vector<Source> list_sources(Database& database, const ListFilter& filter,
                                 EventNumber smallest) {
    const std::vector<std::optional<RowState>> states = states_of(filter);
    constexpr auto largest = std::numeric_limits<std::int64_t>::max();
    const DeliveryName beyond = filter.beyond.value_or(DeliveryName{largest, {}});
    std::vector<Source> sources;
    sources.reserve(states.size());
    for (const std::optional<RowState> state : states) {
        sources.emplace_back(database,
                             database.rows(list_statement(state),
                                           {smallest, beyond.event, beyond.hook, hook_of(filter),
                                            filter.id, filter.to.value_or(largest)}),
                             filter);
    }
    return sources;
}

std::string stderr_end(Database& database, EventNumber event, const std::string& hook) {
    Rows rows = database.rows("SELECT substr(err, ?3) FROM attempt WHERE event = ?1 AND hook = ?2 "
                              "ORDER BY attempt DESC LIMIT 1",
                              {event, hook, -shown_stderr});
    return rows.next() ? rows.text(0) : std::string();
}

}  // namespace

std::vector<ListRow> list(Database& database, const ListFilter& filter) {
    const Transaction moment(database, Transaction::Kind::read);
    EventNumber smallest = filter.after + 1;
    if (filter.from > 0) {
        // The clock may have stepped: an older event can have a later time, never the reverse here.
        Rows rows = database.rows("SELECT min(n) FROM event WHERE received_at >= ?", {filter.from});
        const std::optional<EventNumber> first = rows.next() ? rows.maybe_number(0) : std::nullopt;
        if (!first) return {};
        smallest = std::max(smallest, *first);
    }
    std::vector<Source> sources = list_sources(database, filter, smallest);
    return merge_rows(sources, filter.limit);
}

// What is damaged is the trouble of its row alone.
void add_causes(Database& database, std::span<ListRow> rows) {
    const Transaction moment(database, Transaction::Kind::read);
    for (ListRow& row : rows) {
        try {
            const EventNumber event = row.event.number;
            if (has_failed(row)) row.stderr_end = stderr_end(database, event, row.delivery->hook);
            if (row.event.state != EventState::skipped) continue;
            row.event.refused = refusals(database, event);
        } catch (const StoreDamaged&) {
        }
    }
}

std::vector<DeliveryRecord> deliveries(Database& database, EventNumber number) {
    const Transaction moment(database, Transaction::Kind::read);
    std::vector<DeliveryRecord> found;
    Rows rows = database.rows("SELECT " + std::string(delivery_columns) +
                                  " FROM delivery AS d WHERE d.event = ? ORDER BY d.hook",
                              {number});
    while (rows.next()) {
        DeliveryRow row = read_delivery(rows);
        if (row.behind) row.record.blocked_by = blocker(database, number, row.key);
        found.push_back(std::move(row.record));
    }
    return found;
}

}  // namespace bx::sqlite
