// What only tests need: named places at which they kill this process, and a wall clock that they
// set. Nothing of it is in a normal build.
#pragma once

#include <chrono>
#include <string_view>

#ifdef BXHOOK_FAULTS
#include <csignal>
#include <cstdlib>
#include <fstream>
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

// In such a build: the seconds that stand in the file $BXHOOK_CLOCK, by which the wall clock is
// off. Durations, leases and time-outs are of real time all the same.
inline std::chrono::seconds wall_clock_step() {
    long seconds = 0;
#ifdef BXHOOK_FAULTS
    if (const char* file = std::getenv("BXHOOK_CLOCK")) std::ifstream(file) >> seconds;
#endif
    return std::chrono::seconds(seconds);
}

// True for a variable that processes started by this one need for that.
inline bool is_fault_variable([[maybe_unused]] std::string_view name) {
#ifdef BXHOOK_FAULTS
    return name == "BXHOOK_FAULT" || name == "BXHOOK_CLOCK";
#else
    return false;
#endif
}

}  // namespace bx
