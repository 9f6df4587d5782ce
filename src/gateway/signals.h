// The signals of a process whose loop waits in epoll: blocked, and seen through descriptors.
#pragma once

#include "base/fd.h"

namespace bx {

// Blocks SIGTERM, SIGINT, SIGHUP and SIGUSR1 for the process's life: from here on they wait.
void block_signals();

class GatewaySignals {
public:
    GatewaySignals();  // blocks them, and ignores SIGPIPE; throws Error

    // Readable once SIGTERM or SIGINT came, and from then on: they are left pending.
    int stop_fd() const { return stop_.get(); }
    // Readable while a SIGHUP or SIGUSR1 waits for next().
    int other_fd() const { return other_.get(); }
    int next();  // that signal's number; 0: none

private:
    Fd stop_;
    Fd other_;
};

// True while a blocked SIGTERM or SIGINT is pending.
bool stop_requested();

}  // namespace bx
