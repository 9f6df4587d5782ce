// One write transaction on the SQLite store, and the few steps everything that changes an event is
// made of.  They keep the rules of sql/schema.sql.
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include <optional>
#include <string>

#include "sqlite/counters.h"
#include "sqlite/lanes.h"
#include "sqlite/names.h"
#include "store/records.h"

namespace bx::sqlite {

// A row of `open`.
struct Open {
    DeliveryId d = 0;
    Lane lane{};
    PortalId account = 0;
    Millis due_at = 0;
    int attempt = 0;
    int max_attempts = 0;
    std::int64_t fellows = 1;
    std::optional<int> failures = 0;
    std::optional<Millis> failed_at{};
    std::string reason{};

    Waiting waiting() const { return {d, account, due_at}; }
};

std::optional<Open> read_open(Database& database, DeliveryId d);

class Change {
public:
    // Takes the write lock.
    explicit Change(Names& names);

    Names& names() { return names_; }
    Database& database() { return names_.database(); }
    Counters& counters() { return counters_; }
    // Writes the counters and commits.  Without it everything is undone.
    void commit();

    // A delivery is made, or waits again; its turn is yet to be settled.
    void add_open(const Open& open);
    // A delivery, whose row in `open` is gone, ended in STATE: the number of unfinished events and,
    // when it was the last, the secrets.  FELLOWS is Open's; SLOT that of its event, if known.
    void delivery_ended(DeliveryId d, std::int64_t fellows, DeliveryState state,
                        std::optional<std::int64_t> slot);
    // A waiting delivery ends without a run: cancelled or merged.  Its lane is yet to be settled.
    void end_waiting(const Open& open, DeliveryState state, std::optional<EventNumber> merged_into,
                     Millis at);
    // A new event becomes skipped (RETRYABLE: with its secrets), and a skipped one new, or matched,
    // with no delivery yet.
    void skip(EventNumber event, const std::string& reason, bool retryable, Millis at);
    void renew(EventNumber event);
    // A skipped event is not to be matched again: its secrets go.
    void give_up(EventNumber event, const std::string& reason, Millis at);
    void match(EventNumber event);
    // Of an event that is there.
    bool is_new(EventNumber event);
    // A new event becomes a matched one.
    void take_new(EventNumber event);
    // Everything up to EVENT is matched now, but for what is still new there.
    void pass(EventNumber event);
    // What was cancelled before its turn to be matched came, and comes next, is passed.
    void pass_skipped();
    void erase(EventNumber event, std::optional<std::int64_t> slot);

private:
    Names& names_;
    Transaction transaction_;
    Counters counters_;
    EventNumber matched();
    EventNumber cancelled_last();

    // As they will be; none: not read yet.
    std::optional<EventNumber> matched_;         // world.matched
    std::optional<EventNumber> cancelled_last_;  // at least the greatest skipped before its match
};

}  // namespace bx::sqlite
