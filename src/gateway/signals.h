// The gateway's signals, as descriptors for its loop.
#pragma once

#include "host/signals.h"

namespace bx {

// Blocks SIGTERM, SIGINT, SIGHUP and SIGUSR1 for good: from here on they wait.
void block_gateway_signals();

class GatewaySignals {
public:
    GatewaySignals();  // blocks them, and ignores SIGPIPE; throws Error

    // Readable once SIGTERM or SIGINT came, and from then on: they are left pending.
    int stop_fd() const { return stop_.fd(); }
    // Readable while a SIGHUP or SIGUSR1 waits for next().
    int other_fd() const { return other_.fd(); }
    int next() { return other_.next(); }  // its number; 0: none

private:
    SignalFd stop_;
    SignalFd other_;
};

// True while a blocked SIGTERM or SIGINT is pending.
bool stop_requested();

}  // namespace bx
