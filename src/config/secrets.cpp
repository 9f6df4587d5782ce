#include "config/secrets.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace bx {

namespace {

constexpr std::string_view hidden = "***";

// VALUE of `NAME=` in the query of URL replaced by ***.
void hide_parameter(std::string& url, std::string_view name) {
    std::size_t query = url.find('?');
    while (query != std::string::npos) {
        std::size_t begin = query + 1;
        std::size_t end = url.find_first_of("&#", begin);
        std::string_view part = std::string_view(url).substr(begin, end - begin);
        if (part.starts_with(name) && part.substr(name.size()).starts_with('=')) {
            url.replace(begin + name.size() + 1, part.size() - name.size() - 1, hidden);
        }
        query = url.find('&', begin);
    }
}

}  // namespace

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

std::string store_without_password(const std::string& store) {
    std::size_t scheme = store.find("://");
    if (scheme == std::string::npos) return store;
    std::string url = store;
    hide_parameter(url, "password");
    hide_parameter(url, "sslpassword");
    std::size_t begin = scheme + 3;
    // The last '@' before the query: a password that was not percent-encoded may hold '/' and '@'.
    std::size_t at = url.substr(0, url.find('?')).rfind('@');
    if (at == std::string::npos || at < begin) return url;
    std::size_t colon = url.find(':', begin);
    if (colon != std::string::npos && colon < at) {
        url.replace(colon + 1, at - colon - 1, hidden);
    }
    return url;
}

}  // namespace bx
