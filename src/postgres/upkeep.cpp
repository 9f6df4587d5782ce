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

    Pruned prune(const PruneOrder& order) override;
    bool cap_due(Millis latest) override;
    bool scrub() override { return true; }  // what is erased is deleted
    ClockRecord watch_clock(const ClockReading& now) override;
    std::int64_t unfinished() override { return postgres::unfinished(session_); }

private:
    Session& session_;
};

Pruned Maintenance::prune(const PruneOrder& order) {
    const std::uint64_t old = htobe64(static_cast<std::uint64_t>(wall_now() - batch_kept));
    const std::string key(reinterpret_cast<const char*>(&old), sizeof old);
    const Millis dead_before = order.dead_before > 0 ? session_.theirs(order.dead_before) : 0;
    const Result answer =
        session_.call("SELECT bxhook.prune($1::integer, $2, $3, $4, $5)",
                      {session_.shard(), session_.at(order.done_before), Param::number(dead_before),
                       Param::number(static_cast<std::int64_t>(order.at_most)), Param::bytes(key)});
    const auto deleted = static_cast<std::size_t>(answer.number(0, 0));
    return {deleted, deleted > 0};
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
