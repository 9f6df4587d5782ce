// How much of something the worker asks of the store at a time, and what becomes of what fails.
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/clock.h"
#include "store/store.h"

namespace bx {

// Halved when it failed, down to one, or took long; doubled again when it went well.
class Batch {
public:
    explicit Batch(std::size_t most) : most_(most), size_(most) {}

    std::size_t size() const { return size_; }
    void failed() { size_ = std::max<std::size_t>(size_ / 2, 1); }
    void went(Millis took) {
        // What only waits (for a lock, for a server far away) does not go faster by being less.
        if (took <= slow) {
            size_ = std::min(size_ * 2, most_);
        } else if (size_ > most_ / 8) {
            failed();
        }
    }

private:
    static constexpr Millis slow = second / 4;

    std::size_t most_;
    std::size_t size_;
};

// How often something fails alone before it is put aside.
constexpr int failures_at_most = 3;

// False when the store as a whole is to blame for ERROR: it is away, busy, full, or its disk fails.
inline bool may_be_its_own_fault(const std::exception& error) {
    return dynamic_cast<const StoreError*>(&error) == nullptr ||
           dynamic_cast<const StoreDataError*>(&error) != nullptr ||
           dynamic_cast<const StoreSlow*>(&error) != nullptr;
}

}  // namespace bx
