#include "sync/signal_end.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <exception>
#include <system_error>
#include <utility>

namespace bx {

namespace {

constexpr unsigned longest_s = 2;

sigset_t mask_now() {
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    return mask;
}

bool is_ignored(int signal) {
    struct sigaction action {};
    return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

SignalEnd::SignalEnd(std::function<void()> last)
    : last_(std::move(last)),
      before_(mask_now()),
      signals_({SIGTERM, SIGINT}),
      end_(make_pipe()) {
    try {
        watch_ = std::thread([this] { watch(); });
    } catch (const std::system_error&) {
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
}

SignalEnd::~SignalEnd() {
    end_.write.reset();
    if (watch_.joinable()) watch_.join();
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void SignalEnd::watch() {
    std::array<pollfd, 2> set{{{signals_.fd(), POLLIN, 0}, {end_.read.get(), POLLIN, 0}}};
    while (::poll(set.data(), set.size(), -1) < 0 || set[1].revents == 0) {
        const int signal = signals_.next();
        if (signal == 0 || is_ignored(signal)) continue;
        ::alarm(longest_s);
        try {
            last_();
        } catch (const std::exception&) {
        }
        // This thread alone takes it now.
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
        ::raise(signal);
    }
}

}  // namespace bx
