// The worker: matches events to hooks and runs them.  One single-threaded poll loop.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/log.h"

namespace bx {

struct WorkerOptions {
    bool once = false;      // run what is due, then leave (cron)
    bool detached = false;  // started by a gateway: in the background, log beside the store, leave
                            // after `idle` without unfinished events
    Millis idle = minute;
};

// Runs until told to stop (SIGTERM, SIGINT), or as OPTIONS say.  Gives the exit status: 0, also
// when another process holds the worker lock.  Throws Error when the config or the store cannot be
// opened.  A busy store is tried again (with `once` for seconds, then it is an Error), and a
// detached worker waits until a config whose hooks, defaults or retention are wrong is corrected,
// since the gateway accepts events meanwhile.
int run_worker(const std::string& config_path, const WorkerOptions& options, Log& log);

}  // namespace bx
