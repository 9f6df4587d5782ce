// The listening socket of the server.
#pragma once

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

namespace bx {

class Acceptor {
public:
    // LISTENER is made non-blocking and stays so: siblings may share it.  Throws Error.
    Acceptor(Fd listener, Log& log);

    int fd() const { return listener_.get(); }  // -1 after close()

    // The backlog may hold connections: at the start, and when epoll says so.  Not after close().
    void set_ready() { ready_ = bool(listener_); }
    bool is_ready() const { return ready_; }
    // True for a while after accept() ran out of file descriptors.
    bool is_pausing(Millis now) const { return !retry_.due(now); }
    void end_pause() { retry_ = {}; }
    // A connection waits in the backlog.
    bool has_waiting() const;

    // The next connection, non-blocking; none when the backlog is empty (it is not ready any more),
    // at the beginning of a pause, or when a connection was lost.  Throws Error when the listener
    // is broken.
    Fd accept(Millis now);

    // From now on connecting fails, and a web server may turn to another gateway.
    void close();

private:
    Fd listener_;
    Log& log_;
    bool ready_ = true;
    Timer retry_;
};

}  // namespace bx
