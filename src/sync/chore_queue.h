// Chores that were taken: those that wait to be begun, and those that are under way.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "store/installation.h"

namespace bx {

// What is taken from a store, in the order of the first turn.
constexpr std::array taken_kinds{Chore::verify, Chore::adopt, Chore::bind, Chore::renew};

class ChoreQueue {
public:
    // One of taken_kinds, which may be begun before BEGIN_BY (steady time): later it would outlast its
    // taking.  Of one that waits already this is the later taking, which alone counts.
    void add(const DueChore& taken, Millis begin_by);
    // None of that kind waits, but for its own installation's that is under way.
    bool lacks(Chore what) const;
    // None waits, and none is under way.
    bool is_idle() const;

    // The next to be begun at NOW (steady time); from then on it is under way.  Kinds have their
    // turn, so that a flood of one leaves the others their time, and verifications begin 200 ms
    // apart.  None: none waits but for that, or for its own installation's of the same kind.
    std::optional<DueChore> begin(Millis now);
    // A verification that waits may begin then; `never`: lacks(Chore::verify).
    Millis next_verification() const;
    void end(const DueChore& begun);

    // Those that wait and may be begun no more at NOW (steady time), which are here no more.
    std::vector<DueChore> take_late(Millis now);
    // Those that wait, which are here no more.
    std::vector<DueChore> clear();

private:
    struct Waiting {
        DueChore taken;
        Millis begin_by = 0;
    };

    std::deque<Waiting>& waiting(Chore what);
    std::optional<DueChore> begin_one(Chore what);

    std::array<std::deque<Waiting>, taken_kinds.size()> waiting_;
    std::set<std::pair<Chore, InstallationId>> under_way_;
    std::size_t turn_ = 0;
    Timer verification_;  // steady
};

}  // namespace bx
