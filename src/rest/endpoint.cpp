#include "rest/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "base/escape.h"
#include "base/text.h"
#include "base/url.h"

namespace bx {

namespace {

constexpr int https_port = 443;
constexpr std::size_t max_host = 253;  // RFC 1035

std::string place_of(const Url& url) {
    return url.host + ":" + std::to_string(url.port.value_or(https_port));
}

bool is_label(std::string_view label) {
    return !label.empty() && label.size() <= 63 && !label.starts_with('-') &&
           !label.ends_with('-') && label.find('_') == std::string_view::npos;
}

// All that inet_aton and its like take for an address: [::1], 127.0.0.1, 127.1, 0x7f000001.
bool is_address(std::string_view host) {
    if (host.starts_with('[')) return true;
    const std::string_view last = host.substr(host.rfind('.') + 1);
    return (!last.empty() && std::ranges::all_of(last, is_digit)) || last.starts_with("0x");
}

// Why HOST is no name that may be public; empty when it is one.
std::string problem_of(const std::string& host) {
    if (is_address(host)) return " is an address, not a name";
    const std::vector<std::string_view> labels = split(host, '.');
    if (host.size() > max_host || !std::ranges::all_of(labels, is_label)) {
        return " is not a host name";
    }
    const std::string_view last = labels.back();
    const bool local = labels.size() < 2 || last == "localhost" || last == "local" ||
                       last == "internal" || last == "arpa";
    return local ? " is a name of the local network" : "";
}

// A range of addresses: the first BITS of BYTES.
struct Range {
    std::array<std::uint8_t, 16> bytes;
    unsigned bits;
};

bool is_in(std::span<const std::uint8_t> address, const Range& range) {
    for (unsigned bit = 0; bit < range.bits; ++bit) {
        const unsigned mask = 0x80U >> (bit % 8);
        if ((address[bit / 8] & mask) != (range.bytes[bit / 8] & mask)) return false;
    }
    return true;
}

bool is_in_any(std::span<const std::uint8_t> address, std::span<const Range> ranges) {
    return std::ranges::any_of(ranges, [&](const Range& range) { return is_in(address, range); });
}

bool is_public_v4(std::span<const std::uint8_t> address) {
    static constexpr std::array special{
        Range{{0}, 8},              // this network
        Range{{10}, 8},             // private
        Range{{100, 64}, 10},       // shared by customers of a provider
        Range{{127}, 8},            // loopback
        Range{{169, 254}, 16},      // link-local
        Range{{172, 16}, 12},       // private
        Range{{192, 0, 0}, 24},     // protocol assignments
        Range{{192, 0, 2}, 24},     // documentation
        Range{{192, 168}, 16},      // private
        Range{{198, 18}, 15},       // benchmarks
        Range{{198, 51, 100}, 24},  // documentation
        Range{{203, 0, 113}, 24},   // documentation
        Range{{224}, 3},            // multicast, reserved, broadcast
    };
    return !is_in_any(address, special);
}

bool is_public_v6(std::span<const std::uint8_t> address) {
    static constexpr Range mapped{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};
    static constexpr Range nat64{{0, 0x64, 0xff, 0x9b}, 96};
    static constexpr Range six_to_four{{0x20, 0x02}, 16};
    static constexpr Range global{{0x20}, 3};
    static constexpr std::array special{
        Range{{0x20, 0x01, 0x00}, 23},        // protocol assignments, Teredo among them
        Range{{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation
        Range{{0x3f, 0xff}, 20},              // documentation
    };
    if (is_in(address, mapped) || is_in(address, nat64)) return is_public_v4(address.subspan(12));
    if (is_in(address, six_to_four)) return is_public_v4(address.subspan(2, 4));
    return is_in(address, global) && !is_in_any(address, special);
}

}  // namespace

Endpoints::Endpoints(const Config& config) {
    const auto name = [this](const std::string& text) {
        if (const std::optional<Url> url = parse_url(text)) named_.insert(place_of(*url));
    };
    for (const App& app : config.apps) name(app.server);
    for (const Portal& portal : config.portals) name(portal.webhook);
}

std::optional<Endpoint> Endpoints::find(std::string_view text, std::string& why) const {
    const std::optional<Url> url = parse_url(text);
    if (!url) {
        why = "it is not a URL";
        return std::nullopt;
    }
    const std::string host = "'" + printable(url->host, 60) + "'";
    Endpoint endpoint{url->host, url->port.value_or(https_port), true};
    if (url->scheme != "https") {
        why = "the URL of " + host + " is not https";
    } else if (url->has_user()) {
        why = "the URL of " + host + " has a user in it";
    } else if (named_.contains(place_of(*url))) {
        endpoint.must_be_public = false;
        return endpoint;
    } else if (endpoint.port != https_port) {
        why = host + " is asked at port " + std::to_string(endpoint.port) + ", not at 443";
    } else if (const std::string problem = problem_of(url->host); !problem.empty()) {
        why = host + problem;
    } else {
        return endpoint;
    }
    return std::nullopt;
}

bool is_public_address(const std::string& address) {
    std::array<std::uint8_t, 16> bytes{};
    if (::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) {
        return is_public_v4(std::span(bytes).first(4));
    }
    return ::inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1 && is_public_v6(bytes);
}

}  // namespace bx
