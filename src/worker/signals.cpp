#include "worker/signals.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "base/error.h"

namespace bx {

WorkerSignals::WorkerSignals() {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, signal);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    // Inherited as ignored (nohup, some supervisors) it would make the kernel reap our children.
    ::signal(SIGCHLD, SIG_DFL);
    fd_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) throw_errno("cannot make a signalfd");
}

int WorkerSignals::next() {
    signalfd_siginfo info;
    return ::read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo)
                                                                : 0;
}

void WorkerSignals::wait(Millis most) const {
    pollfd set{fd_.get(), POLLIN, 0};
    ::poll(&set, 1, static_cast<int>(most));
}

}  // namespace bx
