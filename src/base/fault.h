// Named places at which the crash tests kill this process.  Nothing of it is in a normal build.
#pragma once

#include <string_view>

#ifdef BXHOOK_FAULTS
#include <csignal>
#include <cstdlib>
#include <map>
#include <string>
#endif

namespace bx {

// In a build with -DBXHOOK_FAULTS: kill -9 of this process at the Nth time it comes to NAME, when
// $BXHOOK_FAULT is "NAME N".
inline void fault_point([[maybe_unused]] std::string_view name) {
#ifdef BXHOOK_FAULTS
    static std::map<std::string, int, std::less<>> times;
    const char* wanted = std::getenv("BXHOOK_FAULT");
    if (!wanted) return;
    std::string place(name);
    place += ' ' + std::to_string(++times[place]);
    if (place == wanted) std::raise(SIGKILL);
#endif
}

}  // namespace bx
