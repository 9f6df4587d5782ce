#include "base/random.h"

#include <random>

namespace bx {

std::uint64_t random_bits() {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
}

}  // namespace bx
