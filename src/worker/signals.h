// The worker's signals, taken one by one from its loop.
#pragma once

#include "base/clock.h"
#include "base/fd.h"

namespace bx {

class WorkerSignals {
public:
    // Blocks SIGCHLD, SIGTERM, SIGINT, SIGHUP and SIGUSR1 for good and ignores SIGPIPE.  Throws
    // Error.
    WorkerSignals();

    int fd() const { return fd_.get(); }  // readable when one is there
    int next();                           // 0: none
    void wait(Millis most) const;         // until one is there

private:
    Fd fd_;
};

}  // namespace bx
