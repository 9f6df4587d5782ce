#include "postgres/events.h"

namespace bx::postgres {

StoredEvent read_event(const Session& session, const Result& answer, int row, int first) {
    StoredEvent event;
    event.number = answer.number(row, first);
    event.state = static_cast<EventState>(answer.number(row, first + 1));
    event.received_at = session.ours(answer.number(row, first + 2));
    event.test = answer.number(row, first + 3) != 0;
    event.reason = answer.text(row, first + 4);
    event.secrets_erased = answer.number(row, first + 5) != 0;
    event.facts = {answer.text(row, first + 6),  answer.text(row, first + 7),
                   answer.text(row, first + 8),  answer.text(row, first + 9),
                   answer.text(row, first + 10), answer.text(row, first + 11),
                   answer.text(row, first + 12), answer.text(row, first + 13)};
    event.retryable = event.state == EventState::skipped && answer.number(row, first + 14) > 0;
    return event;
}

void read_payload(StoredEvent& event, const Result& answer, int row, int first) {
    if (answer.is_null(row, first)) event.damage = "its body is missing";
    event.body = answer.text(row, first);
    event.secrets = answer.text(row, first + 1);
}

EventNumber seen_up_to(Session& session) {
    return session.call("SELECT bxhook.seen_up_to()", {}).number(0, 0);
}

std::int64_t unfinished(Session& session) {
    return session.call("SELECT bxhook.unfinished()", {}).number(0, 0);
}

}  // namespace bx::postgres
