// What of an event is secret.
#pragma once

#include <string_view>

namespace bx {

// True for the keys whose scalars are secret (any case): access_token, refresh_token,
// application_token, event_token, token, client_secret, auth_id, refresh_id.
bool is_secret_key(std::string_view key);
// Those of refresh tokens: refresh_token, refresh_id.
bool is_refresh_key(std::string_view key);

}  // namespace bx
