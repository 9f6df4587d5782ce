#include "gateway/signals.h"

#include <csignal>

namespace bx {

void block_gateway_signals() { block_signals({SIGTERM, SIGINT, SIGHUP, SIGUSR1}); }

GatewaySignals::GatewaySignals() : stop_({SIGTERM, SIGINT}), other_({SIGHUP, SIGUSR1}) {
    std::signal(SIGPIPE, SIG_IGN);
}

bool stop_requested() {
    sigset_t pending;
    if (::sigpending(&pending) != 0) return false;
    return ::sigismember(&pending, SIGTERM) == 1 || ::sigismember(&pending, SIGINT) == 1;
}

}  // namespace bx
