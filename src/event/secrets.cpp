#include "event/secrets.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace bx {

bool is_secret_key(std::string_view key) {
    static constexpr std::array<std::string_view, 8> secret_keys = {
        "access_token", "refresh_token", "application_token", "event_token",
        "token",        "client_secret", "auth_id",           "refresh_id"};
    return std::any_of(secret_keys.begin(), secret_keys.end(),
                       [key](std::string_view secret) { return equal_ignoring_case(key, secret); });
}

bool is_refresh_key(std::string_view key) {
    return equal_ignoring_case(key, "refresh_token") || equal_ignoring_case(key, "refresh_id");
}

}  // namespace bx
