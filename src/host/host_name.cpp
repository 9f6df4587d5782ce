#include "host/host_name.h"

#include <limits.h>
#include <unistd.h>

#include <array>

namespace bx {

std::string host_name() {
    std::array<char, HOST_NAME_MAX + 1> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
    return name.data();
}

}  // namespace bx
