#include "store/ready_hooks.h"

#include <utility>

namespace bx {

namespace {

constexpr Millis look_every = 20;
constexpr std::size_t many = 16;

}  // namespace

void ReadyHooks::looked(std::set<Id> hooks, std::size_t left_out, Millis now) {
    hooks_ = std::move(hooks);
    known_ = true;
    many_ = left_out > many;
    looked_at_ = now;
}

void ReadyHooks::forget() {
    hooks_.clear();
    known_ = false;
}

bool ReadyHooks::is_fresh(Millis now) const { return known_ && now - looked_at_ < look_every; }

}  // namespace bx
