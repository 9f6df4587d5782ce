// A second chance for events that were skipped for a mistake of ours: their hook could not run, or
// they could not be matched.  Once hooks or configuration change they are matched again.
//
// What these were like the last time is kept in the store, so that nothing happens again only
// because a worker starts; for each host, which has its own.
#pragma once

#include <cstddef>
#include <string>

#include "base/clock.h"
#include "store/match_queue.h"
#include "worker/context.h"

namespace bx {

// Events that came longer ago are left to a person.
constexpr Millis rematched_for = day;

class Rematch {
public:
    Rematch(WorkerContext& context, MatchQueue& queue);

    // Where hooks or configuration are not what they were: makes such events new, the oldest first,
    // none that came over a day ago; and deliveries that waited for a person to choose between two
    // hooks of one name do not say so any more.  A step of it, in one transaction; there is more to
    // do when it sets context.more.  Throws what the store throws.
    void work();

private:
    bool has_changed();
    void begin(std::string fingerprint);
    void renew();
    void forget_reasons();
    void end();

    WorkerContext& context_;
    MatchQueue& queue_;
    const std::string host_;
    ConfigPtr config_;       // that was looked at last, with the hooks of this stamp
    std::string stamp_;
    std::string under_way_;  // the fingerprint of a pass; empty: none
    RenewRange range_;       // of the pass: events skipped later have met these hooks
    bool renewing_ = false;  // the pass is still at the events
    std::size_t renewed_ = 0;
    Millis begun_ = 0;       // steady
    Timer next_;             // the next pass
};

}  // namespace bx
