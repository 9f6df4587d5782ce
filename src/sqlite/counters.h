// The counters that are kept with what they count, so that nothing is ever counted over (but by
// repair.h).
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "sqlite/names.h"
#include "store/records.h"

namespace bx::sqlite {

// The row of `world`.
struct World {
    EventNumber matched = 0;
    std::int64_t finished = 0;
    std::int64_t pruned = 0;
    std::int64_t skipped = 0;
    std::int64_t erased = 0;
    std::int64_t scrubbed = 0;
};
World read_world(Database& database);

struct LastEvent {
    EventNumber number = 0;  // the greatest there ever was
    std::int64_t finished = 0;
    std::optional<Millis> received_at;  // of the last one that is there

    std::int64_t unfinished() const { return number - finished; }
};
LastEvent last_event(Database& database);

// What a transaction adds to them.
class Counters {
public:
    explicit Counters(Names& names) : names_(names) {}

    // A delivery of HOOK is new, ended, or is open again.
    void opened(HookId hook) { ++of(hook).open; }
    void ended(HookId hook, DeliveryState state);
    void resumed(HookId hook, DeliveryState state);
    void removed(HookId hook, DeliveryState state) { --of(hook).now[index(state)]; }
    // A run of HOOK ended; DIED: its delivery too.
    void ran(HookId hook, AttemptResult result, bool died, Millis at);

    void matched_up_to(EventNumber n) { world_.matched = std::max(world_.matched, n); }
    void finished(std::int64_t events) { world_.finished += events; }
    void skipped(std::int64_t events) { world_.skipped += events; }
    void pruned(EventNumber event);
    void erased() { ++world_.erased; }
    // Before the commit.
    void write();

private:
    static constexpr std::size_t states = 4;   // done to cancelled
    static constexpr std::size_t results = 6;  // done to cancelled
    struct OfHook {
        HookId hook = 0;
        std::int64_t open = 0;
        std::int64_t now[states] = {};
        std::int64_t ever[states] = {};
        std::int64_t ran[results] = {};
    };
    static std::size_t index(DeliveryState state) {
        return static_cast<std::size_t>(state) - static_cast<std::size_t>(DeliveryState::done);
    }
    OfHook& of(HookId hook);
    void write(const OfHook& counts);

    Names& names_;
    std::vector<OfHook> hooks_;  // as many as hooks in a batch: few
    World world_;
    EventNumber last_ = 0;
};

}  // namespace bx::sqlite
