#include "host/core_file.h"

#include <sys/resource.h>

namespace bx {

void forbid_core_file() {
    // With 0 a program of core_pattern gets it all the same, with 1 it does not; and no core file is
    // that small.
    constexpr rlim_t too_small = 1;
    rlimit limit{};
    if (::getrlimit(RLIMIT_CORE, &limit) != 0) return;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < too_small) return;
    limit.rlim_cur = too_small;
    ::setrlimit(RLIMIT_CORE, &limit);
}

}  // namespace bx
