#include "gateway/connection_table.h"

#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"

namespace bx {

namespace {

using Phase = Connection::Phase;
using Input = Connection::Input;

constexpr std::uint32_t hang_up = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

}  // namespace

ConnectionTable::ConnectionTable(Epoll& epoll, Log& log, const ServerLimits& limits)
    : epoll_(epoll), log_(log), limits_(limits), bodies_(limits.small, limits.pool) {}

Connection& ConnectionTable::open(Fd fd) {
    Connection& connection = connections_.emplace_back(Connection{
        .fd = std::move(fd), .since = now_, .reader = RecordReader(limits_.connections)});
    connection.self = std::prev(connections_.end());
    return connection;
}

void ConnectionTable::enqueue(Connection& connection) {
    if (connection.queued) return;
    connection.queued = true;
    ready_.push_back(&connection);
}

void ConnectionTable::await_input(Connection& connection) {
    if (connection.watched) return;
    try {
        epoll_.watch(connection.fd.get(), &connection, Epoll::Trigger::edge);
        connection.watched = true;
    } catch (const Error& error) {  // no memory left, or too many watches of this user
        drop(connection, error.what());
    }
}

void ConnectionTable::notice(Connection& connection, std::uint32_t events) {
    connection.input = (events & hang_up) != 0 ? Input::ending : Input::unread;
    if (connection.phase != Phase::deciding) enqueue(connection);  // else answered() does
}

void ConnectionTable::answered(Connection& connection, bool keep) {
    if (!keep_or_linger(connection, keep)) return;
    if (connection.surplus.empty() && connection.input == Input::drained) {
        return await_input(connection);
    }
    enqueue(connection);
}

bool ConnectionTable::keep_or_linger(Connection& connection, bool keep) {
    release_body(connection);
    if (!keep || !keeps_) {
        linger(connection);
        return false;
    }
    connection.phase = Phase::kept;
    connection.since = now_;
    return true;
}

// Ends our side, and closes when the peer has ended its own: closing at once, with bytes unread or
// still to come, would break the connection under an answer that the peer has not read.
void ConnectionTable::linger(Connection& connection) {
    if (::shutdown(connection.fd.get(), SHUT_WR) != 0) return close(connection);
    connection.phase = Phase::lingering;
    connection.since = now_;
    connection.surplus.clear();
    if (connection.input == Input::drained) return await_input(connection);
    enqueue(connection);
}

void ConnectionTable::drop(Connection& connection, std::string_view why) {
    log_.warning("dropped a request", {{"reason", why}, {"size", connection.reader.size()}});
    close(connection);
}

void ConnectionTable::close(Connection& connection) {
    release_body(connection);
    if (connection.queued) std::erase(ready_, &connection);
    connections_.erase(connection.self);
}

void ConnectionTable::release_body(Connection& connection) {
    for (Connection* other : bodies_.release(connection, now_)) enqueue(*other);
}

void ConnectionTable::clear() {
    ready_.clear();
    bodies_.clear();
    connections_.clear();
}

bool ConnectionTable::close_least_needed() {
    while (Connection* connection = least_needed()) {
        if (connection->is_lingering()) {
            close(*connection);
            return true;
        }
        if (!connection->is_between()) {
            drop(*connection, "too many connections, and it was slow");
            return true;
        }
        if (!connection->has_unread()) {
            close(*connection);
            return true;
        }
        // A request came since epoll was asked, and is not to be lost.
        if (connection->input == Input::drained) connection->input = Input::unread;
        enqueue(*connection);
    }
    return false;
}

// One that has its answer, else the one idle for longest, else the oldest of the slow ones; null:
// none.
Connection* ConnectionTable::least_needed() {
    Connection* oldest = nullptr;
    bool oldest_is_idle = false;
    for (Connection& connection : connections_) {
        if (connection.queued || connection.phase == Phase::deciding) continue;
        if (connection.is_lingering()) return &connection;
        const bool idle = connection.is_between();
        if (!idle && now_ - connection.since < slow_request) continue;
        const bool better = !oldest || (idle && !oldest_is_idle) ||
                            (idle == oldest_is_idle && connection.since < oldest->since);
        if (!better) continue;
        oldest = &connection;
        oldest_is_idle = idle;
    }
    return oldest;
}

void ConnectionTable::sweep() {
    const bool anyone_waits = bodies_.has_waiting();  // until the first is dropped
    for (auto next = connections_.begin(); next != connections_.end();) {
        Connection& connection = *next++;
        const Millis age = now_ - connection.since;
        if (connection.is_lingering()) {
            if (age > limits_.linger) close(connection);
        } else if (connection.is_between()) {
            if (age > limits_.idle) close(connection);
        } else if (age > limits_.request) {
            drop(connection, "not complete in time");
        } else if (anyone_waits && BodyPool::is_too_slow(connection.share, now_)) {
            drop(connection, "too many large bodies, and it was slow");
        }
    }
}

bool ConnectionTable::are_all_done() const {
    return std::ranges::all_of(connections_, [](const Connection& connection) {
        return connection.is_lingering() || (connection.is_between() && !connection.queued);
    });
}

}  // namespace bx
