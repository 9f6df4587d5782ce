// FastCGI connections: the single-threaded loop that takes every request that is completely there,
// has the gateway decide them as one batch, and answers them.
//
// It never waits for a peer: a connection's bytes are taken as they come (record_reader.h), at most
// a share of them per turn, and an answer that does not fit into the socket drops the connection.
// The batch is what came in while the last one was being committed.
#pragma once

#include "base/fd.h"
#include "base/log.h"
#include "gateway/gateway.h"

namespace bx {

// Serves until SIGTERM, SIGINT or (an inherited fd 0, whose owner starts processes anew) the binary
// was replaced: then what is there is answered, within a second.  SIGHUP reloads the config,
// SIGUSR1 reopens the log.  Exit status.  Throws Error when LISTENER is none.
int serve_fastcgi(Fd listener, Gateway& gateway, Log& log);

}  // namespace bx
