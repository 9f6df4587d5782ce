// What people look at: list, show, status.
#include <algorithm>

#include "base/text.h"
#include "host/worker_lock.h"
#include "sqlite/sqlite_store.h"

namespace bx {

namespace {

constexpr int blocked_at_most = 100;

// -- Reading rows.  The order of the columns is that of the readers below them.

constexpr std::string_view delivery_columns =
    "d.event, d.hook, d.state, d.reason, d.attempt, d.max_attempts, d.due_at, d.merged_into, "
    "d.ended_at, d.turn, d.portal, d.lane";
constexpr int delivery_width = 12;

constexpr std::string_view event_columns =
    "e.n, e.state, e.received_at, e.test, e.reason, e.erased, e.code, e.kind, e.id, e.domain, "
    "e.member_id, e.user_id, e.handler_id, e.ts, e.dead";
constexpr int event_width = 15;

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

StoredEvent read_event(const Rows& rows, int first) {
    StoredEvent event;
    event.number = rows.number(first);
    event.state = static_cast<EventState>(rows.number(first + 1));
    event.received_at = rows.number(first + 2);
    event.test = rows.number(first + 3) != 0;
    event.reason = rows.text(first + 4);
    event.secrets_erased = rows.number(first + 5) != 0;
    event.facts = {rows.text(first + 6),  rows.text(first + 7),  rows.text(first + 8),
                   rows.text(first + 9),  rows.text(first + 10), rows.text(first + 11),
                   rows.text(first + 12), rows.text(first + 13)};
    event.retryable = event.state == EventState::skipped && rows.number(first + 14) > 0;
    return event;
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

}  // namespace

// The unfinished delivery right before it in its lane; for one that was put back before a running
// one, that one.
std::optional<EventNumber> SqliteStore::blocker(EventNumber event, const LaneKey& key) {
    std::optional<EventNumber> before;
    {
        Rows rows = db_.rows("SELECT max(event) FROM delivery INDEXED BY delivery_lane "
                             "WHERE hook = ? AND portal = ? AND lane = ? AND state < 2 "
                             "AND state = 0 AND event < ?",
                             {key.hook, key.portal, key.lane, event});
        if (rows.next()) before = rows.maybe_number(0);
    }
    Rows rows = db_.rows("SELECT event FROM delivery INDEXED BY delivery_lane "
                         "WHERE hook = ? AND portal = ? AND lane = ? AND state < 2 AND state = 1",
                         {key.hook, key.portal, key.lane});
    if (!rows.next()) return before;
    const EventNumber running = rows.number(0);
    if (!before || (running < event && running > *before)) return running;
    return before;
}

std::vector<ListRow> SqliteStore::list(const ListFilter& filter) {
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
        if (delivery.behind) row.delivery->blocked_by = blocker(row.event.number, delivery.key);
        list.push_back(std::move(row));
    }
    return list;
}

std::vector<DeliveryRecord> SqliteStore::deliveries(EventNumber number) {
    const Transaction moment(db_, Transaction::Kind::read);
    std::vector<DeliveryRecord> found;
    Rows rows = db_.rows("SELECT " + std::string(delivery_columns) +
                             " FROM delivery AS d WHERE d.event = ? ORDER BY d.hook",
                         {number});
    while (rows.next()) {
        DeliveryRow row = read_delivery(rows);
        if (row.behind) row.record.blocked_by = blocker(number, row.key);
        found.push_back(std::move(row.record));
    }
    return found;
}

std::vector<AttemptRecord> SqliteStore::attempts(EventNumber number, const std::string& hook) {
    std::vector<AttemptRecord> found;
    Rows rows = db_.rows(
        "SELECT attempt, run, result, exit, signal, reason, started_at, ended_at, out, out_bytes, "
        "err, err_bytes FROM attempt WHERE event = ? AND hook = ? ORDER BY attempt",
        {number, hook});
    while (rows.next()) {
        AttemptRecord attempt;
        attempt.attempt = static_cast<int>(rows.number(0));
        attempt.run = rows.text(1);
        attempt.result = static_cast<AttemptResult>(rows.number(2));
        if (const auto exit = rows.maybe_number(3)) attempt.exit = static_cast<int>(*exit);
        attempt.signal = rows.text(4);
        attempt.reason = rows.text(5);
        attempt.started_at = rows.number(6);
        attempt.ended_at = rows.maybe_number(7);
        attempt.out = {rows.text(8), rows.number(9)};
        attempt.err = {rows.text(10), rows.number(11)};
        found.push_back(std::move(attempt));
    }
    return found;
}

// -- Status

StoreStatus SqliteStore::status(Millis now) {
    StoreStatus status;
    {
        const Transaction moment(db_, Transaction::Kind::read);
        read_tallies(status);
        read_rates(status, now);
        read_due(status, now);
        read_workers(status);
        read_blocked(status);
    }
    status.worker_runs = worker_runs(db_.path());
    // What a worker that was killed left behind is no worker.
    if (!status.worker_runs) status.workers.clear();
    status.drop_idle_hooks();
    return status;
}

void SqliteStore::read_tallies(StoreStatus& status) {
    Rows rows = db_.rows("SELECT hook, what, n FROM tally ORDER BY hook");
    while (rows.next()) status.add_tally(rows.text(0), rows.text(1), rows.number(2));
}

void SqliteStore::read_rates(StoreStatus& status, Millis now) {
    Rows rows = db_.rows("SELECT hook, sum(done), sum(failed), sum(dead) FROM rate "
                         "WHERE minute > ? AND minute <= ? GROUP BY hook",
                         {(now - hour) / minute, now / minute});
    while (rows.next()) {
        status.set_rates(rows.text(0), rows.number(1), rows.number(2), rows.number(3));
    }
}

void SqliteStore::read_due(StoreStatus& status, Millis now) {
    const auto take = [&status](Rows rows) {
        while (rows.next()) status.add_due(rows.text(0), rows.number(1), rows.number(2));
    };
    take(db_.rows("SELECT hook, count(*), min(due_at) FROM delivery INDEXED BY delivery_ready "
                  "WHERE turn = 2 GROUP BY hook"));
    take(db_.rows("SELECT hook, count(*), min(due_at) FROM delivery INDEXED BY delivery_due "
                  "WHERE turn = 1 AND due_at <= ? GROUP BY hook",
                  {now}));
    Rows rows = db_.rows("SELECT received_at FROM event INDEXED BY event_state "
                         "WHERE state <> 1 AND state = 0 ORDER BY n LIMIT 1");
    if (rows.next()) status.oldest_new_at = rows.number(0);
}

void SqliteStore::read_workers(StoreStatus& status) {
    Rows rows = db_.rows(
        "SELECT host, pid, version, since, config_error, trouble, once FROM worker");
    while (rows.next()) {
        // One worker runs all that is running.
        status.workers.push_back({rows.text(0), rows.number(1), rows.text(2), rows.number(3),
                                  static_cast<int>(status.running), rows.text(4), {}, rows.text(5),
                                  rows.number(6) != 0});
    }
    Rows once = db_.rows("SELECT left_at, host, trouble FROM once");
    if (once.next()) status.once = {once.number(0), once.text(1), once.text(2)};
    Rows clocks = db_.rows("SELECT boot, up, wall, step FROM clock");
    while (clocks.next()) {
        status.clocks.push_back(
            {clocks.text(0), clocks.number(1), clocks.number(2), clocks.number(3)});
    }
}

void SqliteStore::read_blocked(StoreStatus& status) {
    Rows rows = db_.rows(
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
        lane.behind = db_.number(
            "SELECT count(*) FROM delivery INDEXED BY delivery_lane "
            "WHERE hook = ? AND portal = ? AND lane = ? AND state < 2 AND state = 0 AND event <> ?",
            {lane.hook, rows.text(event_width + 1), rows.text(event_width + 2), lane.event});
        status.blocked.push_back(std::move(lane));
    }
}

}  // namespace bx
