// The gateway's part of the SQLite store.
#include "sqlite/change.h"
#include "sqlite/parts.h"
#include "sqlite/secrets.h"
#include "sqlite/statements.h"
#include "store/facts.h"

namespace bx::sqlite {

namespace {

constexpr int posted = 0;  // event.origin
constexpr int tested = 2;
// Gateways commit a little out of order of receipt; what goes back further is a clock that was set.
constexpr Millis step_at_least = minute;

class Sink final : public EventSink {
public:
    explicit Sink(Names& names) : names_(names), db_(names.database()) {}

    std::vector<std::optional<EventNumber>> add(std::span<const NewEvent> events,
                                                std::int64_t queue_limit) override;
    std::int64_t probe() override;
    std::int64_t unfinished() override { return last_event(db_).unfinished(); }

private:
    // Adds it after LAST, which it becomes.
    void insert(const NewEvent& event, LastEvent& last);

    Names& names_;
    Database& db_;
    SlotHand hand_;
};

void Sink::insert(const NewEvent& event, LastEvent& last) {
    const EventFacts& facts = event.facts;
    const EventNumber number = ++last.number;
    const std::optional<std::int64_t> slot = keep_secrets(db_, hand_, number, event.secrets);
    const std::string packed = pack_facts(facts);
    db_.run(sql::event_add, number, event.received_at, names_.portal(facts), slot,
            event.test ? tested : posted, ts_number(facts.ts), Blob{packed}, Blob{event.body});
    if (last.received_at && event.received_at < *last.received_at - step_at_least) {
        db_.run(sql::clock_step_add, number);
    }
    last.received_at = event.received_at;
}

std::vector<std::optional<EventNumber>> Sink::add(std::span<const NewEvent> events,
                                                  std::int64_t queue_limit) {
    std::vector<std::optional<EventNumber>> numbers;
    numbers.reserve(events.size());
    Transaction transaction(db_, Transaction::Kind::write);
    LastEvent last = last_event(db_);
    const EventNumber before = last.number;
    for (const NewEvent& event : events) {
        if (last.unfinished() >= queue_limit) {
            numbers.push_back(std::nullopt);
            continue;
        }
        insert(event, last);
        numbers.push_back(last.number);
    }
    if (last.number > before) transaction.commit();
    return numbers;
}

std::int64_t Sink::probe() {
    const Transaction undone(db_, Transaction::Kind::write);
    LastEvent last = last_event(db_);
    const std::int64_t unfinished = last.unfinished();
    NewEvent event;
    event.body = event.secrets = "probe";
    insert(event, last);
    db_.flush();  // a full disk shows only when something reaches it
    return unfinished;
}

}  // namespace

std::unique_ptr<EventSink> make_sink(Names& names) {
    return std::make_unique<Sink>(names);
}

}  // namespace bx::sqlite
