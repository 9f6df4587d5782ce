// The upkeep of the PostgreSQL store.
#include <endian.h>

#include "postgres/events.h"
#include "postgres/parts.h"

namespace bx::postgres {

namespace {

constexpr Millis batch_kept = 10 * minute;  // far longer than a gateway asks for its own again
// What is known of a boot is deleted so long after: it has ended, or its hour begins anew.
constexpr Millis clock_kept = 30 * day;
constexpr std::int64_t capped_at_most = 1000;  // deliveries in one transaction

class Maintenance final : public Upkeep {
public:
    explicit Maintenance(Session& session) : session_(session) {}

    std::size_t prune(const PruneOrder& order) override;
    std::vector<EventNumber> prunable(const PruneOrder& order) override;
    void recount_running() override;
    std::int64_t count_prunable(const PruneOrder& order) override;
    bool cap_due(Millis latest) override;
    bool scrub() override { return true; }  // what is erased is deleted
    ClockRecord watch_clock(const ClockReading& now) override;
    std::int64_t unfinished() override { return postgres::unfinished(session_); }
    EventNumber newest() override;

private:
    Session& session_;
};

// a_done_before, a_dead_before, a_most, a_passed_over
Params prunable_params(const Session& session, const PruneOrder& order) {
    const Millis dead_before = order.dead_before > 0 ? session.theirs(order.dead_before) : 0;
    return {session.at(order.done_before), Param::number(dead_before),
            Param::number(static_cast<std::int64_t>(order.at_most)),
            Param::numbers(order.passed_over)};
}

std::vector<EventNumber> Maintenance::prunable(const PruneOrder& order) {
    const Result found = session_.call("SELECT unnest(bxhook.prunable($1, $2, $3, $4))",
                                       prunable_params(session_, order));
    std::vector<EventNumber> numbers;
    for (int row = 0; row < found.rows(); ++row) numbers.push_back(found.number(row, 0));
    return numbers;
}

std::size_t Maintenance::prune(const PruneOrder& order) {
    const std::uint64_t old = htobe64(static_cast<std::uint64_t>(wall_now() - batch_kept));
    const std::string key(reinterpret_cast<const char*>(&old), sizeof old);
    Params params = prunable_params(session_, order);
    params.push_back(session_.shard());
    params.push_back(Param::bytes(key));
    const Result answer = session_.call(
        "SELECT bxhook.prune($5::integer, $1, $2, $3, $4, $6)", params);
    return static_cast<std::size_t>(answer.number(0, 0));
}

// One statement, so that both counts are of the same moment.
void Maintenance::recount_running() {
    session_.call(
        "INSERT INTO bxhook.tally AS t (hook, what, shard, n) "
        "SELECT hook, 'running', $1::integer, sum(n) FROM ("
        "SELECT hook, count(*) AS n FROM bxhook.delivery WHERE state = 1 GROUP BY hook "
        "UNION ALL SELECT hook, -n FROM bxhook.tally WHERE hook <> '' AND what = 'running'"
        ") AS difference GROUP BY hook HAVING sum(n) <> 0 "
        "ON CONFLICT (hook, what, shard) DO UPDATE SET n = t.n + excluded.n",
        {session_.shard()});
}

EventNumber Maintenance::newest() {
    return session_.call("SELECT bxhook.last_number()", {}).number(0, 0);
}

std::int64_t Maintenance::count_prunable(const PruneOrder& order) {
    const Params before{session_.at(order.done_before)};
    const std::int64_t done =
        session_.call("SELECT count(*) FROM bxhook.event WHERE ended_at IS NOT NULL AND dead = 0 "
                      "AND ended_at < $1",
                      before)
            .number(0, 0);
    if (order.dead_before == 0) return done;
    return done +
           session_.call("SELECT count(*) FROM bxhook.event AS e WHERE ended_at IS NOT NULL "
                         "AND dead > 0 AND ended_at < $1 AND NOT EXISTS (SELECT 1 FROM "
                         "bxhook.delivery AS d WHERE d.event = e.n AND d.state <> 3 "
                         "AND d.ended_at >= $2)",
                         {session_.at(order.dead_before), session_.at(order.done_before)})
               .number(0, 0);
}

// Those behind another of their lane have their turn, and are capped, later.
bool Maintenance::cap_due(Millis latest) {
    const Result capped = session_.call(
        "WITH capped AS (UPDATE bxhook.delivery SET due_at = $1 WHERE ctid = ANY (ARRAY("
        "SELECT ctid FROM bxhook.delivery WHERE turn = 1 AND due_at > $1 LIMIT $2 "
        "FOR UPDATE SKIP LOCKED)) RETURNING 1) SELECT count(*) FROM capped",
        {session_.at(latest), Param::number(capped_at_most)});
    return capped.number(0, 0) == capped_at_most;
}

// The database's clock, as this host knows it, is the one by which things are deleted: a server
// whose clock is wrong, or another one with another clock, shows as a step.
ClockRecord Maintenance::watch_clock(const ClockReading& now) {
    const Result answer = session_.call("SELECT up, wall, step FROM bxhook.clock WHERE boot = $1",
                                        {Param::text(now.boot)});
    std::optional<ClockRecord> known;
    if (answer.rows() > 0) {
        known = {now.boot, answer.number(0, 0), answer.number(0, 1), answer.number(0, 2)};
    }
    const ClockReading seen{now.boot, now.up, session_.theirs(now.wall)};
    ClockRecord record = known && known->agrees(seen) ? *known : begin_trial(known, seen);
    if (record.up == seen.up) {
        session_.call(
            "WITH old AS (DELETE FROM bxhook.clock WHERE wall < $5) "
            "INSERT INTO bxhook.clock AS c (boot, up, wall, step) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (boot) DO UPDATE SET up = $2, wall = $3, step = $4",
            {Param::text(record.boot), Param::number(record.up), Param::number(record.wall),
             Param::number(record.step), Param::number(record.wall - clock_kept)});
    }
    record.wall = session_.ours(record.wall);
    return record;
}

}  // namespace

std::unique_ptr<Upkeep> make_upkeep(Session& session) {
    return std::make_unique<Maintenance>(session);
}

}  // namespace bx::postgres
