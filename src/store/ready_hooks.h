// Which hooks have something to claim, as a worker remembers it.
//
// Each claim has to ask some hooks.  Those that are disabled may have work too, for months, and may be
// many: they would be asked in vain at each claim.  So where many are, it is looked for what hooks have
// only now and then; in between those are asked that were not disabled then, and those of which this
// process knows that something has become claimable since.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>

#include "base/clock.h"

namespace bx {

class ReadyHooks {
public:
    using Id = std::int64_t;

    // What a look at the steady time NOW has found: hooks that have something to claim, but for
    // LEFT_OUT others that are disabled.
    void looked(std::set<Id> hooks, std::size_t left_out, Millis now);
    void add(Id hook) { hooks_.insert(hook); }
    void remove(Id hook) { hooks_.erase(hook); }  // nothing is left
    void forget();                                // anything may have become claimable

    const std::set<Id>& hooks() const { return hooks_; }
    // False: look before anything is claimed.
    bool known() const { return known_; }
    bool is_fresh(Millis now) const;
    // Then hooks() is enough while it is fresh.
    bool leaves_out_many() const { return known_ && many_; }

private:
    std::set<Id> hooks_;
    bool known_ = false;
    bool many_ = false;
    Millis looked_at_ = 0;
};

}  // namespace bx
