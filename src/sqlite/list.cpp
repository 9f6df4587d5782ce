#include "sqlite/list.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/text.h"
#include "sqlite/events.h"
#include "sqlite/lanes.h"
#include "store/errors.h"

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

// What the statement does not see to.  Reads no more than it needs: it may be asked about all rows.
bool matches(const ListFilter& filter, const Rows& rows) {
    constexpr int received_at = delivery_width + 2;
    constexpr int event_code = delivery_width + 6;
    constexpr int domain = delivery_width + 9;
    constexpr int member_id = delivery_width + 10;
    if (rows.number(received_at) < filter.from) return false;
    if (filter.hooks.size() > 1 &&
        std::ranges::find(filter.hooks, rows.text(1)) == filter.hooks.end()) {
        return false;
    }
    if (!filter.portal.empty() && !equal_ignoring_case(filter.portal, rows.text(domain)) &&
        !equal_ignoring_case(filter.portal, rows.text(member_id))) {
        return false;
    }
    return filter.code_glob.empty() || glob_match(filter.code_glob, rows.text(event_code), true);
}

// The rows of one statement of a list, those that match.
class Source {
public:
    Source(Rows rows, const ListFilter& filter)
        : rows_(std::move(rows)), filter_(filter), more_(rows_.next()) {
        skip();
    }

    bool has_row() const { return more_; }
    const Rows& rows() const { return rows_; }
    void next() {
        more_ = rows_.next();
        skip();
    }
    // In the order of a list.  Both have a row.
    bool comes_before(const Source& other) const {
        const EventNumber mine = rows_.number(delivery_width);
        const EventNumber theirs = other.rows_.number(delivery_width);
        return mine != theirs ? mine > theirs : rows_.text(1) > other.rows_.text(1);
    }

private:
    void skip() {
        while (more_ && !matches(filter_, rows_)) more_ = rows_.next();
    }

    Rows rows_;
    const ListFilter& filter_;
    bool more_;
};

std::vector<Source> list_sources(Database& database, const ListFilter& filter,
                                 EventNumber smallest) {
    std::vector<std::optional<RowState>> states(filter.states.begin(), filter.states.end());
    if (states.empty()) states.emplace_back();
    constexpr auto largest = std::numeric_limits<std::int64_t>::max();
    const DeliveryName beyond = filter.beyond.value_or(DeliveryName{largest, {}});
    const std::string hook = filter.hooks.size() == 1 ? filter.hooks.front() : "";
    std::vector<Source> sources;
    sources.reserve(states.size());
    for (const std::optional<RowState> state : states) {
        sources.emplace_back(database.rows(list_statement(state),
                                           {smallest, beyond.event, beyond.hook, hook, filter.id,
                                            filter.to.value_or(largest)}),
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
    std::vector<ListRow> list;
    EventNumber smallest = filter.after + 1;
    if (filter.from > 0) {
        // The clock may have stepped: an older event can have a later time, never the reverse here.
        Rows rows = database.rows("SELECT min(n) FROM event WHERE received_at >= ?", {filter.from});
        const std::optional<EventNumber> first = rows.next() ? rows.maybe_number(0) : std::nullopt;
        if (!first) return list;
        smallest = std::max(smallest, *first);
    }
    std::vector<Source> sources = list_sources(database, filter, smallest);
    while (list.size() < filter.limit) {
        Source* next = nullptr;
        for (Source& source : sources) {
            if (source.has_row() && (!next || source.comes_before(*next))) next = &source;
        }
        if (!next) break;
        list.push_back(read_row(database, next->rows()));
        next->next();
    }
    return list;
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
