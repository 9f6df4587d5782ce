// What a post says of an application's installation, all of it unproven: ONAPPINSTALL, and the page
// that the portal opens in a frame.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "event/event.h"
#include "form/tree.h"

namespace bx {

// Secrets, but for the last two.  What does not come is empty.
struct PostedTokens {
    std::string access;
    std::string refresh;
    std::int64_t expires_in = 0;  // seconds; 0: not said, or not to be believed
    std::string server;           // its server_endpoint

    // Both are there, and are tokens.
    bool whole() const;
};

// [A-Za-z0-9._|~-]{8,2048}: nothing else is ever sent to a server.
bool is_rest_token(std::string_view text);

// Of an event: below `auth`.
PostedTokens posted_tokens(const Tree& body);

// True for the page of an application: a POST of the user's browser, with AUTH_ID (perhaps empty)
// and member_id, and without `event`.
bool is_app_page(Value body);

struct AppPage {
    std::string member_id;
    // What it is known by: APPLICATION_TOKEN, without one AUTH_ID (BY_AUTH_ID); empty: neither.  A
    // secret.
    std::string key;
    bool by_auth_id = false;
    bool is_default = false;  // PLACEMENT=DEFAULT: the page itself, not a piece of another one
    PostedTokens tokens;
};
// Of BODY that is one.  Throws BadEvent for a member_id that is none, or a field that comes twice or
// is an array.
AppPage read_app_page(const Tree& body);

}  // namespace bx
