// Takes what the peers send: bytes of ready connections in, complete requests into the batch.
// Never waits, and takes at most a share of one connection's bytes at a time.
#pragma once

#include <string>
#include <string_view>

#include "base/log.h"
#include "gateway/connection_table.h"
#include "gateway/gateway.h"
#include "gateway/request_batch.h"

namespace bx {

class ConnectionReader {
public:
    ConnectionReader(ConnectionTable& connections, RequestBatch& batch, const Gateway& gateway,
                     Log& log);

    // Reads the connections that are ready.
    void read_ready();
    // Reads CONNECTION until its request is complete, nothing is left, or its share is used up; it
    // may be closed then.
    void read(Connection& connection);

private:
    bool take(Connection& connection, std::string_view data);
    bool refuse(Connection& connection);
    void discard(Connection& connection);

    ConnectionTable& connections_;
    RequestBatch& batch_;
    const Gateway& gateway_;
    Log& log_;
    std::string buffer_;  // what a connection receives into
};

}  // namespace bx
