// Trouble with the store, or the machine: said once and each minute, then it is tried again.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/log.h"

namespace bx {

// Trouble that lasts so long is shown in `status`, and a worker that cron calls leaves for it.
constexpr Millis lasting_trouble = 10 * second;

// All times are steady times.
class StoreTrouble {
public:
    explicit StoreTrouble(Log& log) : log_(log) {}

    // WHAT went wrong at NOW; the store is not to be used again before RETRY_AFTER.
    void note(const std::string& what, Millis retry_after, Millis now);
    void end();  // the store could be used
    // The trouble there is now is what the worker leaves for; it outlives end().
    void give_up() { given_up_ = what_; }

    bool none() const { return what_.empty(); }
    bool may_try(Millis now) const { return retry_.due(now); }
    Millis next() const { return retry_.next(); }  // may be long past
    bool lasts(Millis now) const { return !none() && lasting_.due(now); }
    const std::string& given_up() const { return given_up_; }
    // What people are told; empty: nothing to tell.
    const std::string& shown(Millis now) const { return lasts(now) ? what_ : given_up_; }

private:
    Log& log_;
    std::string what_;
    std::string given_up_;
    Timer retry_;
    Timer said_;     // to say it again
    Timer lasting_;  // set when it began
};

}  // namespace bx
