// The gateway's part of the SQLite store.
#include "sqlite/change.h"
#include "sqlite/parts.h"
#include "sqlite/secrets.h"

namespace bx::sqlite {

namespace {

EventNumber insert_event(Database& database, const NewEvent& event) {
    const EventFacts& facts = event.facts;
    const std::optional<std::int64_t> slot = keep_secrets(database, event.secrets);
    database.run("INSERT INTO event (slot, received_at, test, code, kind, id, domain, member_id, "
            "user_id, handler_id, ts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            {slot, event.received_at, event.test, facts.code, facts.kind, facts.id, facts.domain,
             facts.member_id, facts.user_id, facts.handler_id, facts.ts});
    const EventNumber number = database.last_inserted();
    database.run("INSERT INTO body (event, data) VALUES (?, ?)", {number, Blob{event.body}});
    return number;
}

class Sink final : public EventSink {
public:
    explicit Sink(Database& database) : db_(database) {}

    std::vector<std::optional<EventNumber>> add(std::span<const NewEvent> events,
                                                std::int64_t queue_limit) override;
    std::int64_t probe() override;
    std::int64_t unfinished() override { return tally(db_, "unfinished"); }

private:
    Database& db_;
};

std::vector<std::optional<EventNumber>> Sink::add(std::span<const NewEvent> events,
                                                  std::int64_t queue_limit) {
    std::vector<std::optional<EventNumber>> numbers;
    numbers.reserve(events.size());
    Change change(db_);
    std::int64_t free = queue_limit - tally(db_, "unfinished");
    std::int64_t added = 0;
    for (const NewEvent& event : events) {
        if (added >= free) {
            numbers.push_back(std::nullopt);
            continue;
        }
        numbers.push_back(insert_event(db_, event));
        ++added;
    }
    if (added > 0) {
        change.counters().add("", "new", added);
        change.counters().add("", "unfinished", added);
        change.commit();
    }
    return numbers;
}

std::int64_t Sink::probe() {
    const Transaction undone(db_, Transaction::Kind::write);
    const std::int64_t unfinished = tally(db_, "unfinished");
    NewEvent event;
    event.body = event.secrets = "probe";
    insert_event(db_, event);
    db_.run("INSERT INTO tally (hook, what, n) VALUES ('', 'probe', 1) "
            "ON CONFLICT (hook, what) DO UPDATE SET n = n + 1");
    db_.flush();  // a full disk shows only when something reaches it
    return unfinished;
}

}  // namespace

std::unique_ptr<EventSink> make_sink(Database& database) {
    return std::make_unique<Sink>(database);
}

}  // namespace bx::sqlite
