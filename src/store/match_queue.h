// What a worker's matcher needs of a store: new events, a place for its verdicts, and a second
// chance for what was skipped for a mistake of ours.
//
// Every function may throw StoreError (store/errors.h); store.h says what holds of all of them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "store/records.h"

namespace bx {

// Which skipped events are made new.
struct RenewRange {
    Millis received_from = 0;
    EventNumber after = 0;  // N greater than this
    EventNumber up_to = 0;  // and at most this
};

struct Renewed {
    std::size_t count = 0;  // events made new
    EventNumber last = 0;   // that was looked at
    bool more = false;      // there may be more behind it
};

class MatchQueue {
public:
    virtual ~MatchQueue() = default;

    // The oldest `new` events in order of N, with body and secrets or `damage`: AT_MOST of them, and
    // none behind the one with which their payload_bytes() come to BYTES.
    virtual std::vector<StoredEvent> undispatched(std::size_t at_most,
                                                  std::size_t bytes = SIZE_MAX) = 0;
    // Marks the events matched (or skipped, erasing their secrets) and writes their deliveries.
    // An event that is no longer `new` (cancelled meanwhile) is passed over.  Coalescing: a waiting
    // delivery of the same hook, lane and code becomes `merged` into the new one, which takes over
    // its due time and attempts.  Of a lane the last 1,000 that wait are looked at.
    virtual void dispatch(std::span<const Dispatch> verdicts, Millis now) = 0;
    // A step ahead of dispatch(VERDICTS): where one of their deliveries would have many merged into
    // it, merges some of those into the newest of them, which takes over due time and attempts.
    // True: there may be more, call it again before the dispatch.
    virtual bool merge_ahead(std::span<const Dispatch> verdicts, Millis now) = 0;

    // What hooks and configuration of HOST were like when the skipped events that are `retryable`
    // were last made new again there; empty: they never were.
    virtual std::string fingerprint(const std::string& host) = 0;
    // Forgets hosts that have not kept one for a month.
    virtual void keep_fingerprint(const std::string& host, const std::string& fingerprint,
                                  Millis now) = 0;
    // The largest number of such an event; 0: there is none.
    virtual EventNumber newest_retryable() = 0;
    // Makes such events new: those of RANGE in order of N, at most AT_MOST.  By their numbers: when
    // they were skipped says nothing where the clock has been set back since.
    virtual Renewed renew_skipped(const RenewRange& range, std::size_t at_most) = 0;
    // Deliveries that have not run yet lose the reason of their dispatch (NewDelivery::reason), but
    // those of the hooks STOPPED; at most AT_MOST.  Gives how many.
    virtual std::size_t forget_reasons(const std::vector<std::string>& stopped,
                                       std::size_t at_most) = 0;
};

}  // namespace bx
