// The open connections of the server: which are to be read next, and which have to go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "gateway/body_pool.h"
#include "gateway/connection.h"
#include "gateway/epoll.h"
#include "gateway/server_limits.h"

namespace bx {

class ConnectionTable {
public:
    ConnectionTable(Epoll& epoll, Log& log, const ServerLimits& limits);

    // The time of this turn of the loop, for all that follows.
    void set_now(Millis now) { now_ = now; }
    Millis now() const { return now_; }

    // FD is non-blocking.
    Connection& open(Fd fd);
    std::size_t size() const { return connections_.size(); }
    bool is_full() const { return connections_.size() >= limits_.connections; }
    BodyPool& bodies() { return bodies_; }

    // -- What is read next

    // CONNECTION is to be read in the next turn.
    void enqueue(Connection& connection);
    bool has_ready() const { return !ready_.empty(); }
    // Those to be read.  Each stays `queued` until its turn comes, which clears that.
    std::vector<Connection*> take_ready() { return std::exchange(ready_, {}); }
    // Epoll tells when CONNECTION has input; it is dropped when that cannot be had.
    void await_input(Connection& connection);
    // Epoll told EVENTS of CONNECTION.
    void notice(Connection& connection, std::uint32_t events);

    // -- The end of a request, and of a connection: after close() and drop() it does not exist

    // CONNECTION's request was answered: it is kept, or lingers.
    void answered(Connection& connection, bool keep);
    // The same for a request that is not in the batch; false: it lingers, or is gone.
    bool keep_or_linger(Connection& connection, bool keep);
    void close(Connection& connection);
    void drop(Connection& connection, std::string_view why);  // with a line in the log
    void clear();                                             // closes all of them

    // -- Limits

    // Closes the connection that can best be done without; false: there is none.
    bool close_least_needed();
    // Closes those beyond the limits of time; the slow ones with large bodies when others wait.
    void sweep();

    // The server stops: no connection is kept after its answer.
    void keep_none() { keeps_ = false; }
    // No request is under way.
    bool are_all_done() const;

private:
    Connection* least_needed();
    void linger(Connection& connection);
    void release_body(Connection& connection);

    Epoll& epoll_;
    Log& log_;
    const ServerLimits limits_;
    BodyPool bodies_;
    std::list<Connection> connections_;
    std::vector<Connection*> ready_;  // to be read in the next turn
    bool keeps_ = true;
    Millis now_ = steady_now();
};

}  // namespace bx
