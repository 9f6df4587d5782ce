#include "sqlite/events.h"

#include <array>
#include <charconv>

#include "sqlite/secrets.h"
#include "sqlite/statements.h"
#include "store/errors.h"
#include "store/facts.h"

namespace bx::sqlite {

namespace {

AttemptRecord read_attempt(const Rows& rows) {
    using row = sql::shown_run;
    AttemptRecord attempt;
    attempt.attempt = static_cast<int>(rows.number(row::attempt));
    attempt.ended_at = rows.maybe_number(row::ended_at);
    attempt.result = static_cast<AttemptResult>(rows.number(row::result));
    attempt.started_at = rows.number(row::started_at);
    if (const auto exit = rows.maybe_number(row::exit)) attempt.exit = static_cast<int>(*exit);
    attempt.signal = rows.text(row::signal);
    attempt.reason = rows.text(row::note);
    attempt.out = {rows.text(row::out), rows.number(row::out_bytes)};
    attempt.err = {rows.text(row::err), rows.number(row::err_bytes)};
    return attempt;
}

}  // namespace

std::string run_name(std::int64_t seed, EventNumber event, const std::string& hook, int attempt) {
    std::array<char, 16> hex;
    const auto bits = static_cast<std::uint64_t>(seed);
    const auto end = std::to_chars(hex.data(), hex.data() + hex.size(), bits, 16).ptr;
    return std::to_string(event) + '-' + hook + '-' + std::to_string(attempt) + '-' +
           std::string(hex.data(), end);
}

std::optional<EventState> event_state(Database& database, EventNumber number) {
    const auto state = database.maybe_number(sql::event_state, number);
    if (!state) return std::nullopt;
    return static_cast<EventState>(*state);
}

void read_state(Database& database, StoredEvent& event) {
    event.state = event_state(database, event.number).value_or(EventState::matched);
    if (event.state != EventState::skipped) return;
    Rows rows = database.rows(sql::skip, event.number);
    if (!rows.next()) return;
    event.reason = rows.text(sql::skip_row::reason);
    event.retryable = rows.number(sql::skip_row::retryable) != 0;
}

void read_facts(Names& names, const Rows& rows, int first, StoredEvent& event) {
    using row = sql::event_row;
    event.received_at = rows.number(first + row::received_at);
    event.origin = static_cast<Origin>(rows.number(first + row::origin));
    const Portal& portal = names.portal(rows.number(first + row::portal));
    event.facts.member_id = portal.member_id;
    event.facts.domain = portal.domain;
    try {
        unpack_facts(rows.view(first + row::facts), rows.maybe_number(first + row::ts), event.facts);
    } catch (const StoreDamaged& damaged) {
        event.damage = damaged.what();
    }
}

void read_body(const Rows& rows, int column, StoredEvent& event) {
    event.body = rows.text(column);
    if (event.body.empty()) event.damage = "its body is missing";
}

void load_secrets(Database& database, std::optional<std::int64_t> slot, StoredEvent& event) {
    if (!slot) return;
    try {
        const std::optional<std::string> secrets = secrets_in(database, *slot, event.number);
        event.secrets_erased = !secrets;
        event.secrets = secrets.value_or("");
    } catch (const StoreDamaged& damaged) {
        event.damage = damaged.what();
    }
}

std::optional<StoredEvent> load_event(Names& names, EventNumber number) {
    Database& database = names.database();
    StoredEvent event;
    event.number = number;
    std::optional<std::int64_t> slot;
    {
        Rows rows = database.rows(sql::event_whole, number);
        if (!rows.next()) return std::nullopt;
        read_facts(names, rows, 0, event);
        read_body(rows, sql::whole_event::body, event);
        event.installation = rows.maybe_number(sql::whole_event::installation);
        slot = rows.maybe_number(sql::whole_event::slot);
    }
    load_secrets(database, slot, event);
    read_state(database, event);
    Rows rows = database.rows(sql::refusals, number);
    if (rows.next()) event.refused_more = rows.number(sql::refusal_row::more);
    return event;
}

std::optional<Identity> identity(Names& names, EventNumber number) {
    Rows rows = names.database().rows(sql::event_facts, number);
    if (!rows.next()) return std::nullopt;
    const Portal& portal = names.portal(rows.number(sql::facts_row::portal));
    Identity of;
    of.account = portal.account;
    of.facts.member_id = portal.member_id;
    of.facts.domain = portal.domain;
    try {
        unpack_facts(rows.view(sql::facts_row::facts), rows.maybe_number(sql::facts_row::ts),
                     of.facts);
    } catch (const StoreDamaged&) {
        of.facts.id.clear();  // without a lane
    }
    return of;
}

std::vector<Refusal> refusals(Database& database, EventNumber number) {
    Rows rows = database.rows(sql::refusals, number);
    if (!rows.next()) return {};
    return unpack_refusals(rows.view(sql::refusal_row::list));
}

std::vector<AttemptRecord> attempts(Names& names, DeliveryId d) {
    std::vector<AttemptRecord> found;
    const std::string hook = names.hook_name(hook_of(d));
    const auto take = [&](Rows rows) {
        while (rows.next()) {
            found.push_back(read_attempt(rows));
            found.back().run = run_name(rows.number(sql::shown_run::seed), event_of(d), hook,
                                        found.back().attempt);
        }
    };
    take(names.database().rows(sql::attempts, d));
    take(names.database().rows(sql::attempt_last, d));
    take(names.database().rows(sql::attempt_running, d));
    return found;
}

}  // namespace bx::sqlite
