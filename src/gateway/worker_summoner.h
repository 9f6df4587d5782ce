// Sees to it that a worker runs when there are events: wakes it, or starts one.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"

namespace bx {

class WorkerSummoner {
public:
    // Starts a worker for the config file of that path; throws when it cannot.
    using Start = std::function<void(const std::string& config_path)>;

    WorkerSummoner(Start start, Log& log) : start_(std::move(start)), log_(log) {}

    // From here on a summon() is due: events were added.
    void set_due() { due_ = true; }
    // Also after a start that failed, until one has succeeded: again each ten seconds.
    bool is_due() const { return due_ && next_try_.due(steady_now()); }
    // It is, or will be: whoever sleeps has to wake for it.
    bool will_be_due() const { return due_; }

    // Wakes the worker; starts one when none runs and worker.start is auto, at most once a second:
    // what comes sooner leaves a summon() due.  A failed start is logged, and while it fails for
    // the same cause once a minute.
    void summon(const Config& config);

private:
    void wake_or_start(const Config& config, Millis now);
    void report(const std::string& cause, Millis now);

    Start start_;
    Log& log_;
    bool due_ = false;
    Timer next_start_;
    Timer next_try_;     // after a start that failed, of one that nobody asked for
    std::string cause_;  // why the last start failed; empty: it did not
    Timer next_report_;  // of that cause
};

}  // namespace bx
