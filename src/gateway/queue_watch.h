// How full the queue is: whether it would take an event now, and whether it is nearly full.
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "gateway/store_slot.h"
#include "gateway/trouble_log.h"

namespace bx {

class QueueWatch {
public:
    QueueWatch(StoreSlot& store, TroubleLog& trouble, Log& log)
        : store_(store), trouble_(trouble), log_(log) {}

    // True when the store would take an event now.  It is asked at most once a second, and when the
    // store has changed (forget()); why not is reported.
    bool accepts_events(const Config::Limits& limits);
    void forget() { next_probe_ = {}; }

    // Logs that limits.queue is near, before events are refused for it; at most once a minute.
    void warn_if_nearly_full(const Config::Limits& limits);

private:
    StoreSlot& store_;
    TroubleLog& trouble_;
    Log& log_;
    bool accepts_ = false;  // what the last probe said
    Timer next_probe_;
    Timer next_warning_;
};

}  // namespace bx
