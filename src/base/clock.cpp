#include "base/clock.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <limits>

namespace bx {

namespace {

struct Unit {
    std::string_view name;
    Millis length;
};
constexpr std::array<Unit, 5> units{
    {{"d", day}, {"h", hour}, {"m", minute}, {"s", second}, {"ms", 1}}};

template <typename Clock>
Millis now_of() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(Clock::now().time_since_epoch()).count();
}

}  // namespace

Millis wall_now() {
    return now_of<std::chrono::system_clock>();
}

Millis steady_now() {
    return now_of<std::chrono::steady_clock>();
}

std::string iso_time(Millis moment) {
    Millis millis = moment % second;
    if (millis < 0) millis += second;
    std::time_t seconds = static_cast<std::time_t>((moment - millis) / second);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text;
    std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::string result(text.data(), size);
    std::snprintf(text.data(), text.size(), ".%03dZ", static_cast<int>(millis));
    return result + text.data();
}

std::string relative_time(Millis moment, Millis now) {
    Millis distance = moment > now ? moment - now : now - moment;
    if (distance < second) return "now";
    std::string text;
    for (const Unit& unit : units) {
        if (distance >= unit.length) {
            text = std::to_string(distance / unit.length) + std::string(unit.name);
            break;
        }
    }
    return moment > now ? "in " + text : text + " ago";
}

std::string duration_text(Millis duration) {
    if (duration == 0) return "0s";
    for (const Unit& unit : units) {
        if (duration % unit.length == 0) {
            return std::to_string(duration / unit.length) + std::string(unit.name);
        }
    }
    return std::to_string(duration) + "ms";
}

Millis parse_duration(std::string_view text) {
    Millis count = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{} || count < 0 || text.front() == '-') return -1;
    std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
    for (const Unit& unit : units) {
        if (name != unit.name) continue;
        if (count > std::numeric_limits<Millis>::max() / unit.length) return -1;
        return count * unit.length;
    }
    return -1;
}

}  // namespace bx
