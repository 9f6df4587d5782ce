// Matches new events to hooks: their deliveries, or why they are skipped, go into the store.
//
// Events are matched in order of N, so one that fails holds up the others, for as long as it takes
// to find out that it is that one: what fails is tried again by halves, and an event that fails
// alone is set aside.  While a hook's file is gone for a moment (LiveHooks::gone) the events it
// would take wait, and later ones of their lanes; the others do not.
//
// Where slots are free, deliveries are claimed in the transaction that makes them: a single event's
// hook starts one commit sooner.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "store/match_queue.h"
#include "worker/batch.h"
#include "worker/context.h"
#include "worker/rematch.h"
#include "worker/uninstallations.h"

namespace bx {

class Matcher {
public:
    // Puts verdicts into the store and starts what may run now, in one transaction; false: it can
    // start nothing, and has done nothing.
    using DispatchAndStart = std::function<bool(std::span<const Dispatch>)>;

    // UNINSTALLATIONS: who is shown the events; null: nobody.
    Matcher(WorkerContext& context, MatchQueue& queue,
            DispatchAndStart dispatch_and_start = nullptr,
            Uninstallations* uninstallations = nullptr)
        : context_(context),
          queue_(queue),
          dispatch_and_start_(std::move(dispatch_and_start)),
          uninstallations_(uninstallations),
          rematch_(context, queue) {}

    // Matches a batch of the oldest new events, in bounded time.  True when it made deliveries, or
    // skipped events.  Throws what the store throws.
    bool match();
    // When events are matched that now wait for a hook's file to be written again.
    Millis next(Millis now) const;

private:
    // Events that wait for a hook's file, as far as was looked, and their bytes.
    struct Held {
        std::size_t events = 0;
        std::size_t bytes = 0;

        bool operator==(const Held&) const = default;
    };
    std::vector<StoredEvent> oldest(std::size_t at_most);
    bool match_oldest(std::size_t at_most);
    std::vector<const StoredEvent*> take_free(std::span<const StoredEvent> events,
                                              std::size_t at_most);
    void refresh();
    bool merge_ahead(std::span<const Dispatch> dispatches);
    void dispatch(std::span<const Dispatch> dispatches, std::span<const std::string> log_reasons);
    void put(std::span<const Dispatch> dispatches, bool are_last);
    bool has_failed_often(EventNumber event);
    void set_aside(EventNumber event, const std::string& why);
    void report(const Dispatch& dispatch, const std::string& log_reason);
    void report_retryable(EventNumber event, const std::string& log_reason);
    void report_unable(const Dispatch& dispatch) const;

    WorkerContext& context_;
    MatchQueue& queue_;
    const DispatchAndStart dispatch_and_start_;
    Uninstallations* const uninstallations_;
    Rematch rematch_;
    Batch batch_{32};
    EventNumber first_ = 0;     // of the batch under way
    Held held_;
    bool full_ = false;         // there may be more events behind those that were read
    EventNumber failing_ = 0;   // alone, so often:
    int failures_ = 0;
    bool starts_ = true;        // what is matched is started in the same transaction
    // Why events were skipped that are to be matched again, as hashes of what was logged.
    std::map<EventNumber, std::size_t> said_;
};

}  // namespace bx
