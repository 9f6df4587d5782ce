// One write transaction on the SQLite store, and the few moves everything that changes it is made
// of. They keep the rules at the top of schema.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sqlite/database.h"
#include "store/records.h"

namespace bx {

// Where a delivery queues.  `lane` is empty for one without a lane.
struct LaneKey {
    std::string hook;
    std::string portal;
    std::string lane;
};

class Change {
public:
    // Takes the write lock.
    explicit Change(Database& database);

    Database& database() { return database_; }
    // Writes the counters and commits.  Without it everything is undone.
    void commit();

    // -- Counters
    void count(std::string_view hook, std::string_view what, std::int64_t by);
    // The counter as it will be after the commit.
    std::int64_t counted(std::string_view hook, std::string_view what);
    // A delivery of HOOK went from one state to another.
    void count_move(std::string_view hook, DeliveryState from, DeliveryState to);
    // A run of HOOK ended; for the last hour's rates.
    void count_run(const std::string& hook, AttemptResult result, DeliveryState next, Millis at);

    // -- Lanes
    // True when no delivery of the lane is waiting or running.
    bool lane_is_free(const LaneKey& key);
    // Gives the turn to whom it belongs; after every change of a lane's deliveries.
    void settle(const LaneKey& key, Millis now);
    // The turn of a claimable delivery.
    static int turn_at(Millis due_at, Millis now) { return due_at <= now ? 2 : 1; }
    // Makes the deliveries whose time has come claimable, at most AT_MOST; gives how many.
    std::int64_t call_due(Millis now, std::size_t at_most);

    // -- The event a delivery belongs to: its own marks, and the number of unfinished events
    void delivery_ended(EventNumber event, DeliveryState state, Millis at);
    // The reverse: one that had ended in state WAS is waiting again; `waiting`: it is a new one.
    void delivery_resumed(EventNumber event, DeliveryState was);
    // A waiting delivery ends without a run: cancelled or merged.
    void end_waiting(EventNumber event, const LaneKey& key, DeliveryState state,
                     std::optional<EventNumber> merged_into, Millis at);
    // A new event becomes skipped (RETRYABLE: with its secrets), and a skipped one new.
    void skip(EventNumber event, const std::string& reason, bool retryable, Millis at);
    void renew(EventNumber event);
    // A skipped event becomes matched, with no delivery yet.
    void match(EventNumber event);

    // -- Secrets
    std::optional<std::int64_t> keep_secrets(std::string_view secrets);  // gives their slot
    void erase_slot(std::int64_t slot);

private:
    struct Counter {
        std::string hook;
        std::string_view what;
        std::int64_t by;
    };
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
    void erase(Marks& marks);

    Database& database_;
    Transaction transaction_;
    std::vector<Counter> counters_;
};

// The secrets of a slot, as they were given.  Throws StoreDamaged.
std::string secrets_in(Database& database, std::int64_t slot);

}  // namespace bx
