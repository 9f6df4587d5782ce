#include "gateway/queue_watch.h"

#include <cstdint>

namespace bx {

bool QueueWatch::accepts_events(const Config::Limits& limits) {
    if (steady_now() < next_probe_) return accepts_;
    accepts_ = false;
    trouble_.attempt("not ready", [&] {
        store_.use([&](EventSink& sink) { accepts_ = sink.probe() < limits.queue; });
        if (!accepts_) trouble_.report("not ready", "limits.queue unfinished events reached");
    });
    next_probe_ = steady_now() + second;
    return accepts_;
}

void QueueWatch::warn_if_nearly_full(const Config::Limits& limits) {
    const Millis now = steady_now();
    if (now < next_warning_) return;
    std::int64_t unfinished = 0;
    trouble_.attempt("cannot count unfinished events",
                     [&] { store_.use([&](EventSink& sink) { unfinished = sink.unfinished(); }); });
    if (!limits.queue_is_nearly_full(unfinished)) return;
    next_warning_ = now + minute;
    log_.warning("the queue is nearly full: see limits.queue",
                 {{"unfinished", unfinished}, {"limit", limits.queue}});
}

}  // namespace bx
