#include "sqlite/event_writer.h"

#include "sqlite/statements.h"
#include "store/facts.h"

namespace bx::sqlite {

namespace {

// Gateways commit a little out of order of receipt; what goes back further is a clock that was set.
constexpr Millis step_at_least = minute;

}  // namespace

void EventWriter::insert(const NewEvent& event, LastEvent& last) {
    const EventFacts& facts = event.facts;
    const EventNumber number = ++last.number;
    const std::optional<std::int64_t> slot = keep_secrets(db_, hand_, number, event.secrets);
    const std::string packed = pack_facts(facts);
    db_.run(sql::event_add, number, event.received_at, names_.portal(facts), slot,
            static_cast<int>(event.origin), event.installation, ts_number(facts.ts), Blob{packed},
            Blob{event.body});
    if (last.received_at && event.received_at < *last.received_at - step_at_least) {
        db_.run(sql::clock_step_add, number);
    }
    last.received_at = event.received_at;
}

}  // namespace bx::sqlite
