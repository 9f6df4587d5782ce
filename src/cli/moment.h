// A moment as a person types it.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace bx {

// "1h" or "1h ago", "03:00" (the last one before NOW), "2026-11-29", "2026-11-29 03:00", with
// seconds or 'T' too: in the zone of the terminal (TZ), or in UTC when it ends in 'Z'.  None for any
// other text.
std::optional<Millis> parse_moment(const std::string& text, Millis now);

}  // namespace bx
