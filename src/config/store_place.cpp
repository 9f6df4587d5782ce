#include "config/store_place.h"

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

StorePlace StorePlace::of(const std::string& address) {
    if (is_store_url(address)) return {Kind::postgresql, address, {}};
    return {Kind::sqlite, address, address};
}

std::string StorePlace::for_people() const {
    return is_file() ? address : without_password(address);
}

bool is_store_url(std::string_view address) {
    return address.starts_with("postgresql://") || address.starts_with("postgres://");
}

std::string without_password(const std::string& given) {
    std::size_t scheme = given.find("://");
    if (scheme == std::string::npos) return given;
    std::string url = given;
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
