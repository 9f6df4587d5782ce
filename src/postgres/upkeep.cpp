// The upkeep of the PostgreSQL store.
#include <algorithm>

#include "postgres/events.h"
#include "postgres/parts.h"

namespace bx::postgres {

namespace {

constexpr Millis batch_kept = 10 * minute;  // far longer than a gateway asks for its own again
// What is known of a boot is deleted so long after: it has ended, or its hour begins anew.
constexpr Millis clock_kept = 30 * day;
constexpr std::int64_t capped_at_most = 1000;  // deliveries in one transaction
constexpr std::int64_t looked_at_most = 200;   // events in one step

class Maintenance final : public Upkeep {
public:
    explicit Maintenance(Names& names) : session_(names.session()) {}

    Pruned prune(const PruneOrder& order) override;
    std::vector<EventNumber> prunable(const PruneOrder& order) override;
    void recount_running() override {}  // they are counted at each claim
    std::int64_t count_prunable(const PruneOrder& order) override;
    bool cap_due(Millis latest) override;
    bool scrub() override { return true; }  // what is erased is deleted
    ClockRecord watch_clock(const ClockReading& now) override;
    EventNumber newest() override {
        return session_.call(Call<sql::last_number>()).number(0, 0);
    }
    std::int64_t unfinished() override { return postgres::unfinished(session_); }

private:
    struct Found {
        std::vector<EventNumber> events;
        EventNumber looked_up_to = 0;
        bool more = false;
    };
    Found look(const PruneOrder& order);
    Pruned remove(const Found& found, const PruneOrder& order);
    Millis dead_before(const PruneOrder& order) const {
        return order.dead_before > 0 ? session_.theirs(order.dead_before) : 0;
    }

    Session& session_;
    EventNumber cursor_ = 0;  // events up to it were looked at
    bool under_way_ = false;  // the cursor has not reached those that are too young
};

std::vector<EventNumber> Maintenance::prunable(const PruneOrder& order) {
    if (!under_way_ && order.all) cursor_ = 0;
    return look(order).events;
}

Pruned Maintenance::prune(const PruneOrder& order) {
    if (!under_way_) {
        if (order.all) cursor_ = 0;
        Call<sql::prune_keys> call;
        call[sql::prune_keys::In::batch_before] = session_.at(wall_now() - batch_kept);
        session_.call(call);
    }
    under_way_ = true;
    const Found found = look(order);
    Pruned pruned{0, found.more};
    if (!found.events.empty()) pruned = remove(found, order);
    under_way_ = pruned.more;
    return pruned;
}

Maintenance::Found Maintenance::look(const PruneOrder& order) {
    using in = sql::prunable::In;
    using out = sql::prunable::Out;
    Call<sql::prunable> call;
    call[in::after] = Param::number(cursor_);
    call[in::done_before] = session_.at(order.done_before);
    call[in::dead_before] = Param::number(dead_before(order));
    call[in::most] = Param::number(static_cast<std::int64_t>(order.at_most));
    call[in::look] = Param::number(looked_at_most);
    call[in::passed_over] = Param::numbers(order.passed_over);
    const Result answer = session_.call(call);
    Found found;
    for (int row = 0; row < answer.rows(); ++row) {
        if (answer.is_null(row, out::n)) {
            found.looked_up_to = answer.number(row, out::looked_up_to);
            found.more = answer.number(row, out::more) != 0;
        } else {
            found.events.push_back(answer.number(row, out::n));
        }
    }
    if (found.events.empty()) cursor_ = std::max(cursor_, found.looked_up_to);
    return found;
}

// When it throws, the same are looked at again.
Pruned Maintenance::remove(const Found& found, const PruneOrder& order) {
    using in = sql::prune::In;
    using out = sql::prune::Out;
    Call<sql::prune> call;
    call[in::shard] = session_.shard();
    call[in::n] = Param::numbers(found.events);
    call[in::done_before] = session_.at(order.done_before);
    call[in::dead_before] = Param::number(dead_before(order));
    call[in::most_rows] = Param::number(static_cast<std::int64_t>(10 * order.at_most));
    const Result answer = session_.call(call);
    const auto deleted = static_cast<std::size_t>(answer.number(0, out::deleted));
    const std::optional<EventNumber> left = answer.maybe_number(0, out::left_from);
    cursor_ = left ? *left - 1 : std::max(cursor_, found.looked_up_to);
    return {deleted, left || found.more};
}

std::int64_t Maintenance::count_prunable(const PruneOrder& order) {
    using in = sql::count_prunable::In;
    Call<sql::count_prunable> call;
    call[in::done_before] = session_.at(order.done_before);
    call[in::dead_before] = Param::number(dead_before(order));
    call[in::passed_over] = Param::numbers(order.passed_over);
    return session_.call(call).number(0, 0);
}

bool Maintenance::cap_due(Millis latest) {
    Call<sql::cap_due> call;
    call[sql::cap_due::In::latest] = session_.at(latest);
    call[sql::cap_due::In::most] = Param::number(capped_at_most);
    return session_.call(call).number(0, 0) != 0;
}

// The database's clock, as this host knows it, is the one by which things are deleted: a server
// whose clock is wrong, or another one with another clock, shows as a step.
ClockRecord Maintenance::watch_clock(const ClockReading& now) {
    using in = sql::watch_clock::In;
    using out = sql::clocks::Out;
    const Result clocks = session_.call(Call<sql::clocks>());
    std::optional<ClockRecord> known;
    for (int row = 0; row < clocks.rows(); ++row) {
        if (clocks.text(row, out::boot) != now.boot) continue;
        known = {now.boot, clocks.number(row, out::up), clocks.number(row, out::wall),
                 clocks.number(row, out::step)};
    }
    const ClockReading seen{now.boot, now.up, session_.theirs(now.wall)};
    ClockRecord record = known && known->agrees(seen) ? *known : begin_trial(known, seen);
    if (record.up == seen.up) {
        Call<sql::watch_clock> call;
        call[in::boot] = Param::text(record.boot);
        call[in::up] = Param::number(record.up);
        call[in::wall] = Param::number(record.wall);
        call[in::step] = Param::number(record.step);
        call[in::forget] = Param::number(record.wall - clock_kept);
        session_.call(call);
    }
    record.wall = session_.ours(record.wall);
    return record;
}

}  // namespace

std::unique_ptr<Upkeep> make_upkeep(Names& names) {
    return std::make_unique<Maintenance>(names);
}

}  // namespace bx::postgres
