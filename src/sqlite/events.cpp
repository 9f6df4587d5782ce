#include "sqlite/events.h"

#include "sqlite/secrets.h"
#include "store/errors.h"

namespace bx::sqlite {

namespace {

void load_payload(Database& database, StoredEvent& event, std::optional<std::int64_t> slot) {
    try {
        {
            Rows rows = database.rows("SELECT data FROM body WHERE event = ?", {event.number});
            if (!rows.next()) throw StoreDamaged("its body is missing");
            event.body = rows.text(0);
        }
        if (slot) event.secrets = secrets_in(database, *slot);
    } catch (const StoreDamaged& damaged) {
        event.damage = damaged.what();
    }
}

}  // namespace

std::optional<StoredEvent> load_event(Database& database, EventNumber number) {
    StoredEvent event;
    std::optional<std::int64_t> slot;
    {
        Rows rows = database.rows(
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
    load_payload(database, event, slot);
    return event;
}

std::optional<EventFacts> new_facts(Database& database, EventNumber number) {
    Rows rows = database.rows("SELECT code, kind, id, domain, member_id FROM event "
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

std::vector<Refusal> refusals(Database& database, EventNumber number) {
    std::vector<Refusal> refused;
    Rows rows =
        database.rows("SELECT hook, reason, rule FROM refusal WHERE event = ? ORDER BY hook",
                      {number});
    while (rows.next()) {
        refused.push_back({rows.text(0), rows.text(1), static_cast<HookRule>(rows.number(2))});
    }
    return refused;
}

std::vector<AttemptRecord> attempts(Database& database, EventNumber number,
                                    const std::string& hook) {
    std::vector<AttemptRecord> found;
    Rows rows = database.rows(
        "SELECT attempt, run, result, exit, signal, reason, started_at, ended_at, out, out_bytes, "
        "err, err_bytes FROM attempt WHERE event = ? AND hook = ? ORDER BY attempt",
        {number, hook});
    while (rows.next()) {
        AttemptRecord attempt;
        attempt.attempt = static_cast<int>(rows.number(0));
        attempt.run = rows.text(1);
        attempt.result = static_cast<AttemptResult>(rows.number(2));
        if (const auto exit = rows.maybe_number(3)) attempt.exit = static_cast<int>(*exit);
        attempt.signal = rows.text(4);
        attempt.reason = rows.text(5);
        attempt.started_at = rows.number(6);
        attempt.ended_at = rows.maybe_number(7);
        attempt.out = {rows.text(8), rows.number(9)};
        attempt.err = {rows.text(10), rows.number(11)};
        found.push_back(std::move(attempt));
    }
    return found;
}

StoredEvent read_event(const Rows& rows, int first) {
    StoredEvent event;
    event.number = rows.number(first);
    event.state = static_cast<EventState>(rows.number(first + 1));
    event.received_at = rows.number(first + 2);
    event.test = rows.number(first + 3) != 0;
    event.reason = rows.text(first + 4);
    event.secrets_erased = rows.number(first + 5) != 0;
    event.facts = {rows.text(first + 6),  rows.text(first + 7),  rows.text(first + 8),
                   rows.text(first + 9),  rows.text(first + 10), rows.text(first + 11),
                   rows.text(first + 12), rows.text(first + 13)};
    event.retryable = event.state == EventState::skipped && rows.number(first + 14) > 0;
    return event;
}

}  // namespace bx::sqlite
