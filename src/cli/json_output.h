// The objects of `--json`: every key always there, null when there is nothing to say.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "store/records.h"

namespace bx {

// DOCUMENT as it is written: on a line of its own, and with nothing in it that could mislead on a
// terminal or end the line for another program.
std::string json_line(std::string_view document);

// A moment as a string, or null.
void write_time(JsonWriter& json, std::string_view key, std::optional<Millis> moment);

// The keys of a DELIVERY, without the braces: "attempts" may follow.  No delivery: a new or skipped
// event.
void write_delivery(JsonWriter& json, const StoredEvent& event,
                    const std::optional<DeliveryRecord>& delivery);
// The keys of an ATTEMPT, without the braces.
void write_attempt(JsonWriter& json, const AttemptRecord& attempt);

}  // namespace bx
