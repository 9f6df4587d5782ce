// What the SQLite store shows.
#include <algorithm>

#include "base/text.h"
#include "host/worker_lock.h"
#include "sqlite/events.h"
#include "sqlite/lanes.h"
#include "sqlite/parts.h"

namespace bx::sqlite {

namespace {

constexpr int blocked_at_most = 100;

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

// -- The rows of `list`, newest first: those the state allows, by the index that has them.
// ?1 is the smallest event, ?2 the hook or empty.
std::string list_statement(const ListFilter& filter) {
    const std::string columns =
        "SELECT " + std::string(delivery_columns) + ", " + std::string(event_columns) + " FROM ";
    const std::string range = " AND e.n >= ?1 AND (?2 = '' OR d.hook = ?2) ORDER BY e.n DESC";
    if (!filter.state) {
        return columns + "event AS e LEFT JOIN delivery AS d ON d.event = e.n WHERE 1" + range;
    }
    if (is_of_event(*filter.state)) {  // -1: such an event has no delivery
        return columns +
               "event AS e INDEXED BY event_state LEFT JOIN delivery AS d ON d.event = -1 " +
               "WHERE e.state <> 1 AND e.state = " +
               std::to_string(static_cast<int>(event_state(*filter.state))) + range;
    }
    const std::string code = std::to_string(static_cast<int>(delivery_state(*filter.state)));
    if (filter.state == RowState::done) {  // nearly all: the index leaves them out
        return columns + "event AS e CROSS JOIN delivery AS d ON d.event = e.n WHERE d.state = " +
               code + range;
    }
    return columns + "delivery AS d INDEXED BY delivery_state CROSS JOIN event AS e " +
           "ON e.n = d.event WHERE d.state <> 2 AND d.event >= ?1 AND d.state = " + code +
           " AND (?2 = '' OR d.hook = ?2) ORDER BY d.event DESC";
}

// What the statement does not see to.  Reads no more than it needs: it may be asked about all rows.
bool matches(const ListFilter& filter, const Rows& rows) {
    constexpr int received_at = delivery_width + 2;
    constexpr int event_code = delivery_width + 6;
    constexpr int domain = delivery_width + 9;
    constexpr int member_id = delivery_width + 10;
    if (rows.number(received_at) < filter.since) return false;
    if (!filter.portal.empty() && !equal_ignoring_case(filter.portal, rows.text(domain)) &&
        !equal_ignoring_case(filter.portal, rows.text(member_id))) {
        return false;
    }
    return filter.code_glob.empty() || glob_match(filter.code_glob, rows.text(event_code), true);
}

// -- Status

void read_tallies(Database& database, StoreStatus& status) {
    Rows rows = database.rows("SELECT hook, what, n FROM tally ORDER BY hook");
    while (rows.next()) status.add_tally(rows.text(0), rows.text(1), rows.number(2));
}

void read_rates(Database& database, StoreStatus& status, Millis now) {
    Rows rows = database.rows("SELECT hook, sum(done), sum(failed), sum(dead) FROM rate "
                              "WHERE minute > ? AND minute <= ? GROUP BY hook",
                              {(now - hour) / minute, now / minute});
    while (rows.next()) {
        status.set_rates(rows.text(0), rows.number(1), rows.number(2), rows.number(3));
    }
}

void read_due(Database& database, StoreStatus& status, Millis now) {
    const auto take = [&status](Rows rows) {
        while (rows.next()) status.add_due(rows.text(0), rows.number(1), rows.number(2));
    };
    take(database.rows("SELECT hook, count(*), min(due_at) FROM delivery "
                       "INDEXED BY delivery_ready WHERE turn = 2 GROUP BY hook"));
    take(database.rows("SELECT hook, count(*), min(due_at) FROM delivery "
                       "INDEXED BY delivery_due WHERE turn = 1 AND due_at <= ? GROUP BY hook",
                       {now}));
    Rows rows = database.rows("SELECT received_at FROM event INDEXED BY event_state "
                              "WHERE state <> 1 AND state = 0 ORDER BY n LIMIT 1");
    if (rows.next()) status.oldest_new_at = rows.number(0);
}

void read_workers(Database& database, StoreStatus& status) {
    Rows rows = database.rows(
        "SELECT host, pid, version, since, config_error, trouble, once FROM worker");
    while (rows.next()) {
        // One worker runs all that is running.
        status.workers.push_back({rows.text(0), rows.number(1), rows.text(2), rows.number(3),
                                  static_cast<int>(status.running), rows.text(4), {}, rows.text(5),
                                  rows.number(6) != 0});
    }
    Rows once = database.rows("SELECT left_at, host, trouble FROM once");
    if (once.next()) status.once = {once.number(0), once.text(1), once.text(2)};
    Rows clocks = database.rows("SELECT boot, up, wall, step FROM clock");
    while (clocks.next()) {
        status.clocks.push_back(
            {clocks.text(0), clocks.number(1), clocks.number(2), clocks.number(3)});
    }
}

void read_blocked(Database& database, StoreStatus& status) {
    Rows rows = database.rows(
        "SELECT " + std::string(event_columns) +
            ", d.hook, d.portal, d.lane, d.reason, d.failed_at " +
            "FROM delivery AS d INDEXED BY delivery_failed CROSS JOIN event AS e ON e.n = d.event "
            "WHERE d.failed_at IS NOT NULL AND d.state < 2 AND d.lane IS NOT NULL "
            "AND (d.turn IS NOT NULL OR d.state = 1) ORDER BY d.event LIMIT ?",
        {blocked_at_most});
    while (rows.next()) {
        BlockedLane lane;
        lane.facts = read_event(rows, 0).facts;
        lane.event = rows.number(0);
        lane.hook = rows.text(event_width);
        lane.reason = rows.text(event_width + 3);
        lane.since = rows.number(event_width + 4);
        lane.behind = database.number(
            "SELECT count(*) FROM delivery INDEXED BY delivery_lane "
            "WHERE hook = ? AND portal = ? AND lane = ? AND state < 2 AND state = 0 AND event <> ?",
            {lane.hook, rows.text(event_width + 1), rows.text(event_width + 2), lane.event});
        status.blocked.push_back(std::move(lane));
    }
}

// -- The role

class Looks final : public View {
public:
    explicit Looks(Database& database) : db_(database) {}

    std::vector<ListRow> list(const ListFilter& filter) override;
    std::optional<StoredEvent> event(EventNumber number) override;
    std::vector<DeliveryRecord> deliveries(EventNumber number) override;
    std::vector<AttemptRecord> attempts(EventNumber number, const std::string& hook) override {
        return sqlite::attempts(db_, number, hook);
    }
    StoreStatus status(Millis now) override;

private:
    Database& db_;
};

std::vector<ListRow> Looks::list(const ListFilter& filter) {
    const Transaction moment(db_, Transaction::Kind::read);
    std::vector<ListRow> list;
    EventNumber smallest = filter.after + 1;
    if (filter.since > 0) {
        // The clock may have stepped: an older event can have a later time, never the reverse here.
        Rows rows = db_.rows("SELECT min(n) FROM event WHERE received_at >= ?", {filter.since});
        const std::optional<EventNumber> first = rows.next() ? rows.maybe_number(0) : std::nullopt;
        if (!first) return list;
        smallest = std::max(smallest, *first);
    }
    Rows rows = db_.rows(list_statement(filter), {smallest, filter.hook});
    while (list.size() < filter.limit && rows.next()) {
        if (!matches(filter, rows)) continue;
        ListRow row;
        row.event = read_event(rows, delivery_width);
        DeliveryRow delivery;
        if (rows.maybe_number(0)) {
            delivery = read_delivery(rows);
            row.delivery = delivery.record;
        }
        if (delivery.behind) {
            row.delivery->blocked_by = blocker(db_, row.event.number, delivery.key);
        }
        list.push_back(std::move(row));
    }
    return list;
}

std::vector<DeliveryRecord> Looks::deliveries(EventNumber number) {
    const Transaction moment(db_, Transaction::Kind::read);
    std::vector<DeliveryRecord> found;
    Rows rows = db_.rows("SELECT " + std::string(delivery_columns) +
                             " FROM delivery AS d WHERE d.event = ? ORDER BY d.hook",
                         {number});
    while (rows.next()) {
        DeliveryRow row = read_delivery(rows);
        if (row.behind) row.record.blocked_by = blocker(db_, number, row.key);
        found.push_back(std::move(row.record));
    }
    return found;
}

std::optional<StoredEvent> Looks::event(EventNumber number) {
    const Transaction moment(db_, Transaction::Kind::read);
    std::optional<StoredEvent> event = load_event(db_, number);
    if (event) event->refused = refusals(db_, number);
    return event;
}

StoreStatus Looks::status(Millis now) {
    StoreStatus status;
    {
        const Transaction moment(db_, Transaction::Kind::read);
        read_tallies(db_, status);
        read_rates(db_, status, now);
        read_due(db_, status, now);
        read_workers(db_, status);
        read_blocked(db_, status);
    }
    status.worker_runs = worker_runs(db_.path());
    // A row that a killed worker left behind is not a worker.
    if (!status.worker_runs) status.workers.clear();
    status.drop_idle_hooks();
    return status;
}

}  // namespace

std::unique_ptr<View> make_view(Database& database) {
    return std::make_unique<Looks>(database);
}

}  // namespace bx::sqlite
