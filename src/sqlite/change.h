// One write transaction on the SQLite store, and the few steps everything that changes an event is
// made of.  They keep the rules at the top of schema.cpp.
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include <optional>
#include <string>

#include "sqlite/counters.h"
#include "sqlite/database.h"
#include "sqlite/lanes.h"
#include "store/records.h"

namespace bx::sqlite {

class Change {
public:
    // Takes the write lock.
    explicit Change(Database& database);

    Database& database() { return database_; }
    Counters& counters() { return counters_; }
    // Writes the counters and commits.  Without it everything is undone.
    void commit();

    // A delivery of EVENT ended in STATE: the event's marks, the number of unfinished events and,
    // when it was the last, the secrets.
    void delivery_ended(EventNumber event, DeliveryState state, Millis at);
    // The reverse: one that had ended in state WAS is waiting again; `waiting`: it is a new one.
    void delivery_resumed(EventNumber event, DeliveryState was);
    // A waiting delivery ends without a run: cancelled or merged.
    void end_waiting(EventNumber event, const LaneKey& key, DeliveryState state,
                     std::optional<EventNumber> merged_into, Millis at);
    // A new event becomes skipped (RETRYABLE: with its secrets), and a skipped one new.
    void skip(EventNumber event, const std::string& reason, bool retryable, Millis at);
    void renew(EventNumber event);
    // A skipped event is not to be matched again: its secrets go.
    void give_up(EventNumber event, const std::string& reason, Millis at);
    // A skipped event becomes matched, with no delivery yet.
    void match(EventNumber event);
    // Erases the secrets in SLOT.
    void erase(std::int64_t slot);

private:
    struct Marks {
        EventState state = EventState::fresh;
        std::int64_t open = 0;
        std::int64_t dead = 0;
        std::optional<std::int64_t> slot;
        bool erased = false;
        std::optional<Millis> ended_at;
    };
    std::optional<Marks> marks(EventNumber event);  // none: its row is missing
    void save(EventNumber event, const Marks& marks);
    void erase_secrets(Marks& marks);

    Database& database_;
    Transaction transaction_;
    Counters counters_;
};

}  // namespace bx::sqlite
