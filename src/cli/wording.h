// How events, deliveries and attempts are worded for people.  Everything here is printable, one
// line, without secrets.
#pragma once

#include <string>

#include "cli/terminal/screen.h"
#include "store/records.h"

namespace bx {

Colour colour_of(DeliveryState state);
Colour colour_of(AttemptResult result);

// Of a row of `list`.
std::string row_state(const ListRow& row);
Colour row_colour(const ListRow& row);
// Why it is in this state, or what it waits for; empty when there is nothing to say.
std::string row_note(const ListRow& row, Millis now);

// "2/12"
std::string tries(const DeliveryRecord& delivery);
// What a delivery waits for, why it failed, what it was merged into.
std::string note_of(const DeliveryRecord& delivery, Millis now);
// "exit 75", "SIGKILL", "timeout: SIGTERM", "unsafe permissions"; empty for a good one.
std::string outcome_of(const AttemptRecord& attempt);

}  // namespace bx
