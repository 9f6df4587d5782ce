#include "sqlite/sqlite_store.h"

#include <random>

namespace bx {

namespace {

// For readers, whom emptying the log would keep from nothing but who keep it from being emptied.
constexpr Millis scrub_wait = 20;

std::uint64_t random_seed() {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
}

}  // namespace

SqliteStore::SqliteStore(const std::string& path, const StoreOptions& options, Journal journal)
    : database_(open_database(path, options, journal)),
      db_(*database_),
      journal_(journal),
      run_seed_(random_seed()) {}

// -- Gateway

std::vector<std::optional<EventNumber>> SqliteStore::add(std::span<const NewEvent> events,
                                                         std::int64_t queue_limit) {
    std::vector<std::optional<EventNumber>> numbers;
    numbers.reserve(events.size());
    Change change(db_);
    std::int64_t room = queue_limit - tally("unfinished");
    std::int64_t added = 0;
    for (const NewEvent& event : events) {
        if (added >= room) {
            numbers.push_back(std::nullopt);
            continue;
        }
        numbers.push_back(insert_event(change, event));
        ++added;
    }
    if (added > 0) {
        change.count("", "new", added);
        change.count("", "unfinished", added);
        change.commit();
    }
    return numbers;
}

EventNumber SqliteStore::insert_event(Change& change, const NewEvent& event) {
    const EventFacts& facts = event.facts;
    const std::optional<std::int64_t> slot = change.keep_secrets(event.secrets);
    db_.run("INSERT INTO event (slot, received_at, test, code, kind, id, domain, member_id, "
            "user_id, handler_id, ts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            {slot, event.received_at, event.test, facts.code, facts.kind, facts.id, facts.domain,
             facts.member_id, facts.user_id, facts.handler_id, facts.ts});
    const EventNumber number = db_.last_inserted();
    db_.run("INSERT INTO body (event, data) VALUES (?, ?)", {number, Blob{event.body}});
    return number;
}

std::int64_t SqliteStore::probe() {
    Change undone(db_);
    const std::int64_t unfinished = undone.counted("", "unfinished");
    NewEvent event;
    event.body = event.secrets = "probe";
    insert_event(undone, event);
    db_.run("INSERT INTO tally (hook, what, n) VALUES ('', 'probe', 1) "
            "ON CONFLICT (hook, what) DO UPDATE SET n = n + 1");
    db_.flush();  // a full disk shows only when something reaches it
    return unfinished;
}

// -- Events

std::int64_t SqliteStore::tally(std::string_view what) {
    return db_.number("SELECT n FROM tally WHERE hook = '' AND what = ?", {what});
}

std::optional<StoredEvent> SqliteStore::load_event(EventNumber number) {
    StoredEvent event;
    std::optional<std::int64_t> slot;
    {
        Rows rows = db_.rows(
            "SELECT state, erased, received_at, test, code, kind, id, domain, member_id, user_id, "
            "handler_id, ts, reason, slot, dead, refused_more FROM event WHERE n = ?",
            {number});
        if (!rows.next()) return std::nullopt;
        event.number = number;
        event.state = static_cast<EventState>(rows.number(0));
        event.secrets_erased = rows.number(1) != 0;
        event.received_at = rows.number(2);
        event.test = rows.number(3) != 0;
        event.facts = {rows.text(4), rows.text(5), rows.text(6),  rows.text(7),
                       rows.text(8), rows.text(9), rows.text(10), rows.text(11)};
        event.reason = rows.text(12);
        slot = rows.maybe_number(13);
        event.retryable = event.state == EventState::skipped && rows.number(14) > 0;
        event.refused_more = rows.number(15);
    }
    load_payload(event, slot);
    return event;
}

void SqliteStore::load_payload(StoredEvent& event, std::optional<std::int64_t> slot) {
    try {
        {
            Rows rows = db_.rows("SELECT data FROM body WHERE event = ?", {event.number});
            if (!rows.next()) throw StoreDamaged("its body is missing");
            event.body = rows.text(0);
        }
        if (slot) event.secrets = secrets_in(db_, *slot);
    } catch (const StoreDamaged& damaged) {
        event.damage = damaged.what();
    }
}

std::optional<StoredEvent> SqliteStore::event(EventNumber number) {
    const Transaction moment(db_, Transaction::Kind::read);
    std::optional<StoredEvent> event = load_event(number);
    if (event) event->refused = refusals(number);
    return event;
}

std::vector<Refusal> SqliteStore::refusals(EventNumber number) {
    std::vector<Refusal> refused;
    Rows rows =
        db_.rows("SELECT hook, reason FROM refusal WHERE event = ? ORDER BY hook", {number});
    while (rows.next()) refused.push_back({rows.text(0), rows.text(1)});
    return refused;
}

// -- Workers and house-keeping

void SqliteStore::register_worker(const WorkerRecord& worker) {
    Change change(db_);
    // There is one worker: another's row is that of one that was killed.
    db_.run("DELETE FROM worker");
    db_.run("INSERT INTO worker (host, pid, version, since, running, config_error, trouble, once) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            {worker.host, worker.pid, worker.version, worker.since, worker.running,
             worker.config_error, worker.trouble, worker.once});
    if (!worker.once) db_.run("DELETE FROM once");
    change.commit();
}

void SqliteStore::unregister_worker(const WorkerRecord& worker) {
    Change change(db_);
    db_.run("DELETE FROM worker WHERE host = ? AND pid = ?", {worker.host, worker.pid});
    if (worker.once) {
        db_.run("DELETE FROM once");
        db_.run("INSERT INTO once (left_at, host, trouble) VALUES (?, ?, ?)",
                {wall_now(), worker.host, worker.trouble});
    }
    change.commit();
}

// Of one machine: what was known of another boot is of no use any more.
ClockRecord SqliteStore::watch_clock(const ClockReading& now) {
    std::optional<ClockRecord> known;
    {
        Rows rows = db_.rows("SELECT up, wall, step FROM clock WHERE boot = ?", {now.boot});
        if (rows.next()) known = {now.boot, rows.number(0), rows.number(1), rows.number(2)};
    }
    if (known && known->agrees(now)) return *known;
    const ClockRecord begun = begin_trial(known, now);
    Change change(db_);
    db_.run("DELETE FROM clock");
    db_.run("INSERT INTO clock (boot, up, wall, step) VALUES (?, ?, ?, ?)",
            {begun.boot, begun.up, begun.wall, begun.step});
    change.commit();
    return begun;
}

bool SqliteStore::scrub() {
    if (journal_ == Journal::rollback) return true;  // no log: what is erased is gone at the commit
    const std::int64_t erased = tally("erased");
    const std::int64_t scrubbed = tally("scrubbed");
    if (erased == scrubbed) return true;
    if (!db_.empty_log(scrub_wait)) return false;
    Change change(db_);
    change.count("", "scrubbed", erased - scrubbed);
    change.commit();
    return true;
}

}  // namespace bx
