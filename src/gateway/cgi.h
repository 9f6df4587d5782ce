// One request as a plain CGI process (RFC 3875): environment and stdin in, stdout out.
#pragma once

#include "base/log.h"
#include "gateway/gateway.h"

namespace bx {

// Reads the request, has it decided, writes the answer, releases fds 0 to 2 (a web server waits for
// their end) and only then summons the worker, where events were added.  GATEWAY is one_shot.
// Gives the exit status.
int serve_cgi(Gateway& gateway, Log& log);

}  // namespace bx
