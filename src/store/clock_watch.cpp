#include "store/clock_watch.h"

#include <cstdlib>

namespace bx {

ClockReading read_clock() {
    return {boot_name(), boot_now(), wall_now()};
}

// A count that has gone back is that of another boot.
bool ClockRecord::agrees(const ClockReading& now) const {
    const Millis ahead = (now.wall - wall) - (now.up - up);
    return now.up >= up && std::abs(ahead) <= clock_tolerance;
}

std::string ClockRecord::step_text() const {
    return (step < 0 ? "-" : "+") + std::to_string(std::abs(step) / day) + "d";
}

ClockRecord begin_trial(const std::optional<ClockRecord>& known, const ClockReading& now) {
    ClockRecord begun{now.boot, now.up, now.wall, 0};
    if (known && now.up >= known->up) {
        begun.step = (now.wall - known->wall) - (now.up - known->up);
    }
    return begun;
}

}  // namespace bx
