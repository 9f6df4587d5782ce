// What of an event is packed into one column: words that nobody asks for but with the row.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/records.h"

namespace bx {

// Code, kind, id, user_id, handler_id, and ts where it is no number.
std::string pack_facts(const EventFacts& facts);
// Into FACTS, all but the portal.  TS: the column.  Throws StoreDamaged.
void unpack_facts(std::string_view packed, std::optional<std::int64_t> ts, EventFacts& facts);
// The code alone.
std::string_view packed_code(std::string_view packed);

// `ts` as the column has it: none where its number would not be written as it came.
std::optional<std::int64_t> ts_number(std::string_view ts);

std::string pack_refusals(const std::vector<Refusal>& refused);
// By hook.  What cannot be read is left out.
std::vector<Refusal> unpack_refusals(std::string_view packed);

}  // namespace bx
