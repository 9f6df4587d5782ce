// One peer of the server: its socket, the request that it is sending, and where it stands.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <list>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"
#include "gateway/body_pool.h"
#include "gateway/record_reader.h"

namespace bx {

// One whose request has been on its way for longer may have to go when others wait for its place:
// when all connections are taken, or all memory for large bodies.
constexpr Millis slow_request = 5 * second;

struct Connection {
    enum class Phase {
        fresh,      // it has had no answer yet
        deciding,   // its request is in the batch: nothing is read
        kept,       // it stayed open after an answer
        lingering,  // nothing more is sent; what comes is thrown away
    };
    // What its socket may hold.
    enum class Input {
        unread,   // something, perhaps
        drained,  // nothing; epoll will tell when there is
        ending,   // the peer's end: epoll told of it, and will not again
    };

    Fd fd;
    Millis since;  // accept, the request's first byte, or the last answer
    RecordReader reader;
    std::string surplus = {};  // came with the last request, belongs to the next
    Phase phase = Phase::fresh;
    Input input = Input::unread;
    bool watched = false;  // by epoll
    bool queued = false;   // to be read in the next turn
    BodyPool::Share share = {};
    std::list<Connection>::iterator self = {};

    // Nothing of a request is there.
    bool is_idle() const { return reader.state() == RecordReader::State::idle && surplus.empty(); }
    // Between two requests.
    bool is_between() const { return phase == Phase::kept && is_idle(); }
    bool is_lingering() const { return phase == Phase::lingering; }

    // Reads once what has come into BUFFER; gives the bytes, 0 at the peer's end, -1 with errno.
    ssize_t receive(std::string& buffer);
    // False when the peer is gone or does not read.
    [[nodiscard]] bool send(std::string_view bytes) const;
    // More came than was read.
    bool has_unread() const;
};

}  // namespace bx
