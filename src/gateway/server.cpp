#include "gateway/server.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <utility>

#include "base/error.h"
#include "gateway/socket.h"

namespace bx {

namespace {

constexpr std::size_t buffer_size = 64 * 1024;
// Reads of one connection in one turn: a fast peer with a large body does not hold up the others.
constexpr int reads_per_turn = 4;
// One whose request has been on its way for longer may have to go when others wait for its place:
// when all connections are taken, or all memory for large bodies.
constexpr Millis slow_request = 5 * second;
// Bytes a millisecond that a large body must bring, after a second, when others wait for its
// memory.
constexpr Millis least_rate = 64;
constexpr Millis retry_accept = 100;  // after running out of file descriptors
constexpr Millis tend_every = second;
// Commits of this length, two and more, are worth a wait for those who would make the next one.
constexpr Millis slow_commit = 3;
constexpr Millis longest_gathering = 5;
constexpr long gathering_pause = 600'000;  // nanoseconds in which nobody came: no more do
constexpr std::uint32_t hang_up = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

bool has_unread(int fd) {
    char first = 0;
    return ::recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool has_input(int fd) {
    pollfd in{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&in, 1, 0) > 0;
}

// accept() can also report what became of one connection, and what the machine is short of.
bool is_listener_broken(int error) {
    return error == EBADF || error == EINVAL || error == ENOTSOCK || error == EOPNOTSUPP;
}

}  // namespace

struct Server::Connection {
    Fd fd;
    Millis since;           // accept, the request's first byte, or the last answer
    RecordReader reader;
    std::list<Connection>::iterator self = {};
    std::string surplus = {};  // came with the last request, belongs to the next
    bool kept = false;      // an answer was sent and it stayed open
    bool watched = false;   // by epoll
    bool drained = false;   // nothing was left to read; epoll will tell when there is
    bool hung_up = false;   // epoll told of the peer's end, and will not again: read up to it
    bool queued = false;    // in ready_
    bool deciding = false;  // in batch_
    bool lingering = false;  // nothing more is sent; what comes is thrown away
    bool large = false;      // in large_
    Millis large_since = 0;  // the time in held_ left out
    std::size_t pooled = 0;  // counted in pooled_
    bool held = false;       // in held_
    Millis held_since = 0;

    bool is_idle() const { return reader.state() == RecordReader::State::idle && surplus.empty(); }
    bool is_between() const { return kept && is_idle() && !lingering; }  // two requests
};

Server::Server(Fd listener, Gateway& gateway, Log& log, const ServerLimits& limits)
    : listener_(std::move(listener)),
      gateway_(gateway),
      log_(log),
      limits_(limits),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      buffer_(buffer_size, '\0') {
    if (!epoll_) throw_errno("cannot make an epoll descriptor");
    set_nonblocking(listener_.get(), true);
    // Also on a socket we were given: what made it often asked for far less.  If that is refused,
    // it serves as it is.
    (void)::listen(listener_.get(), backlog);
    watch(listener_.get(), &listener_, true);
    watch(signals_.stop_fd(), &stop_wanted_, false);
    watch(signals_.other_fd(), &signals_, false);
}

Server::~Server() = default;

void Server::run() {
    for (bool going = true; going;) {
        try {
            going = turn();
        } catch (const std::bad_alloc&) {
            shed();
        }
    }
}

bool Server::turn() {
    if (is_over()) return false;
    gather();
    answer_batch();
    tend();
    if (stop_wanted_ && farewell_until_ == 0) begin_farewell();
    return true;
}

// -- One turn

void Server::watch(int fd, void* tag, bool edge_triggered) {
    epoll_event event{};
    event.events = edge_triggered ? EPOLLIN | EPOLLRDHUP | EPOLLET : EPOLLIN;
    event.data.ptr = tag;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        throw_errno("cannot watch a descriptor");
    }
}

// What came during a slow commit waits for those whom it answered, as long as they keep coming:
// else the peers fall into two groups that take turns, each with a commit of its own, and all wait
// for both.
void Server::gather() {
    const Answered last = std::exchange(last_, {});
    if (last.took < slow_commit) return collect(patience());
    collect(0);
    if (batch_.empty()) return collect(patience());
    const std::size_t all = std::min(batch_.size() + last.count, limits_.batch);
    const Millis end = now_ + std::min(last.took / 2, longest_gathering);
    const timespec pause{.tv_sec = 0, .tv_nsec = gathering_pause};
    pollfd next{.fd = epoll_.get(), .events = POLLIN, .revents = 0};
    while (batch_.size() < all && now_ < end && !stop_wanted_) {
        if (ready_.empty() && ::ppoll(&next, 1, &pause, nullptr) <= 0) return;
        collect(0);
    }
}

void Server::collect(int timeout) {
    wait(timeout);
    read_ready();
    accept_all();
}

int Server::patience() const {
    if (!ready_.empty() || !batch_.empty()) return 0;
    if (accept_ready_ && has_room() && now_ >= accept_after_) return 0;
    if (accept_ready_ && now_ < accept_after_) return retry_accept;
    if (farewell_until_ != 0) return 50;
    // What tend() looks at: connections, the worker, the log, and under mod_fcgid the binary.
    bool nothing_to_tend = connections_.empty() && listener_.get() != STDIN_FILENO &&
                           !gateway_.owes_worker() && !log_.owes();
    return nothing_to_tend ? -1 : static_cast<int>(tend_every);
}

void Server::wait(int timeout) {
    std::array<epoll_event, 256> events;
    constexpr int room = static_cast<int>(events.size());
    int count = ::epoll_wait(epoll_.get(), events.data(), room, timeout);
    if (count < 0 && errno != EINTR) throw_errno("cannot wait for connections");
    more_ready_ = count == room;
    now_ = steady_now();
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        void* tag = event.data.ptr;
        if (tag == &listener_) {
            accept_ready_ = true;
        } else if (tag == &stop_wanted_) {
            stop_wanted_ = true;
        } else if (tag == &signals_) {
            handle_signals();
        } else {
            auto& connection = *static_cast<Connection*>(tag);
            connection.drained = false;
            connection.hung_up = (event.events & hang_up) != 0;
            if (!connection.deciding) enqueue(connection);  // else answered() does
        }
    }
}

void Server::handle_signals() {
    while (int signal = signals_.next()) {
        if (signal == SIGHUP) gateway_.refresh_config(true);
        if (signal == SIGUSR1) log_.reopen();
    }
}

void Server::read_ready() {
    for (Connection* connection : std::exchange(ready_, {})) {
        connection->queued = false;
        read(*connection);
    }
}

void Server::accept_all() {
    while (accept_ready_ && now_ >= accept_after_ && batch_.size() < limits_.batch) {
        if (!has_room() && has_input(listener_.get()) && !make_room()) return;
        int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            take_over(Fd(fd));
        } else if (errno == EAGAIN) {
            accept_ready_ = false;
            if (farewell_until_ != 0) stop_accepting();
        } else if (is_listener_broken(errno)) {
            throw_errno("cannot accept connections");
        } else if (errno != EINTR && errno != ECONNABORTED) {
            log_.warning("cannot accept a connection, trying again",
                         {{"cause", std::strerror(errno)}});
            accept_after_ = now_ + retry_accept;
        }
    }
}

void Server::answer_batch() {
    if (batch_.empty()) return;
    const Millis began = steady_now();
    gateway_.handle(requests_, [this](std::size_t i, const Answer& answer) {
        const Asked& asked = batch_[i];
        bool written = send_answer(asked.connection->fd.get(), asked.id, answer);
        answered(*asked.connection, written && asked.keep);
    });
    const Millis took = steady_now() - began;
    // One alone was the emptying of the log, or a stall.
    last_ = {batch_.size(), std::min(took, std::exchange(took_before_, took))};
    batch_.clear();
    requests_.clear();
}

void Server::tend() {
    if (now_ < next_tend_) return;
    next_tend_ = now_ + tend_every;
    log_.tend();
    if (gateway_.owes_worker()) gateway_.summon_worker();
    const bool anyone_waits = !held_.empty();  // until the first is dropped
    for (auto next = connections_.begin(); next != connections_.end();) {
        Connection& connection = *next++;
        Millis age = now_ - connection.since;
        bool between = connection.is_between();
        if (between && age > limits_.idle) {
            close(connection);
            continue;
        }
        if (connection.lingering) {
            if (age > limits_.linger) close(connection);
        } else if (!between && age > limits_.request) {
            drop(connection, "not complete in time");
        } else if (anyone_waits && is_in_the_way(connection)) {
            drop(connection, "too many large bodies, and it was slow");
        }
    }
    // Who started us with a socket on fd 0 starts the new binary; a process that nobody minds
    // (spawn-fcgi leaves it to init) goes on with the old one.
    bool is_minded = listener_.get() == STDIN_FILENO && ::getppid() != 1;
    if (is_minded && farewell_until_ == 0 && binary_.was_replaced()) {
        log_.info("the binary was replaced: leaving");
        stop_wanted_ = true;
    }
}

void Server::begin_farewell() {
    farewell_until_ = now_ + limits_.farewell;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, signals_.stop_fd(), nullptr);
    // What waits in the backlog was connected in good faith: it is served too.
    accept_ready_ = true;
    accept_after_ = 0;
}

// From now on connecting fails, and a web server may turn to another gateway.
void Server::stop_accepting() {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), nullptr);
    // fd 0 stays taken: what is opened next would become stdin.
    if (listener_.get() != STDIN_FILENO) listener_.reset();
}

bool Server::is_over() const {
    if (farewell_until_ == 0) return false;
    if (now_ >= farewell_until_) return true;
    return !accept_ready_ && !more_ready_ && batch_.empty() &&
           std::ranges::all_of(connections_, [](const Connection& connection) {
               return connection.lingering || (connection.is_between() && !connection.queued);
           });
}

// -- One connection

void Server::take_over(Fd fd) {
    Connection& connection = connections_.emplace_back(Connection{
        .fd = std::move(fd), .since = now_, .reader = RecordReader(limits_.connections)});
    connection.self = std::prev(connections_.end());
    read(connection);  // its request is often there already
}

// Closes the connection that can best be done without; false: there is none.
bool Server::make_room() {
    while (Connection* connection = most_dispensable()) {
        if (connection->lingering) {
            close(*connection);
            return true;
        }
        if (!connection->is_between()) {
            drop(*connection, "too many connections, and it was slow");
            return true;
        }
        if (!has_unread(connection->fd.get())) {
            close(*connection);
            return true;
        }
        connection->drained = false;
        enqueue(*connection);  // a request came since epoll was asked, and is not to be lost
    }
    return false;
}

// One that has its answer, else the one idle for longest, else the oldest of the slow ones; null:
// none.
Server::Connection* Server::most_dispensable() {
    Connection* oldest = nullptr;
    bool oldest_is_idle = false;
    for (Connection& connection : connections_) {
        if (connection.queued || connection.deciding) continue;
        if (connection.lingering) return &connection;
        bool idle = connection.is_between();
        if (!idle && now_ - connection.since < slow_request) continue;
        bool better = !oldest || (idle && !oldest_is_idle) ||
                      (idle == oldest_is_idle && connection.since < oldest->since);
        if (!better) continue;
        oldest = &connection;
        oldest_is_idle = idle;
    }
    return oldest;
}

// Reads until a request is complete, nothing is left, or its share of this turn is used up.
void Server::read(Connection& connection) {
    if (connection.lingering) return drain(connection);
    for (int i = 0; i < reads_per_turn; ++i) {
        if (!may_grow(connection)) return;
        if (!connection.surplus.empty()) {
            if (!take(connection, std::exchange(connection.surplus, {}))) return;
            continue;
        }
        if (connection.drained) return await(connection);
        ssize_t got = ::recv(connection.fd.get(), buffer_.data(), buffer_.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return await(connection);
        if (got < 0) return drop(connection, std::strerror(errno));
        if (got == 0) {
            return connection.is_idle() ? close(connection)
                                        : drop(connection, "closed by the peer");
        }
        std::size_t size = static_cast<std::size_t>(got);
        connection.drained = size < buffer_.size() && !connection.hung_up;
        if (!take(connection, std::string_view(buffer_).substr(0, size))) return;
    }
    enqueue(connection);
}

// False when there is nothing more to read for now: a request is complete, or the connection gone.
bool Server::take(Connection& connection, std::string_view data) {
    RecordReader& reader = connection.reader;
    if (reader.state() == RecordReader::State::idle && connection.kept) connection.since = now_;
    std::size_t taken = reader.take(data, gateway_.body_limit());
    count(connection);
    std::string replies = reader.take_replies();
    if (!replies.empty() &&
        ::send(connection.fd.get(), replies.data(), replies.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(replies.size())) {
        drop(connection, "does not read its answers");
        return false;
    }
    if (reader.state() == RecordReader::State::broken) {
        drop(connection, reader.problem());
        return false;
    }
    connection.surplus = data.substr(taken);
    if (reader.state() == RecordReader::State::refused) return refuse(connection);
    if (reader.state() != RecordReader::State::complete) return true;
    complete(connection);
    return false;
}

// False when the connection ends with the request.
bool Server::refuse(Connection& connection) {
    log_.warning("dropped a request",
                 {{"reason", connection.reader.problem()}, {"size", connection.reader.size()}});
    const bool keep = connection.reader.take_request().keep && farewell_until_ == 0;
    shrink(connection);
    if (!keep) {
        linger(connection);
        return false;
    }
    connection.kept = true;
    connection.since = now_;
    return true;
}

void Server::complete(Connection& connection) {
    RawRequest raw = connection.reader.take_request();
    batch_.push_back({&connection, raw.id, raw.keep});
    requests_.push_back(decoder_.decode(std::move(raw)));
    connection.deciding = true;
}

// Memory is bounded by a pool that all large bodies share.  The first of them may go beyond it:
// else all could wait for each other.
bool Server::may_grow(Connection& connection) {
    if (!connection.large || pooled_ < limits_.pool || large_.front() == &connection) return true;
    if (connection.held) return false;
    held_.push_back(&connection);
    connection.held = true;
    connection.held_since = now_;
    return false;
}

void Server::count(Connection& connection) {
    const std::size_t size = connection.reader.size();
    if (size <= limits_.small) return;
    if (!connection.large) {
        large_.push_back(&connection);
        connection.large = true;
        connection.large_since = now_;
    }
    pooled_ += size - limits_.small - connection.pooled;
    connection.pooled = size - limits_.small;
}

// It holds no large body any more: others may.
void Server::shrink(Connection& connection) {
    if (!connection.large) return;
    connection.large = false;
    pooled_ -= std::exchange(connection.pooled, 0);
    std::erase(large_, &connection);
    if (connection.held) std::erase(held_, &connection);
    connection.held = false;
    release_held();
}

void Server::release_held() {
    for (Connection* connection : std::exchange(held_, {})) {
        connection->held = false;
        connection->large_since += now_ - connection->held_since;
        enqueue(*connection);
    }
}

// Too slow for a large body while others wait for memory; they themselves are not.
bool Server::is_in_the_way(const Connection& connection) const {
    if (!connection.large || connection.held) return false;
    const Millis age = now_ - connection.large_since;
    const auto brought = static_cast<Millis>(connection.pooled);
    return age > slow_request || (age > second && brought < least_rate * age);
}

void Server::answered(Connection& connection, bool keep) {
    connection.deciding = false;
    shrink(connection);
    if (!keep || farewell_until_ != 0) return linger(connection);
    connection.kept = true;
    connection.since = now_;
    if (connection.surplus.empty() && connection.drained) return await(connection);
    enqueue(connection);
}

// Ends our side, and closes when the peer has ended its own: closing at once, with bytes unread or
// still to come, would break the connection under an answer that the peer has not read.
void Server::linger(Connection& connection) {
    if (::shutdown(connection.fd.get(), SHUT_WR) != 0) return close(connection);
    connection.lingering = true;
    connection.since = now_;
    connection.surplus.clear();
    if (connection.drained) return await(connection);
    enqueue(connection);
}

void Server::drain(Connection& connection) {
    for (int i = 0; i < reads_per_turn; ++i) {
        if (connection.drained) return await(connection);
        ssize_t got = ::recv(connection.fd.get(), buffer_.data(), buffer_.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return await(connection);
        if (got <= 0) return close(connection);
        connection.drained = static_cast<std::size_t>(got) < buffer_.size() && !connection.hung_up;
    }
    enqueue(connection);
}

void Server::enqueue(Connection& connection) {
    if (connection.queued) return;
    connection.queued = true;
    ready_.push_back(&connection);
}

void Server::await(Connection& connection) {
    if (connection.watched) return;
    try {
        watch(connection.fd.get(), &connection, true);
        connection.watched = true;
    } catch (const Error& error) {  // no memory left, or too many watches of this user
        drop(connection, error.what());
    }
}

void Server::drop(Connection& connection, std::string_view why) {
    log_.warning("dropped a request", {{"reason", why}, {"size", connection.reader.size()}});
    close(connection);
}

void Server::close(Connection& connection) {
    shrink(connection);
    if (connection.queued) std::erase(ready_, &connection);
    connections_.erase(connection.self);
}

// Out of memory in the middle of a turn: gives back what all connections hold.
void Server::shed() {
    ready_.clear();
    held_.clear();
    batch_.clear();
    requests_.clear();
    connections_.clear();
    large_.clear();
    pooled_ = 0;
    accept_ready_ = true;  // epoll may have told of it and will not again
    try {
        log_.error("out of memory: all connections were dropped");
    } catch (const std::bad_alloc&) {
        // Others took what was given back.
    }
}

}  // namespace bx
