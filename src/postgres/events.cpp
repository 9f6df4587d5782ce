#include "postgres/events.h"

#include <array>
#include <charconv>

#include "store/facts.h"

namespace bx::postgres {

namespace {

// The order of {event_row}.
struct EventRow {
    enum : int { n, received_at, origin, ts, facts, member_id, domain, had_secret };
};

}  // namespace

StoredEvent read_event(const Session& session, const Result& answer, int row, int first) {
    StoredEvent event;
    if (answer.is_null(row, first + EventRow::n)) {
        event.damage = "its event is missing";
        return event;
    }
    event.number = answer.number(row, first + EventRow::n);
    event.received_at = session.ours(answer.number(row, first + EventRow::received_at));
    event.origin = static_cast<Origin>(answer.number(row, first + EventRow::origin));
    event.facts.member_id = answer.text(row, first + EventRow::member_id);
    event.facts.domain = answer.text(row, first + EventRow::domain);
    try {
        unpack_facts(answer.text(row, first + EventRow::facts),
                     answer.maybe_number(row, first + EventRow::ts), event.facts);
    } catch (const StoreDamaged& damaged) {
        event.damage = damaged.what();
    }
    return event;
}

void read_payload(StoredEvent& event, const Result& answer, int row, int first) {
    event.body = answer.text(row, first);
    event.secrets = answer.text(row, first + 1);
    if (event.body.empty() && event.damage.empty()) event.damage = "its body is missing";
}

EventNumber seen_up_to(Session& session) {
    return session.call(Call<sql::seen_up_to>()).number(0, 0);
}

std::int64_t unfinished(Session& session) {
    return session.call(Call<sql::unfinished>()).number(0, 0);
}

std::string run_name(std::int64_t seed, EventNumber event, const std::string& hook, int attempt) {
    std::array<char, 16> hex;
    const auto bits = static_cast<std::uint64_t>(seed);
    const auto end = std::to_chars(hex.data(), hex.data() + hex.size(), bits, 16).ptr;
    return std::to_string(event) + '-' + hook + '-' + std::to_string(attempt) + '-' +
           std::string(hex.data(), end);
}

std::int64_t seed_of(const std::string& run) {
    const std::size_t dash = run.rfind('-');
    std::uint64_t bits = 0;
    std::from_chars(run.data() + (dash == std::string::npos ? 0 : dash + 1),
                    run.data() + run.size(), bits, 16);
    return static_cast<std::int64_t>(bits);
}

}  // namespace bx::postgres
