#include "gateway/epoll.h"

#include <poll.h>

#include <cerrno>
#include <cstddef>

#include "base/error.h"

namespace bx {

Epoll::Epoll() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!fd_) throw_errno("cannot make an epoll descriptor");
}

void Epoll::watch(int fd, void* tag, Trigger trigger) {
    epoll_event event{};
    event.events = trigger == Trigger::edge ? EPOLLIN | EPOLLRDHUP | EPOLLET : EPOLLIN;
    event.data.ptr = tag;
    if (::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        throw_errno("cannot watch a descriptor");
    }
}

void Epoll::unwatch(int fd) {
    ::epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

std::span<const epoll_event> Epoll::wait(int timeout) {
    constexpr int capacity = std::tuple_size_v<decltype(events_)>;
    const int count = ::epoll_wait(fd_.get(), events_.data(), capacity, timeout);
    if (count < 0 && errno != EINTR) throw_errno("cannot wait for connections");
    may_have_more_ = count == capacity;
    return {events_.data(), static_cast<std::size_t>(count < 0 ? 0 : count)};
}

bool Epoll::is_ready_within(long nanoseconds) const {
    pollfd next{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    const timespec limit{.tv_sec = 0, .tv_nsec = nanoseconds};
    return ::ppoll(&next, 1, &limit, nullptr) > 0;
}

}  // namespace bx
