// The runner's part of the PostgreSQL store: claim, finish.
#include <algorithm>
#include <map>
#include <set>

#include "postgres/events.h"
#include "postgres/parts.h"

namespace bx::postgres {

namespace {

constexpr int claim_rounds = 10;  // of a thousand deliveries that are due, in one claim

using MaybeNumbers = std::vector<std::optional<std::int64_t>>;
using MaybeBytes = std::vector<std::optional<std::string>>;

// The columns of many ends of runs, filled row by row.
struct FinishColumns {
    std::vector<std::int64_t> event, attempt, result, ended, out_bytes, err_bytes, next, counts;
    MaybeNumbers exit, due;
    MaybeBytes reason, out, err, why;
    std::vector<std::string> hook, signal;
};

// From the one after LAST on, round.
std::vector<std::string> in_turn(const std::set<std::string>& hooks, const std::string& last) {
    const auto first = hooks.upper_bound(last);
    std::vector<std::string> all(first, hooks.end());
    all.insert(all.end(), hooks.begin(), first);
    return all;
}

// Claim::failures of ROW, which has an event, a hook and an attempt that has begun.
std::string failures_sql(const std::string& row) {
    const std::string attempts =
        "(SELECT count(*) FROM bxhook.attempt AS b JOIN bxhook.delivery AS d "
        "ON d.event = b.event AND d.hook = b.hook WHERE b.event = " + row + ".event "
        "AND b.hook = " + row + ".hook AND b.attempt < " + row + ".attempt";
    return "CASE WHEN " + row + ".attempt = 1 THEN 0 WHEN " + attempts + ") = " + row +
           ".attempt - 1 THEN " + attempts +
           " AND b.result IN (2, 3, 4) AND b.attempt > d.granted) END";
}

std::optional<int> failures_of(std::optional<std::int64_t> number) {
    if (!number) return std::nullopt;
    return static_cast<int>(*number);
}

// The parameters of bxhook.finish from the event on.
Params finish_values(const Session& session, std::span<const Finish> runs) {
    FinishColumns all;
    for (const Finish& run : runs) {
        all.event.push_back(run.event);
        all.hook.push_back(run.hook);
        all.attempt.push_back(run.attempt);
        all.result.push_back(static_cast<int>(run.result));
        all.exit.push_back(run.exit);
        all.signal.push_back(run.signal);
        all.reason.push_back(run.reason);
        all.ended.push_back(session.theirs(run.ended_at));
        all.out.push_back(run.out.kept);
        all.out_bytes.push_back(run.out.bytes);
        all.err.push_back(run.err.kept);
        all.err_bytes.push_back(run.err.bytes);
        all.next.push_back(static_cast<int>(run.next));
        all.why.push_back(run.delivery_reason);
        all.due.push_back(session.theirs(run.due_at));
        all.counts.push_back(run.counts);
    }
    return {Param::numbers(all.event), Param::texts(all.hook), Param::numbers(all.attempt),
            Param::numbers(all.result), Param::numbers(all.exit), Param::texts(all.signal),
            Param::bytes(all.reason), Param::numbers(all.ended), Param::bytes(all.out),
            Param::numbers(all.out_bytes), Param::bytes(all.err), Param::numbers(all.err_bytes),
            Param::numbers(all.next), Param::bytes(all.why), Param::numbers(all.due),
            Param::numbers(all.counts)};
}

class Runs final : public RunQueue {
public:
    explicit Runs(Session& session) : session_(session) {}

    std::vector<Claim> claim(std::size_t slots, const HookCapacity& capacity,
                             Millis now) override {
        return finish_and_claim({}, slots, capacity, now);
    }
    void started(std::span<const Claim> claims) override;
    void finish(std::span<const Finish> runs) override;
    std::vector<Claim> finish_and_claim(std::span<const Finish> runs, std::size_t slots,
                                        const HookCapacity& capacity, Millis now) override;
    void save_output(EventNumber event, const std::string& hook, int attempt, const Output& out,
                     const Output& err) override;
    std::vector<Orphan> orphans(std::span<const DeliveryName> mine) override;
    std::optional<Millis> next_due(Millis now) override;
    std::vector<DeliveryName> kill_requests() override;

private:
    std::vector<Claim> claim_ready(std::span<const Finish> runs, std::size_t slots,
                                   const std::set<std::string>& ready,
                                   const HookCapacity& capacity);
    std::vector<Claim> take_claims(const Result& answer);
    void give_attempts(std::span<const Finish> runs);

    Session& session_;
    Millis claimed_at_ = 0;  // the last claim, whose runs start now
    // Whose turn it was: the hook served last, and of each hook the portal.
    std::string last_hook_;
    std::map<std::string, std::string> last_portal_;
};

// With RUNS two round trips, of which one commits.
std::vector<Claim> Runs::finish_and_claim(std::span<const Finish> runs, std::size_t slots,
                                          const HookCapacity& capacity, Millis now) {
    std::vector<Claim> claims;
    if (slots == 0) finish(runs);
    for (int round = 0; round < claim_rounds && claims.size() < slots; ++round) {
        const Result ready = session_.call("SELECT bxhook.ready_hooks($1)", {session_.at(now)});
        std::set<std::string> hooks;
        for (int row = 0; row < ready.rows(); ++row) hooks.insert(ready.text(row, 0));
        const bool more_due = hooks.erase("") > 0;
        for (const Finish& run : runs) hooks.insert(run.hook);  // others of theirs may have a turn
        std::ranges::move(claim_ready(runs, slots - claims.size(), hooks, capacity),
                          std::back_inserter(claims));
        runs = {};
        if (!more_due) break;
    }
    claimed_at_ = now;
    for (Claim& claim : claims) claim.started_at = now;
    return claims;
}

// One statement: records RUNS, and claims of READY, in turn.
std::vector<Claim> Runs::claim_ready(std::span<const Finish> runs, std::size_t slots,
                                     const std::set<std::string>& ready,
                                     const HookCapacity& capacity) {
    std::vector<std::string> hooks;
    std::vector<std::int64_t> capacities;
    MaybeBytes portals;  // the last of each hook
    for (const std::string& hook : in_turn(ready, last_hook_)) {
        const std::size_t most = capacity(hook);
        if (most == 0) continue;
        hooks.push_back(hook);
        capacities.push_back(static_cast<std::int64_t>(most));
        portals.push_back(last_portal_[hook]);
    }
    if (hooks.empty()) {
        finish(runs);
        return {};
    }
    give_attempts(runs);
    Params values{session_.owner(), session_.run_seed(), session_.shard()};
    std::ranges::move(finish_values(session_, runs), std::back_inserter(values));
    values.push_back(Param::number(static_cast<std::int64_t>(slots)));
    values.push_back(Param::texts(hooks));
    values.push_back(Param::numbers(capacities));
    values.push_back(Param::bytes(portals));
    static const std::string statement =
        "SELECT hook, attempt, max_attempts, run, portal, event, 1, received_at, test, ''::bytea, "
        "erased, code, kind, id, domain, member_id, user_id, handler_id, ts, 0, body, secret, " +
        failures_sql("c") +
        " FROM bxhook.finish_and_claim($1, $2, $3::integer, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
        "$13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23) AS c";
    return take_claims(session_.call(statement, values));
}

// To those whose hook is given others now.  Before they end: then they may run elsewhere.
void Runs::give_attempts(std::span<const Finish> runs) {
    for (const Finish& run : runs) {
        if (!run.max_attempts) continue;
        session_.call("UPDATE bxhook.delivery SET max_attempts = $4 "
                      "WHERE event = $1 AND hook = $2 AND state = 1 AND attempt = $3",
                      {Param::number(run.event), Param::text(run.hook),
                       Param::number(std::int64_t{run.attempt}),
                       Param::number(std::int64_t{*run.max_attempts})});
    }
}

std::vector<Claim> Runs::take_claims(const Result& answer) {
    std::vector<Claim> claims;
    for (int row = 0; row < answer.rows(); ++row) {
        Claim claim;
        claim.hook = answer.text(row, 0);
        claim.attempt = static_cast<int>(answer.number(row, 1));
        claim.max_attempts = static_cast<int>(answer.number(row, 2));
        claim.run = answer.text(row, 3);
        claim.event = read_event(session_, answer, row, 5);
        read_payload(claim.event, answer, row, 5 + event_width);
        if (answer.is_null(row, 7)) claim.event.damage = "its event is missing";
        claim.failures = failures_of(answer.maybe_number(row, 5 + event_width + 2));
        last_hook_ = claim.hook;
        last_portal_[claim.hook] = answer.text(row, 4);
        claims.push_back(std::move(claim));
    }
    return claims;
}

void Runs::started(std::span<const Claim> claims) {
    if (claims.empty()) return;
    std::vector<std::int64_t> events, attempts;
    std::vector<std::string> hooks;
    for (const Claim& claim : claims) {
        events.push_back(claim.event.number);
        hooks.push_back(claim.hook);
        attempts.push_back(claim.attempt);
    }
    session_.call("SELECT bxhook.start($1, $2, $3, $4, $5, $6)",
                  {session_.owner(), session_.run_seed(), session_.at(claimed_at_),
                   Param::numbers(events), Param::texts(hooks), Param::numbers(attempts)});
}

void Runs::finish(std::span<const Finish> runs) {
    if (runs.empty()) return;
    give_attempts(runs);
    Params values{session_.run_seed(), session_.shard()};
    std::ranges::move(finish_values(session_, runs), std::back_inserter(values));
    session_.call("SELECT bxhook.finish($1, $2::integer, $3, $4, $5, $6, $7, $8, $9, $10, $11, "
                  "$12, $13, $14, $15, $16, $17, $18)",
                  values);
}

void Runs::save_output(EventNumber event, const std::string& hook, int attempt,
                       const Output& out, const Output& err) {
    session_.call("UPDATE bxhook.attempt SET out = $4, out_bytes = $5, err = $6, err_bytes = $7 "
                  "WHERE event = $1 AND hook = $2 AND attempt = $3 AND result = 0",
                  {Param::number(event), Param::text(hook), Param::number(std::int64_t{attempt}),
                   Param::bytes(out.kept), Param::number(out.bytes), Param::bytes(err.kept),
                   Param::number(err.bytes)});
}

std::vector<Orphan> Runs::orphans(std::span<const DeliveryName> mine) {
    std::vector<std::int64_t> events;
    std::vector<std::string> hooks;
    for (const DeliveryName& name : mine) {
        events.push_back(name.event);
        hooks.push_back(name.hook);
    }
    static const std::string statement =
        "SELECT o.event, o.hook, o.attempt, o.max_attempts, o.run, o.started_at, "
        "coalesce(a.out, ''), coalesce(a.out_bytes, 0), coalesce(a.err, ''), "
        "coalesce(a.err_bytes, 0), " + failures_sql("o") +
        " FROM bxhook.orphans($1, $2, $3::integer, $4, $5, $6) AS o LEFT JOIN bxhook.attempt AS a "
        "ON a.event = o.event AND a.hook = o.hook AND a.attempt = o.attempt";
    const Result answer = session_.call(
        statement,
        {session_.owner(), session_.run_seed(), session_.shard(),
         Param::number(lease_time), Param::numbers(events), Param::texts(hooks)});
    std::vector<Orphan> found;
    for (int row = 0; row < answer.rows(); ++row) {
        found.push_back({answer.number(row, 0), answer.text(row, 1),
                         static_cast<int>(answer.number(row, 2)),
                         static_cast<int>(answer.number(row, 3)), answer.text(row, 4),
                         session_.ours(answer.number(row, 5)),
                         {answer.text(row, 6), answer.number(row, 7)},
                         {answer.text(row, 8), answer.number(row, 9)},
                         failures_of(answer.maybe_number(row, 10))});
    }
    return found;
}

std::optional<Millis> Runs::next_due(Millis) {
    const Result answer =
        session_.call("SELECT min(due_at) FROM bxhook.delivery WHERE turn = 1", {});
    return session_.ours(answer.maybe_number(0, 0));
}

std::vector<DeliveryName> Runs::kill_requests() {
    const Result answer =
        session_.call("SELECT event, hook FROM bxhook.kill_wish ORDER BY event, hook", {});
    std::vector<DeliveryName> requests;
    for (int row = 0; row < answer.rows(); ++row) {
        requests.push_back({answer.number(row, 0), answer.text(row, 1)});
    }
    return requests;
}

}  // namespace

std::unique_ptr<RunQueue> make_run_queue(Session& session) {
    return std::make_unique<Runs>(session);
}

}  // namespace bx::postgres
