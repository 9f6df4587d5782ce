// The events that bxhook itself makes, of origin `self`.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "form/tree.h"

namespace bx {

// Their codes begin with it.
inline constexpr std::string_view own_prefix = "BXHOOK.";
inline constexpr std::string_view dead_code = "BXHOOK.DEAD";      // deliveries died
inline constexpr std::string_view portal_code = "BXHOOK.PORTAL";  // an installation needs a person

// True for a CODE (upper case) of ours: only a hook that names it gets the event.
bool is_own_code(std::string_view code);

// Fields below `data`, each with its value.
using OwnEventData = std::span<const std::pair<std::string_view, std::string>>;

// The body of an event of ours, made at NOW: what those of Bitrix24 have, without tokens (event,
// data, ts, and auth with domain and member_id).  Values are one line each, whatever they were made
// of; empty ones are left out.
Tree own_event_body(std::string_view code, OwnEventData data, const std::string& domain,
                    const std::string& member_id, Millis now);

}  // namespace bx
