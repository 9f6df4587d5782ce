#include "event/secrets.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace bx {

bool is_secret_key(std::string_view key) {
    static constexpr std::array<std::string_view, 9> secret_keys = {
        "access_token",  "refresh_token", "application_token", "event_token", "token",
        "client_secret", "auth_id",       "refresh_id",        "bottoken"};
    return std::any_of(secret_keys.begin(), secret_keys.end(),
                       [key](std::string_view secret) { return equal_ignoring_case(key, secret); });
}

bool is_secret_branch(std::string_view key) {
    return equal_ignoring_case(key, "cashbox_params");
}

bool is_secret_path(std::string_view path) {
    for (;;) {
        const std::size_t dot = path.find('.');
        if (dot == std::string_view::npos) return is_secret_key(path);
        if (is_secret_branch(path.substr(0, dot))) return true;
        path.remove_prefix(dot + 1);
    }
}

bool is_refresh_key(std::string_view key) {
    return equal_ignoring_case(key, "refresh_token") || equal_ignoring_case(key, "refresh_id");
}

}  // namespace bx
