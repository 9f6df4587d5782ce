// Random numbers that nobody can guess.
#pragma once

#include <cstdint>

namespace bx {

// From the system's generator.
std::uint64_t random_bits();

}  // namespace bx
