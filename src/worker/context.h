// What the parts of the worker share.
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "worker/live_config.h"
#include "worker/run_table.h"
#include "worker/worker.h"

namespace bx {

struct WorkerContext {
    Log& log;
    const WorkerOptions options;
    LiveConfig live;
    RunTable runs{};
    // Steady times: of this iteration of the loop, and of the last one before that did something.
    Millis now;
    Millis progress_at;
    bool stopping = false;    // no run is started any more
    bool draining = false;    // nor for now: those under way are waited for
    bool progress = false;    // this iteration did something
    bool more = true;         // the next one would find more to do
    bool unscrubbed = true;   // secrets may have been erased since the last scrub
};

}  // namespace bx
