// The worker's part of the PostgreSQL store: match, claim, finish, lease.
#include <algorithm>

#include "postgres/postgres_store.h"

namespace bx {

namespace {

// Longer than a server takes to be replaced by its standby, so that hooks need not be ended for
// that; short enough to be waited for when a worker died.
constexpr Millis lease_time = 30 * second;

// What is known of a boot is deleted so long after: it has ended, or its hour begins anew.
constexpr Millis clock_kept = 30 * day;

constexpr int call_rounds = 10;  // of a thousand deliveries that are due, in one claim
constexpr std::int64_t cap_step = 1000;

using MaybeNumbers = std::vector<std::optional<std::int64_t>>;
using MaybeBytes = std::vector<std::optional<std::string>>;

// The columns of many deliveries, or of many ends of runs, filled row by row.
struct DispatchColumns {
    std::vector<std::int64_t> number, retryable, more, refused_event, event, ordered, coalesce, max,
        due;
    MaybeBytes skip, refused_reason;
    std::vector<std::string> refused_hook, hook;
};

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

}  // namespace

// -- Match

void PostgresStore::dispatch(std::span<const Dispatch> verdicts, Millis now) {
    if (verdicts.empty()) return;
    DispatchColumns all;
    for (const Dispatch& verdict : verdicts) {
        all.number.push_back(verdict.event);
        const bool skipped = verdict.deliveries.empty();
        all.skip.push_back(skipped ? std::optional(verdict.skip_reason) : std::nullopt);
        all.retryable.push_back(verdict.retryable);
        all.more.push_back(verdict.refused_more);
        for (const Refusal& refusal : verdict.refused) {
            all.refused_event.push_back(verdict.event);
            all.refused_hook.push_back(refusal.hook);
            all.refused_reason.push_back(refusal.reason);
        }
        for (const NewDelivery& delivery : verdict.deliveries) {
            all.event.push_back(verdict.event);
            all.hook.push_back(delivery.hook);
            all.ordered.push_back(delivery.ordered);
            all.coalesce.push_back(delivery.coalesce);
            all.max.push_back(delivery.max_attempts);
            all.due.push_back(theirs(delivery.due_at));
        }
    }
    call("SELECT bxhook.dispatch($1::integer, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
         "$14, $15)",
         {Param::number(shard_), at(now), Param::numbers(all.number), Param::bytes(all.skip),
          Param::numbers(all.retryable), Param::numbers(all.more),
          Param::numbers(all.refused_event), Param::texts(all.refused_hook),
          Param::bytes(all.refused_reason), Param::numbers(all.event), Param::texts(all.hook),
          Param::numbers(all.ordered), Param::numbers(all.coalesce), Param::numbers(all.max),
          Param::numbers(all.due)});
}

bool PostgresStore::merge_ahead(std::span<const Dispatch> verdicts, Millis now) {
    std::vector<std::int64_t> events;
    std::vector<std::string> hooks;
    for (const Dispatch& verdict : verdicts) {
        for (const NewDelivery& delivery : verdict.deliveries) {
            if (!delivery.coalesce || !delivery.ordered) continue;
            events.push_back(verdict.event);
            hooks.push_back(delivery.hook);
        }
    }
    if (events.empty()) return false;
    return call("SELECT bxhook.merge_ahead($1::integer, $2, $3, $4)",
                {Param::number(shard_), at(now), Param::numbers(events), Param::texts(hooks)})
               .number(0, 0) != 0;
}

// -- Claim

std::vector<Claim> PostgresStore::claim(std::size_t slots, const Room& room, Millis now) {
    return finish_and_claim({}, slots, room, now);
}

// With RUNS two round trips, of which one commits.
std::vector<Claim> PostgresStore::finish_and_claim(std::span<const Finish> runs, std::size_t slots,
                                                   const Room& room, Millis now) {
    std::vector<Claim> claims;
    if (slots == 0) finish(runs);
    for (int round = 0; round < call_rounds && claims.size() < slots; ++round) {
        const Result ready = call("SELECT bxhook.ready_hooks($1)", {at(now)});
        std::set<std::string> hooks;
        for (int row = 0; row < ready.rows(); ++row) hooks.insert(ready.text(row, 0));
        const bool more_due = hooks.erase("") > 0;
        for (const Finish& run : runs) hooks.insert(run.hook);  // others of theirs may have a turn
        std::ranges::move(claim_ready(runs, slots - claims.size(), hooks, room),
                          std::back_inserter(claims));
        runs = {};
        if (!more_due) break;
    }
    claimed_at_ = now;
    return claims;
}

std::vector<Claim> PostgresStore::claim_ready(std::span<const Finish> runs, std::size_t slots,
                                              const std::set<std::string>& ready,
                                              const Room& room) {
    std::vector<std::string> hooks;
    std::vector<std::int64_t> rooms;
    MaybeBytes portals;  // the last of each hook
    for (const std::string& hook : in_turn(ready, last_hook_)) {
        const std::size_t most = room(hook);
        if (most == 0) continue;
        hooks.push_back(hook);
        rooms.push_back(static_cast<std::int64_t>(most));
        portals.push_back(last_portal_[hook]);
    }
    std::vector<Claim> claims;
    if (hooks.empty()) {
        finish(runs);
        return claims;
    }
    Params values{Param::number(owner_), Param::text(run_seed_), Param::number(shard_)};
    std::ranges::move(finish_values(runs), std::back_inserter(values));
    for (Param& value : Params{Param::number(static_cast<std::int64_t>(slots)),
                               Param::texts(hooks), Param::numbers(rooms), Param::bytes(portals)}) {
        values.push_back(std::move(value));
    }
    const Result answer = call(
        "SELECT hook, attempt, max_attempts, run, portal, event, 1, received_at, test, ''::bytea, "
        "erased, code, kind, id, domain, member_id, user_id, handler_id, ts, 0, body, secret "
        "FROM bxhook.finish_and_claim($1, $2, $3::integer, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
        "$13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)",
        values);
    for (int row = 0; row < answer.rows(); ++row) {
        Claim claim;
        claim.hook = answer.text(row, 0);
        claim.attempt = static_cast<int>(answer.number(row, 1));
        claim.max_attempts = static_cast<int>(answer.number(row, 2));
        claim.run = answer.text(row, 3);
        claim.event = read_event(answer, row, 5);
        read_payload(claim.event, answer, row, 5 + event_width);
        if (answer.is_null(row, 7)) claim.event.damage = "its event is missing";
        last_hook_ = claim.hook;
        last_portal_[claim.hook] = answer.text(row, 4);
        claims.push_back(std::move(claim));
    }
    return claims;
}

void PostgresStore::started(std::span<const Claim> claims) {
    if (claims.empty()) return;
    std::vector<std::int64_t> events, attempts;
    std::vector<std::string> hooks;
    for (const Claim& claim : claims) {
        events.push_back(claim.event.number);
        hooks.push_back(claim.hook);
        attempts.push_back(claim.attempt);
    }
    call("SELECT bxhook.start($1, $2, $3, $4, $5, $6)",
         {Param::number(owner_), Param::text(run_seed_), at(claimed_at_), Param::numbers(events),
          Param::texts(hooks), Param::numbers(attempts)});
}

// -- Finish

Params PostgresStore::finish_values(std::span<const Finish> runs) const {
    FinishColumns all;
    for (const Finish& run : runs) {
        all.event.push_back(run.event);
        all.hook.push_back(run.hook);
        all.attempt.push_back(run.attempt);
        all.result.push_back(static_cast<int>(run.result));
        all.exit.push_back(run.exit);
        all.signal.push_back(run.signal);
        all.reason.push_back(run.reason);
        all.ended.push_back(theirs(run.ended_at));
        all.out.push_back(run.out.kept);
        all.out_bytes.push_back(run.out.bytes);
        all.err.push_back(run.err.kept);
        all.err_bytes.push_back(run.err.bytes);
        all.next.push_back(static_cast<int>(run.next));
        all.why.push_back(run.delivery_reason);
        all.due.push_back(theirs(run.due_at));
        all.counts.push_back(run.counts);
    }
    return {Param::numbers(all.event), Param::texts(all.hook), Param::numbers(all.attempt),
            Param::numbers(all.result), Param::numbers(all.exit), Param::texts(all.signal),
            Param::bytes(all.reason), Param::numbers(all.ended), Param::bytes(all.out),
            Param::numbers(all.out_bytes), Param::bytes(all.err), Param::numbers(all.err_bytes),
            Param::numbers(all.next), Param::bytes(all.why), Param::numbers(all.due),
            Param::numbers(all.counts)};
}

void PostgresStore::finish(std::span<const Finish> runs) {
    if (runs.empty()) return;
    Params values{Param::text(run_seed_), Param::number(shard_)};
    std::ranges::move(finish_values(runs), std::back_inserter(values));
    call("SELECT bxhook.finish($1, $2::integer, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
         "$14, $15, $16, $17, $18)", values);
}

void PostgresStore::save_output(EventNumber event, const std::string& hook, int attempt,
                                const Output& out, const Output& err) {
    call("UPDATE bxhook.attempt SET out = $4, out_bytes = $5, err = $6, err_bytes = $7 "
         "WHERE event = $1 AND hook = $2 AND attempt = $3 AND result = 0",
         {Param::number(event), Param::text(hook), Param::number(std::int64_t{attempt}),
          Param::bytes(out.kept), Param::number(out.bytes), Param::bytes(err.kept),
          Param::number(err.bytes)});
}

// -- What the worker asks

std::vector<Orphan> PostgresStore::orphans(std::span<const DeliveryName> mine) {
    std::vector<std::int64_t> events;
    std::vector<std::string> hooks;
    for (const DeliveryName& name : mine) {
        events.push_back(name.event);
        hooks.push_back(name.hook);
    }
    const Result answer = call(
        "SELECT o.event, o.hook, o.attempt, o.max_attempts, o.run, o.started_at, "
        "coalesce(a.out, ''), coalesce(a.out_bytes, 0), coalesce(a.err, ''), "
        "coalesce(a.err_bytes, 0) FROM bxhook.orphans($1, $2, $3::integer, $4, $5, $6) AS o "
        "LEFT JOIN bxhook.attempt AS a "
        "ON a.event = o.event AND a.hook = o.hook AND a.attempt = o.attempt",
        {Param::number(owner_), Param::text(run_seed_), Param::number(shard_),
         Param::number(lease_time), Param::numbers(events), Param::texts(hooks)});
    std::vector<Orphan> found;
    for (int row = 0; row < answer.rows(); ++row) {
        found.push_back({answer.number(row, 0), answer.text(row, 1),
                         static_cast<int>(answer.number(row, 2)),
                         static_cast<int>(answer.number(row, 3)), answer.text(row, 4),
                         ours(answer.number(row, 5)),
                         {answer.text(row, 6), answer.number(row, 7)},
                         {answer.text(row, 8), answer.number(row, 9)}});
    }
    return found;
}

std::optional<Millis> PostgresStore::next_due(Millis) {
    const Result answer = call("SELECT min(due_at) FROM bxhook.delivery WHERE turn = 1", {});
    return ours(answer.maybe_number(0, 0));
}

// Those behind another of their lane have their turn, and are capped, later.
bool PostgresStore::cap_due(Millis latest) {
    const Result capped = call(
        "WITH capped AS (UPDATE bxhook.delivery SET due_at = $1 WHERE ctid = ANY (ARRAY("
        "SELECT ctid FROM bxhook.delivery WHERE turn = 1 AND due_at > $1 LIMIT $2 "
        "FOR UPDATE SKIP LOCKED)) RETURNING 1) SELECT count(*) FROM capped",
        {at(latest), Param::number(cap_step)});
    return capped.number(0, 0) == cap_step;
}

std::vector<DeliveryName> PostgresStore::kill_requests() {
    const Result answer = call("SELECT event, hook FROM bxhook.kill_wish ORDER BY event, hook", {});
    std::vector<DeliveryName> requests;
    for (int row = 0; row < answer.rows(); ++row) {
        requests.push_back({answer.number(row, 0), answer.text(row, 1)});
    }
    return requests;
}

// -- The lease

std::optional<Millis> PostgresStore::lease() const { return lease_time; }

void PostgresStore::register_worker(const WorkerRecord& worker) {
    call("SELECT bxhook.worker_stays($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
         {Param::number(owner_), Param::text(worker.host), Param::number(worker.pid),
          Param::text(worker.version), at(worker.since),
          Param::number(std::int64_t{worker.running}), Param::bytes(worker.config_error),
          Param::bytes(worker.trouble), Param::boolean(worker.once), Param::number(lease_time)});
}

void PostgresStore::unregister_worker(const WorkerRecord& worker) {
    call("SELECT bxhook.worker_leaves($1, $2, $3, $4)",
         {Param::number(owner_), Param::text(worker.host), Param::bytes(worker.trouble),
          Param::boolean(worker.once)});
}

// The database's clock, as this host knows it, is the one by which things are deleted: a server
// whose clock is wrong, or another one with another clock, shows as a step.
ClockRecord PostgresStore::watch_clock(const ClockReading& now) {
    const Result answer = call("SELECT up, wall, step FROM bxhook.clock WHERE boot = $1",
                               {Param::text(now.boot)});
    std::optional<ClockRecord> known;
    if (answer.rows() > 0) {
        known = {now.boot, answer.number(0, 0), answer.number(0, 1), answer.number(0, 2)};
    }
    const ClockReading seen{now.boot, now.up, theirs(now.wall)};
    ClockRecord record = known && known->agrees(seen) ? *known : begin_trial(known, seen);
    if (record.up == seen.up) {
        call("WITH old AS (DELETE FROM bxhook.clock WHERE wall < $5) "
             "INSERT INTO bxhook.clock AS c (boot, up, wall, step) VALUES ($1, $2, $3, $4) "
             "ON CONFLICT (boot) DO UPDATE SET up = $2, wall = $3, step = $4",
             {Param::text(record.boot), Param::number(record.up), Param::number(record.wall),
              Param::number(record.step), Param::number(record.wall - clock_kept)});
    }
    record.wall = ours(record.wall);
    return record;
}

int PostgresStore::wake_fd() {
    if (!link_ || !link_->lives()) return -1;
    if (!listens_) {
        link_->script("LISTEN bxhook", until());
        listens_ = true;
    }
    return link_->fd();
}

bool PostgresStore::take_wakes() { return link_ && link_->take_notices(); }

}  // namespace bx
