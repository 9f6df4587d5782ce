// Secrets.  SQLite's secure_delete overwrites what is deleted, but when it balances a b-tree it
// moves rows to other pages, and what they leave behind stays (3.40: of ten thousand rows deleted
// one by one some could still be read in the file).  So secrets never move: each lies in a slot, a
// row padded to a multiple of `slot_unit`; erasing writes zeros over it, and the slot is used again
// by secrets of the same padded size.  SQLite overwrites a row by one of the same size in place,
// and adds one of a new greatest key without touching the others.  Slots are never deleted; there
// are as many as there were secrets at the busiest time.
#include "sqlite/change.h"

#include <algorithm>

#include "base/error.h"
#include "store/store.h"

namespace bx {

namespace {

constexpr std::size_t slot_unit = 64;
constexpr std::size_t length_size = 4;  // before the secrets, little-endian: how long they are

constexpr Millis rates_kept = 61 * minute;  // an hour, wherever within a minute it begins

std::int64_t code(DeliveryState state) { return static_cast<std::int64_t>(state); }
std::int64_t code(EventState state) { return static_cast<std::int64_t>(state); }

}  // namespace

Change::Change(Database& database)
    : database_(database), transaction_(database, Transaction::Kind::write) {}

void Change::commit() {
    for (const Counter& counter : counters_) {
        if (counter.by == 0) continue;
        database_.run("INSERT INTO tally (hook, what, n) VALUES (?1, ?2, ?3) "
                      "ON CONFLICT (hook, what) DO UPDATE SET n = n + ?3",
                      {counter.hook, counter.what, counter.by});
    }
    transaction_.commit();
}

// -- Counters

void Change::count(std::string_view hook, std::string_view what, std::int64_t by) {
    for (Counter& counter : counters_) {  // as many as hooks in a batch: few
        if (counter.what == what && counter.hook == hook) {
            counter.by += by;
            return;
        }
    }
    counters_.push_back({std::string(hook), what, by});
}

std::int64_t Change::counted(std::string_view hook, std::string_view what) {
    std::int64_t n = database_.number("SELECT n FROM tally WHERE hook = ? AND what = ?",
                                      {hook, what});
    for (const Counter& counter : counters_) {
        if (counter.what == what && counter.hook == hook) n += counter.by;
    }
    return n;
}

void Change::count_move(std::string_view hook, DeliveryState from, DeliveryState to) {
    count(hook, name_of(from), -1);
    count(hook, name_of(to), 1);
}

void Change::count_run(const std::string& hook, AttemptResult result, DeliveryState next,
                       Millis at) {
    const bool done = result == AttemptResult::done;
    const bool failed = result == AttemptResult::failed || result == AttemptResult::timeout ||
                        result == AttemptResult::lost;
    const bool dead = next == DeliveryState::dead;
    if (!done && !failed && !dead) return;
    database_.run("INSERT INTO rate (minute, hook, done, failed, dead) VALUES (?1, ?2, ?3, ?4, ?5) "
                  "ON CONFLICT (minute, hook) DO UPDATE "
                  "SET done = done + ?3, failed = failed + ?4, dead = dead + ?5",
                  {at / minute, hook, done, failed, dead});
    database_.run("DELETE FROM rate WHERE minute < ?", {(at - rates_kept) / minute});
}

// -- Lanes

bool Change::lane_is_free(const LaneKey& key) {
    return database_.number("SELECT EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_lane "
                            "WHERE hook = ? AND portal = ? AND lane = ? AND state < 2)",
                            {key.hook, key.portal, key.lane}) == 0;
}

void Change::settle(const LaneKey& key, Millis now) {
    if (key.lane.empty()) return;
    struct Standing {
        EventNumber event;
        std::optional<std::int64_t> turn;  // as it is
        std::optional<std::int64_t> due;   // as it must be
    };
    std::vector<Standing> standings;
    {
        // The index gives the running one first, then the waiting by event.  Only these two can be
        // wrong: one delivery changed, and before that at most the first waiting had the turn.
        Rows rows = database_.rows(
            "SELECT event, state, turn, due_at FROM delivery INDEXED BY delivery_lane "
            "WHERE hook = ? AND portal = ? AND lane = ? AND state < 2 "
            "ORDER BY state DESC, event LIMIT 2",
            {key.hook, key.portal, key.lane});
        while (rows.next()) {
            Standing standing{rows.number(0), rows.maybe_number(2), std::nullopt};
            const bool waiting = rows.number(1) == code(DeliveryState::waiting);
            if (waiting && standings.empty()) standing.due = turn_at(rows.number(3), now);
            standings.push_back(standing);
        }
    }
    for (const Standing& standing : standings) {
        if (standing.turn == standing.due) continue;
        database_.run("UPDATE delivery SET turn = ? WHERE event = ? AND hook = ?",
                      {standing.due, standing.event, key.hook});
    }
}

std::int64_t Change::call_due(Millis now, std::size_t at_most) {
    // Mostly nobody's has; to ask costs a tenth.
    const bool any = database_.number("SELECT EXISTS (SELECT 1 FROM delivery "
                                      "INDEXED BY delivery_due WHERE turn = 1 AND due_at <= ?)",
                                      {now}) != 0;
    if (!any) return 0;
    return database_.run(
        "UPDATE delivery SET turn = 2 WHERE (event, hook) IN "
        "(SELECT event, hook FROM delivery INDEXED BY delivery_due "
        "WHERE turn = 1 AND due_at <= ? ORDER BY due_at LIMIT ?)",
        {now, at_most});
}

// -- Events

std::optional<Change::Marks> Change::marks(EventNumber event) {
    Rows rows = database_.rows(
        "SELECT state, open, dead, slot, erased, ended_at FROM event WHERE n = ?", {event});
    if (!rows.next()) return std::nullopt;
    return Marks{static_cast<EventState>(rows.number(0)), rows.number(1), rows.number(2),
                 rows.maybe_number(3), rows.number(4) != 0, rows.maybe_number(5)};
}

void Change::save(EventNumber event, const Marks& marks) {
    database_.run("UPDATE event SET state = ?2, open = ?3, dead = ?4, slot = ?5, erased = ?6, "
                  "ended_at = ?7 WHERE n = ?1",
                  {event, code(marks.state), marks.open, marks.dead, marks.slot, marks.erased,
                   marks.ended_at});
}

void Change::delivery_ended(EventNumber event, DeliveryState state, Millis at) {
    std::optional<Marks> found = marks(event);
    if (!found) {
        const bool last = database_.number("SELECT EXISTS (SELECT 1 FROM delivery "
                                           "WHERE event = ? AND state < 2)", {event}) == 0;
        if (last) count("", "unfinished", -1);
        return;
    }
    Marks& now = *found;
    --now.open;
    if (state == DeliveryState::dead) ++now.dead;
    if (now.open == 0) {
        now.ended_at = at;
        count("", "unfinished", -1);
        if (now.dead == 0) erase(now);
    }
    save(event, now);
}

void Change::delivery_resumed(EventNumber event, DeliveryState was) {
    std::optional<Marks> found = marks(event);
    if (!found) return;
    Marks& now = *found;
    if (now.open == 0) count("", "unfinished", 1);
    ++now.open;
    if (was == DeliveryState::dead) --now.dead;
    now.ended_at.reset();
    save(event, now);
}

void Change::end_waiting(EventNumber event, const LaneKey& key, DeliveryState state,
                         std::optional<EventNumber> merged_into, Millis at) {
    database_.run("UPDATE delivery SET state = ?3, turn = NULL, due_at = NULL, failed_at = NULL, "
                  "ended_at = ?4, merged_into = ?5, reason = '' WHERE event = ?1 AND hook = ?2",
                  {event, key.hook, code(state), at, merged_into});
    count_move(key.hook, DeliveryState::waiting, state);
    delivery_ended(event, state, at);
}

void Change::skip(EventNumber event, const std::string& reason, bool retryable, Millis at) {
    std::optional<Marks> found = marks(event);
    if (!found) return;
    found->state = EventState::skipped;
    found->ended_at = at;
    if (retryable) {
        found->dead = 1;
    } else {
        erase(*found);
    }
    save(event, *found);
    database_.run("UPDATE event SET reason = ?2 WHERE n = ?1", {event, reason});
    count("", "new", -1);
    count("", "skipped", 1);
    count("", "unfinished", -1);
}

void Change::renew(EventNumber event) {
    std::optional<Marks> found = marks(event);
    if (!found) return;
    found->state = EventState::fresh;
    found->dead = 0;
    found->ended_at.reset();
    save(event, *found);
    database_.run("UPDATE event SET reason = '', refused_more = 0 WHERE n = ?", {event});
    database_.run("DELETE FROM refusal WHERE event = ?", {event});
    count("", "skipped", -1);
    count("", "new", 1);
    count("", "unfinished", 1);
}

void Change::match(EventNumber event) {
    std::optional<Marks> found = marks(event);
    if (!found) return;
    found->state = EventState::matched;
    found->dead = 0;
    save(event, *found);
    database_.run("UPDATE event SET reason = '' WHERE n = ?", {event});
    count("", "skipped", -1);
    count("", "matched", 1);
}

// -- Secrets

void Change::erase(Marks& marks) {
    if (marks.slot) erase_slot(*marks.slot);
    marks.slot.reset();
    marks.erased = true;
}

std::optional<std::int64_t> Change::keep_secrets(std::string_view secrets) {
    if (secrets.empty()) return std::nullopt;
    std::string data(length_size, '\0');
    for (std::size_t i = 0; i < length_size; ++i) {
        data[i] = static_cast<char>(secrets.size() >> (8 * i) & 0xFF);
    }
    data += secrets;
    data.resize((data.size() + slot_unit - 1) / slot_unit * slot_unit);

    const std::int64_t free = database_.number(
        "SELECT slot FROM free_slot WHERE size = ? ORDER BY slot LIMIT 1", {data.size()});
    if (free == 0) {
        database_.run("INSERT INTO slot (data) VALUES (?)", {Blob{data}});
        return database_.last_inserted();
    }
    database_.run("DELETE FROM free_slot WHERE size = ? AND slot = ?", {data.size(), free});
    if (database_.run("UPDATE slot SET data = ?2 WHERE slot = ?1", {free, Blob{data}}) == 0) {
        database_.run("INSERT INTO slot (slot, data) VALUES (?1, ?2)", {free, Blob{data}});
    }
    return free;
}

void Change::erase_slot(std::int64_t slot) {
    const std::int64_t size =
        database_.number("SELECT length(data) FROM slot WHERE slot = ?", {slot});
    database_.run("UPDATE slot SET data = zeroblob(?2) WHERE slot = ?1", {slot, size});
    database_.run("INSERT OR IGNORE INTO free_slot (size, slot) VALUES (?, ?)", {size, slot});
    count("", "erased", 1);
}

std::string secrets_in(Database& database, std::int64_t slot) {
    Rows rows = database.rows("SELECT data FROM slot WHERE slot = ?", {slot});
    std::string data = rows.next() ? rows.text(0) : std::string();
    std::size_t size = 0;
    for (std::size_t i = 0; i < std::min(length_size, data.size()); ++i) {
        size |= static_cast<std::size_t>(static_cast<unsigned char>(data[i])) << (8 * i);
    }
    if (data.size() < length_size || size > data.size() - length_size) {
        throw StoreDamaged("its secrets, in slot " + std::to_string(slot) + ", are damaged");
    }
    return data.substr(length_size, size);
}

}  // namespace bx
