#include "worker/signals.h"

#include <poll.h>

#include <csignal>

namespace bx {

WorkerSignals::WorkerSignals() : signals_({SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
    std::signal(SIGPIPE, SIG_IGN);
    // Inherited as ignored (nohup, some supervisors) it would make the kernel reap our children.
    std::signal(SIGCHLD, SIG_DFL);
}

void WorkerSignals::wait(Millis most) const {
    pollfd set{signals_.fd(), POLLIN, 0};
    ::poll(&set, 1, static_cast<int>(most));
}

}  // namespace bx
