// What is shown, as JSON (contract: `--json`): every key always there, null when there is nothing
// to say.  A document ends with LF and has nothing in it that could mislead on a terminal or end the
// line for another program.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/problem.h"
#include "report/status.h"
#include "report/story.h"
#include "store/records.h"

namespace bx {

// DOCUMENT as it is written.
std::string json_line(std::string_view document);

// -- Documents

// A row of `list`.
std::string row_json(const ListRow& row);
// An event, as `show` tells it.
std::string story_json(const Story& story);
// An attempt of the delivery NAME, as `logs` tells it.
std::string attempt_json(const DeliveryName& name, const AttemptRecord& attempt);
std::string status_json(const StatusReport& report);

// -- Parts of documents

// A moment as a string, or null.
void write_time(JsonWriter& json, std::string_view key, std::optional<Millis> moment);
// The keys of a DELIVERY, without the braces: "attempts" may follow.  No delivery: a new or skipped
// event.
void write_delivery(JsonWriter& json, const StoredEvent& event,
                    const std::optional<DeliveryRecord>& delivery);
// The keys of an ATTEMPT, without the braces.
void write_attempt(JsonWriter& json, const AttemptRecord& attempt);
// An array of objects.
void write_problems(JsonWriter& json, std::string_view key, std::span<const Problem> problems);

}  // namespace bx
