// From a complete FastCGI request to the parameters that libfcgi finds in it, and from an answer to
// records.  libfcgi's types stay inside fastcgi.cpp.
//
// Its reader and writer, FCGX_Accept_r, are not used: it reads from a descriptor, where a peer can
// make it wait, and where it takes bytes of the next request.  Given a complete request through a
// socketpair it was safe, and cost two system calls and an eighth of the gateway's instructions
// (docs/performance.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/answer.h"
#include "gateway/record_reader.h"
#include "gateway/request.h"

namespace bx {

class FastcgiDecoder {
public:
    // RAW is complete (record_reader.h).  What follows a NUL in a parameter is not seen, as in the
    // environment of a CGI program.
    Request decode(RawRequest raw);

private:
    // Both kept for their memory.
    std::string text_;              // "NAME=VALUE", each ended by NUL
    std::vector<char*> variables_;  // into text_, ended by null: what libfcgi calls FCGX_ParamArray
};

// Writes the STDOUT and END_REQUEST records of ANSWER to FD, a non-blocking socket.  ANSWER is
// shorter than 64 KB.  False: the peer is gone or does not read; the connection is of no more use.
[[nodiscard]] bool send_answer(int fd, std::uint16_t id, const Answer& answer);

}  // namespace bx
