// Time.  One unit everywhere: milliseconds in a 64-bit integer, both for durations and for moments
// (since 1970-01-01 UTC).  Code that decides by time is given `now`, so that tests give their own.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace bx {

using Millis = std::int64_t;

constexpr Millis second = 1000;
constexpr Millis minute = 60 * second;
constexpr Millis hour = 60 * minute;
constexpr Millis day = 24 * hour;

Millis wall_now();    // moments: stored, shown, compared with due times
Millis steady_now();  // for measuring durations: never steps
Millis boot_now();    // since the machine's boot, time asleep included: never steps

// When something is due next, on the clock it is set by; whoever asks says what time it is.
class Timer {
public:
    static constexpr Millis never = std::numeric_limits<Millis>::max();

    constexpr Timer() = default;  // due at once
    constexpr explicit Timer(Millis at) : at_(at) {}

    constexpr bool due(Millis now) const { return now >= at_; }
    constexpr Millis next() const { return at_; }
    constexpr void set(Millis at) { at_ = at; }  // 0: due at once; `never`: until it is set again
    // True when it is due at NOW; it is due again PERIOD later then.
    constexpr bool every(Millis period, Millis now) {
        if (!due(now)) return false;
        at_ = now + period;
        return true;
    }

private:
    Millis at_ = 0;
};

// Unlike for unlike boots and machines, equal for all processes of one.
std::string boot_name();

// "2026-11-21T01:36:28.123Z"
std::string iso_time(Millis moment);

// "3s ago", "in 5m", "2d ago": for people, against NOW.
std::string relative_time(Millis moment, Millis now);

// A duration as the config writes it: "500ms", "30s", "5m", "6h", "30d" (the largest whole unit).
std::string duration_text(Millis duration);

// The reverse: digits and one unit; none when TEXT is not that or does not fit.
std::optional<Millis> parse_duration(std::string_view text);

// What a duration looks like, for messages.
constexpr std::string_view duration_examples = "500ms 30s 5m 6h 30d";

}  // namespace bx
