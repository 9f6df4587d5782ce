#include "gateway/signals.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <initializer_list>

#include "base/error.h"

namespace bx {

namespace {

sigset_t set_of(std::initializer_list<int> signals) {
    sigset_t set;
    ::sigemptyset(&set);
    for (int signal : signals) ::sigaddset(&set, signal);
    return set;
}

Fd watch(std::initializer_list<int> signals) {
    sigset_t set = set_of(signals);
    Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) throw_errno("cannot watch signals");
    return fd;
}

}  // namespace

void block_signals() {
    sigset_t all = set_of({SIGTERM, SIGINT, SIGHUP, SIGUSR1});
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

GatewaySignals::GatewaySignals() {
    block_signals();
    std::signal(SIGPIPE, SIG_IGN);
    stop_ = watch({SIGTERM, SIGINT});
    other_ = watch({SIGHUP, SIGUSR1});
}

int GatewaySignals::next() {
    signalfd_siginfo info{};
    ssize_t got = ::read(other_.get(), &info, sizeof info);
    return got == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

bool stop_requested() {
    sigset_t pending;
    if (::sigpending(&pending) != 0) return false;
    return ::sigismember(&pending, SIGTERM) == 1 || ::sigismember(&pending, SIGINT) == 1;
}

}  // namespace bx
