// Signals that a loop waits for, and the one that must not end us.
#pragma once

#include <signal.h>

#include <initializer_list>

#include "base/fd.h"

namespace bx {

// Blocks SIGNALS in this thread and those it will start, for good: they stay pending until read.
void block_signals(std::initializer_list<int> signals);

// Signals as a descriptor.
class SignalFd {
public:
    // Blocks SIGNALS first (block_signals).  Throws Error.
    explicit SignalFd(std::initializer_list<int> signals);

    int fd() const { return fd_.get(); }  // readable while one of them is pending
    int next();                           // takes one: its number; 0: none is pending

private:
    Fd fd_;
};

// While it lives, a write to a pipe that nobody reads gives EPIPE and no signal, in this thread.
class NoSigpipe {
public:
    NoSigpipe();
    ~NoSigpipe();
    NoSigpipe(const NoSigpipe&) = delete;
    NoSigpipe& operator=(const NoSigpipe&) = delete;

private:
    sigset_t pipe_{};
    sigset_t before_{};
    bool was_pending_ = false;
};

}  // namespace bx
