#include "gateway/request_batch.h"

#include <algorithm>

namespace bx {

void RequestBatch::add(Connection& connection, RawRequest raw) {
    senders_.push_back({&connection, raw.id, raw.keep});
    requests_.push_back(decoder_.decode(std::move(raw)));
    connection.phase = Connection::Phase::deciding;
}

void RequestBatch::commit(Gateway& gateway, const Answered& answered) {
    const Millis began = steady_now();
    gateway.handle(requests_, [this, &answered](std::size_t i, const Answer& answer) {
        const Sender& sender = senders_[i];
        const bool written = send_answer(sender.connection->fd.get(), sender.id, answer);
        answered(*sender.connection, written && sender.keep);
    });
    const Millis took = steady_now() - began;
    last_ = {requests_.size(), std::min(took, std::exchange(took_before_, took))};
    clear();
}

void RequestBatch::clear() {
    senders_.clear();
    requests_.clear();
}

}  // namespace bx
