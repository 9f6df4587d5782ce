#include "gateway/connection_reader.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace bx {

namespace {

using Input = Connection::Input;
using State = RecordReader::State;

constexpr std::size_t buffer_size = 64 * 1024;
// Reads of one connection in one turn: a fast peer with a large body does not hold up the others.
constexpr int reads_per_turn = 4;

}  // namespace

ConnectionReader::ConnectionReader(ConnectionTable& connections, RequestBatch& batch,
                                   const Gateway& gateway, Log& log)
    : connections_(connections),
      batch_(batch),
      gateway_(gateway),
      log_(log),
      buffer_(buffer_size, '\0') {}

void ConnectionReader::read_ready() {
    for (Connection* connection : connections_.take_ready()) {
        connection->queued = false;
        read(*connection);
    }
}

void ConnectionReader::read(Connection& connection) {
    if (connection.is_lingering()) return discard(connection);
    for (int i = 0; i < reads_per_turn; ++i) {
        if (!connections_.bodies().may_grow(connection, connections_.now())) return;
        if (!connection.surplus.empty()) {
            if (!take(connection, std::exchange(connection.surplus, {}))) return;
            continue;
        }
        if (connection.input == Input::drained) return connections_.await_input(connection);
        const ssize_t got = connection.receive(buffer_);
        if (got < 0 && errno == EAGAIN) return connections_.await_input(connection);
        if (got < 0) return connections_.drop(connection, std::strerror(errno));
        if (got == 0) {
            return connection.is_idle() ? connections_.close(connection)
                                        : connections_.drop(connection, "closed by the peer");
        }
        const std::string_view data(buffer_.data(), static_cast<std::size_t>(got));
        if (!take(connection, data)) return;
    }
    connections_.enqueue(connection);
}

// False when there is nothing more to read for now: a request is complete, or the connection gone.
bool ConnectionReader::take(Connection& connection, std::string_view data) {
    RecordReader& reader = connection.reader;
    if (reader.state() == State::idle && connection.phase == Connection::Phase::kept) {
        connection.since = connections_.now();
    }
    const std::size_t taken = reader.take(data, gateway_.body_limit());
    connections_.bodies().count(connection, connections_.now());
    const std::string replies = reader.take_replies();
    if (!replies.empty() && !connection.send(replies)) {
        connections_.drop(connection, "does not read its answers");
        return false;
    }
    if (reader.state() == State::broken) {
        connections_.drop(connection, reader.problem());
        return false;
    }
    connection.surplus = data.substr(taken);
    if (reader.state() == State::refused) return refuse(connection);
    if (reader.state() != State::complete) return true;
    batch_.add(connection, reader.take_request());
    return false;
}

// False when the connection ends with the request.
bool ConnectionReader::refuse(Connection& connection) {
    log_.warning("dropped a request",
                 {{"reason", connection.reader.problem()}, {"size", connection.reader.size()}});
    const bool keep = connection.reader.take_request().keep;
    return connections_.keep_or_linger(connection, keep);
}

// Reads what a lingering connection brings, and throws it away.
void ConnectionReader::discard(Connection& connection) {
    for (int i = 0; i < reads_per_turn; ++i) {
        if (connection.input == Input::drained) return connections_.await_input(connection);
        const ssize_t got = connection.receive(buffer_);
        if (got < 0 && errno == EAGAIN) return connections_.await_input(connection);
        if (got <= 0) return connections_.close(connection);
    }
    connections_.enqueue(connection);
}

}  // namespace bx
