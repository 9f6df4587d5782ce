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
    bool is_due() const { return due_; }

    // Wakes the worker; starts one when none runs and worker.start is auto, at most once a second:
    // what comes sooner leaves a summon() due.  A failed start is logged.
    void summon(const Config& config);

private:
    Start start_;
    Log& log_;
    bool due_ = false;
    Timer next_start_;
};

}  // namespace bx
