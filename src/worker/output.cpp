#include "worker/output.h"

#include <algorithm>

namespace bx {

void OutputKeeper::add(std::string_view data) {
    bytes_ += static_cast<std::int64_t>(data.size());
    keep(masker_.add(data));
}

void OutputKeeper::keep(std::string_view masked) {
    if (listener_) listener_(masked);
    masked_bytes_ += masked.size();
    std::size_t to_head = std::min(max_ / 2 - head_.size(), masked.size());
    head_.append(masked.substr(0, to_head));
    tail_.append(masked.substr(to_head));
    if (tail_.size() > 2 * max_) tail_.erase(0, tail_.size() - max_);
}

Output OutputKeeper::take() const {
    if (masked_bytes_ <= max_) return {head_ + tail_, bytes_};
    std::string mark = "\n[... cut: " + std::to_string(bytes_) + " bytes in all ...]\n";
    if (head_.size() + mark.size() > max_) mark.clear();
    std::size_t tail_size = max_ - head_.size() - mark.size();
    return {head_ + mark + tail_.substr(tail_.size() - tail_size), bytes_};
}

}  // namespace bx
