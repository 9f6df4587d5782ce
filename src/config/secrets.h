// What of the configuration must not be shown.
#pragma once

#include <string_view>

namespace bx {

// True for the name of a variable (of a hook's `env`) that is likely to hold a password: a guess,
// on the safe side, for what is shown.
bool looks_secret(std::string_view variable);

// True for the path of what an event keeps secret: auth.application_token, data.X.client_secret.
bool names_secret(std::string_view path);

}  // namespace bx
