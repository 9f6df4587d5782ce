// Whether the wall clock can be believed when it tells what is old enough to be deleted.
//
// A clock that is wrong for a moment (a machine that boots with the wrong time, a slip of a person)
// would make everything old.  So it is compared with the clock that counts since the boot, which
// nobody sets: the two must have gone on side by side for an hour.  Where that begins is kept in
// the store, since a worker may live for seconds only.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace bx {

constexpr Millis clock_trial = hour;
constexpr Millis clock_tolerance = minute;  // a step of less is of no account
constexpr Millis large_step = day;          // is told to people

// Both clocks of this machine, read together.
struct ClockReading {
    std::string boot;  // names this boot of this machine
    Millis up = 0;     // ms since then
    Millis wall = 0;   // ms since 1970
};
ClockReading read_clock();

// The moment since which both clocks have agreed.
struct ClockRecord {
    std::string boot;
    Millis up = 0;
    Millis wall = 0;
    Millis step = 0;  // by which the wall clock was set then; 0: it was not, the boot is a new one

    bool agrees(const ClockReading& now) const;
    bool is_trusted(const ClockReading& now) const { return now.up - up >= clock_trial; }
    bool is_large_step() const { return step >= large_step || step <= -large_step; }
    std::string step_text() const;  // "+91d", in whole days
};

// What holds from NOW on, where KNOWN (of that boot, if any) does not agree with it.
ClockRecord begin_trial(const std::optional<ClockRecord>& known, const ClockReading& now);

}  // namespace bx
