// What the SQLite store shows.
#include "host/worker_lock.h"
#include "sqlite/counters.h"
#include "sqlite/events.h"
#include "sqlite/list.h"
#include "sqlite/parts.h"
#include "sqlite/statements.h"

namespace bx::sqlite {

namespace {

constexpr int blocked_at_most = 100;

class Looks final : public View {
public:
    explicit Looks(Names& names) : names_(names), db_(names.database()) {}

    std::vector<ListRow> list(const ListFilter& filter) override {
        return sqlite::list(names_, filter);
    }
    void add_causes(std::span<ListRow> rows) override { sqlite::add_causes(names_, rows); }
    std::optional<StoredEvent> event(EventNumber number) override;
    std::vector<DeliveryRecord> deliveries(EventNumber number) override;
    std::vector<AttemptRecord> attempts(EventNumber number, const std::string& hook) override;
    StoreStatus status(Millis now) override;

private:
    void read_events(StoreStatus& status);
    void read_hooks(StoreStatus& status, Millis now);
    void read_due(StoreStatus& status, Millis now);
    void read_workers(StoreStatus& status);
    void read_blocked(StoreStatus& status);

    Names& names_;
    Database& db_;
};

std::optional<StoredEvent> Looks::event(EventNumber number) {
    const Transaction moment(db_, Transaction::Kind::read);
    std::optional<StoredEvent> event = load_event(names_, number);
    if (event) event->refused = refusals(db_, number);
    return event;
}

std::vector<DeliveryRecord> Looks::deliveries(EventNumber number) {
    const Transaction moment(db_, Transaction::Kind::read);
    return sqlite::deliveries(names_, number);
}

std::vector<AttemptRecord> Looks::attempts(EventNumber number, const std::string& hook) {
    const Transaction moment(db_, Transaction::Kind::read);
    const std::optional<HookId> id = names_.known_hook(hook);
    if (!id) return {};
    return sqlite::attempts(names_, delivery_id(number, *id));
}

// -- Status

void Looks::read_events(StoreStatus& status) {
    const World world = read_world(db_);
    const LastEvent last = last_event(db_);
    status.unfinished = last.unfinished();
    status.events_skipped = world.skipped;
    status.events_new = last.number - world.matched -
                        db_.number(sql::skipped_after, world.matched) +
                        db_.number(sql::unmatched_count);
    status.events_matched = last.number - world.pruned - status.events_new - world.skipped;
    status.oldest_new_at = db_.maybe_number(sql::unmatched_received);
    if (!status.oldest_new_at) {
        status.oldest_new_at = db_.maybe_number(sql::new_received, world.matched);
    }
}

void Looks::read_hooks(StoreStatus& status, Millis now) {
    Rows rows = db_.rows(sql::hook_counts, (now - hour) / minute, now / minute);
    using row = sql::count_row;
    while (rows.next()) {
        HookCounts& hook = status.hooks.emplace_back();
        hook.hook = rows.text(row::name);
        hook.running = rows.number(row::running);
        hook.waiting = rows.number(row::open) - hook.running;
        hook.done_1h = rows.number(row::done_now);
        hook.failed_1h = rows.number(row::failed_now);
        hook.dead_1h = rows.number(row::dead_now);
        hook.dead = rows.number(row::dead);
        status.waiting += hook.waiting;
        status.running += hook.running;
        status.done += rows.number(row::done);
        status.dead += hook.dead;
        status.merged += rows.number(row::merged);
        status.cancelled += rows.number(row::cancelled);
    }
}

void Looks::read_due(StoreStatus& status, Millis now) {
    const auto take = [&](Rows rows) {
        using row = sql::waits_row;
        while (rows.next()) {
            status.add_due(names_.hook_name(rows.number(row::hook)), rows.number(row::n),
                           rows.number(row::oldest));
        }
    };
    take(db_.rows(sql::ready_counts));
    take(db_.rows(sql::due_counts, now));
}

void Looks::read_workers(StoreStatus& status) {
    {
        Rows rows = db_.rows(sql::workers);
        using row = sql::worker_row;
        while (rows.next()) {
            // One worker runs all that is running.
            status.workers.push_back({rows.text(row::host), rows.number(row::pid),
                                      rows.text(row::version), rows.number(row::since),
                                      static_cast<int>(status.running),
                                      rows.text(row::config_error), {}, rows.text(row::trouble),
                                      rows.number(row::once) != 0});
        }
    }
    {
        Rows rows = db_.rows(sql::once);
        using row = sql::once_row;
        if (rows.next()) {
            status.once = {rows.number(row::left_at), rows.text(row::host),
                           rows.text(row::trouble)};
        }
    }
    Rows rows = db_.rows(sql::clocks);
    using row = sql::clock_row;
    while (rows.next()) {
        status.clocks.push_back({rows.text(row::boot), rows.number(row::up),
                                 rows.number(row::wall), rows.number(row::step)});
    }
}

void Looks::read_blocked(StoreStatus& status) {
    Rows rows = db_.rows(sql::blocked, blocked_at_most);
    using row = sql::blocked_row;
    while (rows.next()) {
        const DeliveryId d = rows.number(row::d);
        BlockedLane lane;
        lane.event = event_of(d);
        lane.hook = names_.hook_name(hook_of(d));
        if (auto of = identity(names_, lane.event)) lane.facts = std::move(of->facts);
        lane.reason = rows.text(row::reason);
        lane.since = rows.number(row::failed_at);
        lane.behind = db_.number(sql::behind, rows.number(row::lane));
        status.blocked.push_back(std::move(lane));
    }
}

StoreStatus Looks::status(Millis now) {
    StoreStatus status;
    {
        const Transaction moment(db_, Transaction::Kind::read);
        read_events(status);
        read_hooks(status, now);
        read_due(status, now);
        read_workers(status);
        read_blocked(status);
    }
    status.worker_runs = worker_runs(db_.path());
    // A row that a killed worker left behind is not a worker.
    if (!status.worker_runs) status.workers.clear();
    status.drop_idle_hooks();
    return status;
}

}  // namespace

std::unique_ptr<View> make_view(Names& names) {
    return std::make_unique<Looks>(names);
}

}  // namespace bx::sqlite
