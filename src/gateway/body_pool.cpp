#include "gateway/body_pool.h"

#include <utility>

#include "gateway/connection.h"

namespace bx {

namespace {

using State = BodyPool::Share::State;

// Bytes a millisecond that a large body must bring, after a second, when others wait for its
// memory.
constexpr Millis least_rate = 64;

}  // namespace

void BodyPool::count(Connection& connection, Millis now) {
    const std::size_t size = connection.reader.size();
    if (size <= small_) return;
    Share& share = connection.share;
    if (share.state == State::none) {
        holders_.push_back(&connection);
        share.state = State::growing;
        share.since = now;
    }
    used_ += size - small_ - share.bytes;
    share.bytes = size - small_;
}

bool BodyPool::may_grow(Connection& connection, Millis now) {
    Share& share = connection.share;
    if (share.state == State::none || used_ < size_ || holders_.front() == &connection) return true;
    if (share.state == State::waiting) return false;
    waiting_.push_back(&connection);
    share.state = State::waiting;
    share.waiting_since = now;
    return false;
}

std::vector<Connection*> BodyPool::release(Connection& connection, Millis now) {
    Share& share = connection.share;
    if (share.state == State::none) return {};
    if (share.state == State::waiting) std::erase(waiting_, &connection);
    std::erase(holders_, &connection);
    used_ -= share.bytes;
    share = {};
    for (Connection* other : waiting_) {
        other->share.state = State::growing;
        other->share.since += now - other->share.waiting_since;
    }
    return std::exchange(waiting_, {});
}

bool BodyPool::is_too_slow(const Share& share, Millis now) {
    if (share.state != State::growing) return false;
    const Millis age = now - share.since;
    const auto brought = static_cast<Millis>(share.bytes);
    return age > slow_request || (age > second && brought < least_rate * age);
}

void BodyPool::clear() {
    holders_.clear();
    waiting_.clear();
    used_ = 0;
}

}  // namespace bx
