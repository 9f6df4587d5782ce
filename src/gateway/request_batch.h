// The complete requests that are decided together, and how long that took.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "gateway/connection.h"
#include "gateway/fastcgi.h"
#include "gateway/gateway.h"
#include "gateway/request.h"

namespace bx {

class RequestBatch {
public:
    struct Commit {
        std::size_t requests = 0;
        Millis took = 0;
    };
    // A request of CONNECTION was answered; KEEP: the connection can be used further.
    using Answered = std::function<void(Connection& connection, bool keep)>;

    std::size_t size() const { return requests_.size(); }
    bool empty() const { return requests_.empty(); }

    // CONNECTION, whose request RAW is, is deciding from here on.
    void add(Connection& connection, RawRequest raw);
    // Has GATEWAY decide the requests, sends the answers, and is empty again.  Throws what
    // Gateway::handle and ANSWERED throw.
    void commit(Gateway& gateway, const Answered& answered);
    void clear();

    // What commit() last did, once; the shorter of the last two times, as one long commit alone
    // was the emptying of the log, or a stall.
    Commit take_last_commit() { return std::exchange(last_, {}); }

private:
    struct Sender {
        Connection* connection;
        std::uint16_t id;  // the request's
        bool keep;
    };

    FastcgiDecoder decoder_;
    std::vector<Sender> senders_;
    std::vector<Request> requests_;  // of these
    Commit last_;
    Millis took_before_ = 0;  // the last commit
};

}  // namespace bx
