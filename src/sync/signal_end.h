// What is to be done before a signal ends this process.
#pragma once

#include <signal.h>

#include <functional>
#include <thread>

#include "host/signals.h"
#include "host/start_program.h"

namespace bx {

// While it lives, SIGTERM and SIGINT still end the process, but after LAST, which a thread of its
// own calls; and where that takes over 2 s, before it has ended.  Made before the other threads
// are, which must not take these signals.  Where there cannot be one more thread they end it at
// once.  Throws Error.
class SignalEnd {
public:
    explicit SignalEnd(std::function<void()> last);
    ~SignalEnd();
    SignalEnd(const SignalEnd&) = delete;
    SignalEnd& operator=(const SignalEnd&) = delete;

private:
    void watch();

    const std::function<void()> last_;
    sigset_t before_{};
    SignalFd signals_;
    Pipe end_;  // closed: the watch is over
    std::thread watch_;
};

}  // namespace bx
