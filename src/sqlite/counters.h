// The counters that are kept with what they count, so that nothing is ever counted over.
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sqlite/database.h"
#include "store/records.h"

namespace bx::sqlite {

// Of events: `new`, `matched`, `skipped`, `unfinished`, `erased`, `scrubbed`.
std::int64_t tally(Database& database, std::string_view what);

// What a transaction adds to them.  HOOK is empty for those of events.
class Counters {
public:
    explicit Counters(Database& database) : database_(database) {}

    void add(std::string_view hook, std::string_view what, std::int64_t by);
    // A delivery of HOOK went from one state to another.
    void move(std::string_view hook, DeliveryState from, DeliveryState to);
    // A run of HOOK ended; for the last hour's rates.
    void add_run(const std::string& hook, AttemptResult result, DeliveryState next, Millis at);
    // The counter as it will be after the commit.
    std::int64_t value(std::string_view hook, std::string_view what);
    // Before the commit.
    void write();

private:
    struct Counter {
        std::string hook;
        std::string_view what;
        std::int64_t by;
    };
    Database& database_;
    std::vector<Counter> counters_;
};

}  // namespace bx::sqlite
