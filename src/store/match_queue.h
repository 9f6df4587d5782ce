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
    virtual void keep_fingerprint(const std::string& host, const std::string& fingerprint) = 0;
    // Makes such events new: those received at or after FROM and skipped before BEFORE, oldest
    // first, at most AT_MOST; gives how many.
    virtual std::size_t renew_skipped(Millis from, Millis before, std::size_t at_most) = 0;
};

}  // namespace bx
