#include "gateway/settled_batch.h"

#include <utility>

namespace bx {

void SettledBatch::add(std::size_t index, std::size_t size, Settled settled) {
    Item& item = items_.emplace_back();
    item.index = index;
    item.size = size;
    item.page = std::move(settled.page);
    if (settled.event) {
        item.event = events_.size();
        events_.push_back(std::move(*settled.event));
    }
    if (settled.held) {
        item.held = held_.size();
        held_.push_back(std::move(*settled.held));
    }
    if (settled.offer) offers_.push_back(std::move(*settled.offer));
    if (settled.retire) retired_.push_back(std::move(*settled.retire));
}

}  // namespace bx
