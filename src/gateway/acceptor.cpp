#include "gateway/acceptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "gateway/socket.h"

namespace bx {

namespace {

constexpr Millis pause = 100;  // after running out of file descriptors

// accept() can also report what became of one connection, and what the machine is short of.
bool is_listener_broken(int error) {
    return error == EBADF || error == EINVAL || error == ENOTSOCK || error == EOPNOTSUPP;
}

}  // namespace

Acceptor::Acceptor(Fd listener, Log& log) : listener_(std::move(listener)), log_(log) {
    set_nonblocking(listener_.get(), true);
    // Also on a socket we were given: what made it often asked for far less.  If that is refused,
    // it serves as it is.
    (void)::listen(listener_.get(), backlog);
}

bool Acceptor::has_waiting() const {
    pollfd in{.fd = listener_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&in, 1, 0) > 0;
}

Fd Acceptor::accept(Millis now) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) return fd;
    if (errno == EAGAIN) {
        ready_ = false;
    } else if (is_listener_broken(errno)) {
        throw_errno("cannot accept connections");
    } else if (errno != EINTR && errno != ECONNABORTED) {
        log_.warning("cannot accept a connection, trying again", {{"cause", std::strerror(errno)}});
        retry_.set(now + pause);
    }
    return fd;
}

void Acceptor::close() {
    // fd 0 stays taken: what is opened next would become stdin.
    if (listener_.get() == STDIN_FILENO) {
        const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
        if (null && ::dup2(null.get(), STDIN_FILENO) == STDIN_FILENO) (void)listener_.release();
    }
    listener_.reset();
}

}  // namespace bx
