// The descriptors that the server's loop waits for.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <span>

#include "base/fd.h"

namespace bx {

class Epoll {
public:
    enum class Trigger {
        level,  // told as long as there is input
        edge,   // told once when input comes, and once of the peer's end
    };

    Epoll();  // throws Error

    // TAG is what an event of FD carries as data.ptr.  Throws Error.
    void watch(int fd, void* tag, Trigger trigger);
    void unwatch(int fd);

    // Waits for events, up to TIMEOUT milliseconds (-1: until one comes); valid until the next
    // call.  Throws Error.
    std::span<const epoll_event> wait(int timeout);
    // There may be more events than the last wait() gave.
    bool may_have_more() const { return may_have_more_; }
    // True when an event comes within so many NANOSECONDS; wait() then gives it.
    bool is_ready_within(long nanoseconds) const;

private:
    Fd fd_;
    std::array<epoll_event, 256> events_;
    bool may_have_more_ = false;
};

}  // namespace bx
