// Tells of deliveries that died: the events BXHOOK.DEAD, of which a hook causes one a minute at the
// most, also with several hosts or a worker that was started again.
//
// The first death of a hook is told at once, those of the minute after it together when it is over.
// What is counted is in memory, and told after the death is in the store: a worker that is killed
// loses what it had still to tell, of a minute at most, and never a death.  Deaths of deliveries of
// such events are not told, so that none causes another.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "store/event_sink.h"
#include "store/view.h"
#include "worker/context.h"

namespace bx {

class DeadEvents {
public:
    DeadEvents(WorkerContext& context, EventSink& sink, View& view)
        : context_(context), sink_(sink), view_(view) {}

    // These runs' ends are in the store, as far as they changed anything: deliveries that died with
    // them are to be told of.
    void note(std::span<const Finish> recorded);
    // Adds the events that are due, where a hook names them and the queue has room.  ALL: also
    // those whose minute is not over, and what there is no room for is forgotten.  Throws what the
    // store throws: they are due still.
    void add_due(bool all = false);

    // Is there anything left to tell?
    bool any() const { return !noted_.empty() || counted_ > 0; }
    // When the next event is due; `never`: there is none.  Steady time.
    Millis next() const;

private:
    struct Death {
        DeliveryName name;
        int attempt = 0;
        std::string reason;
        Millis at = 0;  // wall time
    };
    // Of a hook, since the last event.
    struct Deaths {
        std::int64_t count = 0;
        Death first{};
        StoredEvent event{};  // of the first, without its body
        Timer due{};
        EventNumber told = 0;  // the last event
    };

    std::optional<StoredEvent> event_of(const Death& death);
    void count_noted();
    void count(Death death, StoredEvent event);
    using ToldOf = std::map<std::string, EventNumber>;  // by hook
    ToldOf told_lately();
    void tell(Deaths& deaths, bool last);
    void forget(Deaths& deaths);
    void forget_all();

    WorkerContext& context_;
    EventSink& sink_;
    View& view_;
    std::deque<Death> noted_;  // not counted yet
    std::map<std::string, Deaths> hooks_;
    std::int64_t counted_ = 0;  // of all hooks
};

}  // namespace bx
