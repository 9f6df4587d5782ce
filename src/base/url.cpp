#include "base/url.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace bx {

namespace {

bool is_url_byte(char c) {
    constexpr std::string_view excluded = "\"'`\\<>^{|}";
    return c > ' ' && c < '\x7F' && excluded.find(c) == std::string_view::npos;
}

bool is_name_byte(char c) { return is_alphanumeric(c) || c == '.' || c == '-' || c == '_'; }

bool is_address_byte(char c) {
    const char low = lower(c);
    return is_digit(c) || (low >= 'a' && low <= 'f') || c == ':' || c == '.';
}

// "[::1]" or a name at the front of TEXT; empty when there is neither.
std::string_view host_of(std::string_view text) {
    if (!text.starts_with('[')) {
        const auto end = std::ranges::find_if_not(text, is_name_byte);
        return text.substr(0, static_cast<std::size_t>(end - text.begin()));
    }
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end < 3) return {};
    const std::string_view inner = text.substr(1, end - 1);
    return std::ranges::all_of(inner, is_address_byte) ? text.substr(0, end + 1) : "";
}

}  // namespace

std::string Url::authority() const { return port ? host + ":" + std::to_string(*port) : host; }

std::string Url::origin() const { return scheme + "://" + authority(); }

std::string percent_encoded(std::string_view text, std::string_view kept) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (char c : text) {
        if (is_alphanumeric(c) || kept.find(c) != std::string_view::npos) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

std::string percent_decoded(std::string_view text) {
    std::string decoded;
    while (!text.empty()) {
        unsigned char byte = 0;
        const char* end = text.data() + std::min<std::size_t>(text.size(), 3);
        const bool is_code = text.front() == '%' && text.size() > 2 &&
                             std::from_chars(text.data() + 1, end, byte, 16).ptr == end;
        decoded += is_code ? static_cast<char>(byte) : text.front();
        text.remove_prefix(is_code ? 3 : 1);
    }
    return decoded;
}

std::optional<Url> parse_url(std::string_view text) {
    if (!std::ranges::all_of(text, is_url_byte)) return std::nullopt;
    const std::size_t colon = text.find("://");
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    Url url;
    url.scheme = lower(text.substr(0, colon));
    if (!std::ranges::all_of(url.scheme, is_alphanumeric)) return std::nullopt;
    text.remove_prefix(colon + 3);
    const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
    std::string_view authority = text.substr(0, end);
    url.after_host = text.substr(end);
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
        url.user = authority.substr(0, at);
        authority.remove_prefix(at + 1);
    }
    url.host = lower(host_of(authority));
    authority.remove_prefix(url.host.size());
    if (url.host.empty()) return std::nullopt;
    if (authority.empty()) return url;
    const std::optional<std::int64_t> port =
        authority.starts_with(':') && authority.size() <= 6 ? parse_number(authority.substr(1))
                                                            : std::nullopt;
    if (!port || *port < 1 || *port > 65535) return std::nullopt;
    url.port = static_cast<int>(*port);
    return url;
}

}  // namespace bx
