#include "sqlite/change.h"

#include "sqlite/secrets.h"

namespace bx::sqlite {

namespace {

std::int64_t code(DeliveryState state) { return static_cast<std::int64_t>(state); }
std::int64_t code(EventState state) { return static_cast<std::int64_t>(state); }

}  // namespace

Change::Change(Database& database)
    : database_(database), transaction_(database, Transaction::Kind::write), counters_(database) {}

void Change::commit() {
    counters_.write();
    transaction_.commit();
}

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
        if (last) counters_.add("", "unfinished", -1);
        return;
    }
    Marks& now = *found;
    --now.open;
    if (state == DeliveryState::dead) ++now.dead;
    if (now.open == 0) {
        now.ended_at = at;
        counters_.add("", "unfinished", -1);
    }
    if (are_due_for_erasure(now.open, now.dead)) erase_secrets(now);
    save(event, now);
}

void Change::delivery_resumed(EventNumber event, DeliveryState was) {
    std::optional<Marks> found = marks(event);
    if (!found) return;
    Marks& now = *found;
    if (now.open == 0) counters_.add("", "unfinished", 1);
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
    counters_.move(key.hook, DeliveryState::waiting, state);
    delivery_ended(event, state, at);
}

void Change::skip(EventNumber event, const std::string& reason, bool retryable, Millis at) {
    std::optional<Marks> found = marks(event);
    if (!found) return;
    found->state = EventState::skipped;
    found->ended_at = at;
    if (retryable) found->dead = 1;
    if (are_due_for_erasure(found->open, found->dead)) erase_secrets(*found);
    save(event, *found);
    database_.run("UPDATE event SET reason = ?2 WHERE n = ?1", {event, reason});
    counters_.add("", "new", -1);
    counters_.add("", "skipped", 1);
    counters_.add("", "unfinished", -1);
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
    counters_.add("", "skipped", -1);
    counters_.add("", "new", 1);
    counters_.add("", "unfinished", 1);
}

void Change::give_up(EventNumber event, const std::string& reason, Millis at) {
    std::optional<Marks> found = marks(event);
    if (!found) return;
    found->dead = 0;
    found->ended_at = at;
    erase_secrets(*found);
    save(event, *found);
    database_.run("UPDATE event SET reason = ?2 WHERE n = ?1", {event, reason});
}

void Change::match(EventNumber event) {
    std::optional<Marks> found = marks(event);
    if (!found) return;
    found->state = EventState::matched;
    found->dead = 0;
    save(event, *found);
    database_.run("UPDATE event SET reason = '' WHERE n = ?", {event});
    counters_.add("", "skipped", -1);
    counters_.add("", "matched", 1);
}

void Change::erase(std::int64_t slot) {
    erase_slot(database_, slot);
    counters_.add("", "erased", 1);
}

void Change::erase_secrets(Marks& marks) {
    if (marks.slot) erase(*marks.slot);
    marks.slot.reset();
    marks.erased = true;
}

}  // namespace bx::sqlite
