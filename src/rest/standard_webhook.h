// What tells a receiver who sent a request, and that nothing of it was changed: the headers of
// Standard Webhooks 1.0 (standardwebhooks.com).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace bx {

// The key that SECRET is: base64, with or without "whsec_" before it.  None when it is not that, or
// is empty.
std::optional<std::string> webhook_key(std::string_view secret);

// The headers of BODY, sent as ID at NOW.   Without KEY it is not signed.
std::vector<std::string> webhook_headers(std::string_view id, Millis now, std::string_view body,
                                         const std::optional<std::string>& key);

}  // namespace bx
