#include "hooks/mask.h"

#include <algorithm>

namespace bx {

void Masker::build() {
    for (const std::string& secret : secrets_) {
        if (secret.size() >= min_masked_secret) insert(secret);
    }
    secrets_ = {};
    if (nodes_.size() > 1) link();
}

// The node that C leads to from NODE; 0: none.
std::uint32_t Masker::find(std::uint32_t node, char c) const {
    std::uint32_t child = nodes_[node].child;
    while (child != 0 && nodes_[child].byte != c) child = nodes_[child].sibling;
    return child;
}

void Masker::insert(std::string_view secret) {
    std::uint32_t node = 0;
    for (char c : secret) {
        std::uint32_t next = find(node, c);
        if (next == 0) {
            next = static_cast<std::uint32_t>(nodes_.size());
            nodes_.push_back({0, nodes_[node].child, 0, nodes_[node].depth + 1, 0, c});
            nodes_[node].child = next;
        }
        node = next;
    }
    nodes_[node].secret = nodes_[node].depth;
}

// Finds the fallback of every node, those of the shorter beginnings first.
void Masker::link() {
    std::vector<std::uint32_t> queue{0};
    queue.reserve(nodes_.size());
    for (std::size_t i = 0; i < queue.size(); ++i) {
        const std::uint32_t parent = queue[i];
        for (std::uint32_t child = nodes_[parent].child; child != 0; child = nodes_[child].sibling) {
            Node& node = nodes_[child];
            node.fallback = parent == 0 ? 0 : after(nodes_[parent].fallback, node.byte);
            if (node.secret == 0) node.secret = nodes_[node.fallback].secret;
            queue.push_back(child);
        }
    }
}

// The longest beginning of a secret that ends with C, given that of NODE came before.
std::uint32_t Masker::after(std::uint32_t node, char c) const {
    std::uint32_t next = find(node, c);
    while (next == 0 && node != 0) {
        node = nodes_[node].fallback;
        next = find(node, c);
    }
    return next;
}

// The stream's next byte is C, already in pending_.
void Masker::step(char c) {
    state_ = after(state_, c);
    if (nodes_[state_].secret > 0) cover(nodes_[state_].secret);
    while (state_ != 0 && nodes_[state_].child == 0) state_ = nodes_[state_].fallback;
}

// The last LENGTH bytes of pending_ are secret.
void Masker::cover(std::size_t length) {
    Range range{pending_.size() - length, pending_.size()};
    while (!covered_.empty() && covered_.back().end > range.begin) {
        range.begin = std::min(range.begin, covered_.back().begin);
        covered_.pop_back();
    }
    covered_.push_back(range);
}

std::string Masker::add(std::string_view data) {
    if (!secrets_.empty() && !data.empty()) build();
    if (nodes_.size() == 1) return std::string(data);
    for (char c : data) {
        pending_ += c;
        step(c);
    }
    std::size_t size = pending_.size() - nodes_[state_].depth;
    // A secret may still grow by one that overlaps it: held back whole.
    for (const Range& range : covered_) {
        if (range.begin < size && size < range.end) size = range.begin;
    }
    return release(size);
}

std::string Masker::end() {
    if (nodes_[state_].depth >= min_masked_secret) cover(nodes_[state_].depth);
    state_ = 0;
    return release(pending_.size());
}

// The first SIZE bytes of pending_, masked; no covered range lies across that border.
std::string Masker::release(std::size_t size) {
    std::string out;
    std::size_t done = 0;
    auto next = covered_.begin();
    for (; next != covered_.end() && next->end <= size; ++next) {
        out.append(pending_, done, next->begin - done).append("***");
        done = next->end;
    }
    out.append(pending_, done, size - done);
    covered_.erase(covered_.begin(), next);
    for (Range& range : covered_) range = {range.begin - size, range.end - size};
    pending_.erase(0, size);
    return out;
}

}  // namespace bx
