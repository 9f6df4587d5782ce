#include "gateway/connection.h"

#include <sys/socket.h>

#include <cerrno>

namespace bx {

ssize_t Connection::receive(std::string& buffer) {
    ssize_t got = 0;
    do {
        got = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    } while (got < 0 && errno == EINTR);
    const bool partly_filled = got > 0 && static_cast<std::size_t>(got) < buffer.size();
    if (partly_filled && input == Input::unread) input = Input::drained;
    return got;
}

bool Connection::send(std::string_view bytes) const {
    return ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
}

bool Connection::has_unread() const {
    char first = 0;
    return ::recv(fd.get(), &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

}  // namespace bx
