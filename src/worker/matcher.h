// Matches new events to hooks: their deliveries, or why they are skipped, go into the store.
//
// Events are matched in order of N, so one that fails holds up the others, for as long as it takes
// to find out that it is that one: what fails is tried again by halves, and an event that fails
// alone is set aside.  While a hook's file is gone for a moment (LiveHooks::gone) the events it
// would take wait, and later ones of their lanes; the others do not.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "store/match_queue.h"
#include "worker/batch.h"
#include "worker/context.h"
#include "worker/rematch.h"

namespace bx {

class Matcher {
public:
    Matcher(WorkerContext& context, MatchQueue& queue)
        : context_(context), queue_(queue), rematch_(context, queue) {}

    // Matches a batch of the oldest new events, in bounded time.  True when it made deliveries, or
    // skipped events.  Throws what the store throws.
    bool match();
    // When events are matched that now wait for a hook's file to be written again.
    Millis next(Millis now) const;

private:
    std::vector<StoredEvent> oldest(std::size_t at_most);
    bool match_oldest(std::size_t at_most);
    std::vector<const StoredEvent*> take_free(std::span<const StoredEvent> events,
                                              std::size_t at_most);
    void refresh();
    bool merge_ahead(std::span<const Dispatch> dispatches);
    void dispatch(std::span<const Dispatch> dispatches, std::span<const std::string> log_reasons);
    bool has_failed_often(EventNumber event);
    void set_aside(EventNumber event, const std::string& why);
    void report(const Dispatch& dispatch, const std::string& log_reason) const;

    WorkerContext& context_;
    MatchQueue& queue_;
    Rematch rematch_;
    Batch batch_{32};
    EventNumber first_ = 0;     // of the batch under way
    // Events that wait for a hook's file, as far as was looked, and their bytes.
    std::size_t held_ = 0;
    std::size_t held_bytes_ = 0;
    bool full_ = false;         // there may be more events behind those that were read
    EventNumber failing_ = 0;   // alone, so often:
    int failures_ = 0;
};

}  // namespace bx
