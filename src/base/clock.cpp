#include "base/clock.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <limits>

#include "base/fault.h"
#include "base/fd.h"
#include "base/text.h"

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

// The last WIDTH digits of NUMBER, and what stands behind them.
void append_digits(std::string& text, std::int64_t number, int width, char behind) {
    std::array<char, 4> digits{};
    for (int i = width - 1; i >= 0; --i, number /= 10) {
        digits[static_cast<std::size_t>(i)] = static_cast<char>('0' + number % 10);
    }
    text.append(digits.data(), static_cast<std::size_t>(width)).append(1, behind);
}

}  // namespace

Millis wall_now() {
    return now_of<std::chrono::system_clock>() + wall_clock_step() / std::chrono::milliseconds(1);
}

Millis steady_now() {
    return now_of<std::chrono::steady_clock>();
}

// Where there is no such clock, the one that stops while the machine sleeps.
Millis boot_now() {
    timespec time{};
    if (::clock_gettime(CLOCK_BOOTTIME, &time) != 0) return steady_now();
    return Millis{time.tv_sec} * second + time.tv_nsec / 1'000'000;
}

// A sandbox may hide it: then the machine's name must do.
std::string boot_name() {
    const std::string text = read_file_or_nothing("/proc/sys/kernel/random/boot_id");
    if (const std::string_view id = trim(text); !id.empty()) return std::string(id);
    utsname names{};
    return ::uname(&names) == 0 ? names.nodename : "unknown";
}

// Not by gmtime_r: it reads /etc/localtime first, in every CGI process.
std::string iso_time(Millis moment) {
    const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(moment)};
    const auto midnight = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(midnight);
    const std::chrono::hh_mm_ss clock(time - midnight);
    std::string text;
    append_digits(text, static_cast<int>(date.year()), 4, '-');
    append_digits(text, static_cast<unsigned>(date.month()), 2, '-');
    append_digits(text, static_cast<unsigned>(date.day()), 2, 'T');
    append_digits(text, clock.hours().count(), 2, ':');
    append_digits(text, clock.minutes().count(), 2, ':');
    append_digits(text, clock.seconds().count(), 2, '.');
    append_digits(text, clock.subseconds().count(), 3, 'Z');
    return text;
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

std::optional<Millis> parse_duration(std::string_view text) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const std::optional<std::int64_t> count = parse_number(text.substr(0, digits));
    if (!count) return std::nullopt;
    for (const Unit& unit : units) {
        if (text.substr(digits) != unit.name) continue;
        if (*count > std::numeric_limits<Millis>::max() / unit.length) return std::nullopt;
        return *count * unit.length;
    }
    return std::nullopt;
}

}  // namespace bx
