// What of the configuration must not be shown.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace bx {

// True for the name of a variable (of a hook's `env`) that is likely to hold a password: a guess,
// on the safe side, for what is shown.
bool looks_secret(std::string_view variable);

// True for the path of what an event keeps secret: auth.application_token, data.X.client_secret.
bool names_secret(std::string_view path);

// True for a key of the configuration whose value may be a secret, or have one in it.
bool may_hold_secret(std::string_view key);

// What of CONFIG is hidden wherever it stands: its tokens, client secrets, codes of webhooks and
// the password of its proxy.  Shorter ones than 6 bytes would blot out half of an honest text and are
// left out.
std::vector<std::string> configured_secrets(const Config& config);

// TEXT with *** for each of SECRETS, wherever they stand in it.
std::string without_secrets(std::string text, std::vector<std::string> secrets);

}  // namespace bx
