// The runner's part of the SQLite store: claim, finish.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <utility>

#include "base/random.h"
#include "sqlite/change.h"
#include "sqlite/events.h"
#include "sqlite/parts.h"

namespace bx::sqlite {

namespace {

// Deliveries made claimable in one transaction; keeps it in the milliseconds when very many are
// due at once.
constexpr std::size_t due_at_most = 1000;
constexpr int claim_rounds = 10;  // of that, in one claim

constexpr auto waiting = DeliveryState::waiting;
constexpr auto running = DeliveryState::running;

std::string run_name(std::uint64_t seed, EventNumber event, const std::string& hook, int attempt) {
    std::array<char, 16> hex;
    const auto end = std::to_chars(hex.data(), hex.data() + hex.size(), seed, 16).ptr;
    return std::to_string(event) + '-' + hook + '-' + std::to_string(attempt) + '-' +
           std::string(hex.data(), end);
}

bool something_due(Database& database, Millis now) {
    return database.number("SELECT EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_ready "
                           "WHERE turn = 2) OR EXISTS (SELECT 1 FROM delivery "
                           "INDEXED BY delivery_due WHERE turn = 1 AND due_at <= ?)",
                           {now}) != 0;
}

// Whose turn it is: round the hooks, and within a hook round the portals, across claims.
class Rotation {
public:
    explicit Rotation(Database& database) : db_(database) {}

    const std::string& last_hook() const { return last_hook_; }  // that was served
    // The next after AFTER that has something claimable; none: no hook has.
    std::optional<std::string> next_hook(const std::string& after);
    // Serves HOOK, which has something claimable: of the portal after the one served last the
    // smallest event.
    EventNumber take(const std::string& hook);

private:
    Database& db_;
    std::string last_hook_;
    std::map<std::string, std::string> last_portal_;  // of each hook
};

std::optional<std::string> Rotation::next_hook(const std::string& after) {
    {
        Rows rows = db_.rows("SELECT hook FROM delivery INDEXED BY delivery_ready "
                             "WHERE turn = 2 AND hook > ? ORDER BY hook LIMIT 1",
                             {after});
        if (rows.next()) return rows.text(0);
    }
    Rows rows = db_.rows("SELECT hook FROM delivery INDEXED BY delivery_ready "
                         "WHERE turn = 2 ORDER BY hook LIMIT 1");
    if (rows.next()) return rows.text(0);
    return std::nullopt;
}

EventNumber Rotation::take(const std::string& hook) {
    last_hook_ = hook;
    if (auto last = last_portal_.find(hook); last != last_portal_.end()) {
        Rows rows = db_.rows("SELECT event, portal FROM delivery INDEXED BY delivery_ready "
                             "WHERE turn = 2 AND hook = ? AND portal > ? "
                             "ORDER BY portal, event LIMIT 1",
                             {hook, last->second});
        if (rows.next()) {
            last->second = rows.text(1);
            return rows.number(0);
        }
    }
    Rows rows = db_.rows("SELECT event, portal FROM delivery INDEXED BY delivery_ready "
                         "WHERE turn = 2 AND hook = ? ORDER BY portal, event LIMIT 1",
                         {hook});
    if (!rows.next()) throw StoreError("cannot claim: hook '" + hook + "' has nothing ready");
    last_portal_[hook] = rows.text(1);
    return rows.number(0);
}

// Of delivery d, whose last attempt that ended is ENDED: Claim::failures.
std::string failures_sql(const std::string& ended) {
    const std::string attempts = "(SELECT count(*) FROM attempt AS a WHERE a.event = d.event "
                                 "AND a.hook = d.hook AND a.attempt <= " + ended;
    return "CASE WHEN " + ended + " = 0 THEN 0 WHEN " + attempts + ") = " + ended + " THEN " +
           attempts + " AND a.result IN (2, 3, 4) AND a.attempt > d.granted) END";
}

std::optional<int> failures_of(std::optional<std::int64_t> number) {
    if (!number) return std::nullopt;
    return static_cast<int>(*number);
}

// -- Finish

void record_attempt(Database& database, const Finish& run) {
    database.run(
        "UPDATE attempt SET result = ?4, exit = ?5, signal = ?6, reason = ?7, ended_at = ?8, "
        "out = ?9, out_bytes = ?10, err = ?11, err_bytes = ?12 "
        "WHERE event = ?1 AND hook = ?2 AND attempt = ?3",
        {run.event, run.hook, run.attempt, static_cast<int>(run.result),
         std::optional<std::int64_t>(run.exit), run.signal, run.reason, run.ended_at,
         Blob{run.out.kept}, run.out.bytes, Blob{run.err.kept}, run.err.bytes});
}

void finish_one(Change& change, const Finish& run, bool kill_requested) {
    Database& database = change.database();
    LaneKey key{run.hook, {}, {}};
    {
        Rows rows = database.rows("SELECT portal, lane FROM delivery "
                                  "WHERE event = ? AND hook = ? AND state = 1 AND attempt = ?",
                                  {run.event, run.hook, run.attempt});
        if (!rows.next()) return;
        key.portal = rows.text(0);
        key.lane = rows.text(1);
    }
    DeliveryState next = run.next;
    // A run that a person wants ended is not repeated, however it ended.
    if (kill_requested &&
        database.run("DELETE FROM kill_wish WHERE event = ? AND hook = ?",
                     {run.event, run.hook}) > 0 && next == waiting) {
        next = DeliveryState::cancelled;
    }
    record_attempt(database, run);

    const bool again = next == waiting;
    std::optional<Millis> due_at, failed_at, ended_at;
    std::optional<std::int64_t> turn;
    if (again) {
        due_at = run.due_at;
        if (run.counts) failed_at = run.ended_at;
        turn = turn_of(key, run.due_at, run.ended_at);
    } else {
        ended_at = run.ended_at;
    }
    database.run("UPDATE delivery SET state = ?3, turn = ?4, due_at = ?5, ended_at = ?6, "
                 "reason = ?7, failed_at = coalesce(failed_at, ?8), "
                 "max_attempts = coalesce(?10, max_attempts) + ?9 WHERE event = ?1 AND hook = ?2",
                 {run.event, run.hook, static_cast<int>(next), turn, due_at, ended_at,
                  run.delivery_reason, failed_at, !run.counts,
                  std::optional<std::int64_t>(run.max_attempts)});
    change.counters().move(run.hook, running, next);
    change.counters().add_run(run.hook, run.result, next, run.ended_at);
    give_turn(database, key, run.ended_at);
    if (!again) change.delivery_ended(run.event, next, run.ended_at);
}

void finish_all(Change& change, std::span<const Finish> runs) {
    if (runs.empty()) return;
    const bool kill_requested =
        change.database().number("SELECT EXISTS (SELECT 1 FROM kill_wish)") != 0;
    for (const Finish& run : runs) finish_one(change, run, kill_requested);
}

// -- The role

class Runs final : public RunQueue {
public:
    explicit Runs(Database& database) : db_(database), rotation_(database) {}

    std::vector<Claim> claim(std::size_t slots, const HookCapacity& capacity,
                             Millis now) override {
        return finish_and_claim({}, slots, capacity, now);
    }
    void started(std::span<const Claim>) override {}  // they are since the claim
    void finish(std::span<const Finish> runs) override;
    std::vector<Claim> finish_and_claim(std::span<const Finish> runs, std::size_t slots,
                                        const HookCapacity& capacity, Millis now) override;
    void save_output(EventNumber event, const std::string& hook, int attempt, const Output& out,
                     const Output& err) override;
    std::vector<Orphan> orphans(std::span<const DeliveryName> mine) override;
    std::optional<Millis> next_due(Millis now) override;
    std::vector<DeliveryName> kill_requests() override;

private:
    std::vector<Claim> claim_ready(Change& change, std::size_t slots, const HookCapacity& capacity,
                                   Millis now);
    Claim start(Change& change, EventNumber event, const std::string& hook, Millis now);

    Database& db_;
    Rotation rotation_;
    const std::uint64_t run_seed_ = random_bits();  // makes run names of different stores and
                                                    // processes differ
};

std::size_t capacity_left(Change& change, const std::string& hook, const HookCapacity& capacity) {
    const std::size_t most = capacity(hook);
    // Less those just recorded.
    const std::int64_t now = change.counters().value(hook, name_of(running));
    const auto taken = static_cast<std::size_t>(std::max(now, std::int64_t{0}));
    return most > taken ? most - taken : 0;
}

Claim Runs::start(Change& change, EventNumber event, const std::string& hook, Millis now) {
    static const std::string attempts_so_far = "SELECT attempt, max_attempts, " +
                                               failures_sql("d.attempt") +
                                               " FROM delivery AS d WHERE event = ? AND hook = ?";
    Claim claim;
    claim.hook = hook;
    claim.started_at = now;
    {
        Rows rows = db_.rows(attempts_so_far, {event, hook});
        rows.next();
        claim.attempt = static_cast<int>(rows.number(0)) + 1;
        claim.max_attempts = static_cast<int>(rows.number(1));
        claim.failures = failures_of(rows.maybe_number(2));
    }
    if (auto loaded = load_event(db_, event)) {
        claim.event = std::move(*loaded);
    } else {
        claim.event.number = event;
        claim.event.damage = "its event is missing";
    }
    claim.run = run_name(run_seed_, event, hook, claim.attempt);
    db_.run("UPDATE delivery SET state = 1, turn = NULL, due_at = NULL, attempt = ?3 "
            "WHERE event = ?1 AND hook = ?2",
            {event, hook, claim.attempt});
    db_.run("INSERT OR REPLACE INTO attempt (event, hook, attempt, run, result, started_at) "
            "VALUES (?, ?, ?, ?, 0, ?)",
            {event, hook, claim.attempt, claim.run, now});
    change.counters().move(hook, waiting, running);
    return claim;
}

// Once round the hooks, and again, until the slots are full or nobody may take one.
std::vector<Claim> Runs::claim_ready(Change& change, std::size_t slots,
                                     const HookCapacity& capacity, Millis now) {
    std::vector<Claim> claims;
    std::map<std::string, std::size_t> left;  // of the hooks met so far
    std::string hook = rotation_.last_hook();
    std::size_t refused = 0;  // in a row; as many as hooks: none has both capacity and work
    while (claims.size() < slots) {
        const std::optional<std::string> next = rotation_.next_hook(hook);
        if (!next) break;
        hook = *next;
        const auto [place, is_new] = left.try_emplace(hook, 0);
        if (is_new) place->second = capacity_left(change, hook, capacity);
        if (place->second == 0) {
            if (++refused > left.size()) break;
            continue;
        }
        refused = 0;
        --place->second;
        claims.push_back(start(change, rotation_.take(hook), hook, now));
    }
    return claims;
}

std::vector<Claim> Runs::finish_and_claim(std::span<const Finish> runs, std::size_t slots,
                                          const HookCapacity& capacity, Millis now) {
    std::vector<Claim> claims;
    for (int round = 0; !runs.empty() || (round < claim_rounds && claims.size() < slots &&
                                          something_due(db_, now)); ++round) {
        bool all_due = true;
        std::vector<Claim> more;
        {
            Change change(db_);
            finish_all(change, std::exchange(runs, {}));
            if (const std::size_t free = slots - claims.size(); free > 0) {
                all_due = make_claimable(db_, now, due_at_most) < std::int64_t{due_at_most};
                more = claim_ready(change, free, capacity, now);
            }
            change.commit();
        }
        std::ranges::move(more, std::back_inserter(claims));
        if (all_due) break;
    }
    return claims;
}

void Runs::finish(std::span<const Finish> runs) {
    if (runs.empty()) return;
    Change change(db_);
    finish_all(change, runs);
    change.commit();
}

void Runs::save_output(EventNumber event, const std::string& hook, int attempt,
                       const Output& out, const Output& err) {
    Change change(db_);
    db_.run("UPDATE attempt SET out = ?4, out_bytes = ?5, err = ?6, err_bytes = ?7 "
            "WHERE event = ?1 AND hook = ?2 AND attempt = ?3 AND result = 0",
            {event, hook, attempt, Blob{out.kept}, out.bytes, Blob{err.kept}, err.bytes});
    change.commit();
}

std::vector<Orphan> Runs::orphans(std::span<const DeliveryName>) {
    // A delivery whose attempt is missing gets a run name that no process has.
    static const std::string statement =
        "SELECT d.event, d.hook, d.attempt, d.max_attempts, "
        "coalesce(a.run, d.event || '-' || d.hook || '-missing'), coalesce(a.started_at, 0), a.out, "
        "a.out_bytes, a.err, a.err_bytes, " + failures_sql("(d.attempt - 1)") +
        " FROM delivery AS d INDEXED BY delivery_state LEFT JOIN attempt AS a "
        "ON a.event = d.event AND a.hook = d.hook AND a.attempt = d.attempt "
        "WHERE d.state <> 2 AND d.state = 1 ORDER BY d.event";
    std::vector<Orphan> found;
    Rows rows = db_.rows(statement);
    while (rows.next()) {
        found.push_back({rows.number(0), rows.text(1), static_cast<int>(rows.number(2)),
                         static_cast<int>(rows.number(3)), rows.text(4), rows.number(5),
                         {rows.text(6), rows.number(7)}, {rows.text(8), rows.number(9)},
                         failures_of(rows.maybe_number(10))});
    }
    return found;
}

std::optional<Millis> Runs::next_due(Millis) {
    Rows rows =
        db_.rows("SELECT min(due_at) FROM delivery INDEXED BY delivery_due WHERE turn = 1");
    return rows.next() ? rows.maybe_number(0) : std::nullopt;
}

std::vector<DeliveryName> Runs::kill_requests() {
    std::vector<DeliveryName> requests;
    Rows rows = db_.rows("SELECT event, hook FROM kill_wish ORDER BY event, hook");
    while (rows.next()) requests.push_back({rows.number(0), rows.text(1)});
    return requests;
}

}  // namespace

std::unique_ptr<RunQueue> make_run_queue(Database& database) {
    return std::make_unique<Runs>(database);
}

}  // namespace bx::sqlite
