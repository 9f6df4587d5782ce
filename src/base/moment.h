// A bound of moments that somebody else tells.
#pragma once

#include <cstdint>

namespace bx {

// The year 10000, as Unix time: whoever tells a later one is wrong, and in milliseconds this still
// fits into 64 bits.
inline constexpr std::int64_t last_moment = 253402300800;

}  // namespace bx
