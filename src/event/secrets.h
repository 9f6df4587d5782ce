// What of an event is secret.
#pragma once

#include <string_view>

namespace bx {

// True for the keys whose scalars are secret (any case): access_token, refresh_token,
// application_token, event_token, token, client_secret, auth_id, refresh_id, botToken.
bool is_secret_key(std::string_view key);
// True for the key of an array in which all is secret (any case): cashbox_params.
bool is_secret_branch(std::string_view key);
// The same of the dotted PATH of a scalar, by all of its keys.
bool is_secret_path(std::string_view path);
// Those of refresh tokens: refresh_token, refresh_id.
bool is_refresh_key(std::string_view key);

}  // namespace bx
