// What of the configuration must not be shown.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"

namespace bx {

// True where VARIABLE, of a hook's `env`, is likely to hold a password by its name, or VALUE has the
// URL of an incoming webhook in it (https://PORTAL/rest/USER/CODE/): a guess, on the safe side, for
// what is shown.
bool looks_secret(std::string_view variable, std::string_view value);

// True for the path of what an event keeps secret: auth.application_token, data.X.client_secret.
bool names_secret(std::string_view path);

// True for a key of the configuration whose value may be a secret, or have one in it.
bool may_hold_secret(std::string_view key);

// What of CONFIG is hidden wherever it stands: its tokens, client secrets, codes of webhooks, keys of
// posts, secrets of `forward` and the password of its proxy.  Shorter ones than 6 bytes would blot
// out half of an honest text and are left out.
std::vector<std::string> configured_secrets(const Config& config);
// The same without tokens of portals, of which there may be many: what is hidden in the output of a
// hook, beside the secrets of its event.
std::vector<std::string> secrets_beside_tokens(const Config& config);

// The variable, of a hook's `env`, with the secret that `forward` signs with.
inline constexpr std::string_view forward_secret = "FORWARD_SECRET";
// What such a secret may begin with (Standard Webhooks).
inline constexpr std::string_view webhook_prefix = "whsec_";

// SECRET of such a variable as it may stand in a text: whole, and without its prefix.
std::vector<std::string> forms_of_secret(const std::string& secret);
// Those of all such variables of ENV.
std::vector<std::string> forward_secrets(
    const std::vector<std::pair<std::string, std::string>>& env);

// TEXT with *** for each of SECRETS, wherever they stand in it.
std::string without_secrets(std::string text, std::vector<std::string> secrets);

}  // namespace bx
