// Which hosts Bitrix24's answers may make us ask.
//
// A URL that came with an answer (client_endpoint) was written by somebody else: it must not lead a
// request, and the secrets in it, to a machine of this network.  Asked are https URLs whose host is
// a name in the public name space, at port 443, all of whose addresses are public ones.  What the
// administrator named (an app's `server`, a portal's `webhook`) may be asked whatever its address.
// The special addresses: IANA's registries (RFC 6890).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace bx {

// What may be asked, and how.
struct Endpoint {
    std::string host;  // lower case
    int port = 443;
    // Its addresses have to be looked at before each request, which then goes to them alone.
    bool must_be_public = true;
};

class Endpoints {
public:
    explicit Endpoints(const Config& config);

    // The endpoint of URL; none when it may not be asked, and WHY says so without more of it than
    // its host: "'10.0.0.1' is an address, not a name".
    std::optional<Endpoint> find(std::string_view url, std::string& why) const;

private:
    std::set<std::string> named_;  // "host:port"
};

// True for an address that is one machine of the Internet, false for every other text.  Addresses
// that have an IPv4 address in them (mapped, NAT64, 6to4) are public when that one is.
bool is_public_address(const std::string& address);

}  // namespace bx
