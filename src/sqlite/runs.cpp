// The runner's part of the SQLite store: claim, finish.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/random.h"
#include "sqlite/change.h"
#include "sqlite/events.h"
#include "sqlite/match.h"
#include "sqlite/parts.h"
#include "sqlite/rotation.h"
#include "sqlite/statements.h"
#include "store/errors.h"

namespace bx::sqlite {

namespace {

// Deliveries made claimable in one transaction; keeps it in the milliseconds when very many are
// due at once.
constexpr std::size_t due_at_most = 1000;
constexpr int claim_rounds = 10;  // of that, in one claim
constexpr std::size_t asked_at_most = 16;  // hooks of a claim, before it is remembered which are disabled

constexpr auto waiting = DeliveryState::waiting;

// NULL for nothing.
Bound word(const std::string& text) {
    if (text.empty()) return nullptr;
    return text;
}

Bound bytes(const std::string& kept) {
    if (kept.empty()) return nullptr;
    return Blob{kept};
}

// The attempts that a delivery has after RUN.
int given(const Finish& run, const Open& open) {
    return run.max_attempts.value_or(open.max_attempts) + (run.counts ? 0 : 1);
}

// The row of `running`.
struct Running {
    Millis started_at = 0;
    std::int64_t seed = 0;
    bool kill = false;
};

std::optional<Running> read_running(Database& database, DeliveryId d, int attempt) {
    Rows rows = database.rows(sql::running, d, attempt);
    if (!rows.next()) return std::nullopt;
    using row = sql::running_row;
    return Running{rows.number(row::started_at), rows.number(row::seed),
                   rows.number(row::kill) != 0};
}

class Runs final : public RunQueue {
public:
    explicit Runs(Names& names)
        : names_(names), db_(names.database()), rotation_(names) {}

    std::vector<bool> start(std::span<const Claim> claims) override {
        return std::vector<bool>(claims.size(), true);  // they are since the claim
    }
    void unstart(const Claim&) override {}  // there are no leases, which alone keep a run from it
    std::vector<Claim> finish_and_claim(std::span<const Finish> runs, std::size_t slots,
                                        const HookCapacity& capacity, Millis now) override;
    std::vector<Claim> dispatch_and_claim(std::span<const Dispatch> verdicts, std::size_t slots,
                                          const HookCapacity& capacity, Millis now) override;
    void save_output(EventNumber event, const std::string& hook, int attempt, const Output& out,
                     const Output& err) override;
    std::vector<Orphan> orphans(std::span<const DeliveryName> mine) override;
    std::optional<Millis> next_due(Millis now) override;
    std::vector<DeliveryName> kill_requests() override;

private:
    void finish_all(Change& change, std::span<const Finish> runs);
    void finish_one(Change& change, const Finish& run);
    void end(Change& change, const Finish& run, const Open& open, const Running& ran,
             DeliveryState state);
    void wait_again(Change& change, const Finish& run, const Open& open, const Running& ran);
    bool take_round(std::span<const Finish> runs, std::size_t slots, const HookCapacity& capacity,
                    Millis now, std::vector<Claim>& claims);
    std::vector<Claim> claim_ready(std::size_t slots, const HookCapacity& capacity, Millis now);
    void remember(const HookCapacity& capacity);
    std::optional<Claim> take(const Ready& ready, Millis now);

    Names& names_;
    Database& db_;
    Rotation rotation_;
    // Makes run names of different stores and processes differ.
    const std::int64_t seed_ = static_cast<std::int64_t>(random_bits());
    // Of what this worker runs: an event's row never changes.
    std::unordered_map<DeliveryId, std::optional<std::int64_t>> slots_;
    std::optional<bool> any_output_;  // saved; none: not looked yet
    bool unsure_ = false;  // hooks that were not asked by the last claim may have something
};

// -- Finish

void Runs::end(Change& change, const Finish& run, const Open& open, const Running& ran,
               DeliveryState state) {
    db_.run(sql::open_remove, open.d);
    db_.run(sql::ended_run, open.d, static_cast<int>(state), run.ended_at, run.attempt,
            given(run, open), open.lane.has_value(), word(run.delivery_reason),
            static_cast<int>(run.result), ran.started_at, ran.seed, run.exit, word(run.signal),
            word(run.reason), run.out.bytes, run.err.bytes, bytes(run.out.kept),
            bytes(run.err.kept));
    change.counters().ran(hook_of(open.d), run.result, state == DeliveryState::dead, run.ended_at);
    change.counters().ended(hook_of(open.d), state);
    pass_turn(db_, open.lane, run.ended_at);
    const auto known = slots_.extract(open.d);
    change.delivery_ended(open.d, open.fellows, state,
                          known.empty() ? std::nullopt : known.mapped());
}

void Runs::wait_again(Change& change, const Finish& run, const Open& open, const Running& ran) {
    db_.run(sql::attempt_add, open.d, run.attempt, run.ended_at, static_cast<int>(run.result),
            ran.started_at, ran.seed, run.exit, word(run.signal), word(run.reason), run.out.bytes,
            run.err.bytes, bytes(run.out.kept), bytes(run.err.kept));
    slots_.erase(open.d);
    std::optional<Millis> failed_at;
    if (run.counts) failed_at = run.ended_at;
    const bool failed = run.result == AttemptResult::failed ||
                        run.result == AttemptResult::timeout || run.result == AttemptResult::lost;
    db_.run(sql::open_again, open.d, run.attempt, given(run, open), run.due_at, failed, failed_at,
            word(run.delivery_reason));
    change.counters().ran(hook_of(open.d), run.result, false, run.ended_at);
    if (open.lane) {
        settle_lane(db_, open.lane, run.ended_at);
    } else {
        give_turn(db_, {open.d, open.account, run.due_at}, run.ended_at);
    }
}

void Runs::finish_one(Change& change, const Finish& run) {
    const std::optional<HookId> hook = names_.known_hook(run.hook);
    if (!hook) return;
    names_.ready().add(*hook);  // another of its may have the turn
    const DeliveryId d = delivery_id(run.event, *hook);
    const std::optional<Running> ran = read_running(db_, d, run.attempt);
    if (!ran) return;
    db_.run(sql::running_remove, d);
    if (any_output_.value_or(true)) db_.run(sql::output_remove, d);
    const std::optional<Open> open = read_open(db_, d);
    if (!open) return;
    // A run that a person wants ended is not repeated, however it ended.
    const DeliveryState next =
        ran->kill && run.next == waiting ? DeliveryState::cancelled : run.next;
    if (next == waiting) {
        wait_again(change, run, *open, *ran);
    } else {
        end(change, run, *open, *ran, next);
    }
}

void Runs::finish_all(Change& change, std::span<const Finish> runs) {
    if (!any_output_) any_output_ = db_.number(sql::output_any) != 0;
    for (const Finish& run : runs) finish_one(change, run);
}

// -- Claim

// None: somebody else has changed something, and it is not there to be run.
std::optional<Claim> Runs::take(const Ready& ready, Millis now) {
    db_.run(sql::ready_remove, ready.hook, ready.account, ready.d);
    Claim claim;
    claim.hook = names_.hook_name(ready.hook);
    claim.started_at = now;
    claim.event.number = event_of(ready.d);
    claim.event.state = EventState::matched;
    std::optional<std::int64_t> slot;
    {
        Rows rows = db_.rows(sql::claim, ready.d);
        using row = sql::claim_row;
        if (!rows.next()) return std::nullopt;
        claim.attempt = static_cast<int>(rows.number(row::attempt)) + 1;
        claim.max_attempts = static_cast<int>(rows.number(row::max_attempts));
        claim.failures = small(rows.maybe_number(row::failures));
        slot = rows.maybe_number(row::slot);
        if (rows.is_null(row::received_at)) {
            claim.event.damage = "its event is missing";
        } else {
            constexpr int first = row::received_at - sql::event_row::received_at;
            read_facts(names_, rows, first, claim.event);
            read_body(rows, row::body, claim.event);
        }
    }
    if (db_.run(sql::running_add, ready.d, claim.attempt, now, seed_) == 0) return std::nullopt;
    load_secrets(db_, slot, claim.event);
    slots_[ready.d] = slot;
    claim.run = run_name(seed_, claim.event.number, claim.hook, claim.attempt);
    return claim;
}

// Once round the hooks, and again, until the slots are full or nobody may take one.
std::vector<Claim> Runs::claim_ready(std::size_t slots, const HookCapacity& capacity, Millis now) {
    std::map<HookId, std::size_t> runs;
    {
        Rows rows = db_.rows(sql::running_hooks);
        while (rows.next()) ++runs[rows.number(0)];
    }
    std::vector<Claim> claims;
    std::map<HookId, std::size_t> left;  // of the hooks met so far
    std::size_t refused = 0;  // in a row; as many as hooks: none has both capacity and work
    rotation_.begin();
    while (claims.size() < slots) {
        const std::optional<HookId> next = rotation_.next_hook();
        if (!next) break;
        const HookId hook = *next;
        const auto [place, is_new] = left.try_emplace(hook, 0);
        if (is_new) {
            const std::size_t most = capacity(names_.hook_name(hook));
            place->second = most > runs[hook] ? most - runs[hook] : 0;
        }
        if (place->second == 0) {
            if (++refused > left.size()) break;
            continue;
        }
        refused = 0;
        const std::size_t most = std::min(place->second, slots - claims.size());
        const std::optional<Ready> ready = rotation_.take(hook, most);
        if (!ready) continue;
        std::optional<Claim> claim = take(*ready, now);
        if (!claim) continue;
        --place->second;
        claims.push_back(std::move(*claim));
    }
    unsure_ = rotation_.remembers() && claims.size() < slots;
    if (!rotation_.remembers() && left.size() > asked_at_most) remember(capacity);
    return claims;
}

// The next claims are to ask no more of the hooks that were met in vain.
void Runs::remember(const HookCapacity& capacity) {
    std::set<HookId> enabled;
    const std::vector<HookId>& all = rotation_.all();
    for (const HookId hook : all) {
        if (capacity(names_.hook_name(hook)) > 0) enabled.insert(hook);
    }
    const std::size_t left_out = all.size() - enabled.size();
    names_.ready().looked(std::move(enabled), left_out, steady_now());
}

std::vector<Claim> Runs::finish_and_claim(std::span<const Finish> runs, std::size_t slots,
                                          const HookCapacity& capacity, Millis now) {
    std::vector<Claim> claims;
    unsure_ = false;
    const auto is_due = [&](int round) {
        return round < claim_rounds && claims.size() < slots &&
               db_.number(sql::something_due, now) != 0;
    };
    bool more_due = true;
    try {
        for (int round = 0; more_due && (!runs.empty() || is_due(round)); ++round) {
            more_due = take_round(std::exchange(runs, {}), slots, capacity, now, claims);
        }
    } catch (const StoreError&) {
        if (claims.empty()) throw;
        unsure_ = true;  // what the rounds before have claimed is to run
    }
    return claims;
}

// Adds to CLAIMS what it claims, up to SLOTS; true: more are due than it came to.
bool Runs::take_round(std::span<const Finish> runs, std::size_t slots, const HookCapacity& capacity,
                      Millis now, std::vector<Claim>& claims) {
    bool more_due = false;
    std::vector<Claim> more;
    Change change(names_);
    finish_all(change, runs);
    if (const std::size_t free = slots - claims.size(); free > 0) {
        more_due = make_claimable(names_, now, due_at_most) == due_at_most;
        more = claim_ready(free, capacity, now);
    }
    change.commit();
    std::ranges::move(more, std::back_inserter(claims));
    return more_due;
}

std::vector<Claim> Runs::dispatch_and_claim(std::span<const Dispatch> verdicts,
                                            std::size_t slots, const HookCapacity& capacity,
                                            Millis now) {
    Change change(names_);
    dispatch(change, verdicts, now);
    make_claimable(names_, now, due_at_most);
    std::vector<Claim> claims = claim_ready(slots, capacity, now);
    change.commit();
    return claims;
}

// -- The rest

void Runs::save_output(EventNumber event, const std::string& hook, int attempt, const Output& out,
                       const Output& err) {
    const std::optional<HookId> id = names_.known_hook(hook);
    if (!id) return;
    Change change(names_);
    const DeliveryId d = delivery_id(event, *id);
    if (!read_running(db_, d, attempt)) return;
    db_.run(sql::output_add, d, Blob{out.kept}, out.bytes, Blob{err.kept}, err.bytes);
    change.commit();
    any_output_ = true;
}

std::vector<Orphan> Runs::orphans(std::span<const DeliveryName>) {
    std::vector<Orphan> found;
    Rows rows = db_.rows(sql::orphans);
    using row = sql::orphan_row;
    while (rows.next()) {
        const DeliveryId d = rows.number(row::d);
        const std::string hook = names_.hook_name(hook_of(d));
        const int attempt = static_cast<int>(rows.number(row::attempt));
        found.push_back({event_of(d), hook, attempt,
                         static_cast<int>(rows.number(row::max_attempts)),
                         run_name(rows.number(row::seed), event_of(d), hook, attempt),
                         rows.number(row::started_at),
                         {rows.text(row::out), rows.number(row::out_bytes)},
                         {rows.text(row::err), rows.number(row::err_bytes)},
                         small(rows.maybe_number(row::failures))});
    }
    return found;
}

std::optional<Millis> Runs::next_due(Millis now) {
    if (unsure_) return now;
    return db_.maybe_number(sql::next_due);
}

std::vector<DeliveryName> Runs::kill_requests() {
    std::vector<DeliveryName> requests;
    Rows rows = db_.rows(sql::running_killed);
    while (rows.next()) {
        const DeliveryId d = rows.number(0);
        requests.push_back({event_of(d), names_.hook_name(hook_of(d))});
    }
    return requests;
}

}  // namespace

std::unique_ptr<RunQueue> make_run_queue(Names& names) {
    return std::make_unique<Runs>(names);
}

}  // namespace bx::sqlite
