// What the PostgreSQL store shows.
#include "postgres/events.h"
#include "postgres/list.h"
#include "postgres/parts.h"

namespace bx::postgres {

namespace {

constexpr int blocked_at_most = 100;

// -- Status

void read_tallies(Session& session, StoreStatus& status) {
    const Result answer = session.call(
        "SELECT hook, what, sum(n)::bigint FROM bxhook.tally GROUP BY hook, what ORDER BY hook",
        {});
    for (int row = 0; row < answer.rows(); ++row) {
        status.add_tally(answer.text(row, 0), answer.text(row, 1), answer.number(row, 2));
    }
}

void read_rates(Session& session, StoreStatus& status, Millis now) {
    const Millis at = session.theirs(now);
    const Result answer = session.call(
        "SELECT hook, sum(done)::bigint, sum(failed)::bigint, sum(dead)::bigint FROM bxhook.rate "
        "WHERE minute > $1 AND minute <= $2 GROUP BY hook",
        {Param::number((at - hour) / minute), Param::number(at / minute)});
    for (int row = 0; row < answer.rows(); ++row) {
        status.set_rates(answer.text(row, 0), answer.number(row, 1), answer.number(row, 2),
                         answer.number(row, 3));
    }
}

void read_due(Session& session, StoreStatus& status, Millis now) {
    const Result due = session.call(
        "SELECT hook, count(*), min(due_at) FROM bxhook.delivery WHERE turn = 2 GROUP BY hook "
        "UNION ALL SELECT hook, count(*), min(due_at) FROM bxhook.delivery "
        "WHERE turn = 1 AND due_at <= $1 GROUP BY hook",
        {session.at(now)});
    for (int row = 0; row < due.rows(); ++row) {
        status.add_due(due.text(row, 0), due.number(row, 1), session.ours(due.number(row, 2)));
    }
    const Result fresh = session.call(
        "SELECT received_at FROM bxhook.event WHERE state <> 1 AND state = 0 ORDER BY n LIMIT 1",
        {});
    if (fresh.rows() > 0) status.oldest_new_at = session.ours(fresh.number(0, 0));
}

void read_workers(Session& session, StoreStatus& status) {
    const Result answer = session.call(
        "SELECT host, pid, version, since, running, config_error, seen_at, trouble, once "
        "FROM bxhook.worker "
        "WHERE lease_until > bxhook.now_ms() OR server <> pg_postmaster_start_time() "
        "ORDER BY host, pid",
        {});
    for (int row = 0; row < answer.rows(); ++row) {
        status.workers.push_back({answer.text(row, 0), answer.number(row, 1), answer.text(row, 2),
                                  session.ours(answer.number(row, 3)),
                                  static_cast<int>(answer.number(row, 4)), answer.text(row, 5),
                                  session.ours(answer.number(row, 6)), answer.text(row, 7),
                                  answer.number(row, 8) != 0});
    }
    const Result once = session.call("SELECT left_at, host, trouble FROM bxhook.once", {});
    if (once.rows() > 0) {
        status.once = {session.ours(once.number(0, 0)), once.text(0, 1), once.text(0, 2)};
    }
    const Result clocks = session.call("SELECT boot, up, wall, step FROM bxhook.clock", {});
    for (int row = 0; row < clocks.rows(); ++row) {
        status.clocks.push_back({clocks.text(row, 0), clocks.number(row, 1),
                                 session.ours(clocks.number(row, 2)), clocks.number(row, 3)});
    }
}

void read_blocked(Session& session, StoreStatus& status) {
    static const std::string statement =
        "SELECT " + std::string(event_columns) +
        ", d.hook, d.portal, d.lane, d.reason, d.failed_at "
        "FROM bxhook.delivery AS d JOIN bxhook.event AS e ON e.n = d.event "
        "WHERE d.failed_at IS NOT NULL AND d.state < 2 AND d.lane IS NOT NULL "
        "AND (d.turn IS NOT NULL OR d.state = 1) ORDER BY d.event LIMIT $1";
    const Result answer = session.call(statement, {Param::number(std::int64_t{blocked_at_most})});
    for (int row = 0; row < answer.rows(); ++row) {
        BlockedLane lane;
        lane.facts = read_event(session, answer, row, 0).facts;
        lane.event = answer.number(row, 0);
        lane.hook = answer.text(row, event_width);
        lane.reason = answer.text(row, event_width + 3);
        lane.since = session.ours(answer.number(row, event_width + 4));
        const Result behind = session.call(
            "SELECT count(*) FROM bxhook.delivery WHERE hook = $1 AND portal = $2 AND lane = $3 "
            "AND state < 2 AND state = 0 AND event <> $4",
            {Param::text(lane.hook), Param::bytes(answer.text(row, event_width + 1)),
             Param::bytes(answer.text(row, event_width + 2)), Param::number(lane.event)});
        lane.behind = behind.number(0, 0);
        status.blocked.push_back(std::move(lane));
    }
}

// -- The role

class Looks final : public View {
public:
    explicit Looks(Session& session) : session_(session) {}

    std::vector<ListRow> list(const ListFilter& filter) override {
        return postgres::list(session_, filter);
    }
    void add_causes(std::span<ListRow> rows) override { postgres::add_causes(session_, rows); }
    std::optional<StoredEvent> event(EventNumber number) override;
    std::vector<DeliveryRecord> deliveries(EventNumber number) override {
        return postgres::deliveries(session_, number);
    }
    std::vector<AttemptRecord> attempts(EventNumber number, const std::string& hook) override;
    StoreStatus status(Millis now) override;

private:
    Session& session_;
};

std::optional<StoredEvent> Looks::event(EventNumber number) {
    static const std::string statement =
        "SELECT " + std::string(event_columns) +
        ", b.data, s.data, e.refused_more FROM bxhook.event AS e "
        "LEFT JOIN bxhook.body AS b ON b.event = e.n "
        "LEFT JOIN bxhook.secret AS s ON s.event = e.n WHERE e.n = $1";
    const Result answer = session_.call(statement, {Param::number(number)});
    if (answer.rows() == 0) return std::nullopt;
    StoredEvent event = read_event(session_, answer, 0, 0);
    read_payload(event, answer, 0, event_width);
    event.refused_more = answer.number(0, event_width + 2);
    const Result refused = session_.call(
        "SELECT hook, reason, rule FROM bxhook.refusal WHERE event = $1 ORDER BY hook",
        {Param::number(number)});
    for (int row = 0; row < refused.rows(); ++row) {
        event.refused.push_back({refused.text(row, 0), refused.text(row, 1),
                                 static_cast<HookRule>(refused.number(row, 2))});
    }
    return event;
}

std::vector<AttemptRecord> Looks::attempts(EventNumber number, const std::string& hook) {
    const Result answer = session_.call(
        "SELECT a.attempt, a.run, a.result, a.exit, a.signal, a.reason, a.started_at, a.ended_at, "
        "a.out, a.out_bytes, a.err, a.err_bytes FROM bxhook.attempt AS a "
        "WHERE a.event = $1 AND a.hook = $2 ORDER BY a.attempt",
        {Param::number(number), Param::text(hook)});
    std::vector<AttemptRecord> found;
    for (int row = 0; row < answer.rows(); ++row) {
        AttemptRecord attempt;
        attempt.attempt = static_cast<int>(answer.number(row, 0));
        attempt.run = answer.text(row, 1);
        attempt.result = static_cast<AttemptResult>(answer.number(row, 2));
        if (const auto exit = answer.maybe_number(row, 3)) attempt.exit = static_cast<int>(*exit);
        attempt.signal = answer.text(row, 4);
        attempt.reason = answer.text(row, 5);
        attempt.started_at = session_.ours(answer.number(row, 6));
        attempt.ended_at = session_.ours(answer.maybe_number(row, 7));
        attempt.out = {answer.text(row, 8), answer.number(row, 9)};
        attempt.err = {answer.text(row, 10), answer.number(row, 11)};
        found.push_back(std::move(attempt));
    }
    return found;
}

StoreStatus Looks::status(Millis now) {
    StoreStatus status;
    read_tallies(session_, status);
    read_rates(session_, status, now);
    read_due(session_, status, now);
    read_workers(session_, status);
    status.worker_runs = !status.workers.empty();
    read_blocked(session_, status);
    status.drop_idle_hooks();
    return status;
}

}  // namespace

std::unique_ptr<View> make_view(Session& session) {
    return std::make_unique<Looks>(session);
}

}  // namespace bx::postgres
