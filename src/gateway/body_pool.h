// The memory of request bodies.  What a connection holds beyond a small part that each may have
// comes from a pool that all share; when it is used up, all but one wait until others are done.
#pragma once

#include <cstddef>
#include <vector>

#include "base/clock.h"

namespace bx {

struct Connection;

class BodyPool {
public:
    // A connection's part in the pool.
    struct Share {
        enum class State {
            none,     // its request is small
            growing,  // it takes from the pool
            waiting,  // until there is more to take: nothing is read
        };
        State state = State::none;
        std::size_t bytes = 0;  // taken
        Millis since = 0;       // when it began to take, plus the time it waited
        Millis waiting_since = 0;
    };

    // SMALL bytes of each request are not counted; SIZE are in the pool.
    BodyPool(std::size_t small, std::size_t size) : small_(small), size_(size) {}

    // Counts what CONNECTION's request holds now.
    void count(Connection& connection, Millis now);
    // False: CONNECTION must wait.  The one that has taken from the pool for longest may exceed it;
    // otherwise all could wait for each other.
    bool may_grow(Connection& connection, Millis now);
    // CONNECTION's request is decided or gone.  Gives those that wait, which may go on.
    std::vector<Connection*> release(Connection& connection, Millis now);

    bool has_waiting() const { return !waiting_.empty(); }
    // Too slow for a large body while others wait for memory; they themselves are not.
    static bool is_too_slow(const Share& share, Millis now);

    void clear();  // all connections are gone

private:
    std::size_t small_;
    std::size_t size_;
    std::size_t used_ = 0;
    std::vector<Connection*> holders_;  // of a share; the first longest
    std::vector<Connection*> waiting_;  // of these
};

}  // namespace bx
