// Deliveries that this worker has claimed for the slots that become free next, so that none of them
// waits for a transaction, and how many of these there should be (store/run_queue.h).
//
// They are for hooks that end after milliseconds.  Where hooks take their time nothing is held: who
// waits for a slot then is drawn when it is free.
//
// All times are steady times.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/records.h"

namespace bx {

class HeldClaims {
public:
    static constexpr std::size_t most = 8;

    // A run has ended.
    void note_end(Millis now);
    // An event of so many BYTES was claimed, held or not.
    void note_event(std::size_t bytes) { bytes_ = std::max(bytes, bytes_ - bytes_ / 8); }
    // How many more should be held at NOW: as many in all as runs ended a moment before, so many at the
    // most that their events take a MB.
    std::size_t wanted(Millis now) const;

    bool empty() const { return claims_.empty(); }
    std::size_t size() const { return claims_.size(); }
    bool has_hook(const std::string& hook) const;
    std::vector<DeliveryName> names() const;
    // When no slot will have become free for so long that they should wait with all others.
    Millis too_old_at() const { return empty() ? Timer::never : moved_at_ + at_most_for; }

    // The last to be taken, or the first.  One of the same delivery that is held already has been taken
    // back by a person's request, and is dropped.
    void add(Claim claim, Millis now);
    void add_first(Claim claim, Millis now);
    // The same, of one that is not to be held.
    void drop(const DeliveryName& name);
    // The next ones, COUNT at most.
    std::vector<Claim> take(std::size_t count, Millis now);
    void clear() { claims_.clear(); }

private:
    static constexpr Millis at_most_for = 50;

    std::deque<Claim> claims_;
    Millis moved_at_ = 0;  // when the last was taken, or the first came
    std::array<Millis, most> ends_{-1, -1, -1, -1, -1, -1, -1, -1};  // the last ones
    std::size_t next_end_ = 0;
    std::size_t bytes_ = 0;  // of the largest event lately
};

}  // namespace bx
