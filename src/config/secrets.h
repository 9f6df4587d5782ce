// What of the configuration must not be shown.
#pragma once

#include <string>
#include <string_view>

namespace bx {

// True for the name of a variable (of a hook's `env`) that is likely to hold a password: a guess,
// on the safe side, for what is shown.
bool looks_secret(std::string_view variable);

// True for the path of what an event keeps secret: auth.application_token, data.X.client_secret.
bool names_secret(std::string_view path);

// The URL of a store without its password ("postgresql://user:***@host/db"); a path as it is.
std::string store_without_password(const std::string& store);

}  // namespace bx
