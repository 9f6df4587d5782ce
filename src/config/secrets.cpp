#include "config/secrets.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace bx {

bool looks_secret(std::string_view variable) {
    constexpr std::array<std::string_view, 7> marks{"token",  "secret", "passw", "key",
                                                    "cookie", "auth",   "cred"};
    std::string name = lower(variable);
    return std::ranges::any_of(
        marks, [&](std::string_view mark) { return name.find(mark) != std::string::npos; });
}

bool names_secret(std::string_view path) {
    constexpr std::array<std::string_view, 4> ends{"token", "secret", "auth_id", "refresh_id"};
    std::string key = lower(path);
    return std::ranges::any_of(ends, [&](std::string_view end) { return key.ends_with(end); });
}

}  // namespace bx
