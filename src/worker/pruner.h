// Deletes old events in steps.  What cannot be deleted is passed over: it holds up nothing but its
// own deletion.
#pragma once

#include <string>

#include "store/upkeep.h"
#include "worker/batch.h"

namespace bx {

struct PruneStep {
    std::size_t deleted = 0;      // events
    bool more = false;            // another step may delete more
    EventNumber passed_over = 0;  // the event that turned out not to be deletable; 0: none did
    std::string cause{};          // why
};

class Pruner {
public:
    explicit Pruner(Upkeep& store) : store_(store) {}

    // One transaction of at most 100 events of ORDER, whose `at_most` and `passed_over` are set
    // here.  Throws StoreError when it is not an event that is to blame.
    PruneStep step(PruneOrder order);

private:
    PruneStep pass_over(const PruneOrder& order, const std::string& cause);

    Upkeep& store_;
    Batch batch_{100};
    std::vector<EventNumber> passed_over_;
};

}  // namespace bx
