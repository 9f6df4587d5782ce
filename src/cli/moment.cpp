#include "cli/moment.h"

#include <algorithm>
#include <ctime>
#include <string_view>

#include "base/text.h"

namespace bx {

namespace {

// The milliseconds that TEXT ends in (".123"), which are taken off.
Millis take_fraction(std::string& text) {
    const std::size_t dot = text.rfind('.');
    if (dot == std::string::npos || text.size() - dot != 4) return 0;
    const std::optional<std::int64_t> number = parse_number(text.substr(dot + 1));
    if (number) text.erase(dot);
    return number.value_or(0);
}

// Fills TIME from the whole of TEXT, where it has that form.
bool has_form(const std::string& text, const char* form, std::tm& time) {
    const char* end = ::strptime(text.c_str(), form, &time);
    return end != nullptr && end == text.c_str() + text.size();
}

// TIME in UTC or here; none for a day that no calendar has (30 February).
std::optional<Millis> moment_of(std::tm time, bool utc) {
    const int day_of_month = time.tm_mday;
    time.tm_isdst = -1;  // let the zone say
    const std::time_t seconds = utc ? ::timegm(&time) : std::mktime(&time);
    if (time.tm_mday != day_of_month) return std::nullopt;
    return static_cast<Millis>(seconds) * second;
}

// At or before NOW.
std::optional<Millis> last_at(const std::tm& clock, bool utc, Millis now) {
    const std::time_t seconds = now / second;
    std::tm time{};
    if ((utc ? ::gmtime_r(&seconds, &time) : ::localtime_r(&seconds, &time)) == nullptr) {
        return std::nullopt;
    }
    time.tm_hour = clock.tm_hour;
    time.tm_min = clock.tm_min;
    time.tm_sec = clock.tm_sec;
    const std::optional<Millis> today = moment_of(time, utc);
    if (!today || *today <= now) return today;
    time.tm_mday -= 1;
    time.tm_isdst = -1;
    return static_cast<Millis>(utc ? ::timegm(&time) : std::mktime(&time)) * second;
}

}  // namespace

std::optional<Millis> parse_moment(const std::string& text, Millis now) {
    constexpr std::string_view ago = " ago";
    const bool says_ago = text.ends_with(ago);
    const std::optional<Millis> back =
        parse_duration(text.substr(0, text.size() - (says_ago ? ago.size() : 0)));
    if (back) return std::max<Millis>(now - *back, 0);

    std::string rest = text;
    const bool utc = rest.ends_with('Z');
    if (utc) rest.pop_back();
    const Millis fraction = take_fraction(rest);
    for (const char* form : {"%H:%M", "%H:%M:%S"}) {
        std::tm clock{};
        if (!has_form(rest, form, clock)) continue;
        const std::optional<Millis> moment = last_at(clock, utc, now);
        return moment ? std::optional(*moment + fraction) : std::nullopt;
    }
    for (const char* form : {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S",
                             "%Y-%m-%dT%H:%M:%S"}) {
        std::tm time{};
        if (!has_form(rest, form, time)) continue;
        const std::optional<Millis> moment = moment_of(time, utc);
        return moment ? std::optional(*moment + fraction) : std::nullopt;
    }
    return std::nullopt;
}

}  // namespace bx
