#include "gateway/queue_watch.h"

#include <cstdint>

namespace bx {

bool QueueWatch::accepts_events(const Config::Limits& limits) {
    if (!next_probe_.due(steady_now())) return accepts_;
    accepts_ = false;
    trouble_.attempt("not ready", [&] {
        store_.use([&](EventSink& sink) { accepts_ = sink.probe() < limits.queue; });
        if (!accepts_) trouble_.report("not ready", "limits.queue unfinished events reached");
    });
    next_probe_.set(steady_now() + second);
    return accepts_;
}

void QueueWatch::warn_if_nearly_full(const Config::Limits& limits) {
    const Millis now = steady_now();
    if (!next_warning_.due(now)) return;
    std::int64_t unfinished = 0;
    trouble_.attempt("cannot count unfinished events",
                     [&] { store_.use([&](EventSink& sink) { unfinished = sink.unfinished(); }); });
    if (!limits.queue_is_nearly_full(unfinished)) return;
    next_warning_.set(now + minute);
    log_.warning("the queue is nearly full: see limits.queue",
                 {{"unfinished", unfinished}, {"limit", limits.queue}});
}

}  // namespace bx
