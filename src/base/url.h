// A URL taken apart, strictly: what two programs might read as two hosts is no URL.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bx {

// scheme://[user@]host[:port]after_host.  Nothing of it is decoded.
struct Url {
    std::string scheme;               // lower case
    std::optional<std::string> user;  // with its password: "name:password"
    std::string host;                 // lower case; an IPv6 address in its brackets
    std::optional<int> port;          // 1 to 65535
    std::string after_host;           // empty, or path, query and fragment from '/' or '?' on

    bool has_user() const { return user.has_value(); }
    // host[:port], the port only where the URL has one.
    std::string authority() const;
    // "https://host[:port]"
    std::string origin() const;
};

// None unless TEXT is printable ASCII without space, quotes, backslash and any of <>^{|}, and its
// host [A-Za-z0-9._-]+ or an address in brackets.
std::optional<Url> parse_url(std::string_view text);

// TEXT with every byte but letters, digits and KEPT as %XX.
std::string percent_encoded(std::string_view text, std::string_view kept);
// The reverse.  What is no %XX stays as it is.
std::string percent_decoded(std::string_view text);

}  // namespace bx
