// What libfcgi does for the gateway: it decodes a request's parameters and writes its answer.  Its
// types stay inside fastcgi.cpp.
//
// It never touches a connection to read: a request that is completely there (record_reader.h) is
// given to it through a socketpair of our own, so it can neither wait nor take a byte of the next.
#pragma once

#include <memory>
#include <optional>

#include "base/fd.h"
#include "gateway/answer.h"
#include "gateway/record_reader.h"
#include "gateway/request.h"

namespace bx {

// A request with what libfcgi needs to answer it.
class Exchange {
public:
    Exchange(Exchange&&) noexcept;
    Exchange& operator=(Exchange&&) noexcept;
    ~Exchange();

    Request& request() { return request_; }
    bool keep() const { return keep_; }  // the connection is to stay open after the answer

    // Writes answer and END_REQUEST to FD, which must be non-blocking.  False: the peer is gone or
    // does not read; the connection is of no more use.
    [[nodiscard]] bool answer(int fd, const Answer& answer);

private:
    friend class FastcgiDecoder;
    struct Fcgx;
    Exchange(std::unique_ptr<Fcgx> fcgx, Request request, bool keep);

    std::unique_ptr<Fcgx> fcgx_;
    Request request_;
    bool keep_;
};

class FastcgiDecoder {
public:
    // Prepares libfcgi.  One per process; ignores SIGPIPE from here on.  Throws Error.
    FastcgiDecoder();

    // None when libfcgi refuses the request.  Throws Error when no descriptors are left.
    std::optional<Exchange> decode(RawRequest raw);

private:
    void connect();

    Fd ours_;    // what is written here libfcgi reads from
    Fd theirs_;
};

}  // namespace bx
