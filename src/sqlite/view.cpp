// What the SQLite store shows.
#include "host/worker_lock.h"
#include "sqlite/events.h"
#include "sqlite/list.h"
#include "sqlite/parts.h"

namespace bx::sqlite {

namespace {

constexpr int blocked_at_most = 100;

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

    std::vector<ListRow> list(const ListFilter& filter) override {
        return sqlite::list(db_, filter);
    }
    void add_causes(std::span<ListRow> rows) override { sqlite::add_causes(db_, rows); }
    std::optional<StoredEvent> event(EventNumber number) override;
    std::vector<DeliveryRecord> deliveries(EventNumber number) override {
        return sqlite::deliveries(db_, number);
    }
    std::vector<AttemptRecord> attempts(EventNumber number, const std::string& hook) override {
        return sqlite::attempts(db_, number, hook);
    }
    StoreStatus status(Millis now) override;

private:
    Database& db_;
};

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
