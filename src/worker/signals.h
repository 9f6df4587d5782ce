// The worker's signals, taken one by one from its loop.
#pragma once

#include "base/clock.h"
#include "host/signals.h"

namespace bx {

class WorkerSignals {
public:
    // Blocks SIGCHLD, SIGTERM, SIGINT, SIGHUP and SIGUSR1 for good and ignores SIGPIPE.  Throws
    // Error.
    WorkerSignals();

    int fd() const { return signals_.fd(); }  // readable while one is pending
    int next() { return signals_.next(); }    // its number; 0: none
    void wait(Millis most) const;             // until one is pending

private:
    SignalFd signals_;
};

}  // namespace bx
