// Deleting what has finished: a cursor goes up the numbers of events, over what may not go yet, as
// far as they are old enough.
#pragma once

#include "sqlite/change.h"
#include "store/upkeep.h"

namespace bx::sqlite {

class Pruning {
public:
    explicit Pruning(Names& names) : names_(names), db_(names.database()) {}

    // Upkeep::prune, Upkeep::prunable and Upkeep::count_prunable.
    Pruned step(const PruneOrder& order);
    std::vector<EventNumber> next(const PruneOrder& order) const;
    std::int64_t count(const PruneOrder& order) const;

private:
    // Looks at some more; gives those that may go.
    std::vector<EventNumber> look(const PruneOrder& order);
    bool may_go(EventNumber event, const PruneOrder& order);
    bool deliveries_may_go(EventNumber event, const PruneOrder& order);
    std::size_t remove(const std::vector<EventNumber>& events, const PruneOrder& order);
    void begin(const PruneOrder& order);
    void remove_event(Change& change, EventNumber event);
    std::int64_t rows_of(EventNumber event);

    Names& names_;
    Database& db_;
    EventNumber cursor_ = 0;   // events up to it were looked at
    bool under_way_ = false;   // the cursor has not reached those that are too young
};

}  // namespace bx::sqlite
