// SipHash-1-3 (Aumasson and Bernstein): a keyed hash whose collisions cannot be prepared without
// the key.  One and three rounds are what Rust's and Python's hash tables use.
#pragma once

#include <cstdint>
#include <string_view>

namespace bx {

struct SipKey {
    std::uint64_t k0;
    std::uint64_t k1;
};

std::uint64_t siphash(const SipKey& key, std::string_view text);

}  // namespace bx
