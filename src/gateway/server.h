// The FastCGI server: the single-threaded loop that takes every request that is completely there,
// has the gateway decide them as one batch, and answers them.
//
// It never waits for a peer: a connection's bytes are taken as they come (record_reader.h), at most
// a share of them per turn, and an answer that does not fit into the socket drops the connection.
// The batch is what came in while the last one was being committed.
#pragma once

#include <cstddef>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "gateway/acceptor.h"
#include "gateway/connection_reader.h"
#include "gateway/connection_table.h"
#include "gateway/epoll.h"
#include "gateway/gateway.h"
#include "gateway/request_batch.h"
#include "gateway/server_limits.h"
#include "gateway/signals.h"
#include "host/binary_watch.h"

namespace bx {

// Serves until SIGTERM or SIGINT, or until the binary is replaced where fd 0 was inherited: its owner
// starts another process.  Requests received by then are answered: within a second after a signal, since who
// stops it may kill it then, and in any time that they need otherwise.  SIGHUP reloads
// the config, SIGUSR1 reopens the log.  Returns the exit status.  Throws Error when LISTENER is not
// a listening socket.
int serve_fastcgi(Fd listener, Gateway& gateway, Log& log);

class Server {
public:
    // LISTENER is made non-blocking and stays so: siblings may share it.  Throws Error.
    Server(Fd listener, Gateway& gateway, Log& log, const ServerLimits& limits);
    Server(const Server&) = delete;  // its parts refer to each other
    Server& operator=(const Server&) = delete;

    // Serves until SIGTERM, SIGINT or a replaced binary.  Throws Error when the listener is broken.
    void run();
    // One turn of that loop; false: it is over.
    bool turn();

    // A connection that was accepted elsewhere, non-blocking; served like any other.
    void take_over(Fd connection);
    std::size_t connections() const { return connections_.size(); }

private:
    struct Stop {
        Millis within = 0;  // asked for in this turn: what is under way may take so long; 0: not asked
        Millis until = 0;   // when that is over; 0: it has not begun
    };

    void collect_batch();
    void collect(int timeout);
    void wait(int timeout);
    void handle_signals();
    void accept_new();
    void commit_batch();
    void do_upkeep();
    void leave_if_displaced();
    int timeout() const;
    void begin_stop();
    bool is_over() const;
    void drop_all();

    Gateway& gateway_;
    Log& log_;
    const ServerLimits limits_;
    GatewaySignals signals_;
    BinaryWatch binary_{true};
    Epoll epoll_;
    Acceptor acceptor_;
    ConnectionTable connections_;
    RequestBatch batch_;
    ConnectionReader reader_;
    Stop stop_;
    Timer next_upkeep_;
};

}  // namespace bx
