// The worker's part of the SQLite store: match, claim, finish.
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "sqlite/merge.h"
#include "sqlite/sqlite_store.h"

namespace bx {

namespace {

// Deliveries made claimable in one transaction; keeps it in the milliseconds when very many are
// due at once.
constexpr std::size_t call_at_most = 1000;
constexpr int call_rounds = 10;  // of that, in one claim

constexpr auto waiting = DeliveryState::waiting;
constexpr auto running = DeliveryState::running;

std::int64_t code(DeliveryState state) { return static_cast<std::int64_t>(state); }

std::string run_name(std::uint64_t seed, EventNumber event, const std::string& hook, int attempt) {
    std::array<char, 16> hex;
    const auto end = std::to_chars(hex.data(), hex.data() + hex.size(), seed, 16).ptr;
    return std::to_string(event) + '-' + hook + '-' + std::to_string(attempt) + '-' +
           std::string(hex.data(), end);
}

}  // namespace

// -- Match

std::vector<StoredEvent> SqliteStore::undispatched(std::size_t at_most) {
    const Transaction moment(db_, Transaction::Kind::read);
    std::vector<EventNumber> numbers;
    {
        Rows rows = db_.rows("SELECT n FROM event INDEXED BY event_state "
                             "WHERE state <> 1 AND state = 0 ORDER BY n LIMIT ?",
                             {at_most});
        while (rows.next()) numbers.push_back(rows.number(0));
    }
    std::vector<StoredEvent> events;
    for (EventNumber number : numbers) {
        if (auto event = load_event(number)) events.push_back(std::move(*event));
    }
    return events;
}

void SqliteStore::dispatch(std::span<const Dispatch> verdicts, Millis now) {
    if (verdicts.empty()) return;
    Change change(db_);
    for (const Dispatch& verdict : verdicts) dispatch_one(change, verdict, now);
    change.commit();
}

// None: it is not new (any more).
std::optional<EventFacts> SqliteStore::new_facts(EventNumber number) {
    Rows rows = db_.rows("SELECT code, kind, id, domain, member_id FROM event "
                         "WHERE n = ? AND state = 0",
                         {number});
    if (!rows.next()) return std::nullopt;
    EventFacts facts;
    facts.code = rows.text(0);
    facts.kind = rows.text(1);
    facts.id = rows.text(2);
    facts.domain = rows.text(3);
    facts.member_id = rows.text(4);
    return facts;
}

void SqliteStore::dispatch_one(Change& change, const Dispatch& verdict, Millis now) {
    const std::optional<EventFacts> facts = new_facts(verdict.event);
    if (!facts) return;  // cancelled meanwhile
    for (const Refusal& refusal : verdict.refused) {
        db_.run("INSERT OR REPLACE INTO refusal (event, hook, reason) VALUES (?, ?, ?)",
                {verdict.event, refusal.hook, refusal.reason});
    }
    if (verdict.refused_more > 0) {
        db_.run("UPDATE event SET refused_more = ?2 WHERE n = ?1",
                {verdict.event, verdict.refused_more});
    }
    if (verdict.deliveries.empty()) {
        change.skip(verdict.event, verdict.skip_reason, verdict.retryable, now);
        return;
    }
    db_.run("UPDATE event SET state = 1, open = ?2 WHERE n = ?1",
            {verdict.event, verdict.deliveries.size()});
    change.count("", "new", -1);
    change.count("", "matched", 1);
    for (const NewDelivery& delivery : verdict.deliveries) {
        insert_delivery(change, verdict.event, *facts, delivery, now);
    }
}

void SqliteStore::insert_delivery(Change& change, EventNumber event, const EventFacts& facts,
                                  const NewDelivery& delivery, Millis now) {
    const LaneKey key{delivery.hook, facts.lane_portal(),
                      delivery.ordered ? lane_of(facts) : std::string()};
    const bool laned = !key.lane.empty();
    const bool alone = !laned || change.lane_is_free(key);
    Inheritance heir;
    if (!alone && delivery.coalesce) {
        heir = merge(change, key, mergeable(db_, key, event, facts.code), event, now);
    }
    const Millis due_at = heir.due_at.value_or(delivery.due_at);

    std::optional<std::int64_t> turn;
    if (alone) turn = Change::turn_at(due_at, now);
    Bound lane = nullptr;
    if (laned) lane = key.lane;
    db_.run("INSERT INTO delivery (event, hook, state, turn, portal, lane, attempt, max_attempts, "
            "due_at, failed_at, reason) VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)",
            {event, delivery.hook, turn, key.portal, lane, heir.attempt,
             std::max(heir.max_attempts, delivery.max_attempts), due_at, heir.failed_at,
             heir.reason});
    change.count(delivery.hook, name_of(waiting), 1);
    if (!alone) change.settle(key, now);
}

// -- Claim

bool SqliteStore::something_due(Millis now) {
    return db_.number("SELECT EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_ready "
                      "WHERE turn = 2) OR EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_due "
                      "WHERE turn = 1 AND due_at <= ?)",
                      {now}) != 0;
}

std::vector<Claim> SqliteStore::claim(std::size_t slots, const Room& room, Millis now) {
    return finish_and_claim({}, slots, room, now);
}

std::vector<Claim> SqliteStore::finish_and_claim(std::span<const Finish> runs, std::size_t slots,
                                                 const Room& room, Millis now) {
    std::vector<Claim> claims;
    for (int round = 0; !runs.empty() || (round < call_rounds && claims.size() < slots &&
                                          something_due(now)); ++round) {
        bool all_called = true;
        std::vector<Claim> more;
        {
            Change change(db_);
            finish_all(change, std::exchange(runs, {}));
            if (const std::size_t free = slots - claims.size(); free > 0) {
                all_called = change.call_due(now, call_at_most) < std::int64_t{call_at_most};
                more = claim_ready(change, free, room, now);
            }
            change.commit();
        }
        std::ranges::move(more, std::back_inserter(claims));
        if (all_called) break;
    }
    return claims;
}

// Once round the hooks, and again, until the slots are full or nobody may take one.
std::vector<Claim> SqliteStore::claim_ready(Change& change, std::size_t slots, const Room& room,
                                            Millis now) {
    std::vector<Claim> claims;
    std::map<std::string, std::size_t> left;  // of the hooks met so far
    std::string hook = last_hook_;
    std::size_t refused = 0;  // in a row; as many as hooks: none has both room and work
    while (claims.size() < slots) {
        const std::optional<std::string> next = next_ready_hook(hook);
        if (!next) break;
        hook = *next;
        const auto [place, is_new] = left.try_emplace(hook, 0);
        if (is_new) place->second = room_left(change, hook, room);
        if (place->second == 0) {
            if (++refused > left.size()) break;
            continue;
        }
        refused = 0;
        --place->second;
        last_hook_ = hook;
        claims.push_back(start(change, next_ready_event(hook), hook, now));
    }
    return claims;
}

std::size_t SqliteStore::room_left(Change& change, const std::string& hook, const Room& room) {
    const std::size_t most = room(hook);
    const std::int64_t now = change.counted(hook, name_of(running));  // less those just recorded
    const auto taken = static_cast<std::size_t>(std::max(now, std::int64_t{0}));
    return most > taken ? most - taken : 0;
}

std::optional<std::string> SqliteStore::next_ready_hook(const std::string& after) {
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

// The smallest of the portal after the one served last, round and round.
EventNumber SqliteStore::next_ready_event(const std::string& hook) {
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

Claim SqliteStore::start(Change& change, EventNumber event, const std::string& hook, Millis now) {
    Claim claim;
    claim.hook = hook;
    {
        Rows rows = db_.rows("SELECT attempt, max_attempts FROM delivery "
                             "WHERE event = ? AND hook = ?",
                             {event, hook});
        rows.next();
        claim.attempt = static_cast<int>(rows.number(0)) + 1;
        claim.max_attempts = static_cast<int>(rows.number(1));
    }
    if (auto loaded = load_event(event)) {
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
    change.count_move(hook, waiting, running);
    return claim;
}

// -- Finish

void SqliteStore::finish(std::span<const Finish> runs) {
    if (runs.empty()) return;
    Change change(db_);
    finish_all(change, runs);
    change.commit();
}

void SqliteStore::finish_all(Change& change, std::span<const Finish> runs) {
    if (runs.empty()) return;
    const bool kill_requested = db_.number("SELECT EXISTS (SELECT 1 FROM kill_wish)") != 0;
    for (const Finish& run : runs) finish_one(change, run, kill_requested);
}

void SqliteStore::finish_one(Change& change, const Finish& run, bool kill_requested) {
    LaneKey key{run.hook, {}, {}};
    {
        Rows rows = db_.rows("SELECT portal, lane FROM delivery "
                             "WHERE event = ? AND hook = ? AND state = 1 AND attempt = ?",
                             {run.event, run.hook, run.attempt});
        if (!rows.next()) return;
        key.portal = rows.text(0);
        key.lane = rows.text(1);
    }
    DeliveryState next = run.next;
    // A run that a person wants ended is not repeated, however it ended.
    if (kill_requested && db_.run("DELETE FROM kill_wish WHERE event = ? AND hook = ?",
                          {run.event, run.hook}) > 0 && next == waiting) {
        next = DeliveryState::cancelled;
    }
    record_attempt(run);

    const bool again = next == waiting;
    std::optional<Millis> due_at, failed_at, ended_at;
    std::optional<std::int64_t> turn;
    if (again) {
        due_at = run.due_at;
        if (run.counts) failed_at = run.ended_at;
        if (key.lane.empty()) turn = Change::turn_at(run.due_at, run.ended_at);
    } else {
        ended_at = run.ended_at;
    }
    db_.run("UPDATE delivery SET state = ?3, turn = ?4, due_at = ?5, ended_at = ?6, reason = ?7, "
            "failed_at = coalesce(?8, failed_at), max_attempts = max_attempts + ?9 "
            "WHERE event = ?1 AND hook = ?2",
            {run.event, run.hook, code(next), turn, due_at, ended_at, run.delivery_reason,
             failed_at, !run.counts});
    change.count_move(run.hook, running, next);
    change.count_run(run.hook, run.result, next, run.ended_at);
    change.settle(key, run.ended_at);
    if (!again) change.delivery_ended(run.event, next, run.ended_at);
}

void SqliteStore::record_attempt(const Finish& run) {
    db_.run(
        "UPDATE attempt SET result = ?4, exit = ?5, signal = ?6, reason = ?7, ended_at = ?8, "
        "out = ?9, out_bytes = ?10, err = ?11, err_bytes = ?12 "
        "WHERE event = ?1 AND hook = ?2 AND attempt = ?3",
        {run.event, run.hook, run.attempt, static_cast<int>(run.result),
         std::optional<std::int64_t>(run.exit), run.signal, run.reason, run.ended_at,
         Blob{run.out.kept}, run.out.bytes, Blob{run.err.kept}, run.err.bytes});
}

void SqliteStore::save_output(EventNumber event, const std::string& hook, int attempt,
                              const Output& out, const Output& err) {
    Change change(db_);
    db_.run("UPDATE attempt SET out = ?4, out_bytes = ?5, err = ?6, err_bytes = ?7 "
            "WHERE event = ?1 AND hook = ?2 AND attempt = ?3 AND result = 0",
            {event, hook, attempt, Blob{out.kept}, out.bytes, Blob{err.kept}, err.bytes});
    change.commit();
}

// -- What the worker asks

std::vector<Orphan> SqliteStore::orphans(std::span<const DeliveryName>) {
    std::vector<Orphan> found;
    // Of one whose attempt is missing no process can be told: it has a name that nobody has.
    Rows rows = db_.rows(
        "SELECT d.event, d.hook, d.attempt, d.max_attempts, "
        "coalesce(a.run, d.event || '-' || d.hook || '-missing'), coalesce(a.started_at, 0), a.out, "
        "a.out_bytes, a.err, a.err_bytes "
        "FROM delivery AS d INDEXED BY delivery_state LEFT JOIN attempt AS a "
        "ON a.event = d.event AND a.hook = d.hook AND a.attempt = d.attempt "
        "WHERE d.state <> 2 AND d.state = 1 ORDER BY d.event");
    while (rows.next()) {
        found.push_back({rows.number(0), rows.text(1), static_cast<int>(rows.number(2)),
                         static_cast<int>(rows.number(3)), rows.text(4), rows.number(5),
                         {rows.text(6), rows.number(7)}, {rows.text(8), rows.number(9)}});
    }
    return found;
}

std::optional<Millis> SqliteStore::next_due(Millis) {
    Rows rows =
        db_.rows("SELECT min(due_at) FROM delivery INDEXED BY delivery_due WHERE turn = 1");
    return rows.next() ? rows.maybe_number(0) : std::nullopt;
}

// Those behind another of their lane have their turn, and are capped, later.
bool SqliteStore::cap_due(Millis latest) {
    const bool any = db_.number("SELECT EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_due "
                                "WHERE turn = 1 AND due_at > ?)",
                                {latest}) != 0;
    if (!any) return false;
    Change change(db_);
    const std::int64_t capped =
        db_.run("UPDATE delivery SET due_at = ?1 WHERE (event, hook) IN "
                "(SELECT event, hook FROM delivery INDEXED BY delivery_due "
                "WHERE turn = 1 AND due_at > ?1 LIMIT ?2)",
                {latest, call_at_most});
    change.commit();
    return capped == std::int64_t{call_at_most};
}

std::int64_t SqliteStore::unfinished() {
    return tally("unfinished");
}

std::vector<DeliveryName> SqliteStore::kill_requests() {
    std::vector<DeliveryName> requests;
    Rows rows = db_.rows("SELECT event, hook FROM kill_wish ORDER BY event, hook");
    while (rows.next()) requests.push_back({rows.number(0), rows.text(1)});
    return requests;
}

}  // namespace bx
