#include "hooks/mask.h"

#include <algorithm>

namespace bx {

namespace {

std::vector<std::uint32_t> borders(std::string_view text) {
    std::vector<std::uint32_t> failure(text.size(), 0);
    std::uint32_t length = 0;
    for (std::size_t i = 1; i < text.size(); ++i) {
        while (length > 0 && text[i] != text[length]) length = failure[length - 1];
        if (text[i] == text[length]) ++length;
        failure[i] = length;
    }
    return failure;
}

}  // namespace

Masker::Masker(const std::vector<std::string>& secrets) {
    for (const std::string& secret : secrets) {
        if (secret.size() >= min_masked_secret) patterns_.push_back({secret, borders(secret), 0});
    }
}

// The stream's next byte is C, already in pending_.
void Masker::step(Pattern& pattern, char c) {
    if (pattern.matched == 0 && pattern.text.front() != c) return;
    while (pattern.matched > 0 && pattern.text[pattern.matched] != c) {
        pattern.matched = pattern.failure[pattern.matched - 1];
    }
    if (pattern.text[pattern.matched] == c) ++pattern.matched;
    if (pattern.matched < pattern.text.size()) return;
    cover(pattern.matched);
    pattern.matched = pattern.failure.back();
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
    if (patterns_.empty()) return std::string(data);
    for (char c : data) {
        pending_ += c;
        for (Pattern& pattern : patterns_) step(pattern, c);
    }
    std::size_t held = 0;
    for (const Pattern& pattern : patterns_) held = std::max(held, pattern.matched);
    std::size_t size = pending_.size() - held;
    // A secret may still grow by one that overlaps it: held back whole.
    for (const Range& range : covered_) {
        if (range.begin < size && size < range.end) size = range.begin;
    }
    return release(size);
}

std::string Masker::end() {
    for (Pattern& pattern : patterns_) {
        if (pattern.matched >= min_masked_secret) cover(pattern.matched);
        pattern.matched = 0;
    }
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

std::string mask_secrets(std::string_view output, const std::vector<std::string>& secrets) {
    Masker masker(secrets);
    std::string masked = masker.add(output);
    return masked + masker.end();
}

}  // namespace bx
