// Events that bxhook makes itself (event/own_events.h), as they are stored.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "event/own_events.h"
#include "store/records.h"

namespace bx {

// Whose portal an event of ours is about, as a token proved it; empty: no portal's.
struct OwnEventPortal {
    std::string domain;
    std::string member_id;
    std::optional<InstallationId> installation{};
};

// The event CODE with DATA, made at NOW.
NewEvent own_event(std::string_view code, OwnEventData data, const OwnEventPortal& portal,
                   Millis now);

// Up to how many unfinished events such an event is added, where LIMIT is limits.queue: they must
// not fill what is left for posts.
std::int64_t own_event_limit(std::int64_t limit);

}  // namespace bx
