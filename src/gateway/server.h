// The connections of the FastCGI gateway and the loop over them (listener.h says what it promises).
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "gateway/fastcgi.h"
#include "gateway/gateway.h"
#include "gateway/signals.h"
#include "host/binary_watch.h"

namespace bx {

// What bounds one peer, and all of them together.
struct ServerLimits {
    Millis request = 30 * second;   // from accept, or its first byte, until a request is complete
    Millis idle = 120 * second;     // kept open between requests; nginx closes after 60 s itself
    Millis linger = 5 * second;     // after the last answer, until the peer has closed its end
    Millis farewell = 700;          // for what is under way when the end is asked for
    std::size_t connections = 960;  // open at a time; more wait in the backlog
    std::size_t batch = 256;        // requests in one commit, about
    std::size_t small = 24 * 1024;  // bytes of a request that any connection may hold
    std::size_t pool = 16 * 1024 * 1024;  // bytes beyond that, of all connections; more wait
};

class Server {
public:
    // LISTENER is made non-blocking and stays so: siblings may share it.  Throws Error.
    Server(Fd listener, Gateway& gateway, Log& log, const ServerLimits& limits);
    ~Server();

    // Until SIGTERM, SIGINT or a replaced binary.  Throws Error when the listener is broken.
    void run();
    // One turn of that loop; false: it is over.
    bool turn();

    // A connection that was accepted elsewhere, non-blocking; served like any other.
    void take_over(Fd connection);
    std::size_t connections() const { return connections_.size(); }

private:
    struct Connection;
    struct Asked {
        Connection* connection;
        std::uint16_t id;  // the request's
        bool keep;
    };
    struct Answered {
        std::size_t count = 0;
        Millis took = 0;
    };

    // The steps of one turn of the loop.
    void gather();
    void collect(int timeout);  // milliseconds, -1: until anything comes
    void wait(int timeout);
    void read_ready();
    void accept_all();
    void answer_batch();
    void tend();

    int patience() const;  // milliseconds, for epoll_wait
    void watch(int fd, void* tag, bool edge_triggered);
    void handle_signals();
    void begin_farewell();
    void stop_accepting();
    bool is_over() const;

    bool has_room() const { return connections_.size() < limits_.connections; }
    bool make_room();
    Connection* most_dispensable();
    void read(Connection& connection);
    bool take(Connection& connection, std::string_view data);
    void complete(Connection& connection);
    bool refuse(Connection& connection);
    bool may_grow(Connection& connection);
    void count(Connection& connection);
    void shrink(Connection& connection);
    void release_held();
    bool is_in_the_way(const Connection& connection) const;
    void answered(Connection& connection, bool keep);
    void linger(Connection& connection);
    void drain(Connection& connection);
    void enqueue(Connection& connection);
    void await(Connection& connection);
    void drop(Connection& connection, std::string_view why);
    void close(Connection& connection);
    void shed();

    Fd listener_;
    Gateway& gateway_;
    Log& log_;
    const ServerLimits limits_;
    GatewaySignals signals_;
    BinaryWatch binary_;
    FastcgiDecoder decoder_;
    Fd epoll_;
    std::string buffer_;                // what recv() fills
    std::list<Connection> connections_;
    std::vector<Connection*> ready_;    // to be read in the next turn
    std::vector<Connection*> large_;    // hold more than limits_.small; the first longest
    std::vector<Connection*> held_;     // of these, those that wait until they may grow
    std::size_t pooled_ = 0;            // bytes they hold beyond limits_.small
    std::vector<Asked> batch_;          // who asked, and what
    std::vector<Request> requests_;
    Answered last_;                     // batch, when there was one in the last turn
    Millis took_before_ = 0;            // the batch before
    Millis now_ = steady_now();         // of this turn
    Millis next_tend_ = 0;
    bool more_ready_ = false;           // epoll may know of more than it told
    bool accept_ready_ = true;          // the backlog may hold connections
    Millis accept_after_ = 0;           // no file descriptors left: not before
    bool stop_wanted_ = false;
    Millis farewell_until_ = 0;         // 0: the end was not asked for
};

}  // namespace bx
