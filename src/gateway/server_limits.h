// What bounds one peer of the server, and all of them together.
#pragma once

#include <cstddef>

#include "base/clock.h"

namespace bx {

// Bytes of a request's PARAMS: nginx and Apache limit all its headers to 32 KB and less unless told
// otherwise.
constexpr std::size_t params_limit = 60 * 1024;

struct ServerLimits {
    Millis request = 30 * second;   // from accept, or its first byte, until a request is complete
    Millis idle = 120 * second;     // kept open between requests; nginx closes after 60 s itself
    Millis linger = 5 * second;     // after the last answer, until the peer has closed its end
    Millis drain = 700;             // for what is under way when the server is to stop
    std::size_t connections = 960;  // open at a time; more wait in the backlog
    std::size_t batch = 256;        // requests in one commit, about
    std::size_t small = 24 * 1024;  // bytes of a request that any connection may hold
    std::size_t pool = 16 * 1024 * 1024;  // bytes beyond that, of all connections; more wait
};

}  // namespace bx
